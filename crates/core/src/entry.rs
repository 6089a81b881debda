//! Entries of a file system: what one is, which one it is, and what looking at it shows.
//!
//! The ground floor of the crate: these types depend on nothing but [`time`](crate::time), and
//! records, the mirror, events and the kernel are all described with them.

use std::fmt;

use crate::time::FileTime;

/// What kind of thing a directory entry is. Symbolic links are entries of their own and are never
/// followed below a root.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link, whatever it points at.
    Symlink,
    /// A socket, a pipe or a device.
    Other,
}

impl FileType {
    /// The name in the command's JSON lines: `file`, `dir`, `symlink` or `other`.
    pub fn as_str(self) -> &'static str {
        match self {
            FileType::File => "file",
            FileType::Dir => "dir",
            FileType::Symlink => "symlink",
            FileType::Other => "other",
        }
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kernel's name for a watched directory: inotify's watch descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Watch(pub i32);

/// Which directory something is, whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The inode on it.
    pub inode: u64,
    /// Birth time in nanoseconds, where known: inode numbers are used again. 0 if unknown.
    pub born: i64,
}

/// What stands for the birth time of entries whose numbers are never used again: the number alone tells
/// them apart, and the time of creation can be set by anybody.
pub const BORN_ONCE: FileTime = 1;

/// What looking at an entry shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// What it is.
    pub kind: FileType,
    /// Where it is.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
    /// Birth time, 0 if unknown.
    pub born: FileTime,
    /// Time of the last change of content.
    pub modified: FileTime,
    /// Time of the last change of anything.
    pub changed: FileTime,
    /// Length of the content.
    pub size: u64,
    /// Number of names, 0 if unknown.
    pub links: u32,
}

impl Stat {
    /// The identity of the directory this is.
    pub fn identity(&self) -> Identity {
        Identity {
            device: self.device,
            inode: self.inode,
            born: self.born,
        }
    }
}
