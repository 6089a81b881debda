//! Paths of the mirror: from an entry to its path, and from a path to its entry.
//!
//! Paths are put together from the names on the way up, so none is stored and a move changes none.

use std::path::{Path, PathBuf};

use super::{Mirror, NodeId};
use crate::path::{to_bytes, to_path};

impl Mirror {
    /// Appends the path of `id`, whose top is named by its whole path, to `path`: first the length, then the names
    /// from the last to the first.
    pub(crate) fn write_path(&self, id: NodeId, path: &mut Vec<u8>) {
        let start = path.len();
        let mut length = 0;
        let mut chain = Some(id);
        while let Some(id) = chain {
            length += self.name(id).len() + 1;
            chain = self.parent(id);
        }
        path.resize(start + length, 0);
        let mut end = path.len();
        let mut chain = Some(id);
        while let Some(id) = chain {
            let name = self.name(id);
            end -= name.len();
            path[end..end + name.len()].copy_from_slice(name);
            chain = self.parent(id);
            if chain.is_some_and(|parent| !self.name(parent).ends_with(b"/")) {
                end -= 1;
                path[end] = b'/';
            }
        }
        path.drain(start..end);
    }

    /// The directory at the path `below`, which is relative to `top`; `None` if the mirror has no directory there.
    pub(crate) fn find_below(&self, top: NodeId, below: &Path) -> Option<NodeId> {
        below
            .iter()
            .try_fold(top, |id, name| self.child(id, &to_bytes(Path::new(name))))
            .filter(|&id| self.is_dir(id))
    }
}

/// The absolute path of an entry.
pub(crate) fn path_of(mirror: &Mirror, id: NodeId) -> PathBuf {
    let mut path = Vec::new();
    mirror.write_path(id, &mut path);
    to_path(path)
}
