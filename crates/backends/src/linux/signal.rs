//! A flag that programs can wait for: a descriptor that can be read while the flag is up (eventfd(2)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// A flag: an `eventfd`, readable unless its counter is zero. Any thread may change it.
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
