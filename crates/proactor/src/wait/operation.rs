//! A wait as an operation: it is in flight until its packet was dequeued, or until a cancel has found that
//! none comes.

use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_IO_PENDING;

use super::wait_method::{self, WaitMethod};
use crate::endpoint::Endpoint;
use crate::native::Handle;
use crate::native::overlapped::{Cancelled, Ended, Overlapped};
use crate::operation::Operation;

/// A wait for one handle.
pub(super) struct Wait {
    /// That of this wait alone, so that the packet of one wait is never taken for that of another.
    endpoint: Arc<Endpoint>,
    /// Set when it is issued.
    method: Option<Box<dyn WaitMethod>>,
    target: Arc<Handle>,
}

impl Wait {
    pub(super) fn new(endpoint: Endpoint, target: Handle) -> Wait {
        Wait {
            endpoint: Arc::new(endpoint),
            method: None,
            target: Arc::new(target),
        }
    }
}

// SAFETY: the kernel is given the address of OVERLAPPED as a number, and writes to nothing. Both methods post
// one packet, and none after a cancel that says so.
unsafe impl Operation for Wait {
    /// The end, and the handle that was waited for.
    type Output = (Ended, Arc<Handle>);

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32> {
        let (remote, key) = (self.endpoint.remote(), self.endpoint.key());
        let method = wait_method::start(remote, &self.target, key, overlapped)?;
        self.method = Some(method);
        Err(ERROR_IO_PENDING)
    }

    fn cancel(&self, _: Overlapped<'_>) -> Cancelled {
        match &self.method {
            Some(method) => method.cancel(),
            None => Cancelled::PacketComes,
        }
    }

    fn finish(self, ended: Ended) -> Self::Output {
        // No callback runs any more when the handle is closed or handed on.
        drop(self.method);
        (ended, self.target)
    }
}
