//! Completions: what a reader delivers, and what it counts.

use std::ffi::OsString;
use std::ops::AddAssign;
use std::path::PathBuf;

use crate::settings::Layout;

/// The meaning of one completed read for its directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion<'a> {
    /// Records: exactly the valid part of the buffer, for [`records::changes`](crate::records::changes).
    Changes {
        /// The records.
        bytes: &'a [u8],
        /// Their layout.
        layout: Layout,
    },
    /// Records were lost. The read goes on.
    Lost,
    /// The read has ended and was not issued again. The tag must still be retired.
    Failed {
        /// The Win32 error with which it ended.
        code: u32,
    },
}

/// The counts of one call of `collect`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Collected {
    /// How many completions were delivered.
    pub delivered: usize,
    /// Whether the call ended at its bound, with perhaps more to collect.
    pub more: bool,
}

/// The counts of a reader that was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Closed {
    /// Reads that the kernel did not give back in time. Their memory is never freed.
    pub leaked: usize,
    /// Completions that belonged to no read. Anything but 0 is a defect.
    pub stray_packets: u64,
    /// Worker processes that died, or were ended because they did not answer.
    pub workers_lost: u64,
}

impl AddAssign for Closed {
    fn add_assign(&mut self, other: Closed) {
        self.leaked += other.leaked;
        self.stray_packets += other.stray_packets;
        self.workers_lost += other.workers_lost;
    }
}

#[cfg(windows)]
impl From<everwatch_proactor::Closed> for Closed {
    fn from(closed: everwatch_proactor::Closed) -> Closed {
        Closed {
            leaked: closed.leaked,
            stray_packets: closed.stray_packets,
            workers_lost: 0,
        }
    }
}

/// A completion model: the way in which a reader learns of completions. `Port` is right unless a reason speaks
/// for another; the documentation of the crate compares them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Model {
    /// One completion port and the caller's thread alone, for any number of directories.
    Port,
    /// Completion routines on a worker thread that sleeps alertably.
    Apc,
    /// An event for each directory; a thread waits for 63 of them and a stop event.
    Event,
    /// A thread for each directory, in a blocking read that can be cancelled.
    Blocking,
    /// A worker process reads, and can always be ended, in whichever call it hangs in the kernel.
    Isolated {
        /// The program, whose `main` calls `serve_isolated`.
        worker: PathBuf,
        /// The arguments by which it knows that it is the worker.
        arguments: Vec<OsString>,
    },
}
