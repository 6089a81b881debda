//! Entries of a file system: what one is, which one it is, and what looking at it shows.
//!
//! The ground floor of the crate: these types depend on nothing but [`time`](crate::time), and
//! records, the mirror, events and the kernel are all described with them.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

use crate::time::{FileTime, may_be_since};

/// The type of a directory entry, as lstat(2) returns it.
///
/// A symbolic link is an entry of its own. It is never followed below a root, so a link to a directory
/// is a `Symlink`. On Windows, so is every reparse point that
/// stands for another name, such as a junction; others, such as cloud files, are files or directories.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
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

/// The kernel's name for a watched directory: the watch descriptor of inotify(7), which counts up, or a number
/// that the backend gives out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Watch(pub i32);

/// The number of an entry on its file system: the inode number, or the file index of Windows. File systems
/// that number nothing say 0.
pub type InodeNumber = NonZeroU64;

/// What distinguishes an entry from a later one with the same number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Birth {
    /// The entry was created at this time. Its number may be reused once it is gone.
    At(FileTime),
    /// The file system uses no number twice, as NTFS does. The time of creation adds nothing to that, and
    /// any program can set it.
    Unique,
    /// The file system reuses numbers and keeps no time of creation.
    Unknown,
}

impl Birth {
    /// Whether an entry that has its number now certainly had it before `moment`.
    pub(crate) fn is_before(self, moment: FileTime) -> bool {
        match self {
            Birth::At(time) => !may_be_since(time, moment),
            Birth::Unique => true,
            Birth::Unknown => false,
        }
    }

    /// Whether the two may be of one entry.
    pub(crate) fn may_be(self, other: Birth) -> bool {
        self == other || self == Birth::Unknown || other == Birth::Unknown
    }

    /// The birth in the four bytes that the mirror has for it; `None` if it is unknown.
    pub(crate) fn fold(self) -> Option<BirthHash> {
        let time = match self {
            Birth::At(time) => time,
            // A nanosecond after the epoch, when nothing was created.
            Birth::Unique => 1,
            Birth::Unknown => return None,
        };
        let folded = time.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        NonZeroU32::new((folded as u32).max(1)).map(BirthHash)
    }
}

/// A [`Birth`] that is known, folded into four bytes. Two births that differ have the same hash once in four
/// thousand million pairs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BirthHash(NonZeroU32);

/// The identity of a directory, which stays the same when the directory is renamed.
///
/// Two directories that exist at the same time never have the same identity. A later directory may have that
/// of an earlier one if its [`Birth`] is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// The file system: its device number, or the serial number of a volume.
    pub device: u64,
    /// The directory's number on it.
    pub inode: Option<InodeNumber>,
    /// What distinguishes it from an earlier or later directory with the same number.
    pub birth: Birth,
}

/// What stat(2) shows of an entry, or NtQueryInformationFile on Windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Its type.
    pub kind: FileType,
    /// The file system that it is on: of a mount point, the one that is mounted.
    pub device: u64,
    /// Its number there.
    pub inode: Option<InodeNumber>,
    /// What distinguishes it from an earlier or later entry with the same number.
    pub birth: Birth,
    /// Time of the last change of content (`mtime`). Any program can set it.
    pub modified: FileTime,
    /// Time of the last change of content or metadata (`ctime`), which no call on Linux can set.
    /// Where a file system does not keep it (FAT), the same as `modified`.
    pub changed: FileTime,
    /// Length of the content in bytes.
    pub size: u64,
    /// Number of names, if the file system counts them.
    pub links: Option<NonZeroU32>,
}

impl Stat {
    /// The identity of the directory that was looked at.
    pub fn identity(&self) -> Identity {
        Identity {
            device: self.device,
            inode: self.inode,
            birth: self.birth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn births_are_of_one_entry_unless_they_are_known_and_differ() {
        let [early, late] = [Birth::At(7), Birth::At(8)];
        assert!(early.may_be(early) && early.may_be(Birth::Unknown));
        assert!(Birth::Unknown.may_be(Birth::Unique));
        assert!(!early.may_be(late) && !early.may_be(Birth::Unique));
    }

    #[test]
    fn a_number_that_is_never_reused_was_the_entrys_at_any_moment() {
        let second = 1_000_000_000;
        assert!(Birth::Unique.is_before(FileTime::MAX));
        assert!(Birth::At(second + 1).is_before(2 * second));
        assert!(!Birth::At(2 * second + 1).is_before(2 * second));
        assert!(!Birth::Unknown.is_before(FileTime::MAX));
    }

    #[test]
    fn known_births_have_hashes_that_differ() {
        let births = [
            Birth::At(0),
            Birth::At(2),
            Birth::At(1 << 40),
            Birth::Unique,
        ];
        let hashes: Vec<_> = births.iter().filter_map(|birth| birth.fold()).collect();
        assert_eq!(hashes.len(), births.len());
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash));
        }
        assert_eq!(Birth::Unknown.fold(), None);
    }
}
