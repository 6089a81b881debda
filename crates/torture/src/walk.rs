//! The walk of the disk that a replica is compared with: whole roots, with the time of each file.

use std::path::Path;

use everwatch::{FileType, Tree};
use everwatch_testing::walk::{Found, walk_with};

use crate::unix::LINKED;

/// A time in nanoseconds since 1970: on disk, when the content of a file was last written; in a replica,
/// when that was last reported. `None` if it is not known or does not matter.
pub type Moment = Option<i64>;

/// The entries that a walk found.
pub type WalkedTree = Tree<Moment>;

/// The entries at and below the roots, and the directories above them, so that a [`Tree`] judges every
/// change of a root. A root may be a symbolic link to a directory; links below are entries.
pub fn walk(roots: &[&Path]) -> WalkedTree {
    let mut tree = tops(roots);
    for root in roots {
        if let Some(file_type) = type_of_root(root) {
            add(root, file_type, &mut tree);
        }
    }
    tree
}

/// Like [`walk`], but only roots that are directories have entries: the name of a root may have become
/// that of a file, which no root covers unless it lies within another one.
pub fn walk_directories(roots: &[&Path]) -> WalkedTree {
    let mut tree = tops(roots);
    for root in roots {
        if type_of_root(root) == Some(FileType::Dir) {
            add(root, FileType::Dir, &mut tree);
        }
    }
    tree
}

/// The roots as empty directories, with those above them: what a reader knows before a snapshot.
pub fn empty_roots(roots: &[&Path]) -> WalkedTree {
    let mut tree = tops(roots);
    for root in roots {
        tree.insert(root, FileType::Dir);
    }
    tree
}

/// The directories above the roots, other than those that are within a root.
fn tops(roots: &[&Path]) -> WalkedTree {
    let mut tree = WalkedTree::default();
    for above in roots.iter().flat_map(|root| root.ancestors().skip(1)) {
        if !roots.iter().any(|root| above.starts_with(root)) {
            tree.insert(above, FileType::Dir);
        }
    }
    tree
}

/// The type of a root: a link to a directory is a directory, any other link a link.
fn type_of_root(root: &Path) -> Option<FileType> {
    if root.is_dir() {
        return Some(FileType::Dir);
    }
    let kind = std::fs::symlink_metadata(root).ok()?.file_type();
    Some(match kind {
        kind if kind.is_file() => FileType::File,
        kind if kind.is_symlink() => FileType::Symlink,
        _ => FileType::Other,
    })
}

/// Adds a root and what is below it.
fn add(root: &Path, file_type: FileType, tree: &mut WalkedTree) {
    tree.insert(root, file_type);
    let below = walk_with(root, written);
    for (path, entry) in below.iter() {
        tree.insert(&path, entry.file_type);
        if let Some(value) = tree.value_mut(&path) {
            *value = entry.value;
        }
    }
}

/// When the content of a file was last written. Not known of a file with several names, because a write is
/// reported under the name that was used.
fn written(found: &Found<'_>) -> Moment {
    let is_linked = |mode| mode & LINKED.bits() != 0;
    match found.file_type {
        FileType::File if !found.mode().is_some_and(is_linked) => found.modified(),
        _ => None,
    }
}
