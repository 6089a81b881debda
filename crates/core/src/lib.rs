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
//! kernel ──▶ queue::RecordQueue ──▶ Engine ──▶ mirror::Mirror ──▶ event::Event, per outlet
//!                                  │  ▲
//!                                  └──┘ kernel::Kernel: open, watch, list, stat
//! ```
//!
//! Most people want the crate `everwatch`, which runs an [`Engine`] on a thread.

#![forbid(unsafe_code)]

pub mod coverage;
mod delivery;
pub mod engine;
pub mod entry;
pub mod event;
pub mod fault;
pub mod ignore;
pub mod inotify;
pub mod kernel;
pub mod listing;
pub mod mirror;
pub mod path;
pub mod queue;
pub mod record;
pub mod time;

// The former places of what moved, for the files of the engine that still name them.
pub(crate) mod change {
    pub(crate) use crate::entry::FileType;
    pub(crate) use crate::event::{Cause, Event, ResyncReason};
}
pub(crate) mod outlet {
    pub(crate) use crate::delivery::outlet::{OutletId, Outlets};
    pub(crate) use crate::mirror::path::path_of;
}
pub(crate) use ignore as filter;

pub use delivery::outlet::OutletId;
pub use engine::Engine;
