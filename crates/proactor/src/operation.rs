//! The contract of operations: what can be submitted to a loop.
//!
//! From the call that issues an operation until its packet was dequeued, its `OVERLAPPED` and its buffers are
//! the kernel's. So an operation borrows nothing: buffers are moved into it, from there into the call, and come
//! back with the end. It keeps its endpoint open. It lives in the table of the loop and not in the future that
//! waits for it; a future that is dropped leaves it there.

use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::native::cancel_io;
use crate::native::in_flight::Erasable;
use crate::native::overlapped::{Cancel, Cancelled, Ended, Issued, Overlapped};

/// An overlapped operation.
///
/// To implement it is safe: the calls of this crate keep the memory of the kernel where the operation cannot
/// reach it, and a call that you make yourself is in an unsafe block of yours, whose contract is that of
/// [`Overlapped::issued`].
pub trait Operation: Send + Sized + 'static {
    /// The output of the future. It hands the buffers back.
    type Output;

    /// The endpoint that the operation runs on.
    fn endpoint(&self) -> &Arc<Endpoint>;

    /// Makes the system call.
    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a>;

    /// Asks for the operation to end, by CancelIoEx unless it is overridden. It is called under a lock, after
    /// `issue` and before the packet was dequeued: it must neither block for long nor call the loop.
    fn cancel<'a>(&self, cancel: Cancel<'a>) -> Cancelled<'a> {
        // An error says that the packet is queued already.
        let _ = cancel_io(&**self.endpoint(), Some(cancel.address()));
        cancel.packet_comes()
    }

    /// Turns the end into the output.
    fn finish(self, ended: Ended) -> Self::Output;

    /// Takes the end of an operation whose future was dropped. What it has brought can still be kept for the
    /// next one; by default it is dropped. Must not panic.
    fn abandon(self, _ended: Ended) {}
}

impl<O: Operation> Erasable for O {
    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        Operation::issue(self, overlapped)
    }

    fn cancel<'a>(&self, cancel: Cancel<'a>) -> Cancelled<'a> {
        Operation::cancel(self, cancel)
    }

    fn abandon(self, ended: Ended) {
        Operation::abandon(self, ended);
    }
}
