//! The operating systems under Everwatch, each as a [`Kernel`](everwatch_core::kernel::Kernel).
//!
//! This crate is for `everwatch`, which is the library to use. Nothing here is stable.
//!
//! # The contract
//!
//! A backend is a [`Kernel`](everwatch_core::kernel::Kernel), whose five rules are written there,
//! plus what a thread needs to wait for it. For each system there is a module with:
//!
//! - `Host::start(options)`: the kernel, made on the caller's thread, so that the caller gets the
//!   error if there is none, and `Host::backend()`, what it came to;
//! - `Host::settle_in(&mut self)`: called once on the engine's thread before anything else;
//! - `Host::wait(&mut self, timeout) -> Woken`: blocks until the kernel has records, a
//!   `Bell` rang, mounts changed, or the time is over. It may wake for nothing; it must
//!   not miss anything;
//! - `Host::changed_mounts(&mut self)`: the mounts that the next wait would report, for a barrier;
//! - `Bell`: wakes the thread, from any thread, any number of times.
//!
//! A backend decides nothing. It may lose records if it says so, and it may answer late; it must not
//! reorder the records of one directory, and it never blocks except in `wait`.
//!
//! `linux` is inotify, [`windows`] is ReadDirectoryChangesW. Polling is no backend of its own: a kernel
//! that gives no watch leaves the directory to the engine, which lists it again and again.

#[cfg(target_os = "linux")]
mod linux;
mod options;
pub mod windows;

#[cfg(target_os = "linux")]
pub use linux::{Bell, Host, Signal, describe_volume, limits};
pub use options::{Backend, CompletionModel, StartOptions, Woken};
#[cfg(windows)]
pub use windows::{
    EventSignal as Signal, NativeKernel as Host, PortBell as Bell, describe_volume, limits,
};

/// Serves as the worker process of [`CompletionModel::Isolated`], and never returns.
#[cfg(windows)]
pub fn serve_isolated_reads() -> ! {
    everwatch_directory_reads::serve_isolated()
}
