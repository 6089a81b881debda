//! The Win32 calls as functions that return what went wrong, with the seam before each.
//!
//! The last error is read at once after the call, and only when the call failed.

use std::io;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{
    CloseHandle, GetLastError, HANDLE, INVALID_HANDLE_VALUE, RtlNtStatusToDosError, WAIT_TIMEOUT,
};
use windows_sys::Win32::Storage::FileSystem::{
    ReadFile, SetFileCompletionNotificationModes, WriteFile,
};
use windows_sys::Win32::System::IO::{
    CancelIoEx, CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED, OVERLAPPED_ENTRY,
    PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::WindowsProgramming::{
    FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, FILE_SKIP_SET_EVENT_ON_HANDLE,
};
use windows_sys::core::BOOL;

use crate::native::handle::Handle;

pub use crate::call::Call;
#[cfg(not(feature = "seam"))]
pub(crate) use crate::no_seam::has_stand_ins;
#[cfg(not(feature = "seam"))]
pub use crate::no_seam::{Arguments, completion, fault, record, stand_in};
#[cfg(feature = "seam")]
pub(crate) use crate::seam::has_stand_ins;
#[cfg(feature = "seam")]
pub use crate::seam::{Arguments, completion, fault, record, stand_in};

/// What Windows says that went wrong. To be asked at once, on the thread that made the call.
pub fn last_error() -> u32 {
    // SAFETY: no preconditions; it reads a number of this thread.
    unsafe { GetLastError() }
}

/// The Win32 error for an NTSTATUS; 0 for each that is a success.
pub fn error_of(status: u32) -> u32 {
    if status.cast_signed() >= 0 {
        return 0;
    }
    // SAFETY: no preconditions; it looks a number up in a table.
    unsafe { RtlNtStatusToDosError(status.cast_signed()) }
}

/// A Win32 error as std has it.
pub fn of_code(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

/// What a call has come to that returns whether it succeeded; to be called at once after it.
///
/// # Errors
/// The last error of this thread.
pub fn outcome(is_fine: BOOL) -> Result<(), u32> {
    if is_fine != 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

/// Records a call and what it came to, while a test has a session open.
///
/// # Errors
/// Those of the result.
pub fn noted(
    call: Call,
    handle: HANDLE,
    arguments: Arguments,
    result: Result<(), u32>,
) -> Result<(), u32> {
    record(call, handle as usize, arguments, result.err().unwrap_or(0));
    result
}

/// Closes a handle that this crate opened.
///
/// # Safety
/// Nothing may use the handle afterwards.
pub(crate) unsafe fn close(handle: HANDLE) {
    // SAFETY: the caller owns the handle and gives it up.
    let result = outcome(unsafe { CloseHandle(handle) });
    let _ = noted(Call::CloseHandle, handle, [0; 5], result);
    debug_assert!(result.is_ok(), "CloseHandle: {result:?}");
}

/// Asks for a read to end. That there is nothing to end is not an error: its completion is queued.
///
/// # Errors
/// What CancelIoEx says.
///
/// # Safety
/// `handle` must be open.
pub unsafe fn cancel(handle: HANDLE, overlapped: *const OVERLAPPED) -> Result<(), u32> {
    let arguments = [overlapped as usize, 0, 0, 0, 0];
    if let Some(error) = fault(Call::CancelIoEx) {
        return noted(Call::CancelIoEx, handle, arguments, Err(error));
    }
    // SAFETY: the handle is open; the address is compared, never followed.
    let result = outcome(unsafe { CancelIoEx(handle, overlapped) });
    noted(Call::CancelIoEx, handle, arguments, result)
}

/// A new completion port.
pub(crate) fn create_port() -> Result<Handle, u32> {
    if let Some(error) = fault(Call::CreateIoCompletionPort) {
        return Err(error);
    }
    // SAFETY: these arguments ask for a port and nothing else.
    let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 1) };
    if port.is_null() {
        return Err(last_error());
    }
    // SAFETY: the handle was just created, and nothing else refers to it.
    Ok(unsafe { Handle::own(port) })
}

/// Sends the completions of `file` to `port`, under `key`.
///
/// # Safety
/// Both handles must be open.
pub(crate) unsafe fn associate(port: HANDLE, file: HANDLE, key: usize) -> Result<(), u32> {
    let arguments = [key, port as usize, 0, 0, 0];
    if let Some(error) = fault(Call::CreateIoCompletionPort) {
        return noted(Call::CreateIoCompletionPort, file, arguments, Err(error));
    }
    // SAFETY: both handles are open.
    let same = unsafe { CreateIoCompletionPort(file, port, key, 0) };
    let result = outcome(BOOL::from(!same.is_null()));
    noted(Call::CreateIoCompletionPort, file, arguments, result)
}

/// Takes packets from a port; none when the time is over.
///
/// # Safety
/// `port` must be an open port.
pub(crate) unsafe fn dequeue(
    port: HANDLE,
    entries: &mut [OVERLAPPED_ENTRY],
    milliseconds: u32,
) -> Result<usize, u32> {
    let call = Call::GetQueuedCompletionStatusEx;
    if let Some(error) = fault(call) {
        return Err(error);
    }
    record(call, port as usize, [entries.len(), 0, 0, 0, 0], 0);
    let room = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let mut removed = 0;
    // SAFETY: the port is open and `entries` has room for what is asked for.
    let is_fine = unsafe {
        GetQueuedCompletionStatusEx(
            port,
            entries.as_mut_ptr(),
            room,
            &raw mut removed,
            milliseconds,
            0,
        )
    };
    // What the call says it removed means nothing when it fails.
    match outcome(is_fine) {
        Ok(()) => Ok(removed as usize),
        Err(WAIT_TIMEOUT) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Suppresses packets for operations on `handle` that complete synchronously.
///
/// # Safety
/// `handle` must be open.
pub(crate) unsafe fn skip_packets_on_success(handle: HANDLE) -> Result<(), u32> {
    if let Some(error) = fault(Call::SetNotificationModes) {
        return noted(Call::SetNotificationModes, handle, [0; 5], Err(error));
    }
    let modes = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
    // SAFETY: the handle is open.
    let result = outcome(unsafe { SetFileCompletionNotificationModes(handle, modes as u8) });
    noted(Call::SetNotificationModes, handle, [0; 5], result)
}

/// Puts a packet into a port.
///
/// # Safety
/// `port` must be an open port. If there is an OVERLAPPED, the code that takes the packet must know what it is.
pub(crate) unsafe fn post(
    port: HANDLE,
    key: usize,
    overlapped: *mut OVERLAPPED,
) -> Result<(), u32> {
    if let Some(error) = fault(Call::PostQueuedCompletionStatus) {
        return Err(error);
    }
    // SAFETY: the port is open; the address is carried, not followed.
    let result = outcome(unsafe { PostQueuedCompletionStatus(port, 0, key, overlapped) });
    noted(
        Call::PostQueuedCompletionStatus,
        port,
        [key, 0, 0, 0, 0],
        result,
    )
}

/// Reads from a pipe or a file into memory that the kernel may write to until the packet of `overlapped`
/// was dequeued. The number of bytes, if the read is complete.
///
/// # Safety
/// The handle is open and overlapped; OVERLAPPED and buffer stay where they are until then.
pub(crate) unsafe fn read_file(
    handle: HANDLE,
    (start, length): (*mut u8, u32),
    overlapped: *mut OVERLAPPED,
) -> Result<u32, u32> {
    // SAFETY: as demanded of the caller.
    let read = || unsafe { ReadFile(handle, start, length, null_mut(), overlapped) };
    // SAFETY: as demanded of the caller.
    unsafe { transfer(Call::ReadFile, handle, (start, length), overlapped, read) }
}

/// Writes to a pipe or a file. The number of bytes, if the write is complete.
///
/// # Safety
/// Those of [`read_file`].
pub(crate) unsafe fn write_file(
    handle: HANDLE,
    (start, length): (*const u8, u32),
    overlapped: *mut OVERLAPPED,
) -> Result<u32, u32> {
    // SAFETY: as demanded of the caller.
    let write = || unsafe { WriteFile(handle, start, length, null_mut(), overlapped) };
    // SAFETY: as demanded of the caller.
    unsafe { transfer(Call::WriteFile, handle, (start, length), overlapped, write) }
}

/// Makes a call that transfers bytes, unless it is to fail.
///
/// # Safety
/// `issue` makes the call with this OVERLAPPED, which stays where it is until its packet was dequeued.
unsafe fn transfer(
    call: Call,
    handle: HANDLE,
    (start, length): (*const u8, u32),
    overlapped: *mut OVERLAPPED,
    issue: impl FnOnce() -> BOOL,
) -> Result<u32, u32> {
    let arguments = [overlapped as usize, start as usize, length as usize, 0, 0];
    let result = match fault(call) {
        Some(error) => Err(error),
        None => outcome(issue()),
    };
    noted(call, handle, arguments, result)?;
    // SAFETY: the call is complete. A packet that comes all the same says the same number.
    Ok(unsafe { (&raw const (*overlapped).InternalHigh).read_volatile() } as u32)
}
