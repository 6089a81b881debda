//! The two methods of waiting: how the end of a wait becomes a packet.

use std::sync::Arc;

use crate::native::Handle;
use crate::native::overlapped::{Cancel, Cancelled, Issued, Overlapped};
use crate::native::thread_pool_wait::ThreadPoolWait;
use crate::native::wait_packets::{WaitPacket, WaitPackets};
use crate::remote::Remote;

/// A wait that was started. It puts one packet into the port, or is cancelled. Dropped when its packet was
/// dequeued, or when it is gone.
pub(super) enum WaitMethod {
    /// Without a thread.
    Packet(WaitPacket),
    /// By the thread pool of the process.
    ThreadPool(ThreadPoolWait),
}

impl WaitMethod {
    /// Starts a wait for the handle: without a thread where the system can do that, otherwise with the thread
    /// pool. No method comes back if the system refuses the wait.
    pub(super) fn start<'a>(
        remote: &Remote,
        target: &Arc<Handle>,
        key: usize,
        overlapped: Overlapped<'a>,
    ) -> (Option<WaitMethod>, Issued<'a>) {
        let port = &remote.shared.port;
        if let Some(functions) = WaitPackets::of_this_system() {
            let packet = match WaitPacket::new(functions, &overlapped) {
                Ok(packet) => packet,
                Err(error) => return (None, overlapped.refuse(error)),
            };
            let issued = packet.start(functions, (port, key), target, overlapped);
            return (Some(WaitMethod::Packet(packet)), issued);
        }
        let mut wait = match ThreadPoolWait::new(target) {
            Ok(wait) => wait,
            Err(error) => return (None, overlapped.refuse(error)),
        };
        let (packet, issued) = overlapped.own_packet(port, key);
        wait.start(packet);
        (Some(WaitMethod::ThreadPool(wait)), issued)
    }

    /// Ends the wait. Does not block; harmless when it has ended.
    pub(super) fn cancel<'a>(&self, cancel: Cancel<'a>) -> Cancelled<'a> {
        match self {
            WaitMethod::Packet(packet) => packet.cancel(cancel),
            WaitMethod::ThreadPool(wait) => wait.cancel(cancel),
        }
    }
}
