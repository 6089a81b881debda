//! The Win32 calls that open and read directories, each with the fault injection of `everwatch-proactor`
//! before it.
//!
//! The last error is read at once after the call, and only when the call failed.

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use everwatch_proactor::native::{
    Call, Handle, error_of, fault, function_of, last_error, noted, outcome, record, stand_in,
};
use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_DIRECTORY_FILE, FILE_OPEN_FOR_BACKUP_INTENT, FILE_OPEN_REPARSE_POINT,
    FILE_SYNCHRONOUS_IO_NONALERT, NtOpenFile,
};
use windows_sys::Win32::Foundation::{
    ERROR_IO_PENDING, HANDLE, INVALID_HANDLE_VALUE, OBJ_CASE_INSENSITIVE, UNICODE_STRING,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_FLAG_OVERLAPPED,
    FILE_LIST_DIRECTORY, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
    ReadDirectoryChangesW, ReadDirectoryNotifyExtendedInformation, SYNCHRONIZE,
};
use windows_sys::Win32::System::IO::{
    CancelIo, IO_STATUS_BLOCK, LPOVERLAPPED_COMPLETION_ROUTINE, OVERLAPPED,
};
use windows_sys::core::BOOL;

use crate::settings::{Layout, Settings};

const ACCESS: u32 = FILE_LIST_DIRECTORY | SYNCHRONIZE;
const SHARE: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// How a directory's reads are to complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flavour {
    Overlapped,
    Blocking,
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

type ReadExtended = unsafe extern "system" fn(
    HANDLE,
    *mut c_void,
    u32,
    BOOL,
    u32,
    *mut u32,
    *mut OVERLAPPED,
    LPOVERLAPPED_COMPLETION_ROUTINE,
    i32,
) -> BOOL;

/// `ReadDirectoryChangesExW`, which Windows has from 10.0.16299 on, and Wine not at all.
fn extended_read() -> Option<ReadExtended> {
    static FOUND: OnceLock<Option<ReadExtended>> = OnceLock::new();
    if stand_in(EXTENDED_READ).is_some() {
        return find_extended_read();
    }
    *FOUND.get_or_init(find_extended_read)
}

const EXTENDED_READ: &CStr = c"ReadDirectoryChangesExW";

fn find_extended_read() -> Option<ReadExtended> {
    let function = function_of("kernel32.dll", EXTENDED_READ)?;
    // SAFETY: a function of this name has this signature.
    Some(unsafe { std::mem::transmute::<*mut c_void, ReadExtended>(function.as_ptr()) })
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
