//! The thin edge: every Win32 call that the crate makes, and the types that own what they return.

mod buffer;
pub(crate) mod calls;
mod change_read;
mod directory;
pub(crate) mod handle;
mod port;
pub(crate) mod probe;

pub use buffer::{Buffer, Filled};
pub(crate) use change_read::Via;
pub use change_read::{ChangeRead, Idle, Pending, Ready, State, leaked};
pub use directory::DirHandle;
pub(crate) use port::milliseconds;
pub use port::{CompletionPort, Packet};
