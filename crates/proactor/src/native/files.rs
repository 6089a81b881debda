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
use crate::native::overlapped::{Ended, Overlapped};

/// The share mode that lets others do everything with a file, also rename and remove it.
pub const SHARE_ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// Asks for an operation on a handle to end: the one with an `OVERLAPPED` at this address, or all of them. An
/// error most often says that there is none: its completion is queued already.
///
/// # Errors
/// What CancelIoEx reports; `ERROR_NOT_FOUND` if nothing is in flight.
pub fn cancel(handle: &impl AsRawHandle, address: Option<usize>) -> Result<(), u32> {
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

/// The address and the capacity of a buffer that the kernel fills, as calls want them.
pub(super) fn space_in(buffer: &mut Vec<u8>) -> (*mut u8, u32) {
    let length = u32::try_from(buffer.capacity()).unwrap_or(u32::MAX);
    (buffer.as_mut_ptr(), length)
}

/// The address and the length of bytes that the kernel reads, as calls want them.
pub(super) fn bytes_of(buffer: &[u8]) -> (*const u8, u32) {
    let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
    (buffer.as_ptr(), length)
}

/// Sets the length of a buffer that an operation has filled; `ended` is the end of that operation. Returns
/// how many bytes there are.
pub(crate) fn set_filled(buffer: &mut Vec<u8>, ended: Ended) -> usize {
    let count = (ended.transferred() as usize).min(buffer.capacity());
    // SAFETY: the kernel has written this many bytes to the start of the buffer, which has space for them.
    unsafe { buffer.set_len(count) };
    count
}

/// Reads from a pipe or a file into a buffer of the operation, up to its capacity. Returns how many bytes were
/// read, if the read is complete.
pub(crate) fn read(
    handle: HANDLE,
    buffer: &mut Vec<u8>,
    offset: u64,
    mut overlapped: Overlapped<'_>,
) -> Result<u32, u32> {
    overlapped.set_offset(offset);
    let ((start, length), pointer) = (space_in(buffer), overlapped.as_ptr());
    let arguments = [pointer as usize, start as usize, length as usize, 0, 0];
    attempt(Call::ReadFile, handle, arguments, || {
        // SAFETY: buffer and OVERLAPPED are those of an operation, which keeps them in place.
        result_of(unsafe { ReadFile(handle, start, length, null_mut(), pointer) })
    })?;
    Ok(overlapped.transferred())
}

/// Writes a buffer of the operation to a pipe or a file. Returns how many bytes were written, if the write is
/// complete.
pub(crate) fn write(
    handle: HANDLE,
    buffer: &[u8],
    offset: u64,
    mut overlapped: Overlapped<'_>,
) -> Result<u32, u32> {
    overlapped.set_offset(offset);
    let ((start, length), pointer) = (bytes_of(buffer), overlapped.as_ptr());
    let arguments = [pointer as usize, start as usize, length as usize, 0, 0];
    attempt(Call::WriteFile, handle, arguments, || {
        // SAFETY: buffer and OVERLAPPED are those of an operation, which keeps them in place.
        result_of(unsafe { WriteFile(handle, start, length, null_mut(), pointer) })
    })?;
    Ok(overlapped.transferred())
}
