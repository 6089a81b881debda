//! Waits of the process's thread pool, for systems without wait completion packets. The pool has one thread
//! for each 63 handles.
//!
//! A wait is closed as the system demands: disarm it, wait for a callback that is running, close it. That
//! takes as long as a callback does, which posts one packet: it takes no lock of the loop and wakes no future,
//! so it never closes a wait itself. Memory does not depend on this order. A callback knows its wait by a
//! number that is used once, and one that comes too late finds nothing. Under Wine that happens: a wait that
//! is satisfied while it is disarmed is called back after its close.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading::{
    CloseThreadpoolWait, CreateThreadpoolWait, PTP_CALLBACK_INSTANCE, PTP_WAIT, SetThreadpoolWait,
    WaitForThreadpoolWaitCallbacks,
};

use crate::fault_injection::{Call, planned_error, record};
use crate::native::error::last_error;
use crate::native::handle::Handle;
use crate::native::overlapped::{Cancel, Cancelled, OwnPacket};

/// The packets of all waits that are not closed, by number.
static PACKETS: Mutex<BTreeMap<usize, Arc<OwnPacket>>> = Mutex::new(BTreeMap::new());

/// Held for a look-up, never while a packet is posted.
fn packets() -> MutexGuard<'static, BTreeMap<usize, Arc<OwnPacket>>> {
    PACKETS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wait for one handle by a thread of the pool. Dropped, it is cancelled and closed, which blocks for as long
/// as its callback takes to post a packet.
pub(crate) struct ThreadPoolWait {
    wait: PTP_WAIT,
    /// That by which the callback finds the packet.
    number: usize,
    /// `None` before it was armed.
    packet: Option<Arc<OwnPacket>>,
    target: Arc<Handle>,
}

/// The callback of the pool, on a thread of the pool. Sound with any number.
unsafe extern "system" fn signalled(
    _: PTP_CALLBACK_INSTANCE,
    number: *mut c_void,
    _: PTP_WAIT,
    _: u32,
) {
    let packet = packets().get(&(number as usize)).cloned();
    if let Some(packet) = packet {
        packet.post();
    }
}

impl ThreadPoolWait {
    /// Makes a wait for a handle that is not armed yet.
    ///
    /// # Errors
    /// What CreateThreadpoolWait reports.
    pub(crate) fn new(target: &Arc<Handle>) -> Result<ThreadPoolWait, u32> {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        if let Some(error) = planned_error(Call::CreateThreadpoolWait) {
            return Err(error);
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the context is a number; the environment is that of the process.
        let wait = unsafe { CreateThreadpoolWait(Some(signalled), number as *mut c_void, null()) };
        if wait == 0 {
            return Err(last_error());
        }
        let arguments = [target.raw() as usize, 0, 0, 0, 0];
        record(Call::CreateThreadpoolWait, wait as usize, arguments, 0);
        Ok(ThreadPoolWait {
            wait,
            number,
            packet: None,
            target: Arc::clone(target),
        })
    }

    /// Arms the wait: posts `packet`, once, when the handle is signalled; perhaps before this returns.
    pub(crate) fn start(&mut self, packet: Arc<OwnPacket>) {
        packets().insert(self.number, Arc::clone(&packet));
        self.packet = Some(packet);
        self.arm(self.target.raw());
    }

    /// Arms the wait for a handle, or disarms it with null.
    fn arm(&self, target: HANDLE) {
        let arguments = [target as usize, 0, 0, 0, 0];
        record(Call::SetThreadpoolWait, self.wait as usize, arguments, 0);
        // SAFETY: the wait is not closed, and the target is open. No time limits the wait.
        unsafe { SetThreadpoolWait(self.wait, target, null()) };
    }

    /// Ends the wait, unless its packet was posted. Does not block.
    pub(crate) fn cancel<'a>(&self, cancel: Cancel<'a>) -> Cancelled<'a> {
        match &self.packet {
            Some(packet) => packet.withdraw(cancel),
            None => cancel.packet_comes(),
        }
    }
}

impl Drop for ThreadPoolWait {
    fn drop(&mut self) {
        const CANCEL_PENDING: i32 = 1;
        if let Some(packet) = &self.packet {
            packet.disarm();
        }
        self.arm(null_mut());
        let (wait, arguments) = (self.wait as usize, [1, 0, 0, 0, 0]);
        record(Call::WaitForThreadpoolWaitCallbacks, wait, arguments, 0);
        record(Call::CloseThreadpoolWait, wait, [0; 5], 0);
        // SAFETY: the wait is not closed, and not used after this; this thread is in no callback of it.
        unsafe {
            WaitForThreadpoolWaitCallbacks(self.wait, CANCEL_PENDING);
            CloseThreadpoolWait(self.wait);
        }
        let removed = packets().remove(&self.number);
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use windows_sys::Win32::System::Threading::CreateEventW;

    use super::*;
    use crate::native::port::CompletionPort;

    // requirement: S4.7 (wine)
    #[test]
    fn a_callback_that_comes_after_the_close_finds_nothing() {
        // SAFETY: it has no name and no security descriptor; the handle is fresh.
        let event = unsafe { Handle::own(CreateEventW(null(), 1, 0, null())) };
        let port = Arc::new(CompletionPort::new().expect("a port"));
        let mut wait = ThreadPoolWait::new(&Arc::new(event)).expect("a wait");
        wait.start(OwnPacket::of_nothing(&port));
        let number = wait.number as *mut c_void;
        drop(wait);
        assert_eq!(Arc::strong_count(&port), 1, "its packet is gone");
        // SAFETY: it is sound with any number.
        unsafe { signalled(0, number, 0, 0) };
        let dequeued = port.dequeue(Some(Duration::ZERO), |packet| panic!("{packet:?}"));
        assert_eq!(dequeued, Ok(0));
    }
}
