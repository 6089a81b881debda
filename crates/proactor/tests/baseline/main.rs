//! Baseline of the process: connections leave no handle, no thread and no memory behind.
//!
//! The counts are those of a process, so each test runs in a child of its own that runs nothing
//! else. `EVERWATCH_SOAK=1` runs all 10,000 cycles instead of a few.
#![cfg(all(windows, feature = "sockets"))]

#[allow(dead_code)]
mod alone;
mod census;
mod connections;

use alone::{alone, cycles, settles};
