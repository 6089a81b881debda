//! The operating systems under Everwatch, each as a [`Kernel`](everwatch_core::kernel::Kernel).
//!
//! This crate is for `everwatch`, which is the library to use. It makes no promise of stability: any release
//! may change anything here.
//!
//! | system | kernel | records | rooms |
//! |---|---|---|---|
//! | Linux | `Host` | inotify(7) | `linux` |
//! | Windows | `Host`, a [`WindowsKernel`](windows::WindowsKernel) | ReadDirectoryChangesW | [`windows`] |
//!
//! [`HostKernel`] is the contract of a backend. Polling is no backend of its own: a kernel that gives no watch
//! leaves the directory to the engine, which lists it again and again.
//!
//! Unsafe code stands where system calls are made, in `linux` and in `windows::native`, and nowhere else. What
//! Everwatch decides on Windows is safe code over a trait, [`windows::SystemCalls`]; it is compiled on every
//! system, because a simulated Windows runs it as well.

mod contract;
#[cfg(target_os = "linux")]
mod linux;
mod options;
pub mod windows;

pub use contract::{HostKernel, Woken};
#[cfg(target_os = "linux")]
pub use linux::{Bell, InotifyKernel as Host, Signal, describe_volume, limits};
pub use options::{Backend, CompletionModel, StartOptions};
#[cfg(windows)]
pub use windows::{
    EventSignal as Signal, NativeKernel as Host, PortBell as Bell, describe_volume, limits,
};

/// Serves as the worker process of [`CompletionModel::Isolated`], and never returns.
#[cfg(windows)]
pub fn serve_isolated_reads() -> ! {
    everwatch_directory_reads::serve_isolated()
}
