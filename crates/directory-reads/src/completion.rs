//! What a reader delivers, and what it counts.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::settings::Layout;

/// What one completed read means for its directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion<'a> {
    /// Records, exactly the valid part of the buffer; for [`crate::records::changes`].
    Changes {
        /// The records.
        bytes: &'a [u8],
        /// Their layout.
        layout: Layout,
    },
    /// Records were lost. The read goes on.
    Lost,
    /// The read ended with this Win32 error and was not issued again. The tag is still to be
    /// retired.
    Failed {
        /// The Win32 error.
        code: u32,
    },
}

/// What one call of `collect` did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Collected {
    /// How many completions were delivered.
    pub delivered: usize,
    /// Whether the call ended at its bound, with perhaps more to collect.
    pub more: bool,
}

/// What was found when everything was stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Closed {
    /// Reads that the kernel did not give back in time. Their memory is never freed.
    pub leaked: usize,
    /// Completions that belong to no read. Anything but 0 is a defect.
    pub stray_packets: u64,
    /// Worker processes that died or were ended because they did not answer.
    pub workers_lost: u64,
}

/// How completions are learnt of. `port` is right unless a reason speaks for another.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Model {
    /// One completion port and the caller's thread alone, for any number of directories.
    Port,
    /// Completion routines on an alertable worker thread.
    Apc,
    /// An event to each directory; a thread waits for 63 of them and a stop event.
    Event,
    /// A thread to each directory, in a blocking read that can be cancelled.
    Blocking,
    /// The reads run in a worker process, which can always be ended, whatever hangs in its kernel.
    Isolated {
        /// The program, whose `main` calls `serve_isolated`.
        worker: PathBuf,
        /// The arguments by which it knows that it is the worker.
        arguments: Vec<OsString>,
    },
}
