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

pub mod coverage;
mod delivery;
pub mod engine;
pub mod event;
pub mod ignore;
pub mod inotify;
pub mod kernel;
pub mod mirror;
pub mod path;
pub mod record;

// The former places of what moved, for the files of the engine that still name them.
pub(crate) use delivery::outlet;
pub use {event as change, ignore as filter};

pub use delivery::outlet::OutletId;
pub use engine::Engine;
