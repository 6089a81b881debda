//! The workloads, the reader and the walk of the suites that run the built `everwatch` command.

#![forbid(unsafe_code)]
#![allow(missing_docs)]

#[cfg(target_os = "linux")]
pub mod line;
pub mod names;
pub mod program;
pub mod random;
#[cfg(target_os = "linux")]
pub mod reading;
#[cfg(target_os = "linux")]
pub mod replica;
#[cfg(target_os = "linux")]
pub mod scratch;
#[cfg(target_os = "linux")]
pub mod tree;
#[cfg(unix)]
pub mod unix;
#[cfg(target_os = "linux")]
pub mod walk;
pub mod workload;
pub mod writer;
