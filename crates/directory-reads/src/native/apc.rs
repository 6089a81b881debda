//! Asynchronous procedure calls (APCs): completion routines of reads, and calls that one thread queues for
//! another. Both run on their thread while it sleeps alertably, and at no other time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::windows::io::AsRawHandle;
use std::thread::JoinHandle;

use everwatch_proactor::fault_injection::{Call, attempt};
use everwatch_proactor::native::{Packet, result_of};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::Threading::{QueueUserAPC, SleepEx};

use crate::native::change_read::packet_of;

thread_local! {
    /// The packets of reads of this thread whose completion routine was called.
    static COMPLETED: RefCell<VecDeque<Packet>> = RefCell::default();
}

/// The completion routine of all reads that have one. It only notes the packet: it runs inside a frame of the
/// system, where nothing else may happen.
pub(super) unsafe extern "system" fn completed(_error: u32, _bytes: u32, read: *mut OVERLAPPED) {
    // SAFETY: this routine is given to reads of this crate alone, and is called when one has completed.
    let packet = unsafe { packet_of(read) };
    COMPLETED.with_borrow_mut(|completed| completed.push_back(packet));
}

/// Takes the packets of reads of this thread that have completed since the last call.
pub(crate) fn take_completed() -> VecDeque<Packet> {
    COMPLETED.take()
}

/// Sleeps, and runs the APCs of this thread meanwhile. Returns after any of them, or when the time is over.
pub(crate) fn sleep_alertable(milliseconds: u32) {
    // SAFETY: the call has no preconditions beyond those of the routines, which are this crate's.
    unsafe { SleepEx(milliseconds, 1) };
}

/// What an APC of [`run_on`] runs. In a box of its own, so that it has an address of one word.
type Work = Box<dyn FnOnce() + Send>;

/// The APC that runs a [`Work`].
unsafe extern "system" fn run(work: usize) {
    // SAFETY: `run_on` made the address from a box, for this one call.
    let work = unsafe { Box::from_raw(std::ptr::with_exposed_provenance_mut::<Work>(work)) };
    work();
}

/// Runs `work` on a thread, when it next sleeps alertably. If the thread ends before that, it never runs and is
/// leaked. It must not panic.
///
/// # Errors
/// What QueueUserAPC reports: the thread has ended.
pub(crate) fn run_on<T>(thread: &JoinHandle<T>, work: Work) -> Result<(), u32> {
    let handle = thread.as_raw_handle();
    let work = Box::into_raw(Box::new(work));
    let result = attempt(Call::QueueUserApc, handle, [0; 5], || {
        // SAFETY: the handle of a thread that was not joined is open, and the address is that of a `Work`.
        let queued = unsafe { QueueUserAPC(Some(run), handle, work.expose_provenance()) };
        result_of(queued.cast_signed())
    });
    if result.is_err() {
        // SAFETY: the APC was not queued, so it does not take the box.
        drop(unsafe { Box::from_raw(work) });
    }
    result
}
