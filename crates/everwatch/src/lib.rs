//! File-system change notification that can be trusted.
//!
//! Apply the feed and you have the tree that is on disk. Always: after bursts, renames, overflows
//! and stalls.
//!
//! ```no_run
//! for event in everwatch::watch("src")? {
//!     println!("{event}");
//! }
//! # Ok::<(), everwatch::Error>(())
//! ```
//!
//! [`watch()`] returns a [`Feed`], which is an iterator and can be awaited. For several roots, several
//! consumers, a barrier or a snapshot there is [`Watcher`], and for everything that can be chosen
//! [`Options`].

#![forbid(unsafe_code)]

mod error;
mod feed;
mod handover;
mod options;
mod platform;
mod printable;
mod readiness;
mod report;
mod root_spec;
mod shared;
mod snapshot;
mod thread;
mod watcher;

pub use error::{Error, ErrorKind};
pub use everwatch_core::coverage::{Coverage, CoverageState, Gap};
pub use everwatch_core::engine::Counters;
pub use everwatch_core::entry::FileType;
pub use everwatch_core::event::{
    Cause, Change, ChangeKind, Event, Resync, ResyncPhase, ResyncReason,
};
pub use everwatch_core::tree::{Difference, Misfit, MisfitKind, Tree, TreeEntry};
pub use feed::{EventStream, Feed, watch};
pub use options::{Backend, CompletionModel, Options};
pub use printable::printable;
pub use readiness::Readiness;
pub use report::{Report, inspect};
pub use snapshot::{Entry, Snapshot};
pub use watcher::{Cursor, Root, Watcher};

/// Serves as the worker process of [`CompletionModel::Isolated`]: reads directories for the process that
/// started this one, over standard input and output, and never returns. For programs that name themselves
/// as [`Options::worker`]; they are started with the one argument `isolated-reads`.
#[cfg(windows)]
pub fn serve_isolated_reads() -> ! {
    everwatch_backends::serve_isolated_reads()
}

/// The examples of the README are compiled as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
