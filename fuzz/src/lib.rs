//! The bodies of the fuzz targets, as functions from bytes.
//!
//! A body panics if something is wrong and returns otherwise. `fuzz_targets` hands them to
//! libFuzzer, `tests/bodies.rs` runs them over the seeds and over random bytes on every push.

#![forbid(unsafe_code)]

mod bytes;
mod disk;
pub mod hostile_records;
pub mod ignore_rules;
pub mod inotify_records;
mod kernel;
pub mod notify_records;
mod operations;
mod queue;
mod replica;
