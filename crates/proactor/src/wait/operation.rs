//! A wait as an operation of the table: it is in flight until its packet was dequeued, or until a cancel
//! has found that none comes.

use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_IO_PENDING;
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::wait_method::{self, Way};
use crate::endpoint::Endpoint;
use crate::native::handle::Handle;
use crate::operation::{Cancelled, Ended, Operation};

pub(super) struct Wait {
    /// Of this wait alone: a packet of one wait is never taken for that of another.
    endpoint: Arc<Endpoint>,
    /// Goes before the handle that it waits for.
    way: Option<Box<dyn Way>>,
    target: Handle,
}

impl Wait {
    pub(super) fn new(endpoint: Endpoint, target: Handle) -> Wait {
        Wait {
            endpoint: Arc::new(endpoint),
            way: None,
            target,
        }
    }
}

// SAFETY: the kernel is given the address of OVERLAPPED as a number, and writes nothing anywhere.
unsafe impl Operation for Wait {
    /// The end, and the handle that was waited for.
    type Output = (Ended, Handle);

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        let (remote, key) = (self.endpoint.remote(), self.endpoint.key());
        // SAFETY: the target is open for as long as `self`, and the table keeps the OVERLAPPED.
        self.way = Some(unsafe { wait_method::start(remote, self.target.raw(), key, overlapped)? });
        Err(ERROR_IO_PENDING)
    }

    unsafe fn cancel(&self, _: *mut OVERLAPPED) -> Cancelled {
        match &self.way {
            Some(way) => way.cancel(),
            None => Cancelled::PacketComes,
        }
    }

    fn finish(self, ended: Ended) -> (Ended, Handle) {
        // No callback is under way when the handle is closed or goes on.
        drop(self.way);
        (ended, self.target)
    }
}
