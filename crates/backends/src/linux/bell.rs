//! The bell that wakes the thread of the kernel: an eventfd(2).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

/// Wakes the thread that waits. Any thread may ring it, at any time; many rings count as one.
#[derive(Clone, Debug)]
pub struct Bell(Arc<OwnedFd>);

impl Bell {
    /// Wakes the thread, now or when it next waits.
    pub fn ring(&self) {
        // The counter is full only if it was never read, and then the thread wakes anyway.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// A bell that has not rung.
    pub(super) fn new() -> Result<Bell, Errno> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell(Arc::new(fd)))
    }

    /// The descriptor: readable once the bell has rung.
    pub(super) fn fd(&self) -> &OwnedFd {
        &self.0
    }
}
