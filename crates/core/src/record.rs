//! Records: what a kernel said, decoded and not yet believed.
//!
//! A record is a hint. It names a directory by its watch and an entry by its name, as the two were when the
//! record was made; by the time it is applied, both may be gone, renamed or replaced. What it means is
//! decided by the engine, in `engine/records.rs`.

use std::num::NonZeroU32;

use crate::entry::{FileType, InodeNumber, Watch};

/// What happened, as a record says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Action {
    /// There is a new entry of this name: created, linked, or moved here from where nothing was watched.
    Created,
    /// The entry of this name is gone.
    Removed,
    /// The entry of this name is gone, perhaps to another directory: Windows reports the arrival there as
    /// [`Action::Created`].
    Departed,
    /// The content of the entry changed.
    Modified,
    /// Permissions, owner, times or links of the entry changed; without a name, the directory's own.
    Metadata,
    /// First half of a move: the entry left this name.
    MovedFrom,
    /// Second half of a move: the entry has this name now, and what had it before is gone.
    MovedTo,
    /// The watched directory was removed.
    DirectoryRemoved,
    /// The watched directory was renamed.
    DirectoryMoved,
    /// The file system below the watched directory was unmounted.
    Unmounted,
    /// The watch has ended, and no record of it follows.
    WatchEnded,
    /// Records were lost at this place in the order: any number of them, of any watch.
    Overflow,
}

/// What a record says of its entry beside the name, as of the moment when it was made.
///
/// Backends give it only where the file system uses no number twice, so that an entry that has the number later
/// is the same entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Described {
    /// Its type.
    pub kind: FileType,
    /// Its number on the file system.
    pub inode: InodeNumber,
}

/// What the two halves of one move have in common, and no other record of that time.
pub type Cookie = NonZeroU32;

/// One record, which borrows its name from the queue or buffer that it is in.
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
    /// The record that says that records were lost. Its watch names no directory.
    pub const LOST: Record<'static> = Record {
        watch: Watch(-1),
        action: Action::Overflow,
        is_dir: false,
        cookie: None,
        described: None,
        name: b"",
    };
}
