//! A fresh walk of the disk, which the replica is compared with.
//!
//! Goes from one open directory to the next, so that paths may be longer than any system call takes.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use crate::tree::{Kind, Tree};
use crate::unix::LINKED;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// What is at a path, with all below it. The path itself may be a symbolic link to a directory.
pub fn walk(root: &Path) -> Option<Tree> {
    match openat(CWD, root, DIRECTORY, Mode::empty()) {
        Ok(dir) => Some(list(dir)),
        Err(Errno::NOENT) => None,
        Err(_) => kind_at(CWD, root).map(Tree::new),
    }
}

/// What is at several paths.
pub fn walk_all(roots: &[&Path]) -> Vec<(PathBuf, Option<Tree>)> {
    roots
        .iter()
        .map(|root| (root.to_path_buf(), walk(root)))
        .collect()
}

fn list(dir: OwnedFd) -> Tree {
    let mut tree = Tree::new(Kind::Dir);
    let entries = Dir::read_from(&dir).expect("read a directory");
    for entry in entries {
        let entry = entry.expect("read a directory");
        let name = entry.file_name();
        if [b".", b"..".as_slice()].contains(&name.to_bytes()) {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => kind_at(&dir, name),
            known => Some(kind(known)),
        };
        let mut child = match kind {
            Some(Kind::Dir) => {
                let flags = DIRECTORY | OFlags::NOFOLLOW;
                openat(&dir, name, flags, Mode::empty()).map_or_else(|_| Tree::new(Kind::Dir), list)
            }
            Some(kind) => Tree::new(kind),
            None => continue,
        };
        if child.kind == Kind::File {
            child.content = written(&dir, name);
        }
        tree.add(name.to_bytes(), child);
    }
    tree
}

fn written(dir: impl AsFd, name: &std::ffi::CStr) -> i64 {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if !Mode::from_raw_mode(stat.st_mode).contains(LINKED) => {
            stat.st_mtime * 1_000_000_000 + stat.st_mtime_nsec as i64
        }
        _ => 0,
    }
}

fn kind_at(dir: impl AsFd, name: impl rustix::path::Arg) -> Option<Kind> {
    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(kind(FileType::from_raw_mode(stat.st_mode)))
}

fn kind(kind: FileType) -> Kind {
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Other,
    }
}
