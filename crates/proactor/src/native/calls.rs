//! The Win32 calls as functions that return what went wrong, with the seam before each.
//!
//! The last error is read at once after the call, and only when the call failed.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_DIRECTORY_FILE, FILE_OPEN_FOR_BACKUP_INTENT, FILE_OPEN_REPARSE_POINT,
    FILE_SYNCHRONOUS_IO_NONALERT, NtOpenFile,
};
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_IO_PENDING, GetLastError, HANDLE, INVALID_HANDLE_VALUE,
    OBJ_CASE_INSENSITIVE, RtlNtStatusToDosError, UNICODE_STRING, WAIT_TIMEOUT,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_FLAG_OVERLAPPED,
    FILE_LIST_DIRECTORY, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
    ReadDirectoryChangesW, ReadDirectoryNotifyExtendedInformation, ReadFile, SYNCHRONIZE,
    SetFileCompletionNotificationModes, WriteFile,
};
use windows_sys::Win32::System::IO::{
    CancelIo, CancelIoEx, CreateIoCompletionPort, GetQueuedCompletionStatusEx, IO_STATUS_BLOCK,
    LPOVERLAPPED_COMPLETION_ROUTINE, OVERLAPPED, OVERLAPPED_ENTRY, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::WindowsProgramming::{
    FILE_SKIP_COMPLETION_PORT_ON_SUCCESS, FILE_SKIP_SET_EVENT_ON_HANDLE,
};
use windows_sys::core::BOOL;

use crate::native::handle::Handle;
use crate::settings::{Layout, Settings};

#[cfg(not(feature = "seam"))]
pub(crate) use crate::no_seam::{
    Arguments, Call, ReadExtended, completion, extended, fault, has_stand_ins, record, stand_in,
};
#[cfg(feature = "seam")]
pub(crate) use crate::seam::{
    Arguments, Call, ReadExtended, completion, extended, fault, has_stand_ins, record, stand_in,
};

const ACCESS: u32 = FILE_LIST_DIRECTORY | SYNCHRONIZE;
const SHARE: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// How a directory's reads are to complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flavour {
    Overlapped,
    Blocking,
}

/// What Windows says that went wrong. To be asked at once, on the thread that made the call.
pub(crate) fn last_error() -> u32 {
    // SAFETY: no preconditions; it reads a number of this thread.
    unsafe { GetLastError() }
}

/// The Win32 error for an NTSTATUS; 0 for each that is a success.
pub(crate) fn error_of(status: u32) -> u32 {
    if status.cast_signed() >= 0 {
        return 0;
    }
    // SAFETY: no preconditions; it looks a number up in a table.
    unsafe { RtlNtStatusToDosError(status.cast_signed()) }
}

pub(crate) fn outcome(is_fine: BOOL) -> Result<(), u32> {
    if is_fine != 0 {
        Ok(())
    } else {
        Err(last_error())
    }
}

pub(crate) fn noted(
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

/// Opens the directory of an open handle a second time: an object of its own, with a notify list
/// of its own, wherever the directory has been moved to.
///
/// # Safety
/// `directory` must be an open handle.
pub(crate) unsafe fn reopen(directory: HANDLE, flavour: Flavour) -> Result<Handle, u32> {
    let options = FILE_DIRECTORY_FILE
        | FILE_OPEN_FOR_BACKUP_INTENT
        | FILE_OPEN_REPARSE_POINT
        | match flavour {
            Flavour::Overlapped => 0,
            Flavour::Blocking => FILE_SYNCHRONOUS_IO_NONALERT,
        };
    let arguments = [ACCESS as usize, SHARE as usize, options as usize, 0, 0];
    if let Some(error) = fault(Call::NtOpenFile) {
        record(Call::NtOpenFile, 0, arguments, error);
        return Err(error);
    }
    let name = UNICODE_STRING::default();
    let attributes = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: directory,
        ObjectName: &raw const name,
        Attributes: OBJ_CASE_INSENSITIVE,
        ..OBJECT_ATTRIBUTES::default()
    };
    let mut block = IO_STATUS_BLOCK::default();
    let mut handle = null_mut();
    // SAFETY: all pointers are to locals that outlive the call, and the root is open.
    let status = unsafe {
        NtOpenFile(
            &raw mut handle,
            ACCESS,
            &raw const attributes,
            &raw mut block,
            SHARE,
            options,
        )
    };
    let error = error_of(status.cast_unsigned());
    record(Call::NtOpenFile, handle as usize, arguments, error);
    if error != 0 {
        return Err(error);
    }
    // SAFETY: the handle is fresh and nobody else's.
    Ok(unsafe { Handle::own(handle) })
}

/// Opens a directory by a path of UTF-16 units that ends in NUL.
pub(crate) fn open(path: &[u16], flavour: Flavour) -> Result<Handle, u32> {
    assert_eq!(path.last(), Some(&0), "the path ends in NUL");
    let flags = FILE_FLAG_BACKUP_SEMANTICS
        | FILE_FLAG_OPEN_REPARSE_POINT
        | match flavour {
            Flavour::Overlapped => FILE_FLAG_OVERLAPPED,
            Flavour::Blocking => 0,
        };
    let arguments = [ACCESS as usize, SHARE as usize, flags as usize, 0, 0];
    if let Some(error) = fault(Call::CreateFile) {
        record(Call::CreateFile, 0, arguments, error);
        return Err(error);
    }
    // SAFETY: the path ends in NUL and outlives the call; the other pointers may be null.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            ACCESS,
            SHARE,
            null(),
            OPEN_EXISTING,
            flags,
            null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        let error = last_error();
        record(Call::CreateFile, 0, arguments, error);
        return Err(error);
    }
    record(Call::CreateFile, handle as usize, arguments, 0);
    // SAFETY: the handle is fresh and nobody else's.
    Ok(unsafe { Handle::own(handle) })
}

