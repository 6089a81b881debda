//! Two kinds of time: moments of the caller's monotonic clock, and the time stamps of files.

use std::time::Duration;

/// A reading of the caller's monotonic clock: the time since some fixed moment.
pub type Moment = Duration;

/// A time as files carry it, in nanoseconds since 1970.
pub type FileTime = i64;

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
