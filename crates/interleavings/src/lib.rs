//! Interleavings: everwatch and everwatch-pyinotify, compiled over threads and locks that shuttle
//! schedules.
//!
//! The source files are those of the two crates, unchanged. What differs is the platform: each lock,
//! channel and thread is shuttle's, which decides at each of them who runs next, and the host is a
//! [`Disk`] in memory, because a real kernel would run on when all threads are stopped. The tests in
//! `tests/it` are small programs that shuttle runs in thousands of orders; a lost wake-up shows as a
//! deadlock, which is reported with the schedule that leads to it.

// The unit tests of the included files run where the files belong, with real locks.
#![cfg(not(test))]

extern crate self as everwatch;

#[path = "../../everwatch/src/debounce.rs"]
mod debounce;
#[path = "../../everwatch/src/error.rs"]
mod error;
mod fake;
#[path = "../../everwatch/src/feed.rs"]
mod feed;
#[path = "../../everwatch/src/git_repository.rs"]
mod git_repository;
#[path = "../../everwatch/src/handover.rs"]
pub mod handover;
#[path = "../../everwatch/src/options.rs"]
mod options;
mod platform;
#[path = "../../everwatch/src/printable.rs"]
mod printable;
pub mod pyinotify;
#[path = "../../everwatch/src/readiness.rs"]
mod readiness;
#[path = "../../everwatch/src/root_spec.rs"]
mod root_spec;
#[path = "../../everwatch/src/shared.rs"]
mod shared;
#[path = "../../everwatch/src/snapshot.rs"]
mod snapshot;
#[path = "../../everwatch/src/thread.rs"]
mod thread;
#[path = "../../everwatch/src/watcher.rs"]
mod watcher;

pub use error::{Error, ErrorKind};
pub use everwatch_core::coverage::{Coverage, CoverageState, Gap};
pub use everwatch_core::engine::Counters;
pub use everwatch_core::entry::FileType;
pub use everwatch_core::event::{
    Cause, Change, ChangeKind, Event, Resync, ResyncPhase, ResyncReason,
};
pub use everwatch_core::tree::Tree;
pub use fake::Disk;
pub use feed::{EventStream, Feed, watch};
pub use options::{Backend, CompletionModel, Options};
pub use printable::printable;
pub use readiness::Readiness;
pub use snapshot::{Entry, Snapshot};
pub use watcher::{Cursor, Root, Watcher};
