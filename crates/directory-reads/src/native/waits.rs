//! Events, alertable sleep, and the threads that are woken or cancelled by handle.

use std::os::windows::io::AsRawHandle;
use std::ptr::null;
use std::thread::JoinHandle;

use everwatch_proactor::native::{Call, Handle, fault, last_error, noted, outcome, record};
use windows_sys::Win32::Foundation::{HANDLE, WAIT_FAILED, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::CancelSynchronousIo;
use windows_sys::Win32::System::Threading::{
    CreateEventW, QueueUserAPC, SetEvent, SleepEx, WaitForMultipleObjects,
};

/// The most handles that one wait can have.
pub(crate) const MOST_HANDLES: usize = 64;

/// An event that a satisfied wait resets.
#[derive(Debug)]
pub(crate) struct Event(Handle);

impl Event {
    pub(crate) fn new() -> Result<Event, u32> {
        if let Some(error) = fault(Call::CreateEvent) {
            return Err(error);
        }
        // SAFETY: no name and no security descriptor.
        let event = unsafe { CreateEventW(null(), 0, 0, null()) };
        if event.is_null() {
            return Err(last_error());
        }
        record(Call::CreateEvent, event as usize, [0; 5], 0);
        // SAFETY: the handle is fresh and nobody else's.
        Ok(Event(unsafe { Handle::own(event) }))
    }

    pub(crate) fn set(&self) -> Result<(), u32> {
        if let Some(error) = fault(Call::SetEvent) {
            return Err(error);
        }
        // SAFETY: the handle is open.
        outcome(unsafe { SetEvent(self.0.raw()) })
    }

    pub(crate) fn raw(&self) -> HANDLE {
        self.0.raw()
    }
}

/// Waits until one of the handles is signalled, and returns the first that is; `None` when the time
/// is over.
///
/// # Safety
/// All handles are open and stay so; there are 1 to [`MOST_HANDLES`].
pub(crate) unsafe fn wait_for_one(
    handles: &[HANDLE],
    milliseconds: u32,
) -> Result<Option<usize>, u32> {
    if let Some(error) = fault(Call::WaitForMultipleObjects) {
        return Err(error);
    }
    debug_assert!((1..=MOST_HANDLES).contains(&handles.len()));
    // SAFETY: as demanded of the caller.
    let result =
        unsafe { WaitForMultipleObjects(handles.len() as u32, handles.as_ptr(), 0, milliseconds) };
    match result {
        WAIT_TIMEOUT => Ok(None),
        WAIT_FAILED => Err(last_error()),
        signalled => Ok(Some((signalled - WAIT_OBJECT_0) as usize)),
    }
}

/// Sleeps, and runs completion routines and user APCs of this thread meanwhile.
pub(crate) fn sleep_alertable(milliseconds: u32) {
    // SAFETY: no preconditions beyond those of the routines, which are this crate's.
    unsafe { SleepEx(milliseconds, 1) };
}

/// Has `routine` called with `parameter` on a thread, when it sleeps alertably.
///
/// # Safety
/// The routine must be sound to call with this parameter, on that thread, once.
pub(crate) unsafe fn queue<T>(
    thread: &JoinHandle<T>,
    routine: unsafe extern "system" fn(usize),
    parameter: usize,
) -> Result<(), u32> {
    let handle = thread.as_raw_handle();
    if let Some(error) = fault(Call::QueueUserApc) {
        return noted(Call::QueueUserApc, handle, [0; 5], Err(error));
    }
    // SAFETY: the handle of a thread that has not been joined is open.
    let result = outcome(unsafe { QueueUserAPC(Some(routine), handle, parameter) }.cast_signed());
    noted(Call::QueueUserApc, handle, [0; 5], result)
}

/// Ends the blocking call that a thread is in, if it is in one.
pub(crate) fn cancel_blocking<T>(thread: &JoinHandle<T>) -> Result<(), u32> {
    let handle = thread.as_raw_handle();
    if let Some(error) = fault(Call::CancelSynchronousIo) {
        return noted(Call::CancelSynchronousIo, handle, [0; 5], Err(error));
    }
    // SAFETY: the handle of a thread that has not been joined is open.
    let result = outcome(unsafe { CancelSynchronousIo(handle) });
    noted(Call::CancelSynchronousIo, handle, [0; 5], result)
}
