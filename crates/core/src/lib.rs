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
pub mod tree;
#[cfg(feature = "serde")]
mod wire;

pub use delivery::outlet::{Delivery, OutletId};
pub use engine::Engine;
