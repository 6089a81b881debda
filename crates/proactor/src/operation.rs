//! The contract of operations: what can be submitted to a loop.
//!
//! From the call that issues an operation until its packet was dequeued, its `OVERLAPPED` and its buffers are
//! the kernel's. So an operation borrows nothing: buffers are moved into it and come back with its output, and
//! it keeps its endpoint open. It lives in the table of the loop and not in the future that waits for it; a
//! future that is dropped leaves it there.

use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::native::cancel;
use crate::native::overlapped::{Cancelled, Ended, Erasable, Overlapped};

/// An overlapped operation.
///
/// # Safety
///
/// - All memory that the kernel is given to read from or to write to is heap memory that the operation owns,
///   never in the operation itself. It stays in place, and nothing else uses it, until
///   [`Operation::finish`] or [`Operation::abandon`].
/// - [`Operation::issue`] gives the kernel the `OVERLAPPED` that it is given and no other, at most once, on a
///   handle that is attached to the loop of the endpoint and stays open for as long as the operation lives.
/// - `issue` returns what the call returned. Only `ERROR_IO_PENDING` may be returned while the kernel has the
///   operation, and only if its packet comes.
/// - [`Operation::cancel`] returns [`Cancelled::Gone`] only if the kernel has nothing of the operation and no
///   packet comes.
pub unsafe trait Operation: Send + Sized + 'static {
    /// The output of the future. It hands the buffers back.
    type Output;

    /// The endpoint that the operation runs on.
    fn endpoint(&self) -> &Arc<Endpoint>;

    /// Makes the system call. `Ok` has the number of bytes of an operation that is complete already.
    ///
    /// # Errors
    /// The Win32 error of the call, of which `ERROR_IO_PENDING` says that a packet comes.
    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32>;

    /// Asks for the operation to end, by CancelIoEx unless it is overridden. It is called under a lock, after
    /// `issue` and before the packet was dequeued: it must neither block for long nor call the loop.
    fn cancel(&self, overlapped: Overlapped<'_>) -> Cancelled {
        // An error says that the packet is queued already.
        let _ = cancel(&**self.endpoint(), Some(overlapped.as_ptr() as usize));
        Cancelled::PacketComes
    }

    /// Turns the end into the output.
    fn finish(self, ended: Ended) -> Self::Output;

    /// Takes the end of an operation whose future was dropped. What it has brought can still be kept for the
    /// next one; by default it is dropped. Must not panic.
    fn abandon(self, _ended: Ended) {}
}

// SAFETY: the contract is that of `Operation`.
unsafe impl<O: Operation> Erasable for O {
    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32> {
        Operation::issue(self, overlapped)
    }

    fn cancel(&self, overlapped: Overlapped<'_>) -> Cancelled {
        Operation::cancel(self, overlapped)
    }

    fn abandon(self, ended: Ended) {
        Operation::abandon(self, ended);
    }
}
