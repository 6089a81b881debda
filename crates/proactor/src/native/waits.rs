//! Threads, and whether what a handle stands for is signalled.

use std::thread::JoinHandle;

use windows_sys::Win32::Foundation::{HANDLE, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::WaitForSingleObject;

use crate::native::calls::{Call, fault};

/// The number of this thread, for the seam.
#[cfg(feature = "seam")]
pub(crate) fn this_thread() -> u32 {
    // SAFETY: no preconditions.
    unsafe { windows_sys::Win32::System::Threading::GetCurrentThreadId() }
}

/// Whether a handle is signalled now.
pub(crate) fn is_signalled(handle: HANDLE) -> std::io::Result<bool> {
    // SAFETY: a handle that is not open is refused, and nothing else happens with it.
    match unsafe { WaitForSingleObject(handle, 0) } {
        WAIT_OBJECT_0 => Ok(true),
        WAIT_FAILED => Err(std::io::Error::last_os_error()),
        _ => Ok(false),
    }
}

/// Starts a named thread.
///
/// # Errors
/// The system gives no thread.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, u32> {
    if let Some(error) = fault(Call::SpawnThread) {
        return Err(error);
    }
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|error| error.raw_os_error().unwrap_or(0).cast_unsigned())
}
