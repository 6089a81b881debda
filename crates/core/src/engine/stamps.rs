//! Time stamps of files, and what can be concluded from them.

use crate::kernel::{FileTime, Stat};

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

/// File times are taken from a clock that ticks this slowly at worst (a jiffy at 100 Hz, doubled).
const CLOCK_TICK: FileTime = 20_000_000;

/// Some file systems keep no more than seconds, FAT only even ones.
const COARSE_TICK: FileTime = 2_000_000_000;

/// Whether what has this time stamp may have happened at the moment or after it.
pub(crate) fn may_be_since(stamp: FileTime, moment: FileTime) -> bool {
    let tick = match stamp % 1_000_000_000 {
        0 => COARSE_TICK,
        _ => CLOCK_TICK,
    };
    stamp >= moment - tick
}

pub(super) fn stamp_of(stat: &Stat, now: FileTime) -> Stamp {
    Stamp {
        changed: stat.changed,
        modified: stat.modified,
        size: stat.size,
        is_racy: may_be_since(stat.changed, now),
    }
}
