//! Waits of the process's thread pool, for systems without wait completion packets. The pool has one thread
//! for each 63 handles.
//!
//! One atomic word decides between the callback and a cancel, so that a cancel is exact and never blocks.
//!
//! A wait is closed as the system demands: disarm it, wait for a callback that is running, close it. That
//! takes as long as a callback does, which posts one packet: it takes no lock of the loop and wakes nobody,
//! so it never closes a wait itself. Memory does not depend on this order. A callback knows its wait by a
//! number that is used once, and one that comes too late finds nothing. Under Wine that happens: a wait that
//! is satisfied while it is disarmed is called back after its close.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading::{
    CloseThreadpoolWait, CreateThreadpoolWait, PTP_CALLBACK_INSTANCE, PTP_WAIT, SetThreadpoolWait,
    WaitForThreadpoolWaitCallbacks,
};

use crate::fault_injection::{Call, planned_error, record};
use crate::native::error::last_error;
use crate::native::handle::Handle;
use crate::native::overlapped::OwnPacket;

const WAITING: u8 = 0;
const SIGNALLED: u8 = 1;
const CANCELLED: u8 = 2;

/// The end of one wait: how it was decided, and the packet that reports it.
struct Notice {
    /// [`WAITING`], and then one of the others for good.
    decision: AtomicU8,
    packet: OwnPacket,
}

impl Notice {
    /// Decides how the wait ends. Returns whether nothing was decided before.
    fn decide(&self, decision: u8) -> bool {
        self.decision
            .compare_exchange(WAITING, decision, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// The notices of all waits that are not closed, by number.
static NOTICES: Mutex<BTreeMap<usize, Arc<Notice>>> = Mutex::new(BTreeMap::new());

/// Held for a look-up, never while a packet is posted.
fn notices() -> MutexGuard<'static, BTreeMap<usize, Arc<Notice>>> {
    NOTICES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wait for one handle by a thread of the pool. Dropped, it is cancelled and closed, which blocks for as long
/// as its callback takes to post a packet.
pub(crate) struct ThreadPoolWait {
    wait: PTP_WAIT,
    /// That by which the callback finds the notice.
    number: usize,
    notice: Arc<Notice>,
    /// Keeps open what is waited for.
    _target: Arc<Handle>,
}

/// The callback of the pool, on a thread of the pool. Sound with any number.
unsafe extern "system" fn signalled(
    _: PTP_CALLBACK_INSTANCE,
    number: *mut c_void,
    _: PTP_WAIT,
    _: u32,
) {
    let notice = notices().get(&(number as usize)).cloned();
    if let Some(notice) = notice
        && notice.decide(SIGNALLED)
    {
        notice.packet.post_until_accepted();
    }
}

impl ThreadPoolWait {
    /// Posts `packet`, once, when `target` is signalled; perhaps before this returns.
    ///
    /// # Errors
    /// What CreateThreadpoolWait reports.
    pub(crate) fn start(target: &Arc<Handle>, packet: OwnPacket) -> Result<ThreadPoolWait, u32> {
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
        let notice = Arc::new(Notice {
            decision: AtomicU8::new(WAITING),
            packet,
        });
        notices().insert(number, Arc::clone(&notice));
        let started = ThreadPoolWait {
            wait,
            number,
            notice,
            _target: Arc::clone(target),
        };
        started.arm(target.raw());
        Ok(started)
    }

    /// Arms the wait for a handle, or disarms it with null.
    fn arm(&self, target: HANDLE) {
        let arguments = [target as usize, 0, 0, 0, 0];
        record(Call::SetThreadpoolWait, self.wait as usize, arguments, 0);
        // SAFETY: the wait is not closed, and the target is open. No time limits the wait.
        unsafe { SetThreadpoolWait(self.wait, target, null()) };
    }

    /// Ends the wait. Returns whether no packet was posted, nor will be.
    pub(crate) fn cancel(&self) -> bool {
        self.notice.decide(CANCELLED) || self.notice.decision.load(Ordering::Acquire) == CANCELLED
    }
}

impl Drop for ThreadPoolWait {
    fn drop(&mut self) {
        const CANCEL_PENDING: i32 = 1;
        self.cancel();
        self.arm(null_mut());
        let (wait, arguments) = (self.wait as usize, [1, 0, 0, 0, 0]);
        record(Call::WaitForThreadpoolWaitCallbacks, wait, arguments, 0);
        record(Call::CloseThreadpoolWait, wait, [0; 5], 0);
        // SAFETY: the wait is not closed, and not used after this; this thread is in no callback of it.
        unsafe {
            WaitForThreadpoolWaitCallbacks(self.wait, CANCEL_PENDING);
            CloseThreadpoolWait(self.wait);
        }
        let removed = notices().remove(&self.number);
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
        let packet = OwnPacket::of_nothing(&port);
        let wait = ThreadPoolWait::start(&Arc::new(event), packet).expect("a wait");
        let number = wait.number as *mut c_void;
        drop(wait);
        assert_eq!(Arc::strong_count(&port), 1, "the notice is gone");
        // SAFETY: it is sound with any number.
        unsafe { signalled(0, number, 0, 0) };
        let dequeued = port.dequeue(Some(Duration::ZERO), |packet| panic!("{packet:?}"));
        assert_eq!(dequeued, Ok(0));
    }
}
