//! A flag that programs can wait for: a descriptor that can be read while the flag is up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::wakeup::Wakeup;

/// A flag, whose descriptor is readable while it is up. Any thread may change it.
#[derive(Debug)]
pub struct Signal(Wakeup);

impl Signal {
    /// A flag that is down.
    pub fn new() -> io::Result<Signal> {
        Ok(Signal(Wakeup::new()?))
    }

    /// Puts the flag up; it may be up already.
    pub fn raise(&self) {
        self.0.ring();
    }

    /// Takes the flag down; it may be down already.
    pub fn lower(&self) {
        self.0.silence();
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
