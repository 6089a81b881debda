//! Threads: their start, their numbers, and whether what a handle stands for is signalled.

use std::os::windows::io::{AsHandle, AsRawHandle};
use std::thread::JoinHandle;

use windows_sys::Win32::Foundation::{WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::WaitForSingleObject;

use crate::fault_injection::{Call, attempt};
use crate::native::error::{error_code, last_error};

/// The number of this thread, for records of fault injection.
#[cfg(feature = "fault-injection")]
pub(crate) fn this_thread() -> u32 {
    // SAFETY: the call has no preconditions.
    unsafe { windows_sys::Win32::System::Threading::GetCurrentThreadId() }
}

/// Waits until the handle is signalled, at most this long; 0 asks without waiting.
///
/// # Errors
/// What WaitForSingleObject reports: the handle does not have the right `SYNCHRONIZE`.
pub fn is_signalled_within(handle: impl AsHandle, milliseconds: u32) -> Result<bool, u32> {
    let handle = handle.as_handle().as_raw_handle();
    // SAFETY: the handle is borrowed, so it is open for the time of the call.
    match unsafe { WaitForSingleObject(handle, milliseconds) } {
        WAIT_OBJECT_0 => Ok(true),
        WAIT_FAILED => Err(last_error()),
        _ => Ok(false),
    }
}

/// Starts a named thread.
///
/// # Errors
/// The Win32 error with which the system refuses a thread.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, u32> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let spawn = || thread.spawn(body).map_err(|error| error_code(&error));
    attempt(Call::SpawnThread, std::ptr::null_mut(), [0; 5], spawn)
}
