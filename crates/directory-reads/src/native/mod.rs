//! The thin edge: every Win32 call that the crate makes, and the types that own what they return.

mod blocking;
mod buffer;
mod calls;
mod change_read;
mod directory;
pub(crate) mod identity;
pub(crate) mod waits;

pub(crate) use blocking::{BlockingDirectory, BlockingRead};
pub use buffer::{Buffer, Filled};
pub(crate) use calls::{Target, best_layout, read};
pub use change_read::{ChangeRead, Idle, Pending, Ready, State, leaked};
pub(crate) use change_read::{Via, packet_of, signalled};
pub use directory::DirHandle;