/// `ReadDirectoryChangesExW`, which Windows has from 10.0.16299 on, and Wine not at all.
fn extended_read() -> Option<ReadExtended> {
    static FOUND: OnceLock<Option<ReadExtended>> = OnceLock::new();
    if let Some(stand_in) = extended() {
        return Some(stand_in);
    }
    *FOUND.get_or_init(|| {
        let library: Vec<u16> = "kernel32.dll\0".encode_utf16().collect();
        // SAFETY: the name ends in NUL; kernel32 is never unloaded.
        let function = unsafe {
            let library = GetModuleHandleW(library.as_ptr());
            GetProcAddress(library, c"ReadDirectoryChangesExW".as_ptr().cast())
        };
        // SAFETY: a function of this name has this signature.
        function.map(|function| unsafe { std::mem::transmute(function) })
    })
}

/// The richest layout that this Windows has.
pub(crate) fn best_layout() -> Layout {
    match extended_read() {
        Some(_) => Layout::Extended,
        None => Layout::Plain,
    }
}

/// Where a read puts its records.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) buffer: *mut c_void,
    pub(crate) bytes: u32,
    /// Null for a blocking read.
    pub(crate) overlapped: *mut OVERLAPPED,
    pub(crate) routine: LPOVERLAPPED_COMPLETION_ROUTINE,
}

/// Issues a read, or for a null `overlapped` waits until it has completed and returns its bytes.
///
/// # Safety
/// `directory` is an open directory handle. Buffer and OVERLAPPED stay where they are, untouched by
/// anyone else, until the completion has been taken; when the call fails there will be none.
pub(crate) unsafe fn read(
    directory: HANDLE,
    settings: &Settings,
    layout: Layout,
    target: Target,
) -> Result<u32, u32> {
    let arguments = [
        settings.filter.0 as usize,
        usize::from(settings.deep),
        target.bytes as usize,
        target.overlapped as usize,
        target.buffer as usize,
    ];
    if let Some(error) = fault(Call::ReadDirectoryChanges) {
        record(
            Call::ReadDirectoryChanges,
            directory as usize,
            arguments,
            error,
        );
        return Err(error);
    }
    let (deep, filter) = (BOOL::from(settings.deep), settings.filter.0);
    let Target {
        buffer,
        bytes,
        overlapped,
        routine,
    } = target;
    let mut valid = 0;
    let is_fine = match (layout, extended_read()) {
        // SAFETY: as this function demands of its caller.
        (Layout::Extended, Some(read)) => unsafe {
            let class = ReadDirectoryNotifyExtendedInformation;
            read(
                directory,
                buffer,
                bytes,
                deep,
                filter,
                &raw mut valid,
                overlapped,
                routine,
                class,
            )
        },
        // SAFETY: as this function demands of its caller.
        _ => unsafe {
            ReadDirectoryChangesW(
                directory,
                buffer,
                bytes,
                deep,
                filter,
                &raw mut valid,
                overlapped,
                routine,
            )
        },
    };
    let error = match outcome(is_fine) {
        Err(ERROR_IO_PENDING) if !overlapped.is_null() => 0,
        result => result.err().unwrap_or(0),
    };
    record(
        Call::ReadDirectoryChanges,
        directory as usize,
        arguments,
        error,
    );
    if error == 0 { Ok(valid) } else { Err(error) }
}

/// Asks for a read to end. That there is nothing to end is not an error: its completion is queued.
///
/// # Safety
/// `handle` must be open.
pub(crate) unsafe fn cancel(handle: HANDLE, overlapped: *const OVERLAPPED) -> Result<(), u32> {
    let arguments = [overlapped as usize, 0, 0, 0, 0];
    if let Some(error) = fault(Call::CancelIoEx) {
        return noted(Call::CancelIoEx, handle, arguments, Err(error));
    }
    // SAFETY: the handle is open; the address is compared, never followed.
    let result = outcome(unsafe { CancelIoEx(handle, overlapped) });
    noted(Call::CancelIoEx, handle, arguments, result)
}

/// [`cancel`] for all that this thread has issued on a handle, and for nothing else.
///
/// # Safety
/// `handle` must be open.
pub(crate) unsafe fn cancel_here(handle: HANDLE) -> Result<(), u32> {
    if let Some(error) = fault(Call::CancelIo) {
        return noted(Call::CancelIo, handle, [0; 5], Err(error));
    }
    // SAFETY: the handle is open.
    let result = outcome(unsafe { CancelIo(handle) });
    noted(Call::CancelIo, handle, [0; 5], result)
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
    // SAFETY: the handle is fresh and nobody else's.
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

/// Has operations on `handle` that are complete when their call returns post no packet.
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
/// `port` must be an open port. If there is an OVERLAPPED, whoever takes the packet knows what it is.
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
