//! What waits for a decision: facts that do not fit the mirror and may be explained by a later record.

use std::path::PathBuf;

use crate::entry::InodeNumber;
use crate::mirror::NodeId;

/// Why a directory was not reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unreachable {
    /// A directory above it is not where the mirror has it.
    Above,
    /// Its name is not, or not a directory, in a parent that was reached.
    Missing,
    /// Another directory has its name in a parent that was reached.
    Replaced,
}

/// What waits for a decision.
#[derive(Debug)]
pub(super) enum Undecided {
    /// A directory was not where the mirror had it: under this parent and name.
    Unreachable {
        node: NodeId,
        why: Unreachable,
        parent: Option<NodeId>,
        name: Box<[u8]>,
    },
    /// A listing no longer showed the entry.
    Vanished(NodeId),
    /// The entry was gone when it was looked at.
    Unverified(NodeId),
    /// The entry that had this place was found elsewhere. What is there now may have come with
    /// records that were taken to be about the other.
    Place { dir: NodeId, name: Box<[u8]> },
    /// A record said that the entry was moved to this place. It may have been there before, or have
    /// stayed where it was: of an exchange, one half may have come before there was a watch; and
    /// Linux merges two moves to one name if the first half of the second is not watched.
    Arrival {
        inode: Option<InodeNumber>,
        dir: NodeId,
        name: Box<[u8]>,
        from: (NodeId, Box<[u8]>),
    },
    /// A file system was mounted here, or unmounted.
    Mount {
        path: PathBuf,
        /// The directories that had the path when that was reported. Their ids may be those of others by
        /// now, which are compared to no harm.
        dirs: Vec<NodeId>,
    },
    /// A record said that the entry is gone, perhaps to another directory.
    Departed(NodeId),
    /// The directory was found elsewhere, and records named what is below it by other paths.
    Shifted(NodeId),
}

impl Undecided {
    /// Whether it waits for [`Pace::pairing`](super::Pace::pairing) as well. Opening and looking see a
    /// rename a moment before its record is queued; listings do not, because they wait for the
    /// directory's lock.
    pub(super) fn needs_patience(&self) -> bool {
        matches!(
            self,
            Undecided::Unreachable { .. } | Undecided::Unverified(_) | Undecided::Departed(_)
        )
    }
}
