//! The disk as a walk finds it: the names, the kinds and a number for each content.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io;
use std::path::{Path, PathBuf};

use crate::FileType;

/// An entry on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OnDisk {
    pub(crate) file_type: FileType,
    /// A number that differs if the content does; `None` for what is no file.
    pub(crate) content: Option<u64>,
}

/// All entries below the roots, without the roots.
#[derive(Clone, Default, Debug)]
pub(crate) struct Disk {
    pub(crate) entries: BTreeMap<PathBuf, OnDisk>,
}

impl Disk {
    /// Walks the roots, which nothing may change meanwhile. A root that is absent has no entries.
    pub(crate) fn walk(roots: &[PathBuf]) -> io::Result<Disk> {
        let mut disk = Disk::default();
        for root in roots {
            if root.is_dir() {
                disk.add(root)?;
            }
        }
        Ok(disk)
    }

    fn add(&mut self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            let file_type = entry.file_type()?;
            let (file_type, content) = if file_type.is_symlink() {
                (FileType::Symlink, None)
            } else if file_type.is_dir() {
                self.add(&path)?;
                (FileType::Dir, None)
            } else if file_type.is_file() {
                (FileType::File, Some(number_of(&fs::read(&path)?)))
            } else {
                (FileType::Other, None)
            };
            self.entries.insert(path, OnDisk { file_type, content });
        }
        Ok(())
    }
}

/// The number of a content.
pub(crate) fn number_of(content: &[u8]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(content)
}
