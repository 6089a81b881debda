//! A flag that programs can wait for: an event that is signalled while the flag is up (CreateEventW).

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent, SetEvent};

/// A flag: an event that is reset by hand. Any thread may change it.
#[derive(Debug)]
pub struct EventSignal(OwnedHandle);

impl EventSignal {
    /// A flag that is down.
    pub fn new() -> io::Result<EventSignal> {
        const BY_HAND: i32 = 1;
        const DOWN: i32 = 0;
        // SAFETY: no attributes and no name are given; both may be null.
        let event = unsafe { CreateEventW(std::ptr::null(), BY_HAND, DOWN, std::ptr::null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is open, and has no other owner.
        Ok(EventSignal(unsafe { OwnedHandle::from_raw_handle(event) }))
    }

    /// Puts the flag up; it may be up already.
    pub fn raise(&self) {
        // SAFETY: the handle is open as long as `self` lives, and is that of an event.
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }

    /// Takes the flag down; it may be down already.
    pub fn lower(&self) {
        // SAFETY: the handle is open as long as `self` lives, and is that of an event.
        unsafe { ResetEvent(self.0.as_raw_handle()) };
    }
}

impl AsHandle for EventSignal {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.0.as_handle()
    }
}
