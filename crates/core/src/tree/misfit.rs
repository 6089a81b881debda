//! The error of a change that does not fit a [`Tree`](super::Tree).

use std::fmt;
use std::path::{Path, PathBuf};

/// A change that makes no sense in the tree to which it was applied: the tree did not begin with what the
/// feed began with, or not every event was applied to it, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misfit {
    kind: MisfitKind,
    path: PathBuf,
}

/// What does not fit about a [`Misfit`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum MisfitKind {
    /// What was modified, removed or moved is not in the tree.
    Unknown,
    /// The entry would be in something that is not in the tree or is no directory.
    NoParent,
    /// The entry would not be a directory, but the tree has entries below it.
    HasEntries,
    /// A directory would move into itself.
    IntoItself,
}

impl Misfit {
    pub(super) fn new(kind: MisfitKind, path: &Path) -> Misfit {
        let path = path.to_owned();
        Misfit { kind, path }
    }

    /// What does not fit.
    pub fn kind(&self) -> MisfitKind {
        self.kind
    }

    /// The path that does not fit: where a move comes from, if that is unknown.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.kind {
            MisfitKind::Unknown => write!(f, "{path} changed but is not in the tree"),
            MisfitKind::NoParent => write!(f, "{path} is not in a directory of the tree"),
            MisfitKind::HasEntries => write!(f, "{path} is no directory but has entries below it"),
            MisfitKind::IntoItself => write!(f, "a directory moved into itself, to {path}"),
        }
    }
}

impl std::error::Error for Misfit {}
