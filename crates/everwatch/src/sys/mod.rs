//! Backends: what Everwatch has of each operating system.
//!
//! # The contract
//!
//! A backend is a [`Kernel`](everwatch_core::kernel::Kernel), whose five rules are written there,
//! plus what a thread needs to wait for it. For each system there is a module `sys::host` with:
//!
//! - `Host::start(options)`: the kernel, made on the caller's thread, so that the caller gets the
//!   error if there is none, and `Host::backend()`, what it came to;
//! - `Host::settle_in(&mut self)`: called once on the engine's thread before anything else;
//! - `Host::wait(&mut self, timeout) -> Woken`: blocks until the kernel has records, a
//!   `Bell` rang, mounts changed, or the time is over. It may wake for nothing; it may
//!   not miss anything;
//! - `Host::changed_mounts(&mut self)`: the mounts that the next wait would tell of, for a barrier;
//! - `Bell`: wakes the thread, from any thread, any number of times.
//!
//! A backend decides nothing. It may lose records if it says so, and it may answer late; it may not
//! reorder the records of one directory, and it never blocks except in `wait`.
//!
//! `linux` is inotify, `windows` is ReadDirectoryChangesW. Polling is no backend of its own: a kernel that gives no watch leaves the
//! directory to the engine, which lists it again and again. `sim` is a kernel and a file system
//! made of memory and bad habits.

#[cfg(target_os = "linux")]
pub(crate) mod linux;
pub(crate) mod signal;
// Its paths are those of Unix.
#[cfg(all(any(test, feature = "sim"), not(windows)))]
pub mod sim;
#[cfg(any(windows, test, feature = "sim"))]
pub(crate) mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux as host;
#[cfg(windows)]
pub(crate) use windows as host;
