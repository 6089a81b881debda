//! The tree as a consumer of a subject knows it, and how far it is from the disk.
//!
//! Everwatch's changes are applied by [`Tree`], which refuses one that makes no sense: that is an error of
//! the bench. The peers give hints that promise less, so theirs are applied as far as they go.

use std::path::{Path, PathBuf};

use anyhow::Result;
use everwatch::{Cause, Change, ChangeKind, FileType, Tree};

/// What an event does to a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A change of Everwatch's.
    Change(Change),
    /// The path exists.
    Exists(PathBuf),
    /// The path is gone, with everything below it.
    Gone(PathBuf),
    /// `from` is at `to` with everything below it; what was at `to` is gone.
    Moved { from: PathBuf, to: PathBuf },
}

/// Applies a step. Only a [`Step::Change`] can fail.
pub(crate) fn apply(tree: &mut Tree, step: Step) -> Result<()> {
    match step {
        Step::Change(change) => tree.apply_change(&change)?,
        Step::Exists(path) => tree.insert(path, UNKNOWN),
        Step::Gone(path) => tree.remove(path),
        Step::Moved { from, to } => {
            let kind = ChangeKind::Moved { from };
            let change = Change::new(0, kind, to, UNKNOWN, Cause::Notified);
            if tree.apply_change(&change).is_err() {
                // What moved was never reported, so nothing is known but that it is there.
                tree.remove(&change.path);
                tree.insert(change.path, UNKNOWN);
            }
        }
    }
    Ok(())
}

/// The type of an entry whose type a hint does not say. Only a directory may have entries below it, so
/// none but this one fits all hints.
const UNKNOWN: FileType = FileType::Dir;

/// The number of entries of `disk` that `known` lacks, and of entries that only `known` has. Types are not
/// compared, and the root is no entry of itself.
pub(crate) fn missing_and_ghosts(known: &Tree, disk: &Tree, root: &Path) -> (u64, u64) {
    let (mut missing, mut ghosts) = (0, 0);
    for found in known.diff(disk) {
        match (found.here, found.there) {
            (None, _) => missing += 1,
            (_, None) if found.path != root => ghosts += 1,
            _ => {}
        }
    }
    (missing, ghosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        Tree::from_snapshot(paths.iter().map(|path| (path, UNKNOWN)))
    }

    #[test]
    fn a_moved_directory_takes_what_is_below_it_along_and_drops_what_was_there() -> Result<()> {
        let mut known = tree(&["/r/a", "/r/a/x", "/r/a/x/y", "/r/a.txt", "/r/b", "/r/b/old"]);
        let step = Step::Moved {
            from: "/r/a".into(),
            to: "/r/b".into(),
        };
        apply(&mut known, step)?;
        assert_eq!(known, tree(&["/r/a.txt", "/r/b", "/r/b/x", "/r/b/x/y"]));
        Ok(())
    }

    #[test]
    fn an_entry_that_moved_and_was_never_reported_exists_from_then_on() -> Result<()> {
        let mut known = tree(&["/r", "/r/b", "/r/b/old"]);
        let step = Step::Moved {
            from: "/r/a".into(),
            to: "/r/b".into(),
        };
        apply(&mut known, step)?;
        assert_eq!(known, tree(&["/r", "/r/b"]));
        Ok(())
    }

    #[test]
    fn a_change_that_makes_no_sense_is_an_error() {
        let gone = Change::new(
            1,
            ChangeKind::Removed,
            "/r/a",
            FileType::File,
            Cause::Notified,
        );
        assert!(apply(&mut tree(&["/r"]), Step::Change(gone)).is_err());
    }

    #[test]
    fn missing_entries_and_ghosts_are_counted_apart() {
        let known = tree(&["/r", "/r/a", "/r/ghost"]);
        let mut disk = tree(&["/r/b", "/r/c"]);
        disk.insert("/r/a", FileType::File);
        assert_eq!(missing_and_ghosts(&known, &disk, Path::new("/r")), (2, 1));
    }
}
