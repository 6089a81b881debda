//! Every change below a directory, in order and complete: files and directories created, modified,
//! removed, renamed.
//!
//! > Apply the feed and you have the tree that is on disk. Always: after bursts, renames, overflows and
//! > stalls.
//!
//! The notification interfaces of operating systems give hints, and hints get lost: a queue overflows, a
//! new directory has children before anything watches it, one half of a rename arrives without the other.
//! Everwatch keeps a copy of the tree in memory, compares it with the disk wherever a hint cannot be
//! trusted, and reports the exact difference.
//!
//! ```no_run
//! for event in everwatch::watch("src")? {
//!     println!("{event}");
//! }
//! # Ok::<(), everwatch::Error>(())
//! ```
//!
//! # The model
//!
//! ```text
//!  roots        one thread                                      one queue for each consumer
//! ┌───────┐    ┌───────────────────────────────────────────┐
//! │ src/  │──▶ │ records of the     the tree in memory:    │──▶ Feed ──▶ your loop, task or event loop
//! │ docs/ │──▶ │ kernel, listings   names, kinds, numbers  │──▶ Feed ──▶ …
//! └───────┘    └───────────────────────────────────────────┘
//!   Watcher::watch          Watcher::sync: a barrier        Watcher::feed, Watcher::snapshot
//! ```
//!
//! - A **root** is a path that you watch: a directory with everything below it, or a single file. It is a
//!   name: if it goes and comes back, it is watched again.
//! - A [`Watcher`] has any number of roots and one thread for all of them.
//! - A [`Feed`] has the [`Event`]s of all roots from the moment when it was opened, for one consumer.
//! - A [`Snapshot`] is the tree at one moment and the feed of everything after it, without a gap.
//! - A **barrier**, [`Watcher::sync`], returns when everything that happened before it is in the feeds.
//!
//! [`watch()`] makes a watcher with one root and one feed. [`Options`] make everything else.
//!
//! # Applying a feed
//!
//! An event is a [`Change`], or a note that needs no action: [`Event::Resync`] says that a part of the tree
//! is compared with the disk, [`Event::Coverage`] how a part of the tree is watched from now on. A consumer
//! that keeps a copy of the tree does this for each change, in order:
//!
//! | change | do |
//! |---|---|
//! | [`Created`](ChangeKind::Created) | the path exists now, as an entry of this type; if you have it already, keep what is below it |
//! | [`Modified`](ChangeKind::Modified) | the content may have changed: read it again if you need it |
//! | [`Metadata`](ChangeKind::Metadata) | permissions, owner, times or extended attributes changed |
//! | [`Removed`](ChangeKind::Removed) | drop the path and everything below it |
//! | [`Moved`](ChangeKind::Moved) | drop what is at the path, then move what is at `from`, with everything below it, to the path |
//!
//! The contents of a new directory are reported one by one; the contents of a directory that moved are not.
//! `Created` can repeat, and `Modified` can come more often than a program wrote. The reverse does not
//! happen. [`Tree`] is this table as code, and says so if a change does not fit.
//!
//! # Tasks
//!
//! **Keep a copy of the tree.**
//!
//! ```
//! use everwatch::Watcher;
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path();
//! let watcher = Watcher::new()?;
//! watcher.watch(path)?; // armed: from here on, nothing is missed
//! let mut snapshot = watcher.snapshot()?;
//! let mut tree = snapshot.tree();
//!
//! std::fs::write(path.join("hello"), "world")?;
//! watcher.sync()?;
//! while let Some(event) = snapshot.feed.try_next()? {
//!     tree.apply(&event)?;
//! }
//! assert!(tree.get(path.join("hello")).is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Store the tree, and find out at the next start what changed meanwhile.** Write the paths and types of
//! your copy wherever you keep your data. At the next start, take a snapshot and compare: [`Tree::diff`] has
//! every path at which the two differ. It does not see files that were written and kept their names; store a
//! [time or a size](std::fs::Metadata) as the value of each entry if you need those.
//!
//! ```
//! use everwatch::{FileType, Tree, Watcher};
//!
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path();
//! # std::fs::write(path.join("new"), "")?;
//! # let watcher = Watcher::new()?;
//! # watcher.watch(path)?;
//! # let stored = vec![(path.join("old"), FileType::File)];
//! let before = Tree::from_snapshot(stored); // pairs of a path and a type, in any order
//! let snapshot = watcher.snapshot()?;
//! for difference in before.diff(&snapshot.tree()) {
//!     match (difference.here, difference.there) {
//!         (Some(_), None) => println!("gone: {}", difference.path.display()),
//!         _ => println!("new or of another type: {}", difference.path.display()),
//!     }
//! }
//! # assert_eq!(before.diff(&snapshot.tree()).len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Wait until a burst is over.** With [`Options::settle`] nothing is delivered before the tree has been
//! quiet for a while, and then the net effect: a file that was written ten times was modified once. A tree that never
//! rests is delivered after [`Options::settle_at_most`].
//!
//! ```
//! use everwatch::Options;
//! use std::time::Duration;
//!
//! # let dir = tempfile::tempdir()?;
//! let feed = Options::new().settle(Duration::from_millis(50)).watch([dir.path()])?;
//! # drop(feed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Await changes** under any runtime, without a feature: see [`Feed`](Feed#awaiting).
//!
//! **Serve feeds from an event loop of your own** (`epoll`, asyncio, a window's message loop):
//! [`Feed::readiness`] is a descriptor or an event that is ready while there is something to read.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # #[cfg(unix)] {
//! use std::os::fd::AsRawFd;
//!
//! let mut feed = everwatch::watch(dir.path())?;
//! let readiness = feed.readiness()?;
//! let _register_this = readiness.as_raw_fd(); // readable: call try_next until it returns None
//! while let Some(event) = feed.try_next()? {
//!     println!("{event}");
//! }
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Know which parts are not watched.** A watch limit, a missing permission or a network file system is no
//! error: the engine polls such a part, or names it as lost, and the rest goes on.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let watcher = everwatch::Watcher::new()?;
//! # watcher.watch(dir.path())?;
//! for part in watcher.coverage()? {
//!     if let Some(gap) = part.gap {
//!         println!("{}: {} ({})", part.path.display(), part.state.as_str(), gap.remedy());
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What blocks
//!
//! | call | blocks until | at most |
//! |---|---|---|
//! | [`Watcher::watch`], [`watch()`] | every directory of the root is listed and watched | as long as a walk of the tree |
//! | [`Watcher::sync`], [`Watcher::finish`] | everything before it is in the feeds; what is polled is listed once | milliseconds, or a listing |
//! | [`Watcher::snapshot`] | the entries are copied | a step of the engine and the copy |
//! | [`Watcher::feed`], [`unwatch`](Watcher::unwatch), [`roots`](Watcher::roots), [`coverage`](Watcher::coverage) | the thread has finished its step | milliseconds, or the arming of another root |
//! | [`Watcher::close`], drop | the thread has ended | milliseconds |
//! | [`Feed::next`](Iterator::next), [`Feed::next_timeout`] | there is an event, or the time is over | the timeout |
//! | [`Feed::try_next`] | if this consumer lags: its difference is written out | milliseconds |
//! | [`Feed::next_async`], [`EventStream`] | never | |
//! | [`Watcher::counters`], [`cursor`](Watcher::cursor), [`backend`](Watcher::backend) | never | |
//!
//! Every method of a watcher can be called from any thread. A feed can be sent to another thread, and has
//! one reader at a time, which the compiler checks. Your code never runs on the watcher's thread, except the
//! [`Waker`](std::task::Waker)s of feeds that are awaited.
//!
//! # Cancellation
//!
//! [`Watcher::close`] ends everything that waits for the watcher or its feeds, on any thread: calls return
//! [`ErrorKind::Closed`], iterators and streams end. Dropping a watcher closes it. Dropping a feed, or the
//! future of [`Feed::next_async`], disturbs nothing else and loses no event of another feed.
//!
//! # Errors
//!
//! An [`Error`] says in one sentence what failed, why, and what to do about it; [`Error::kind`] is for
//! programs. Errors come from calls. A feed has no errors but its end: what goes wrong while the tree is
//! watched becomes [coverage](Event::Coverage), and is repaired when it can be.
//!
//! # Guarantees
//!
//! | | promise | so you need no |
//! |---|---|---|
//! | convergence | applying the feed gives the names, types and parents on disk once the tree rests | rescan "to be safe" |
//! | no gap | `watch` returns armed; a snapshot and its feed join at one point | sleep after starting |
//! | overflow | lost records become the exact difference in the same feed | error path that starts again |
//! | identity | a rename is one change with both paths, also across directories and roots | pairing of cookies |
//! | barrier | `sync` returns after everything before it is delivered, and writes nothing | marker files |
//! | bounded | a consumer that stalls costs memory for a difference, not for each change | queue limits |
//! | stop | `close` returns in bounded time, and nothing is delivered after it | flags in handlers |
//! | coverage | what is not watched is named with its reason and its remedy | trust |
//!
//! Each has tests on the real system and in a simulator:
//! [GUARANTEES](https://github.com/everwatch/everwatch/blob/main/GUARANTEES.md) names them, and what is
//! best effort.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `globs`: hides entries, by `Options::ignore` and by `.gitignore` files with `Options::gitignore`. What is
//!   hidden costs no watch.
//! - `serde`: events can be written and read by serde, with the fields of the command's JSON lines.
//! - `selftest`: a test that shows which guarantees hold on the machine and the file system where it runs.
//! - `tracing`: the watcher's thread logs lost records, comparisons, coverage and roots, with the target
//!   `everwatch`. Without a subscriber it costs nothing.
//!
//! # Platforms
//!
//! Linux (inotify) and Windows (ReadDirectoryChangesW, with a choice of [`CompletionModel`]). Windows programs
//! are tested under Wine and on a simulated Windows, not on Windows itself.
//! [PLATFORM](https://github.com/everwatch/everwatch/blob/main/PLATFORM.md) says what each system and file
//! system gives and takes. Rust 1.88 or newer.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod debounce;
mod error;
mod feed;
#[cfg(feature = "globs")]
mod git_repository;
mod handover;
mod options;
mod platform;
mod printable;
mod readiness;
mod report;
mod root_spec;
#[cfg(feature = "selftest")]
pub mod selftest;
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

/// Serves as the worker process of [`CompletionModel::Isolated`], and never returns.
///
/// The worker reads directories for the process that started it, over standard input and output. A program
/// that names itself as [`Options::worker`] must call this when its only argument is `isolated-reads`.
#[cfg(windows)]
pub fn serve_isolated_reads() -> ! {
    everwatch_backends::serve_isolated_reads()
}

/// The examples of the README are compiled as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
