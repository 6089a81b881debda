//! A completion loop for Windows: named pipes, files, sockets, TLS, timers, waits for handles, Ctrl-C and child
//! processes as futures that may be dropped at any time.
//!
//! [`Proactor`] is a loop over one completion port. It makes no thread: it works while it is polled.
//!
//! ```no_run
//! # #[cfg(windows)] fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use everwatch_proactor::{Proactor, pipe::connect_pipe};
//!
//! let mut proactor = Proactor::new()?;
//! let remote = proactor.remote();
//! let text = proactor.block_on(async {
//!     let pipe = connect_pipe(&remote, r"\\.\pipe\greeting").await?;
//!     let (count, text) = pipe.read(Vec::with_capacity(100)).await;
//!     count.map(|_| text)
//! })?;
//! println!("{}", String::from_utf8_lossy(&text));
//! # Ok(())
//! # }
//! # #[cfg(not(windows))] fn main() {}
//! ```
//!
//! # The model in one picture
//!
//! ```text
//!   future ──── Submission ──┐             ┌──────────── kernel ────────────┐
//!   (any executor)           │ number,     │  OVERLAPPED      buffers       │
//!                            ▼ generation  └──────▲──────────────▲──────────┘
//!   Proactor ──▶ table: slot ──────────────── its own      operation ──▶ Endpoint (handle)
//!      ▲                  │                                 owned by the slot until the packet
//!      └── packets ◀── completion port ◀──────────────────── was dequeued
//! ```
//!
//! Readiness, which Unix offers, says that a call would not block; nothing is in flight before the call.
//! Completion says that a call has ended; until then the kernel reads from and writes to memory of the program.
//! That is why a dropped future is dangerous in a completion model, and what this crate is about.
//!
//! # Who owns a buffer
//!
//! A buffer is moved into an operation and comes back with its result, also with an error:
//! `let (result, buffer) = stream.read(buffer).await`. Nothing is borrowed. From the call until its packet was
//! dequeued the buffer belongs to a slot of the loop's table, also when the future is dropped. Memory that the
//! kernel may still write to is never freed: what it keeps for longer than [`RETURN_LIMIT`] after a close is leaked,
//! and counted in [`Closed`].
//!
//! # Cancellation
//!
//! A future that is dropped cancels its operation and does not block. If the operation has succeeded by then,
//! nothing is lost: the bytes of a stream, an accepted connection or a datagram are the first that the next future
//! gets. What a write has written by then is unknown. The README lists this for each operation.
//! [`Submission::cancel`] cancels and keeps the future, which resolves with what happened.
//!
//! # Which calls block
//!
//! - [`Proactor::poll`] and [`Proactor::block_on`] wait for completions, which is their purpose.
//! - [`Proactor::close`], [`Runner::close`] and their drops wait until the kernel has given everything back, for at
//!   most [`RETURN_LIMIT`].
//! - [`File::open`], [`process::Start::spawn`] and `bind` block as the system calls beneath them do.
//! - Submitting an operation blocks only if the system call does: a write that makes a file longer may.
//! - Everything else returns at once. Futures are woken by the thread that polls, without a lock held.
//!
//! # Threads
//!
//! One thread polls. [`Remote`] reaches the loop from any other: it is cheap to clone, submits operations, and
//! wakes and closes the loop. [`Runner`] is a loop on a thread of its own, for programs whose futures run on tokio,
//! smol or another executor. Operations outlive the thread that issued them.
//!
//! # Errors
//!
//! Errors are [`std::io::Error`]s with the Win32 code of the system in
//! [`raw_os_error`](std::io::Error::raw_os_error). Those of sockets are translated into WinSock's, so that
//! [`ErrorKind`](std::io::ErrorKind) is the same as with std. Two codes belong to the loop:
//! `ERROR_OPERATION_ABORTED` ends what was in flight when it closed, `ERROR_ABANDONED_WAIT_0` what comes later.
//!
//! # Operations of your own
//!
//! [`Operation`] is a safe trait. [`Overlapped`] is the right to make one call; a system call that this crate does
//! not have is made with [`Overlapped::as_ptr`], and the unsafe block around it ends with [`Overlapped::issued`],
//! whose documentation is the contract. The [`native`] module has what such calls need.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `sockets` (default) | `socket`: TCP and UDP. Without it nothing loads WinSock. |
//! | `futures-io` | `Duplex`: streams as `AsyncRead` and `AsyncWrite` |
//! | `tls` | `tls`: rustls over these, with the cryptography that you choose there |
//! | `tls-ring` | the same with ring, which needs a C compiler |
//! | `fault-injection` | sessions in [`fault_injection`], in which tests record calls and make them fail |
//!
//! # Platforms
//!
//! Windows 8 and later are what it is written for; Windows 7 takes other paths, which are tested by replacing
//! functions. The tests run under Wine 8. On other systems the crate is empty, so that a dependency needs no
//! condition. Reads of directories stand on this loop in `everwatch-directory-reads`.

#![cfg_attr(
    not(windows),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "everything is on Windows alone"
    )
)]

#[cfg(windows)]
mod batch_size;
#[cfg(windows)]
pub mod console;
#[cfg(windows)]
mod deferred_wakes;
#[cfg(all(windows, feature = "futures-io"))]
mod duplex;
#[cfg(windows)]
mod endpoint;
#[cfg(windows)]
pub mod fault_injection;
#[cfg(windows)]
mod file;
#[cfg(windows)]
pub mod native;
#[cfg(windows)]
mod operation;
#[cfg(windows)]
pub mod pipe;
#[cfg(windows)]
mod proactor;
#[cfg(windows)]
pub mod process;
#[cfg(windows)]
mod read_lock;
#[cfg(windows)]
mod remote;
#[cfg(windows)]
mod runner;
#[cfg(windows)]
mod shared;
#[cfg(windows)]
mod sleep;
#[cfg(all(windows, feature = "sockets"))]
pub mod socket;
#[cfg(windows)]
mod stream;
#[cfg(windows)]
mod submission;
#[cfg(windows)]
mod table;
#[cfg(windows)]
mod timers;
#[cfg(all(windows, feature = "tls"))]
pub mod tls;
#[cfg(windows)]
mod transfer;
#[cfg(windows)]
mod wait;

#[cfg(windows)]
pub use crate::proactor::{Closed, Polled, Proactor, RETURN_LIMIT};
#[cfg(all(windows, feature = "futures-io"))]
pub use duplex::Duplex;
#[cfg(windows)]
pub use endpoint::{Endpoint, Packets};
#[cfg(windows)]
pub use file::File;
#[cfg(windows)]
pub use native::overlapped::{Cancel, Cancelled, Ended, Issued, Overlapped};
#[cfg(windows)]
pub use operation::Operation;
#[cfg(windows)]
pub use remote::Remote;
#[cfg(windows)]
pub use runner::Runner;
#[cfg(windows)]
pub use shared::Route;
#[cfg(windows)]
pub use sleep::Sleep;
#[cfg(windows)]
pub use stream::Stream;
#[cfg(windows)]
pub use submission::Submission;
#[cfg(windows)]
pub use wait::HandleWait;
