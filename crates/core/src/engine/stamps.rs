//! Time stamps of files, and what can be concluded from them.

use crate::entry::Stat;
use crate::time::FileTime;
pub(crate) use crate::time::may_be_since;

/// What was seen of a polled entry the last time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    pub(super) changed: FileTime,
    pub(super) modified: FileTime,
    pub(super) size: u64,
    /// The entry was changed so shortly before that a later change may look the same.
    pub(super) is_racy: bool,
}

impl Stamp {
    /// Differs from every stamp of an entry that could be looked at.
    pub(super) const UNKNOWN: Stamp = Stamp {
        changed: FileTime::MIN,
        modified: FileTime::MIN,
        size: u64::MAX,
        is_racy: true,
    };
}

pub(super) fn stamp_of(stat: &Stat, now: FileTime) -> Stamp {
    Stamp {
        changed: stat.changed,
        modified: stat.modified,
        size: stat.size,
        is_racy: may_be_since(stat.changed, now),
    }
}
