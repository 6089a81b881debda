//! The thin edge: every Win32 call that the crate makes, and the types that own what they return.
//!
//! What is public here is for crates that make calls of their own beside the loop: handles that are closed
//! once, ports and packets, and the recording and failing of calls ([`fault`], [`noted`]) that all tests share.
//! `everwatch-directory-reads` is built on it.

#[cfg(feature = "sockets")]
pub(crate) mod address;
pub(crate) mod calls;
pub(crate) mod console;
pub(crate) mod handle;
pub(crate) mod job;
mod lookup;
pub(crate) mod pipes;
mod port;
pub(crate) mod process;
pub(crate) mod security;
#[cfg(feature = "sockets")]
pub(crate) mod sockets;
pub(crate) mod thread_pool_wait;
pub(crate) mod wait_packets;
pub(crate) mod waits;

pub use calls::{
    Arguments, Call, cancel, completion, error_of, fault, last_error, noted, of_code, outcome,
    record, stand_in,
};
pub use handle::Handle;
pub use lookup::function_of;
pub use port::{CompletionPort, Packet, milliseconds};
pub use waits::spawn;
