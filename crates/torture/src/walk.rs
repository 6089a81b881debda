//! The walk of the disk that a replica is compared with.
//!
//! A walk goes from one open directory to the next, so that it reaches paths that are longer than any
//! system call takes.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use everwatch::{FileType, Tree};
use rustix::fs::{self, AtFlags, CWD, Dir, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use crate::unix::LINKED;

/// On disk, when the content of a file was last written; in a replica, when that was last reported.
/// `None` if it is not known or does not matter.
pub type Moment = Option<SystemTime>;

/// What a walk found.
pub type WalkedTree = Tree<Moment>;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// The entries at and below the roots, and the directories above them, so that a [`Tree`] judges every
/// change of a root. A root may be a symbolic link to a directory; links below are entries.
pub fn walk(roots: &[&Path]) -> WalkedTree {
    let mut tree = tops(roots);
    for root in roots {
        walk_root(root, &mut tree);
    }
    tree
}

/// Like [`walk`], but only roots that are directories have entries: the name of a root may have become
/// that of a file, which no root covers unless it lies within another one.
pub fn walk_directories(roots: &[&Path]) -> WalkedTree {
    let directories: Vec<&Path> = roots.iter().copied().filter(|root| root.is_dir()).collect();
    let mut tree = tops(roots);
    for root in directories {
        walk_root(root, &mut tree);
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

fn walk_root(root: &Path, tree: &mut WalkedTree) {
    match openat(CWD, root, DIRECTORY, Mode::empty()) {
        Ok(dir) => {
            tree.insert(root, FileType::Dir);
            list(dir, root, tree);
        }
        Err(Errno::NOENT) => {}
        Err(_) => {
            if let Some(file_type) = file_type_at(CWD, root) {
                tree.insert(root, file_type);
            }
        }
    }
}

/// Adds what is below an open directory.
fn list(dir: OwnedFd, path: &Path, tree: &mut WalkedTree) {
    let entries = Dir::read_from(&dir).expect("read a directory");
    for entry in entries {
        let entry = entry.expect("read a directory");
        let name = entry.file_name();
        if [b".", b"..".as_slice()].contains(&name.to_bytes()) {
            continue;
        }
        let file_type = match entry.file_type() {
            fs::FileType::Unknown => file_type_at(&dir, name),
            known => Some(ours(known)),
        };
        let Some(file_type) = file_type else { continue };
        let path = path.join(OsStr::from_bytes(name.to_bytes()));
        tree.insert(&path, file_type);
        match file_type {
            FileType::Dir => {
                let flags = DIRECTORY | OFlags::NOFOLLOW;
                if let Ok(below) = openat(&dir, name, flags, Mode::empty()) {
                    list(below, &path, tree);
                }
            }
            FileType::File => {
                if let Some(value) = tree.value_mut(&path) {
                    *value = written(&dir, name);
                }
            }
            _ => {}
        }
    }
}

/// When the content of a file was last written. Not known of a file with several names: a write is
/// reported under the name that was used.
fn written(dir: impl AsFd, name: &CStr) -> Moment {
    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if Mode::from_raw_mode(stat.st_mode).contains(LINKED) {
        return None;
    }
    let since = Duration::new(stat.st_mtime as u64, stat.st_mtime_nsec as u32);
    Some(SystemTime::UNIX_EPOCH + since)
}

fn file_type_at(dir: impl AsFd, name: impl rustix::path::Arg) -> Option<FileType> {
    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(ours(fs::FileType::from_raw_mode(stat.st_mode)))
}

fn ours(file_type: fs::FileType) -> FileType {
    match file_type {
        fs::FileType::RegularFile => FileType::File,
        fs::FileType::Directory => FileType::Dir,
        fs::FileType::Symlink => FileType::Symlink,
        _ => FileType::Other,
    }
}
