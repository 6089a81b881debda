//! The test house: parts that the tests, benchmarks and simulations of several crates share.
//!
//! - [`scratch`]: directories on a chosen kind of file system, removed when dropped;
//! - [`writers`]: changes to a tree that succeed on Windows as well, and threads that repeat them;
//! - [`walk`]: the tree on disk, to compare a consumer's [`Tree`](everwatch_core::tree::Tree) with;
//! - [`random`]: the one random generator, which one integer replays;
//! - [`bytes`]: decisions made from the bytes of a fuzzer;
//! - [`example`]: example programs, run as a reader would;
//! - [`patience`]: waiting for a condition, with a deadline;
//! - [`skipped`]: what a test prints that this machine cannot run;
//! - [`system`]: the system that the test runs on;
//! - `alone` and `census` (on Windows): tests in a process of their own, and what that process holds;
//! - `role` (on Unix): the same test as another user, or with limits and mounts of its own.
//!
//! Functions panic where a test would: a test that cannot prepare its directory has failed.

#![deny(unsafe_code)]

#[cfg(windows)]
pub mod alone;
pub mod bytes;
#[cfg(windows)]
#[expect(unsafe_code, reason = "the counts of a process come from system calls")]
pub mod census;
pub mod example;
pub mod patience;
pub mod random;
#[cfg(unix)]
pub mod role;
pub mod scratch;
pub mod skipped;
pub mod system;
pub mod walk;
pub mod writers;
