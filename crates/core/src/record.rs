//! Records: what a kernel said, decoded and not yet believed.

use std::num::NonZeroU32;

use crate::entry::{FileType, InodeNumber, Watch};

/// What a record says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Action {
    /// An entry came into being under this name.
    Created,
    /// The entry of this name is gone.
    Removed,
    /// The entry of this name is gone, perhaps to another directory, of which a record that says
    /// [`Action::Created`] tells.
    Departed,
    /// The content of the entry changed.
    Modified,
    /// Permissions, owner, times or links of the entry changed; without a name, the directory's own.
    Metadata,
    /// First half of a move.
    MovedFrom,
    /// Second half of a move.
    MovedTo,
    /// The watched directory was removed.
    DirectoryRemoved,
    /// The watched directory was renamed.
    DirectoryMoved,
    /// The file system below the watched directory was unmounted.
    Unmounted,
    /// The watch is no more.
    WatchEnded,
    /// Records were lost, any number of them, of any watch.
    Overflow,
}

/// What a record says of its entry beside the name: what it was when the record was made. Told only where
/// the file system uses no number twice, so that whatever has the number later is the same entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Described {
    /// What it was.
    pub kind: FileType,
    /// Its number on the file system.
    pub inode: InodeNumber,
}

/// What the two halves of one move have in common, and no other record of that time.
pub type Cookie = NonZeroU32;

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// The directory it is about.
    pub watch: Watch,
    /// What happened.
    pub action: Action,
    /// Whether the entry is a directory; of no meaning where the kernel names paths.
    pub is_dir: bool,
    /// Ties the halves of a move together.
    pub cookie: Option<Cookie>,
    /// What the entry is, if the kernel says so.
    pub described: Option<Described>,
    /// The entry's name, or its path below the directory; empty if the record is about the directory
    /// itself.
    pub name: &'a [u8],
}

impl Record<'_> {
    /// Says that records were lost.
    pub const LOST: Record<'static> = Record {
        watch: Watch(-1),
        action: Action::Overflow,
        is_dir: false,
        cookie: None,
        described: None,
        name: b"",
    };
}
