//! A handle that is closed exactly once.

use std::mem::ManuallyDrop;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};

use crate::native::calls;

/// An open handle of this crate; neither null nor `INVALID_HANDLE_VALUE`. Not std's `OwnedHandle`,
/// so that closing it passes the seam.
#[derive(Debug)]
pub struct Handle(HANDLE);

// SAFETY: a handle is a number that the kernel knows; any thread may use and close it.
unsafe impl Send for Handle {}
// SAFETY: as above; the calls on it are made by shared reference and are synchronised by the kernel.
unsafe impl Sync for Handle {}

impl Handle {
    /// Takes a handle over.
    ///
    /// # Safety
    /// The handle must be open and have no other owner.
    pub unsafe fn own(handle: HANDLE) -> Handle {
        debug_assert!(!handle.is_null() && handle != INVALID_HANDLE_VALUE);
        Handle(handle)
    }

    /// Open for as long as `self` is.
    pub fn raw(&self) -> HANDLE {
        self.0
    }

    /// The same as a handle of std's.
    pub fn borrow(&self) -> BorrowedHandle<'_> {
        // SAFETY: it is open for as long as `self` is.
        unsafe { BorrowedHandle::borrow_raw(self.0) }
    }
}

impl From<Handle> for OwnedHandle {
    fn from(handle: Handle) -> OwnedHandle {
        let handle = ManuallyDrop::new(handle);
        // SAFETY: it is open and is given up here.
        unsafe { OwnedHandle::from_raw_handle(handle.0) }
    }
}

impl AsRawHandle for Handle {
    fn as_raw_handle(&self) -> std::os::windows::io::RawHandle {
        self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle has no other owner.
        unsafe { calls::close(self.0) }
    }
}
