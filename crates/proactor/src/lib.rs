//! Completion-based I/O for Windows whose cancellation cannot bite.
//!
//! [`Proactor`] is a loop over one completion port: named pipes, files, sockets, TLS, timers, waits for
//! handles and child processes as futures that may be dropped at any time. The
//! README says who owns what, and what a dropped future means for each of them. Example:
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
//! # Portable parts
//!
//! None: this crate is for Windows, and empty elsewhere. With the feature `fault-injection` every system call is recorded
//! and can be made to fail. `everwatch-directory-reads` reads directories on this loop.

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
pub use native::overlapped::{Cancelled, Ended, Overlapped};
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
