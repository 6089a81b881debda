//! A listing: the entries of one directory, as a kernel read them.

use crate::entry::FileType;
use crate::time::FileTime;

/// The entries of one directory, in a buffer that is reused.
#[derive(Debug, Default)]
pub struct Listing {
    names: Vec<u8>,
    entries: Vec<Slot>,
    born: FileTime,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    start: usize,
    len: usize,
    inode: u64,
    kind: Option<FileType>,
}

/// One entry of a listing.
#[derive(Clone, Copy, Debug)]
pub struct DirEntry<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its inode number.
    pub inode: u64,
    /// What it is, if the listing says so.
    pub kind: Option<FileType>,
}

impl Listing {
    /// Empties the listing and keeps its memory.
    pub fn clear(&mut self) {
        self.names.clear();
        self.entries.clear();
        self.born = 0;
    }

    /// Says what stands for the birth time of all entries, on a file system that uses no number twice.
    pub fn set_born(&mut self, born: FileTime) {
        self.born = born;
    }

    /// What stands for the birth time of every entry, 0 if that is not known.
    pub fn born(&self) -> FileTime {
        self.born
    }

    /// Adds an entry.
    pub fn push(&mut self, name: &[u8], inode: u64, kind: Option<FileType>) {
        self.entries.push(Slot {
            start: self.names.len(),
            len: name.len(),
            inode,
            kind,
        });
        self.names.extend_from_slice(name);
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = DirEntry<'_>> {
        self.entries.iter().map(|slot| DirEntry {
            name: &self.names[slot.start..slot.start + slot.len],
            inode: slot.inode,
            kind: slot.kind,
        })
    }
}
