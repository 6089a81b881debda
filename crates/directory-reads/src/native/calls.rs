//! The calls that open and read directories, through the gate of fault injection.

use std::ffi::{CStr, c_void};
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use everwatch_proactor::fault_injection::{Call, attempt, attempt_open, stand_in};
use everwatch_proactor::native::{
    Handle, SHARE_ALL, function_named, result_of, result_of_status, valid_handle,
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
    FILE_LIST_DIRECTORY, OPEN_EXISTING, ReadDirectoryChangesW,
    ReadDirectoryNotifyExtendedInformation, SYNCHRONIZE,
};
use windows_sys::Win32::System::IO::{
    IO_STATUS_BLOCK, LPOVERLAPPED_COMPLETION_ROUTINE, OVERLAPPED,
};
use windows_sys::core::BOOL;

use crate::settings::{Layout, Settings};

/// All that reading changes needs.
const ACCESS: u32 = FILE_LIST_DIRECTORY | SYNCHRONIZE;

/// The kind of reads that a directory is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flavour {
    Overlapped,
    Blocking,
}

/// Opens the directory of a handle a second time: a file object of its own, with a list of changes of its
/// own, wherever the directory has been moved to.
pub(super) fn reopen(directory: BorrowedHandle<'_>, flavour: Flavour) -> Result<Handle, u32> {
    let kind = match flavour {
        Flavour::Overlapped => 0,
        Flavour::Blocking => FILE_SYNCHRONOUS_IO_NONALERT,
    };
    let options =
        FILE_DIRECTORY_FILE | FILE_OPEN_FOR_BACKUP_INTENT | FILE_OPEN_REPARSE_POINT | kind;
    let name = UNICODE_STRING::default();
    let attributes = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: directory.as_raw_handle(),
        ObjectName: &raw const name,
        Attributes: OBJ_CASE_INSENSITIVE,
        ..OBJECT_ATTRIBUTES::default()
    };
    let arguments = [ACCESS as usize, SHARE_ALL as usize, options as usize, 0, 0];
    attempt_open(Call::NtOpenFile, arguments, || {
        let (mut handle, mut block) = (null_mut(), IO_STATUS_BLOCK::default());
        let (place, block) = (&raw mut handle, &raw mut block);
        let attributes = &raw const attributes;
        // SAFETY: all pointers outlive the call, and the directory is open; the handle that comes back is
        // fresh.
        unsafe {
            let opened = NtOpenFile(place, ACCESS, attributes, block, SHARE_ALL, options);
            result_of_status(opened)?;
            Ok(Handle::own(handle))
        }
    })
}

/// Opens a directory by a path of UTF-16 units, the last of which is NUL.
pub(super) fn open(path: &[u16], flavour: Flavour) -> Result<Handle, u32> {
    assert_eq!(path.last(), Some(&0), "the path ends in NUL");
    let kind = match flavour {
        Flavour::Overlapped => FILE_FLAG_OVERLAPPED,
        Flavour::Blocking => 0,
    };
    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT | kind;
    let arguments = [ACCESS as usize, SHARE_ALL as usize, flags as usize, 0, 0];
    attempt_open(Call::CreateFile, arguments, || {
        let (path, none) = (path.as_ptr(), null_mut());
        // SAFETY: the path ends in NUL and outlives the call; the handle that comes back is fresh.
        unsafe {
            let handle = CreateFileW(path, ACCESS, SHARE_ALL, null(), OPEN_EXISTING, flags, none);
            Ok(Handle::own(valid_handle(handle, INVALID_HANDLE_VALUE)?))
        }
    })
}

/// The signature of `ReadDirectoryChangesExW`.
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

/// The read of extended records, which Windows has from 10.0.16299 on, and Wine not at all.
const EXTENDED_READ: &CStr = c"ReadDirectoryChangesExW";

/// The function of this name, if the system has it. It is looked up once, unless a test replaces it.
fn extended_read() -> Option<ReadExtended> {
    static FOUND: OnceLock<Option<ReadExtended>> = OnceLock::new();
    let find = || {
        let function = function_named("kernel32.dll", EXTENDED_READ)?;
        // SAFETY: the function of this name has this signature.
        Some(unsafe { std::mem::transmute::<*mut c_void, ReadExtended>(function.as_ptr()) })
    };
    if stand_in(EXTENDED_READ).is_some() {
        return find();
    }
    *FOUND.get_or_init(find)
}

/// The richest layout that this Windows has.
pub(crate) fn best_layout() -> Layout {
    match extended_read() {
        Some(_) => Layout::Extended,
        None => Layout::Plain,
    }
}

/// Where a read puts its records, and how it reports its end.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) buffer: *mut c_void,
    pub(super) bytes: u32,
    /// Null for a read that blocks.
    pub(super) overlapped: *mut OVERLAPPED,
    pub(super) routine: LPOVERLAPPED_COMPLETION_ROUTINE,
}

/// Issues a read. With a null `overlapped` it waits until the read has completed, and returns its bytes.
///
/// # Safety
/// `directory` is an open directory. Buffer and OVERLAPPED stay in place, and nothing else uses them, until the
/// completion was taken; when the call fails there is none.
pub(super) unsafe fn read(
    directory: HANDLE,
    settings: &Settings,
    layout: Layout,
    target: Target,
) -> Result<u32, u32> {
    let (deep, filter) = (BOOL::from(settings.deep), settings.filter.0);
    let (Target { buffer, bytes, .. }, routine) = (target, target.routine);
    let overlapped = target.overlapped;
    let arguments = [
        filter as usize,
        usize::from(settings.deep),
        bytes as usize,
        overlapped as usize,
        buffer as usize,
    ];
    attempt(Call::ReadDirectoryChanges, directory, arguments, || {
        let mut valid = 0;
        let place = &raw mut valid;
        // SAFETY: the directory is open, and the kernel may write to buffer and OVERLAPPED until the completion
        // was taken.
        let is_fine = unsafe {
            match (layout, extended_read()) {
                (Layout::Extended, Some(read)) => {
                    let class = ReadDirectoryNotifyExtendedInformation;
                    read(
                        directory, buffer, bytes, deep, filter, place, overlapped, routine, class,
                    )
                }
                _ => ReadDirectoryChangesW(
                    directory, buffer, bytes, deep, filter, place, overlapped, routine,
                ),
            }
        };
        match result_of(is_fine) {
            Err(ERROR_IO_PENDING) if !overlapped.is_null() => Ok(valid),
            result => result.map(|()| valid),
        }
    })
}
