//! What can be submitted: an overlapped operation that owns everything it needs.
//!
//! From the moment an operation is issued until its packet has been dequeued, the `OVERLAPPED` and every
//! buffer are the kernel's. So an operation borrows nothing: buffers are moved into it and come back with
//! its output, and the endpoint that it runs on is kept open by it. It lives in the table of the proactor,
//! not in the future that waits for it; a future that is dropped leaves it there.

use std::ptr::NonNull;
use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_OPERATION_ABORTED;
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::endpoint::Endpoint;
use crate::native::of_code;

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The Win32 error; 0 for success.
    pub error: u32,
    /// How many bytes were transferred.
    pub bytes: u32,
    /// The NTSTATUS of the packet; 0 if there was none.
    pub status: u32,
}

impl Ended {
    pub(crate) const CANCELLED: Ended = Ended::refused(ERROR_OPERATION_ABORTED);

    /// Over without a packet.
    pub(crate) const fn refused(error: u32) -> Ended {
        Ended {
            error,
            bytes: 0,
            status: 0,
        }
    }

    /// The number of bytes, or the error.
    pub fn bytes(self) -> std::io::Result<usize> {
        match self.error {
            0 => Ok(self.bytes as usize),
            error => Err(of_code(error)),
        }
    }
}

/// What a cancel came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Cancelled {
    /// The packet of the operation comes all the same, or is there already.
    PacketComes,
    /// The operation is over, and no packet comes.
    Gone,
}

/// An overlapped operation.
///
/// # Safety
///
/// - What the kernel is given to read from or to write to is in heap memory that the operation owns, never
///   in the operation itself, and stays where it is until [`Operation::finish`] or
///   [`Operation::abandon`].
/// - [`Operation::issue`] gives the kernel this `OVERLAPPED` and no other, at most once, and on a handle
///   that is attached to the proactor of the endpoint, which is open for as long as the operation lives.
/// - `issue` returns what the call said: the packet is waited for if it said that the operation is pending.
pub unsafe trait Operation: Send + Sized + 'static {
    /// What the future gives. It hands the buffers back.
    type Output;

    /// Where it runs.
    fn endpoint(&self) -> &Arc<Endpoint>;

    /// Makes the system call. `Ok` has the number of bytes of an operation that is complete already, `Err`
    /// the Win32 error, of which `ERROR_IO_PENDING` says that a packet will come.
    ///
    /// # Safety
    /// `overlapped` is zeroed, and belongs to the operation alone until its packet was dequeued.
    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32>;

    /// Asks for the operation to end; CancelIoEx where nothing else is said. Called under a lock: it must
    /// neither block for long nor come back to the proactor.
    ///
    /// # Safety
    /// The operation was issued with this `OVERLAPPED` and its packet has not been dequeued.
    unsafe fn cancel(&self, overlapped: *mut OVERLAPPED) -> Cancelled {
        // An error says that the packet is there already.
        // SAFETY: the endpoint is open.
        let _ = unsafe { crate::native::calls::cancel(self.endpoint().raw(), overlapped) };
        Cancelled::PacketComes
    }

    /// Turns the end into the output.
    fn finish(self, ended: Ended) -> Self::Output;

    /// The operation ended after its future was dropped. What it brought is still there to be kept for
    /// the next caller; where nothing is done it is dropped. Must not panic.
    fn abandon(self, _ended: Ended) {}
}

/// An operation whose type is known to its future alone. Not dropped by itself: it is the kernel's for a
/// part of its life.
pub(crate) struct Erased {
    pointer: NonNull<()>,
    methods: &'static Methods,
}

// SAFETY: operations are Send, and this is the only pointer to one.
unsafe impl Send for Erased {}

struct Methods {
    cancel: unsafe fn(NonNull<()>, *mut OVERLAPPED) -> Cancelled,
    abandon: unsafe fn(NonNull<()>, Ended),
}

struct MethodsOf<O>(std::marker::PhantomData<O>);

impl<O: Operation> MethodsOf<O> {
    const METHODS: Methods = Methods {
        cancel: |pointer, overlapped| {
            // SAFETY: as demanded of the caller; the kernel writes nothing into the operation itself, so a
            // shared reference to it is fine.
            unsafe { pointer.cast::<O>().as_ref().cancel(overlapped) }
        },
        abandon: |pointer, ended| {
            // SAFETY: as demanded of the caller.
            unsafe { Box::from_raw(pointer.cast::<O>().as_ptr()) }.abandon(ended);
        },
    };
}

impl Erased {
    pub(crate) fn new<O: Operation>(operation: O) -> (Erased, NonNull<O>) {
        let pointer = NonNull::from(Box::leak(Box::new(operation)));
        let erased = Erased {
            pointer: pointer.cast(),
            methods: &MethodsOf::<O>::METHODS,
        };
        (erased, pointer)
    }

    /// # Safety
    /// The operation was issued with this `OVERLAPPED` and its packet has not been dequeued.
    pub(crate) unsafe fn cancel(&self, overlapped: *mut OVERLAPPED) -> Cancelled {
        // SAFETY: as demanded of the caller.
        unsafe { (self.methods.cancel)(self.pointer, overlapped) }
    }

    /// # Safety
    /// The kernel has let go of the operation.
    pub(crate) unsafe fn abandon(self, ended: Ended) {
        // SAFETY: as demanded of the caller; `self` is used up.
        unsafe { (self.methods.abandon)(self.pointer, ended) }
    }

    /// # Safety
    /// The kernel has let go of the operation, and it is an `O`.
    pub(crate) unsafe fn take<O: Operation>(self) -> Box<O> {
        // SAFETY: as demanded of the caller; `self` is used up.
        unsafe { Box::from_raw(self.pointer.cast().as_ptr()) }
    }
}
