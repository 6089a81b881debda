//! Reads and writes of files and pipes, and what all overlapped calls have in common.

use std::os::windows::io::AsRawHandle;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, ReadFile,
    SetFileCompletionNotificationModes, WriteFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, OVERLAPPED};
use windows_sys::Win32::System::WindowsProgramming::{
    FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, FILE_SKIP_SET_EVENT_ON_HANDLE,
};

use crate::fault_injection::{Call, attempt};
use crate::native::error::result_of;
use crate::native::overlapped::{Issued, Overlapped};

/// The share mode that lets others do everything with a file, also rename and remove it.
pub const SHARE_ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// Asks for an operation on a handle to end: the one with an `OVERLAPPED` at this address, or all of them. An
/// error most often says that there is none: its completion is queued already.
///
/// # Errors
/// What CancelIoEx reports; `ERROR_NOT_FOUND` if nothing is in flight.
pub fn cancel_io(handle: &impl AsRawHandle, address: Option<usize>) -> Result<(), u32> {
    let (handle, address) = (handle.as_raw_handle(), address.unwrap_or(0));
    let overlapped = std::ptr::without_provenance::<OVERLAPPED>(address);
    let arguments = [address, 0, 0, 0, 0];
    attempt(Call::CancelIoEx, handle, arguments, || {
        // SAFETY: the kernel refuses a handle that is not open, and compares the address without following it.
        result_of(unsafe { CancelIoEx(handle, overlapped) })
    })
}

/// Suppresses packets of operations on a handle that are complete when their call returns.
///
/// # Errors
/// What SetFileCompletionNotificationModes reports, on systems that cannot do it.
pub(crate) fn skip_packets_on_success(handle: HANDLE) -> Result<(), u32> {
    let modes = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
    attempt(Call::SetNotificationModes, handle, [0; 5], || {
        // SAFETY: the kernel refuses a handle that is not open.
        result_of(unsafe { SetFileCompletionNotificationModes(handle, modes as u8) })
    })
}

/// Reads from a pipe or a file into a buffer, up to its capacity.
pub(crate) fn read<'a>(
    handle: HANDLE,
    buffer: Vec<u8>,
    offset: u64,
    mut overlapped: Overlapped<'a>,
) -> Issued<'a> {
    overlapped.set_offset(offset);
    let pointer = overlapped.as_ptr();
    let (start, length) = overlapped.keep_space(buffer);
    let arguments = [pointer as usize, start as usize, length as usize, 0, 0];
    let result = attempt(Call::ReadFile, handle, arguments, || {
        // SAFETY: buffer and OVERLAPPED are kept in place until the operation has ended.
        result_of(unsafe { ReadFile(handle, start, length, null_mut(), pointer) })
    });
    overlapped.transferred(result)
}

/// Writes a buffer to a pipe or a file.
pub(crate) fn write<'a>(
    handle: HANDLE,
    buffer: Vec<u8>,
    offset: u64,
    mut overlapped: Overlapped<'a>,
) -> Issued<'a> {
    overlapped.set_offset(offset);
    let pointer = overlapped.as_ptr();
    let (start, length) = overlapped.keep_bytes(buffer);
    let arguments = [pointer as usize, start as usize, length as usize, 0, 0];
    let result = attempt(Call::WriteFile, handle, arguments, || {
        // SAFETY: buffer and OVERLAPPED are kept in place until the operation has ended.
        result_of(unsafe { WriteFile(handle, start, length, null_mut(), pointer) })
    });
    overlapped.transferred(result)
}
