//! The thin edge: every Win32 call that the crate makes, and the types that own what they return.

#[cfg(feature = "sockets")]
pub(crate) mod address;
mod blocking;
mod buffer;
pub(crate) mod calls;
mod change_read;
pub(crate) mod console;
mod directory;
pub(crate) mod handle;
pub(crate) mod job;
mod lookup;
pub(crate) mod pipes;
mod port;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod security;
#[cfg(feature = "sockets")]
pub(crate) mod sockets;
pub(crate) mod thread_pool_wait;
pub(crate) mod wait_packets;
pub(crate) mod waits;

pub(crate) use blocking::{BlockingDirectory, BlockingRead};
pub use buffer::{Buffer, Filled};
pub use change_read::{ChangeRead, Idle, Pending, Ready, State, leaked};
pub(crate) use change_read::{Via, is_layout_refused, packet_of};
pub use directory::DirHandle;
pub(crate) use port::milliseconds;
pub use port::{CompletionPort, Packet};
