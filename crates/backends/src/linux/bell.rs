//! The bell that wakes the thread of the kernel.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::io::Errno;

use super::wakeup::Wakeup;

/// Wakes the thread that waits. Any thread may ring it, at any time; many rings count as one.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Wakeup>);

impl Bell {
    /// Wakes the thread, now or when it next waits.
    pub fn ring(&self) {
        self.0.ring();
    }

    /// A bell that has not rung.
    pub(super) fn new() -> Result<Bell, Errno> {
        Ok(Bell(Arc::new(Wakeup::new()?)))
    }

    /// The descriptor: readable once the bell has rung.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Takes all rings so far.
    pub(super) fn silence(&self) {
        self.0.silence();
    }
}
