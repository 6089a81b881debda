//! Reads of directories on Windows (`ReadDirectoryChangesW`): any number of directories, under five completion
//! models behind one trait, and a parser of their records that takes any bytes.
//!
//! [`reads`] starts a [`Model`], and [`DirectoryReads::arm`] starts to read a directory. Its changes come out of
//! [`DirectoryReads::collect`] as bytes for [`records::changes`]. A loss is reported as [`Completion::Lost`], an end
//! as [`Completion::Failed`]; nothing is left out silently.
//!
//! ```no_run
//! # #[cfg(windows)] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::os::windows::{fs::OpenOptionsExt, io::AsHandle};
//! use everwatch_directory_reads::{Completion, Model, Settings, Tag, records, reads};
//!
//! let path = std::path::Path::new(r"\\?\C:\data");
//! // FILE_LIST_DIRECTORY, and FILE_FLAG_BACKUP_SEMANTICS, without which no directory opens.
//! let directory = std::fs::OpenOptions::new().access_mode(1).custom_flags(0x0200_0000).open(path)?;
//! let mut reads = reads(Model::Port)?;
//! reads.arm(Tag(1), directory.as_handle(), path, Settings::default())?;
//! // From here on nothing is missed: now is the time to list the directory.
//! loop {
//!     reads.wait(None);
//!     reads.collect(&mut |_, completion| match completion {
//!         Completion::Changes { bytes, layout } => {
//!             for change in records::changes(bytes, layout) {
//!                 println!("{change:?}");
//!             }
//!         }
//!         Completion::Lost => println!("list the directory again"),
//!         Completion::Failed { code } => println!("it has ended: {code}"),
//!     });
//! }
//! # }
//! # #[cfg(not(windows))] fn main() {}
//! ```
//!
//! # The model in one picture
//!
//! ```text
//!   directory ──▶ kernel's list ──▶ read in flight ──▶ completion ──▶ verdict ──▶ policy
//!                                    ▲  (buffer 1)                                  │
//!                                    └───────── issued again with buffer 2 ◀────────┤
//!                                                                                   ▼
//!                                             caller ◀── collect ◀── records of buffer 1
//! ```
//!
//! The first read makes the kernel keep a list of changes with the handle. A read takes what is in the list, or
//! waits for the first change. Each completion gets a verdict ([`verdict()`]) by its status and by whether this side
//! asked for the end, never by its byte count alone. One policy decides for all models what follows: issue the read
//! again, report a loss, fall back to another layout, or give the directory up. The read is in the kernel again before
//! its records are delivered, so nothing falls in between.
//!
//! # Which model
//!
//! | model | how it learns of completions | threads | for |
//! |---|---|---|---|
//! | [`Model::Port`] | one completion port; the caller's own thread takes its packets | none | every program, unless a reason speaks for another |
//! | [`Model::Apc`] | completion routines on a worker that sleeps alertably | 1 | hosts in which completion ports are taken or forbidden |
//! | [`Model::Event`] | an event for each directory; a thread waits for 63 of them | 1 for 63 directories | the same, where APCs are in the way |
//! | [`Model::Blocking`] | a blocking read, cancelled to end it | 1 for each directory | few directories on file systems that answer overlapped reads badly |
//! | [`Model::Isolated`] | a worker process reads, records come over a pipe | none, and a process | redirectors and filter drivers that can hang a thread in the kernel forever |
//!
//! A program that has a loop of `everwatch-proactor` already can await one directory on it, among its pipes and
//! sockets: [`DirectoryChanges`].
//!
//! All models keep the same promises, and one suite of tests holds them to it:
//!
//! - `arm` returns after the read was issued. Changes from then on are reported.
//! - One read is outstanding for each handle.
//! - An overflow is reported as lost, and the read goes on.
//! - After `retire` nothing of the tag is delivered, and the directory is closed: it can be removed and made again.
//! - `close` ends in bounded time, in whichever call the kernel hangs.
//! - Memory is bounded: two buffers for each directory, however slowly records are collected (`isolated`: 8 MiB, and
//!   what the pipe holds).
//!
//! # Which calls block
//!
//! `collect` never blocks. `wait` blocks until there is something to collect, the [`Waker`] was rung, or the time is
//! over. `arm` blocks for as long as the open takes. `retire`, `fence` and `close` wait for the kernel, for at most
//! five seconds (`isolated`: fifteen). A worker that hangs is ended and replaced meanwhile.
//!
//! # Who owns a buffer
//!
//! While a read is pending, its `OVERLAPPED` and its buffer are the kernel's. [`native::ChangeRead`] makes that a
//! matter of types: *idle*, *pending*, *ready*. The pending one has no method that touches either, and becomes ready
//! only with the packet which says that the kernel has let go. It owns its handle too, so there is no second read on
//! it and no close before the end. A pending read that is dropped, as a panic does, is leaked: memory that the kernel
//! may still write to is never freed.
//!
//! A directory leaves in this order: cancel, take the completion, close the handle, free the memory. A packet is
//! matched by a key that is used once, never by a handle or an address, which the system reuses. What the kernel keeps
//! for more than five seconds is leaked and counted in [`Closed`].
//!
//! # Errors
//!
//! [`Error`] has the [`Stage`] that failed and the Win32 code, and becomes a [`std::io::Error`] by `?`. A directory
//! that fails later is delivered as [`Completion::Failed`]; others go on. Records that no kernel would write end in
//! [`records::Malformed`] and not in a panic: what is behind them counts as lost.
//!
//! # What it cannot see
//!
//! Changes that do not touch the directory entry (writes through a mapping before they are flushed, or through
//! another hard link), changes of the directory itself, and everything on servers and redirectors that do not
//! implement change notification. Names may be short ones (8.3).
//!
//! # Features and platforms
//!
//! `fault-injection` lets tests record every system call and make chosen ones fail. [`records`], [`verdict()`],
//! [`Settings`] and the types around them are there on every system; the rest is for Windows, and stands on the
//! completion loop of `everwatch-proactor`. The tests run under Wine 8.

#![cfg_attr(
    not(windows),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "what reads directories is on Windows alone"
    )
)]

mod codes;
mod completion;
mod error;
#[cfg(any(windows, test))]
mod policy;
pub mod records;
mod settings;
mod verdict;

#[cfg(windows)]
mod apc;
#[cfg(windows)]
mod blocking;
#[cfg(windows)]
mod changes;
#[cfg(windows)]
mod commands;
#[cfg(windows)]
mod double_buffer;
#[cfg(windows)]
mod event;
#[cfg(windows)]
mod isolated;
#[cfg(windows)]
mod layouts;
#[cfg(windows)]
mod limits;
#[cfg(windows)]
mod message_queue;
#[cfg(windows)]
pub mod native;
#[cfg(windows)]
mod overlapped;
#[cfg(windows)]
mod port;
#[cfg(windows)]
mod read_set;
#[cfg(windows)]
mod reads;
#[cfg(windows)]
mod start;
#[cfg(windows)]
mod threaded;

pub use completion::{Closed, Collected, Completion, Model};
pub use error::{Error, Stage};
pub use settings::{Filter, LARGEST_REMOTE_BUFFER, Layout, Settings, Tag};
pub use verdict::{Intent, ReadEnd, Verdict, verdict};

#[cfg(windows)]
pub use changes::DirectoryChanges;
#[cfg(windows)]
pub use isolated::serve_isolated;
#[cfg(all(windows, feature = "fault-injection"))]
#[doc(hidden)]
pub use layouts::forget_layouts;
#[cfg(windows)]
pub use reads::{DirectoryReads, Waker};
#[cfg(windows)]
pub use start::reads;
