//! The workloads, the reader and the walk of the suites that run the built `everwatch` command.
//!
//! A suite starts the command, lets a [`workload`] change the disk, applies the command's lines to a
//! [`replica`], and compares that with a [`walk`] of the disk. What is tested is the built program and
//! the documentation of its lines; of the library, only `everwatch::Tree` is used, which applies them.
//!
//! The suites are `tests/torture`, for the command on real file systems, and `tests/wine`, for the command
//! for Windows under Wine. The example `workload` is a program with the writers, for Windows as well.

#![forbid(unsafe_code)]

pub mod line;
pub mod names;
#[cfg(target_os = "linux")]
pub mod program;
#[cfg(target_os = "linux")]
pub mod reading;
#[cfg(target_os = "linux")]
pub mod replica;
#[cfg(target_os = "linux")]
pub mod scratch;
#[cfg(unix)]
pub mod unix;
#[cfg(target_os = "linux")]
pub mod verdict;
#[cfg(target_os = "linux")]
pub mod walk;
pub mod workload;
pub mod writer;
