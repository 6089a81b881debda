//! A handle that is closed exactly once, through the gate of fault injection.

use std::mem::ManuallyDrop;
use std::os::windows::io::{
    AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, IntoRawHandle, OwnedHandle, RawHandle,
};

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE, INVALID_HANDLE_VALUE};

use crate::fault_injection::{Call, attempt};
use crate::native::error::result_of;

/// An open handle, neither null nor `INVALID_HANDLE_VALUE`. It is std's [`OwnedHandle`] with one difference:
/// its close passes the gate of fault injection, so that tests see when it happens.
#[derive(Debug)]
pub struct Handle(HANDLE);

// SAFETY: a handle is a number that the kernel knows; any thread may use and close it.
unsafe impl Send for Handle {}
// SAFETY: calls are made on it by shared reference, and the kernel synchronises them.
unsafe impl Sync for Handle {}

impl Handle {
    /// Takes ownership of a handle.
    ///
    /// # Safety
    /// The handle is open, and nothing else closes it.
    pub unsafe fn own(handle: HANDLE) -> Handle {
        debug_assert!(!handle.is_null() && handle != INVALID_HANDLE_VALUE);
        Handle(handle)
    }

    /// The number of the handle, which is open for as long as `self` lives.
    pub fn raw(&self) -> HANDLE {
        self.0
    }
}

impl From<OwnedHandle> for Handle {
    fn from(handle: OwnedHandle) -> Handle {
        Handle(handle.into_raw_handle())
    }
}

impl From<Handle> for OwnedHandle {
    fn from(handle: Handle) -> OwnedHandle {
        let handle = ManuallyDrop::new(handle);
        // SAFETY: the handle is open, and `handle` does not close it.
        unsafe { OwnedHandle::from_raw_handle(handle.0) }
    }
}

impl AsRawHandle for Handle {
    fn as_raw_handle(&self) -> RawHandle {
        self.0
    }
}

impl AsHandle for Handle {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        // SAFETY: the handle is open for as long as `self` lives.
        unsafe { BorrowedHandle::borrow_raw(self.0) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and nothing uses it after this.
        let close = || result_of(unsafe { CloseHandle(self.0) });
        let closed = attempt(Call::CloseHandle, self.0, [0; 5], close);
        debug_assert!(closed.is_ok(), "CloseHandle: {closed:?}");
    }
}
