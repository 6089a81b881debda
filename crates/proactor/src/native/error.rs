//! Errors of the system as numbers, and as std has them.

use std::io;

use windows_sys::Win32::Foundation::{GetLastError, HANDLE, RtlNtStatusToDosError};
use windows_sys::core::BOOL;

/// The Win32 error of the last call of this thread that failed. Must be asked for right after that call.
pub fn last_error() -> u32 {
    // SAFETY: the call has no preconditions; it reads a number of this thread.
    unsafe { GetLastError() }
}

/// The Win32 error for an NTSTATUS; 0 for every status that is a success.
pub fn error_of_status(status: u32) -> u32 {
    if status.cast_signed() >= 0 {
        return 0;
    }
    // SAFETY: the call has no preconditions; it looks a number up in a table.
    unsafe { RtlNtStatusToDosError(status.cast_signed()) }
}

/// The result of a call that returns an NTSTATUS.
///
/// # Errors
/// The Win32 error for it.
pub fn result_of_status(status: i32) -> Result<(), u32> {
    match error_of_status(status.cast_unsigned()) {
        0 => Ok(()),
        error => Err(error),
    }
}

/// The result of a call that returns whether it succeeded. Must be taken right after the call.
///
/// # Errors
/// The last error of this thread.
pub fn result_of(is_fine: BOOL) -> Result<(), u32> {
    if is_fine != 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

/// The result of a call that returns a handle, or `invalid` when it fails. Must be taken right after the call.
///
/// # Errors
/// The last error of this thread.
pub fn valid_handle(handle: HANDLE, invalid: HANDLE) -> Result<HANDLE, u32> {
    if handle == invalid {
        Err(last_error())
    } else {
        Ok(handle)
    }
}

/// A Win32 error as std has it.
pub fn io_error(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

/// The Win32 error that std has as this one; 0 where std made it up.
pub fn error_code(error: &io::Error) -> u32 {
    error.raw_os_error().unwrap_or(0).cast_unsigned()
}
