//! Waits of the process's thread pool, which has one thread to 63 handles: for systems without wait
//! completion packets.
//!
//! One word decides between the callback and a cancel, so that a cancel is exact and blocks for nothing.
//!
//! A wait is closed as the system demands: disarmed, then a callback that is under way is waited for, then closed.
//! That takes as long as a callback does, which posts one packet and nothing else: it takes no lock of the
//! proactor, runs no waker, and so it never is the one that closes. But memory does not depend on it: a
//! callback knows its wait by a number that is used once, and one that comes too late finds nothing. Under
//! Wine it does come (a wait that is satisfied while it is disarmed is called back after the close).

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::null;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::Threading::{
    CloseThreadpoolWait, CreateThreadpoolWait, PTP_CALLBACK_INSTANCE, PTP_WAIT, SetThreadpoolWait,
    WaitForThreadpoolWaitCallbacks,
};

use crate::native::calls::{Call, fault, last_error, record};

/// The pause before a packet that could not be posted is posted again.
const AFTER_A_FAILED_TELL: Duration = Duration::from_millis(1);

const WAITING: u8 = 0;
const TOLD: u8 = 1;
const CANCELLED: u8 = 2;

/// Posts the end of a wait; the error of one that could not be posted.
pub(crate) type PostEnd = Box<dyn Fn() -> Result<(), u32> + Send + Sync>;

/// Tells, however often it takes: a packet is refused where the system has no memory, and an end that is
/// never posted is waited for without end.
pub(crate) fn post_until_taken(post_end: &(dyn Fn() -> Result<(), u32> + Send + Sync)) {
    while post_end().is_err() {
        std::thread::sleep(AFTER_A_FAILED_TELL);
    }
}

struct Notice {
    state: AtomicU8,
    post_end: PostEnd,
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

/// The notices of all waits that are not closed, by number.
static NOTICES: Mutex<BTreeMap<usize, Arc<Notice>>> = Mutex::new(BTreeMap::new());

/// Held for a look-up, never while a packet is posted.
fn notices() -> MutexGuard<'static, BTreeMap<usize, Arc<Notice>>> {
    NOTICES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See the head of the module.
pub(crate) struct ThreadPoolWait {
    wait: PTP_WAIT,
    number: usize,
    notice: Arc<Notice>,
}

unsafe extern "system" fn signalled(
    _: PTP_CALLBACK_INSTANCE,
    number: *mut c_void,
    _: PTP_WAIT,
    _: u32,
) {
    let notice = notices().get(&(number as usize)).cloned();
    if let Some(notice) = notice
        && notice.decide(TOLD)
    {
        post_until_taken(&*notice.post_end);
    }
}

impl ThreadPoolWait {
    /// Calls `post_end` on a thread of the pool, once, when `target` is signalled; perhaps before this
    /// returns. It must not panic, nor take a lock under which a wait is cancelled or dropped.
    ///
    /// # Safety
    /// The target is open for as long as the wait exists.
    pub(crate) unsafe fn start(target: HANDLE, post_end: PostEnd) -> Result<ThreadPoolWait, u32> {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        if let Some(error) = fault(Call::CreateThreadpoolWait) {
            return Err(error);
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let notice = Arc::new(Notice {
            state: AtomicU8::new(WAITING),
            post_end,
        });
        // SAFETY: the context is a number; the default environment is that of the process.
        let wait = unsafe { CreateThreadpoolWait(Some(signalled), number as *mut c_void, null()) };
        if wait == 0 {
            return Err(last_error());
        }
        record(
            Call::CreateThreadpoolWait,
            wait as usize,
            [target as usize, 0, 0, 0, 0],
            0,
        );
        notices().insert(number, Arc::clone(&notice));
        let started = ThreadPoolWait {
            wait,
            number,
            notice,
        };
        started.arm(target);
        Ok(started)
    }

    fn arm(&self, target: HANDLE) {
        let arguments = [target as usize, 0, 0, 0, 0];
        record(Call::SetThreadpoolWait, self.wait as usize, arguments, 0);
        // SAFETY: the wait was not closed, and the target is open. No time limits the wait.
        unsafe { SetThreadpoolWait(self.wait, target, null()) };
    }

    /// Ends the wait. Returns whether nothing was posted, and nothing will be.
    pub(crate) fn cancel(&self) -> bool {
        self.notice.decide(CANCELLED) || self.notice.state.load(Ordering::Acquire) == CANCELLED
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
        // SAFETY: the wait was not closed, and is not used afterwards; this is no callback.
        unsafe {
            WaitForThreadpoolWaitCallbacks(self.wait, 1);
            CloseThreadpoolWait(self.wait);
        }
        let removed = notices().remove(&self.number);
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::System::Threading::CreateEventW;

    use super::*;
    use crate::native::handle::Handle;

    // requirement: S4.7 (wine)
    #[test]
    fn a_callback_that_comes_after_the_close_finds_nothing() {
        // SAFETY: no name and no security descriptor; the event was just created, and nothing else refers to it.
        let event = unsafe { Handle::own(CreateEventW(null(), 1, 0, null())) };
        let posted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&posted);
        let post_end: PostEnd = Box::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        // SAFETY: the event outlives the wait.
        let wait = unsafe { ThreadPoolWait::start(event.raw(), post_end) }.expect("a wait");
        let number = wait.number as *mut c_void;
        drop(wait);
        assert_eq!(Arc::strong_count(&posted), 1, "the notice is gone");
        // SAFETY: it is sound with any number.
        unsafe { signalled(0, number, 0, 0) };
        assert_eq!(posted.load(Ordering::SeqCst), 0);
    }
}
