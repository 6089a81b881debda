//! The counts of a process after many operations: no handle, no thread and no memory is left behind.
//!
//! The counts are those of a process, so each test runs in a child process of its own. `EVERWATCH_SOAK=1` runs
//! all cycles instead of a few.
#![cfg(windows)]

mod census;
#[cfg(feature = "sockets")]
mod connections;
mod races;
#[path = "../it/support.rs"]
#[allow(dead_code)]
mod support;
