//! The two ways in which the end of a wait becomes a packet.

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::Remote;
use crate::native::thread_pool_wait::{PostEnd, ThreadPoolWait};
use crate::native::wait_packets::{WaitPacket, WaitPackets};
use crate::operation::Cancelled;

/// A wait that was started: it puts one packet into the port, or is cancelled. Dropped when its packet was
/// dequeued, or when it is gone.
pub(super) trait Way: Send {
    /// Ends the wait. At once, and harmless when it has ended.
    fn cancel(&self) -> Cancelled;
}

fn cancelled(is_gone: bool) -> Cancelled {
    if is_gone {
        Cancelled::Gone
    } else {
        Cancelled::PacketComes
    }
}

impl Way for WaitPacket {
    fn cancel(&self) -> Cancelled {
        cancelled(WaitPacket::cancel(self))
    }
}

impl Way for ThreadPoolWait {
    fn cancel(&self) -> Cancelled {
        cancelled(ThreadPoolWait::cancel(self))
    }
}

/// Posts the packet of an operation that is no I/O.
///
/// # Safety
/// Those of [`Remote::post_packet`]; called at most once with success.
pub(crate) unsafe fn post_end(remote: &Remote, key: usize, overlapped: *mut OVERLAPPED) -> PostEnd {
    let remote = remote.clone();
    let address = overlapped as usize;
    Box::new(move || {
        // SAFETY: as demanded of the caller.
        unsafe { remote.post_packet(key, address as *mut OVERLAPPED) }
    })
}

/// Waits without a thread where the system can do that, else with the thread pool.
///
/// # Safety
/// The target is open for as long as the wait exists; `overlapped` is that of an operation of this key
/// which is about to be in flight.
pub(super) unsafe fn start(
    remote: &Remote,
    target: HANDLE,
    key: usize,
    overlapped: *mut OVERLAPPED,
) -> Result<Box<dyn Way>, u32> {
    // SAFETY: as demanded of the caller; the port is open for as long as the remote, which the
    // operation's endpoint has.
    unsafe {
        if let Some(functions) = WaitPackets::of_this_system() {
            let port = remote.port().raw();
            let packet = WaitPacket::start(functions, port, target, key, overlapped)?;
            return Ok(Box::new(packet));
        }
        let wait = ThreadPoolWait::start(target, post_end(remote, key, overlapped))?;
        Ok(Box::new(wait))
    }
}
