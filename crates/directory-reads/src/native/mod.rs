//! The system calls that open and read directories, and the types that own what the kernel writes to. All
//! unsafe blocks of the crate are here.
//!
//! The parts that are public are the bottom of the crate: a directory ([`DirHandle`]) and one read of it as a
//! value with a state ([`ChangeRead`]), for programs that drive a completion port themselves.

mod apc;
mod blocking_directory;
mod buffer;
mod calls;
mod change_read;
mod directory;
mod events;
mod identity;
mod read_operation;

pub(crate) use apc::{run_on, sleep_alertable, take_completed};
pub(crate) use blocking_directory::{BlockingDirectory, BlockingRead, cancel_blocking};
pub use buffer::{Buffer, Filled};
pub(crate) use calls::best_layout;
pub(crate) use change_read::Via;
pub use change_read::{ChangeRead, Idle, Pending, ReadState, Ready, leaked};
pub use directory::DirHandle;
pub(crate) use events::{Event, EventSet, HANDLES_PER_WAIT};
pub(crate) use identity::{Identity, identity, is_remote};
pub(crate) use read_operation::ReadOperation;
