//! Listings: the entries of one directory, as a kernel read them.
//!
//! Names are kept in one buffer, so that listing a tree of a million entries allocates for the largest
//! directory alone.

use crate::entry::{Birth, FileType, InodeNumber};

/// The entries of one directory, in buffers that are reused.
#[derive(Debug, Default)]
pub struct Listing {
    /// The names of all entries, one behind the other.
    names: Vec<u8>,
    entries: Vec<Slot>,
    /// What all entries have in common; `None` in most listings.
    birth: Option<Birth>,
}

/// An entry whose name is `names[start..start + len]`.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: usize,
    len: usize,
    inode: Option<InodeNumber>,
    kind: Option<FileType>,
}

/// One entry of a listing.
#[derive(Clone, Copy, Debug)]
pub struct DirEntry<'a> {
    /// Its name in the directory: the bytes that Linux has, WTF-8 on Windows.
    pub name: &'a [u8],
    /// Its number, as the listing shows it. Of a mount point, that of the directory that is covered.
    pub inode: Option<InodeNumber>,
    /// Its type; `None` if the file system does not list types (`DT_UNKNOWN` of readdir(3)).
    pub kind: Option<FileType>,
}

impl Listing {
    /// Empties the listing and keeps its memory.
    pub fn clear(&mut self) {
        self.names.clear();
        self.entries.clear();
        self.birth = None;
    }

    /// States the birth of all entries: [`Birth::Unique`] on a file system that uses no number twice.
    pub fn set_birth(&mut self, birth: Birth) {
        self.birth = Some(birth);
    }

    /// The birth of each entry, which most listings do not show.
    pub fn birth(&self) -> Birth {
        self.birth.unwrap_or(Birth::Unknown)
    }

    /// Adds an entry with its name, its number, and its kind if the listing shows that.
    pub fn push(&mut self, name: &[u8], inode: Option<InodeNumber>, kind: Option<FileType>) {
        self.entries.push(Slot {
            start: self.names.len(),
            len: name.len(),
            inode,
            kind,
        });
        self.names.extend_from_slice(name);
    }

    /// The number of entries.
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
