//! The system calls, and the types that own what they return. All unsafe blocks of the crate are here.
//!
//! Each call passes the gate of [`fault_injection`](crate::fault_injection) and returns its Win32 error as a
//! number, which is taken from the thread right after the call.
//!
//! What is public is for crates that make system calls of their own beside the loop, as
//! `everwatch-directory-reads` does: handles that are closed once ([`Handle`]), ports and packets
//! ([`CompletionPort`], [`Packet`]), errors, and functions that are looked up by name.

pub(crate) mod console;
mod error;
pub(crate) mod files;
mod handle;
pub(crate) mod in_flight;
pub(crate) mod job;
mod lookup;
mod memory;
pub(crate) mod overlapped;
pub(crate) mod pipes;
mod port;
pub(crate) mod process;
pub(crate) mod security;
#[cfg(feature = "sockets")]
pub(crate) mod sockets;
pub(crate) mod thread_pool_wait;
pub(crate) mod threads;
pub(crate) mod wait_packets;

pub use error::{
    error_code, error_of_status, io_error, last_error, result_of, result_of_status, valid_handle,
};
pub use files::{SHARE_ALL, cancel_io};
pub use handle::Handle;
pub use lookup::function_named;
pub use port::{CompletionPort, Packet, milliseconds};
pub use threads::{is_signalled_within, spawn};
