//! A wait as an operation: it is in flight until its packet was dequeued, or until a cancel has found that
//! none comes.

use std::sync::Arc;

use super::wait_method::WaitMethod;
use crate::endpoint::Endpoint;
use crate::native::Handle;
use crate::native::overlapped::{Cancel, Cancelled, Ended, Issued, Overlapped};
use crate::operation::Operation;

/// A wait for one handle.
pub(super) struct Wait {
    /// That of this wait alone, so that the packet of one wait is never taken for that of another.
    endpoint: Arc<Endpoint>,
    /// Set when it is issued.
    method: Option<WaitMethod>,
    target: Arc<Handle>,
}

impl Wait {
    /// A wait that has not begun, with an endpoint of its own.
    pub(super) fn new(endpoint: Endpoint, target: Handle) -> Wait {
        Wait {
            endpoint: Arc::new(endpoint),
            method: None,
            target: Arc::new(target),
        }
    }
}

impl Operation for Wait {
    /// The Win32 error of the end, and the handle that was waited for.
    type Output = (u32, Arc<Handle>);

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        let (remote, key) = (self.endpoint.remote(), self.endpoint.key());
        let (method, issued) = WaitMethod::start(remote, &self.target, key, overlapped);
        self.method = method;
        issued
    }

    fn cancel<'a>(&self, cancel: Cancel<'a>) -> Cancelled<'a> {
        match &self.method {
            Some(method) => method.cancel(cancel),
            None => cancel.packet_comes(),
        }
    }

    fn finish(self, ended: Ended) -> Self::Output {
        // No callback runs any more when the handle is closed or handed on.
        drop(self.method);
        (ended.error(), self.target)
    }
}
