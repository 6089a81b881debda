//! Waits of the process's thread pool, which has one thread to 63 handles: for systems without wait
//! completion packets.
//!
//! One word decides between the callback and a cancel, so that a cancel is exact and blocks for nothing.
//! The memory that the callback uses lives until it is certain that none runs or will: disarm, wait for a
//! callback that is under way, close. That takes as long as a callback does, which tells one packet and
//! nothing else: it takes no lock of the proactor, runs no waker, and so it never is the one that closes.

use std::ffi::c_void;
use std::ptr::null;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading::{
    CloseThreadpoolWait, CreateThreadpoolWait, PTP_CALLBACK_INSTANCE, PTP_WAIT, SetThreadpoolWait,
    WaitForThreadpoolWaitCallbacks,
};

use crate::native::calls::{Call, fault, last_error, record};

/// How long before what could not be told is told again.
const AFTER_A_FAILED_TELL: Duration = Duration::from_millis(1);

const WAITING: u8 = 0;
const TOLD: u8 = 1;
const CANCELLED: u8 = 2;

/// Tells of the end of a wait; the error of one that could not be told.
pub(crate) type Tell = Box<dyn Fn() -> Result<(), u32> + Send + Sync>;

/// Tells, however often it takes: a packet is refused where the system has no memory, and an end that is
/// never told is waited for for ever.
pub(crate) fn tell_surely(tell: &(dyn Fn() -> Result<(), u32> + Send + Sync)) {
    while tell().is_err() {
        std::thread::sleep(AFTER_A_FAILED_TELL);
    }
}

struct Notice {
    state: AtomicU8,
    tell: Tell,
}

impl Notice {
    /// Whether it was the first to decide.
    fn decide(&self, state: u8) -> bool {
        let decided =
            self.state
                .compare_exchange(WAITING, state, Ordering::AcqRel, Ordering::Acquire);
        decided.is_ok()
    }
}

/// See the head of the module.
pub(crate) struct ThreadPoolWait {
    wait: PTP_WAIT,
    /// From a box. Shared with the callback until the wait is closed.
    notice: *mut Notice,
}

// SAFETY: a wait is a number that the pool knows; what the notice has is Send and Sync.
unsafe impl Send for ThreadPoolWait {}

unsafe extern "system" fn signalled(
    _: PTP_CALLBACK_INSTANCE,
    notice: *mut c_void,
    _: PTP_WAIT,
    _: u32,
) {
    // SAFETY: the notice is freed after the wait was closed, with no callback under way.
    let notice = unsafe { &*notice.cast::<Notice>() };
    if notice.decide(TOLD) {
        tell_surely(&*notice.tell);
    }
}

impl ThreadPoolWait {
    /// Has `tell` called by a thread of the pool, once, when `target` is signalled; perhaps before this
    /// returns. It may not panic, nor take a lock under which a wait is cancelled or dropped.
    ///
    /// # Safety
    /// The target is open for as long as the wait exists.
    pub(crate) unsafe fn start(target: HANDLE, tell: Tell) -> Result<ThreadPoolWait, u32> {
        if let Some(error) = fault(Call::CreateThreadpoolWait) {
            return Err(error);
        }
        let notice = Box::into_raw(Box::new(Notice {
            state: AtomicU8::new(WAITING),
            tell,
        }));
        // SAFETY: the notice outlives the wait; the default environment is that of the process.
        let wait = unsafe { CreateThreadpoolWait(Some(signalled), notice.cast(), null()) };
        if wait == 0 {
            let error = last_error();
            // SAFETY: nobody else has it.
            drop(unsafe { Box::from_raw(notice) });
            return Err(error);
        }
        record(
            Call::CreateThreadpoolWait,
            wait as usize,
            [target as usize, 0, 0, 0, 0],
            0,
        );
        let started = ThreadPoolWait { wait, notice };
        started.arm(target);
        Ok(started)
    }

    fn arm(&self, target: HANDLE) {
        let arguments = [target as usize, 0, 0, 0, 0];
        record(Call::SetThreadpoolWait, self.wait as usize, arguments, 0);
        // SAFETY: the wait was not closed, and the target is open. No time limits the wait.
        unsafe { SetThreadpoolWait(self.wait, target, null()) };
    }

    /// Ends the wait. Whether nothing was told, and nothing will be.
    pub(crate) fn cancel(&self) -> bool {
        // SAFETY: freed by the drop alone.
        let notice = unsafe { &*self.notice };
        notice.decide(CANCELLED) || notice.state.load(Ordering::Acquire) == CANCELLED
    }
}

impl Drop for ThreadPoolWait {
    fn drop(&mut self) {
        self.cancel();
        self.arm(std::ptr::null_mut());
        record(
            Call::WaitForThreadpoolWaitCallbacks,
            self.wait as usize,
            [1, 0, 0, 0, 0],
            0,
        );
        record(Call::CloseThreadpoolWait, self.wait as usize, [0; 5], 0);
        // SAFETY: the wait is disarmed, so that no callback starts after the one that is waited for; this
        // is no callback. Nobody uses wait or notice afterwards.
        unsafe {
            WaitForThreadpoolWaitCallbacks(self.wait, 1);
            CloseThreadpoolWait(self.wait);
            drop(Box::from_raw(self.notice));
        }
    }
}
