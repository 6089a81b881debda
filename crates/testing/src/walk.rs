//! The walk of the disk, which gives the tree that a consumer's tree is compared with.
//!
//! On Unix the walk goes from one open directory to the next and follows no symbolic link, so paths may be
//! longer than any system call takes. Elsewhere it goes by path. Entries that go while the walk is under way
//! are left out.

use std::path::Path;

use everwatch_core::entry::FileType;
use everwatch_core::tree::Tree;

#[cfg(unix)]
use by_handle as system;
#[cfg(not(unix))]
use by_path as system;

/// An entry that the walk has come to.
#[derive(Debug)]
pub struct Found<'a> {
    /// What it is.
    pub file_type: FileType,
    /// Where to look at it more closely.
    handle: system::Handle<'a>,
}

impl Found<'_> {
    /// When the content was last written, in nanoseconds since 1970; `None` if the entry is gone.
    pub fn modified(&self) -> Option<i64> {
        self.handle.status().map(|status| status.modified)
    }

    /// The permission bits of Unix, 0 elsewhere; `None` if the entry is gone.
    pub fn mode(&self) -> Option<u32> {
        self.handle.status().map(|status| status.mode)
    }
}

/// What a closer look gives.
struct Status {
    modified: i64,
    mode: u32,
}

/// Everything at and below `root`, without the root itself. The root may be a symbolic link to a directory;
/// a root that is missing or no directory has nothing below it.
pub fn walk(root: &Path) -> Tree {
    walk_with(root, |_| ())
}

/// As [`walk`], with a value for each entry.
pub fn walk_with<V: Default>(root: &Path, mut value: impl FnMut(&Found<'_>) -> V) -> Tree<V> {
    let mut tree = Tree::default();
    system::list(root, &mut |path, found| {
        tree.insert(path, found.file_type);
        if let Some(kept) = tree.value_mut(path) {
            *kept = value(found);
        }
    });
    tree
}

#[cfg(unix)]
mod by_handle {
    use std::ffi::{CStr, OsStr};
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt;
    use std::path::{Path, PathBuf};

    use everwatch_core::entry::FileType;
    use rustix::fs::{AtFlags, CWD, Dir, FileType as UnixType, Mode, OFlags, openat, statat};

    use super::{Found, Status};

    const DIRECTORY: OFlags = OFlags::RDONLY
        .union(OFlags::DIRECTORY)
        .union(OFlags::CLOEXEC);

    /// A directory and a name in it.
    #[derive(Debug)]
    pub(super) struct Handle<'a> {
        dir: BorrowedFd<'a>,
        name: &'a CStr,
    }

    impl Handle<'_> {
        pub(super) fn status(&self) -> Option<Status> {
            let stat = statat(self.dir, self.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            Some(Status {
                modified: stat.st_mtime * 1_000_000_000 + stat.st_mtime_nsec as i64,
                mode: Mode::from_raw_mode(stat.st_mode).bits(),
            })
        }
    }

    pub(super) fn list(root: &Path, visit: &mut dyn FnMut(&Path, &Found<'_>)) {
        if let Ok(dir) = openat(CWD, root, DIRECTORY, Mode::empty()) {
            list_below(&dir, &mut root.to_owned(), visit);
        }
    }

    fn list_below(dir: &OwnedFd, path: &mut PathBuf, visit: &mut dyn FnMut(&Path, &Found<'_>)) {
        let entries = Dir::read_from(dir).expect("the directory is read");
        for entry in entries {
            let entry = entry.expect("the directory is read");
            let name = entry.file_name();
            if [b".", b"..".as_slice()].contains(&name.to_bytes()) {
                continue;
            }
            let unix_type = match entry.file_type() {
                UnixType::Unknown => match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => UnixType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                known => known,
            };
            let file_type = match unix_type {
                UnixType::RegularFile => FileType::File,
                UnixType::Directory => FileType::Dir,
                UnixType::Symlink => FileType::Symlink,
                _ => FileType::Other,
            };
            path.push(OsStr::from_bytes(name.to_bytes()));
            let handle = Handle {
                dir: dir.as_fd(),
                name,
            };
            visit(path, &Found { file_type, handle });
            if file_type == FileType::Dir
                && let Ok(below) = openat(dir, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
            {
                list_below(&below, path, visit);
            }
            path.pop();
        }
    }
}

#[cfg(not(unix))]
mod by_path {
    use std::fs::{self, DirEntry};
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use everwatch_core::entry::FileType;

    use super::{Found, Status};

    /// What the listing gave.
    #[derive(Debug)]
    pub(super) struct Handle<'a>(&'a DirEntry);

    impl Handle<'_> {
        pub(super) fn status(&self) -> Option<Status> {
            let modified = self.0.metadata().ok()?.modified().ok()?;
            let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
            Some(Status {
                modified: since.as_nanos() as i64,
                mode: 0,
            })
        }
    }

    pub(super) fn list(dir: &Path, visit: &mut dyn FnMut(&Path, &Found<'_>)) {
        let Ok(entries) = fs::read_dir(dir) else {
            return;
        };
        for entry in entries {
            let entry = entry.expect("the directory is read");
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let file_type = match kind {
                kind if kind.is_dir() => FileType::Dir,
                kind if kind.is_symlink() => FileType::Symlink,
                kind if kind.is_file() => FileType::File,
                _ => FileType::Other,
            };
            let path = entry.path();
            let handle = Handle(&entry);
            visit(&path, &Found { file_type, handle });
            if file_type == FileType::Dir {
                list(&path, visit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::scratch::temp;

    #[test]
    fn a_walk_finds_every_entry_and_when_files_were_written() {
        let root = temp();
        let below = root.path().join("a/b");
        fs::create_dir_all(&below).expect("directories");
        fs::write(below.join("c"), "text").expect("a file");
        let tree = walk_with(root.path(), |found| found.modified());
        assert_eq!(tree.len(), 3);
        assert_eq!(
            tree.get(&below).map(|entry| entry.file_type),
            Some(FileType::Dir)
        );
        let file = tree.get(below.join("c")).expect("the file is found");
        assert_eq!(file.file_type, FileType::File);
        assert!(file.value.is_some_and(|modified| modified > 0));
    }

    #[test]
    fn a_root_that_is_missing_has_nothing_below_it() {
        assert!(walk(Path::new("/does/not/exist")).is_empty());
    }
}
