//! Times: moments of the caller's monotonic clock, and the time stamps of files.
//!
//! The core reads no clock. Moments are given to it with each step, and [`Kernel::clock`] returns the clock that
//! files are stamped with, so that a schedule of the simulator replays exactly.
//!
//! [`Kernel::clock`]: crate::kernel::Kernel::clock

use std::time::Duration;

/// A reading of the caller's monotonic clock: the time since some fixed moment, such as the start of the
/// engine.
pub type Moment = Duration;

/// A time stamp of a file, in nanoseconds since 1970-01-01 00:00 UTC. Negative before that.
pub type FileTime = i64;

/// How far a time stamp may lag behind the clock on a file system that keeps nanoseconds: Linux stamps files
/// with the time of the last tick, which at the slowest configuration (100 Hz) is 10 ms old; doubled.
const CLOCK_TICK: FileTime = 20_000_000;

/// How far a time stamp may lag where a file system keeps whole seconds; FAT keeps only even ones.
const COARSE_TICK: FileTime = 2_000_000_000;

/// Whether what has this time stamp may have happened at `moment` or after it, as far as the precision of the
/// stamp goes. A stamp of a whole second is taken for a coarse one.
pub(crate) fn may_be_since(stamp: FileTime, moment: FileTime) -> bool {
    let tick = match stamp % 1_000_000_000 {
        0 => COARSE_TICK,
        _ => CLOCK_TICK,
    };
    stamp >= moment - tick
}
