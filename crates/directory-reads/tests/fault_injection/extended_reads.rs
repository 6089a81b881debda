//! A ReadDirectoryChangesExW for systems that have none: it takes the read, and reads in the plain layout.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

use everwatch_proactor::fault_injection::Session;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Storage::FileSystem::ReadDirectoryChangesW;
use windows_sys::Win32::System::IO::{LPOVERLAPPED_COMPLETION_ROUTINE, OVERLAPPED};
use windows_sys::core::BOOL;

pub(crate) type ReadExtended = unsafe extern "system" fn(
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

/// How many extended reads were issued.
static ISSUED: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn issued() -> usize {
    ISSUED.load(Ordering::SeqCst)
}

pub(crate) unsafe extern "system" fn reads_plainly(
    directory: HANDLE,
    buffer: *mut c_void,
    length: u32,
    deep: BOOL,
    filter: u32,
    bytes: *mut u32,
    overlapped: *mut OVERLAPPED,
    routine: LPOVERLAPPED_COMPLETION_ROUTINE,
    class: i32,
) -> BOOL {
    const READ_DIRECTORY_NOTIFY_EXTENDED_INFORMATION: i32 = 2;
    assert_eq!(class, READ_DIRECTORY_NOTIFY_EXTENDED_INFORMATION);
    ISSUED.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the caller passes the pointers and the handle that the real call takes.
    unsafe {
        ReadDirectoryChangesW(
            directory, buffer, length, deep, filter, bytes, overlapped, routine,
        )
    }
}

/// Gives the process such reads, and no memory of volumes.
pub(crate) fn give(session: &Session) {
    everwatch_directory_reads::forget_layouts();
    let function: ReadExtended = reads_plainly;
    // SAFETY: it has the signature of ReadDirectoryChangesExW.
    unsafe { session.export(c"ReadDirectoryChangesExW", function as *const c_void) };
}

/// ERROR_INVALID_FUNCTION, with STATUS_INVALID_DEVICE_REQUEST.
const REFUSED: (u32, u32) = (1, 0xc000_0010);

/// The file system ends a read because of its layout, after `passing` others.
pub(crate) fn refuse(session: &Session, passing: usize) {
    session.complete(passing, REFUSED.0, REFUSED.1);
}
