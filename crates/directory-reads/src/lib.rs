//! Reads of any number of directories, under five completion models, and the total parser of their records.
//!
//! [`reads`] starts a [`Model`]; [`DirectoryReads::arm`] starts to read a directory; what happens in it comes
//! out of [`DirectoryReads::collect`] as bytes for [`records::changes`]. What is lost is reported as
//! [`Completion::Lost`], what ends as [`Completion::Failed`], and nothing is ever left out silently.
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
//! # Which model
//!
//! | model | how it learns of completions | threads | for whom |
//! |---|---|---|---|
//! | [`Model::Port`] | one completion port; the caller's own thread takes its packets | none | everybody, unless a reason speaks for another |
//! | [`Model::Apc`] | completion routines on a worker that sleeps alertably | 1 | hosts in which completion ports are taken or forbidden |
//! | [`Model::Event`] | an event to each directory, waited for by 63 and a stop event | 1 to 63 directories | the same, and where APCs are in the way |
//! | [`Model::Blocking`] | a blocking read, cancelled to end it | 1 to each directory | few directories on file systems that answer overlapped reads badly |
//! | [`Model::Isolated`] | the reads run in a worker process, records come over a pipe | none, and a process | directories on redirectors or filter drivers that can hang a thread in the kernel for ever |
//!
//! All keep the same promises, and one suite of tests holds them to it:
//!
//! - `arm` returns after the read has been issued. What happens afterwards is reported.
//! - One read is outstanding per handle. It is issued again before its records are reported; a thread that
//!   blocks goes back at once, and the kernel keeps what happens in between with the handle.
//! - An overflow is reported as lost, and the read goes on.
//! - After `retire` nothing of the tag is reported, and the directory is not open: it can be removed and
//!   made again at once.
//! - `close` ends in bounded time, whatever the kernel does.
//! - Memory is bounded: two buffers to a directory, however slowly records are collected (`isolated`:
//!   8 MiB, and what the pipe holds).
//!
//! # Who owns what
//!
//! While a read is pending its `OVERLAPPED` and its buffer are the kernel's. [`native::ChangeRead`] makes
//! that a matter of types: *idle*, *pending*, *ready*, where the pending one has no method that touches
//! either, and becomes ready only by the packet that says that the kernel has let go. It owns its handle
//! too, so there is no second read on it and no close before the end. To drop a pending read is allowed
//! (panics do) and leaks it: memory that the kernel may still write to is never freed.
//!
//! A directory leaves in this order: cancel, take the completion, close the handle, free the memory. A
//! completion is judged by its status and by whether this side asked for the end ([`verdict`]), never by
//! its byte count alone. Its packet is matched by a key that is used once, never by handle or address,
//! which the system uses again. What the kernel keeps for more than five seconds is given up: leaked,
//! and counted in [`Closed`].
//!
//! Records are parsed from bytes with every offset and length checked ([`records`]): what a driver or a
//! server on the network made up ends in [`records::Malformed`], not in a panic.
//!
//! # What it cannot see
//!
//! Changes that do not touch the directory entry (writes through a mapping before they are flushed, or
//! through another hard link), changes of the watched directory itself, and everything on servers and
//! redirectors that do not implement change notification. Names may be short ones (8.3).
//!
//! # Portable parts
//!
//! [`records`], [`verdict`], [`Settings`] and the words around them are there on every system; the rest is
//! for Windows, and stands on the completion loop of `everwatch-proactor`, whose feature `fault-injection` has every
//! system call recorded and made to fail.

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
#[cfg(windows)]
pub use reads::{DirectoryReads, Waker};
#[cfg(windows)]
pub use start::reads;
