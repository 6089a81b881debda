//! The two methods of waiting: how the end of a wait becomes a packet.

use std::sync::Arc;

use crate::native::Handle;
use crate::native::overlapped::{Cancelled, Overlapped};
use crate::native::thread_pool_wait::ThreadPoolWait;
use crate::native::wait_packets::{WaitPacket, WaitPackets};
use crate::remote::Remote;

/// A wait that was started. It puts one packet into the port, or is cancelled. Dropped when its packet was
/// dequeued, or when it is gone.
pub(super) trait WaitMethod: Send {
    /// Ends the wait. Does not block; harmless when it has ended.
    fn cancel(&self) -> Cancelled;
}

/// The outcome of a cancel after which a packet still comes or not.
fn cancelled(is_gone: bool) -> Cancelled {
    match is_gone {
        true => Cancelled::Gone,
        false => Cancelled::PacketComes,
    }
}

impl WaitMethod for WaitPacket {
    fn cancel(&self) -> Cancelled {
        cancelled(WaitPacket::cancel(self))
    }
}

impl WaitMethod for ThreadPoolWait {
    fn cancel(&self) -> Cancelled {
        cancelled(ThreadPoolWait::cancel(self))
    }
}

/// Starts a wait for the handle: without a thread where the system can do that, otherwise with the thread
/// pool.
///
/// # Errors
/// The Win32 error with which the system refuses the wait.
pub(super) fn start(
    remote: &Remote,
    target: &Arc<Handle>,
    key: usize,
    overlapped: Overlapped<'_>,
) -> Result<Box<dyn WaitMethod>, u32> {
    let port = &remote.shared.port;
    if let Some(functions) = WaitPackets::of_this_system() {
        let packet = WaitPacket::start(functions, port, target, key, overlapped)?;
        return Ok(Box::new(packet));
    }
    let packet = overlapped.into_own_packet(port, key);
    Ok(Box::new(ThreadPoolWait::start(target, packet)?))
}
