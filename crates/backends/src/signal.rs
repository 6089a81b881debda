//! A flag that programs can wait for with what the operating system has for that: a descriptor that
//! can be read while the flag is up, or an event that is signalled as long.

#[cfg(not(windows))]
pub use descriptor::Signal;
#[cfg(windows)]
pub use event::Signal;

#[cfg(not(windows))]
mod descriptor {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    use rustix::event::{EventfdFlags, eventfd};

    /// See the module head. An `eventfd`: readable unless its counter is zero.
    #[derive(Debug)]
    pub struct Signal(OwnedFd);

    impl Signal {
        /// A flag that is down.
        pub fn new() -> io::Result<Signal> {
            let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
            Ok(Signal(eventfd(0, flags)?))
        }

        /// Puts the flag up; it may be up already.
        pub fn raise(&self) {
            // It is full only if it is up.
            let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
        }

        /// Takes the flag down; it may be down already.
        pub fn lower(&self) {
            // It is empty only if it is down.
            let _ = rustix::io::read(&self.0, &mut [0; 8]);
        }
    }

    impl AsFd for Signal {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
}

#[cfg(windows)]
mod event {
    use std::io;
    use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};

    use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent, SetEvent};

    /// See the module head. An event that is reset by hand.
    #[derive(Debug)]
    pub struct Signal(OwnedHandle);

    impl Signal {
        /// A flag that is down.
        pub fn new() -> io::Result<Signal> {
            const BY_HAND: i32 = 1;
            const DOWN: i32 = 0;
            // SAFETY: no attributes and no name are given; both may be null.
            let event = unsafe { CreateEventW(std::ptr::null(), BY_HAND, DOWN, std::ptr::null()) };
            if event.is_null() {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the handle is open, and has no other owner.
            Ok(Signal(unsafe { OwnedHandle::from_raw_handle(event) }))
        }

        /// Puts the flag up; it may be up already.
        pub fn raise(&self) {
            // SAFETY: the handle is open as long as `self` lives, and is that of an event.
            unsafe { SetEvent(self.0.as_raw_handle()) };
        }

        /// Takes the flag down; it may be down already.
        pub fn lower(&self) {
            // SAFETY: as in `raise`.
            unsafe { ResetEvent(self.0.as_raw_handle()) };
        }
    }

    impl AsHandle for Signal {
        fn as_handle(&self) -> BorrowedHandle<'_> {
            self.0.as_handle()
        }
    }
}
