//! The pure heart of Everwatch: records in, changes out.
//!
//! This crate decides what is believed of what a kernel says about a directory tree. It has no
//! clock, no thread, no file descriptor and no unsafe code; all it knows of an operating system is
//! the trait [`Kernel`](kernel::Kernel), so the same decisions run on the real kernel, in the
//! simulator, in property tests and under Miri.
//!
//! The way of a change:
//!
//! ```text
//! kernel ──▶ record::Backlog ──▶ Engine ──▶ mirror::Mirror ──▶ change::Event, per outlet
//!                                  │  ▲
//!                                  └──┘ kernel::Kernel: open, watch, list, stat
//! ```
//!
//! Most people want the crate `everwatch`, which runs an [`Engine`] on a thread.

#![forbid(unsafe_code)]

pub mod change;
pub mod coverage;
pub mod engine;
pub mod filter;
mod fold;
pub mod inotify;
pub mod kernel;
pub mod mirror;
mod names;
mod outlet;
pub mod path;
pub mod record;

pub use engine::Engine;
pub use outlet::OutletId;
