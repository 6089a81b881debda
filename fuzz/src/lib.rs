//! The bodies of the fuzz targets, as functions from bytes.
//!
//! A body panics if something is wrong and returns otherwise. `fuzz_targets` hands them to
//! libFuzzer, `tests/bodies.rs` runs them over the seeds and over random bytes on every push. Bodies that run
//! the engine are the simulator's: its hostile kernel.

#![forbid(unsafe_code)]

pub mod inotify_records;
pub mod notify_records;

pub use everwatch_sim::hostile::{ignore_rules, records as hostile_records};
