//! `OVERLAPPED` structures and the operations that are in flight with them, as types.
//!
//! The kernel writes to an `OVERLAPPED`, and to the buffers of an operation, from the call that issues it
//! until its packet was dequeued. Types say whose they are:
//!
//! ```text
//!   Idle ──┐
//!          ├─▶ InFlight ──(packet, or a call or cancel that says that none comes)──▶ Idle + Over
//!   Boxed ─┘      │
//!                 └──(dropped)──▶ leaked: the kernel may still write
//! ```
//!
//! Nothing of an [`InFlight`] can be read, moved or freed. The operation inside gets its `OVERLAPPED` for the
//! length of a call, as an [`Overlapped`].

use std::any::TypeId;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_OPERATION_ABORTED;
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

use crate::native::error::{error_of_status, io_error};
use crate::native::port::{CompletionPort, Packet};

/// How long to wait after a post that the system refused.
const BEFORE_THE_NEXT_POST: Duration = Duration::from_millis(1);

/// The end of an operation. Only the loop makes one, from what the kernel or the call said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    error: u32,
    transferred: u32,
    status: u32,
}

impl Ended {
    pub(crate) const CANCELLED: Ended = Ended::refused(ERROR_OPERATION_ABORTED);

    /// The end of an operation that the call refused.
    pub(crate) const fn refused(error: u32) -> Ended {
        Ended {
            error,
            transferred: 0,
            status: 0,
        }
    }

    /// The end of an operation that was complete when its call returned this.
    pub(crate) fn at_once(issued: Result<u32, u32>) -> Ended {
        match issued {
            Ok(transferred) => Ended {
                transferred,
                ..Ended::refused(0)
            },
            Err(error) => Ended::refused(error),
        }
    }

    /// The same end under another error code.
    #[cfg(feature = "sockets")]
    pub(crate) fn with_error(self, error: u32) -> Ended {
        Ended { error, ..self }
    }

    /// The Win32 error; 0 for success.
    pub fn error(self) -> u32 {
        self.error
    }

    /// How many bytes were transferred, whatever the error says.
    pub fn transferred(self) -> u32 {
        self.transferred
    }

    /// The NTSTATUS of the packet; 0 if there was none.
    pub fn status(self) -> u32 {
        self.status
    }

    /// The number of bytes of a success.
    ///
    /// # Errors
    /// The error of the operation.
    pub fn bytes(self) -> std::io::Result<usize> {
        match self.error {
            0 => Ok(self.transferred as usize),
            error => Err(io_error(error)),
        }
    }
}

/// The outcome of a cancel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Cancelled {
    /// The packet of the operation still comes, or is there already.
    PacketComes,
    /// The operation is over, and no packet comes.
    Gone,
}

/// The `OVERLAPPED` of one operation, lent to the operation for a call that issues or cancels it.
///
/// It can be used for one call. Only the loop makes one, for an operation that it keeps in its place until
/// the packet was dequeued; that is why the crate's own calls that take one are safe. See
/// [`Operation`](crate::Operation) for the other half of the contract.
#[derive(Debug)]
pub struct Overlapped<'a> {
    pointer: NonNull<OVERLAPPED>,
    lifetime: PhantomData<&'a ()>,
}

impl Overlapped<'_> {
    /// The address to issue or cancel the operation with. In a call that issues it, the structure is zeroed
    /// and this side's until the call is made.
    pub fn as_ptr(&self) -> *mut OVERLAPPED {
        self.pointer.as_ptr()
    }

    /// Sets the offset in bytes at which a file is read or written. Before the call alone.
    pub(super) fn set_offset(&mut self, offset: u64) {
        let overlapped = OVERLAPPED {
            Anonymous: OVERLAPPED_0 {
                Anonymous: OVERLAPPED_0_0 {
                    Offset: offset as u32,
                    OffsetHigh: (offset >> 32) as u32,
                },
            },
            ..OVERLAPPED::default()
        };
        // SAFETY: the call that gives the structure to the kernel was not made, so it is this side's.
        unsafe { self.pointer.write(overlapped) };
    }

    /// The status that a call has left, which has returned that the operation is over.
    #[cfg(feature = "sockets")]
    pub(super) fn status(&self) -> u32 {
        // SAFETY: the structure lives; if its packet is dequeued meanwhile, it says the same.
        unsafe { (&raw const (*self.as_ptr()).Internal).read_volatile() as u32 }
    }

    /// How many bytes a call has transferred, which has returned that the operation is over.
    pub(super) fn transferred(&self) -> u32 {
        // SAFETY: the structure lives; if its packet is dequeued meanwhile, it says the same.
        unsafe { (&raw const (*self.as_ptr()).InternalHigh).read_volatile() as u32 }
    }

    /// Promises a packet of this operation that this side posts, for an operation that is no I/O: the kernel
    /// is given nothing of it. `key` is that of its endpoint.
    pub(crate) fn into_own_packet(self, port: &Arc<CompletionPort>, key: usize) -> OwnPacket {
        OwnPacket {
            port: Arc::clone(port),
            key,
            overlapped: self.pointer,
            is_posted: AtomicBool::new(false),
        }
    }
}

/// A packet that this side posts when an operation that is no I/O has ended. It can be posted once.
pub(crate) struct OwnPacket {
    port: Arc<CompletionPort>,
    key: usize,
    overlapped: NonNull<OVERLAPPED>,
    is_posted: AtomicBool,
}

// SAFETY: the address is carried, never followed.
unsafe impl Send for OwnPacket {}
// SAFETY: as for Send; the flag is atomic.
unsafe impl Sync for OwnPacket {}

impl OwnPacket {
    /// Posts the packet. Nothing happens the second time.
    ///
    /// # Errors
    /// The system is out of memory. It can be tried again.
    pub(crate) fn post(&self) -> Result<(), u32> {
        if self.is_posted.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // SAFETY: the address is that of an operation of this key of which the kernel has nothing, and this is
        // its only packet.
        let posted = unsafe { self.port.post_packet(self.key, self.overlapped.as_ptr()) };
        posted.inspect_err(|_| self.is_posted.store(false, Ordering::Release))
    }

    /// [`OwnPacket::post`], again and again until it succeeds. The end of a wait must not get lost: its
    /// operation would wait forever. Blocks for as long as the system is out of memory.
    pub(crate) fn post_until_accepted(&self) {
        while self.post().is_err() {
            std::thread::sleep(BEFORE_THE_NEXT_POST);
        }
    }

    /// A packet of no operation, for tests.
    #[cfg(test)]
    pub(crate) fn of_nothing(port: &Arc<CompletionPort>) -> OwnPacket {
        let overlapped = Overlapped {
            pointer: NonNull::dangling(),
            lifetime: PhantomData,
        };
        overlapped.into_own_packet(port, 1)
    }
}

/// What the loop does with an operation whose type it does not know.
///
/// # Safety
/// The contract of [`Operation`](crate::Operation).
pub(crate) unsafe trait Erasable: Send + Sized + 'static {
    /// [`Operation::issue`](crate::Operation::issue).
    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32>;
    /// [`Operation::cancel`](crate::Operation::cancel).
    fn cancel(&self, overlapped: Overlapped<'_>) -> Cancelled;
    /// [`Operation::abandon`](crate::Operation::abandon).
    fn abandon(self, ended: Ended);
}

/// The functions of one type of operation.
struct Methods {
    type_id: fn() -> TypeId,
    issue: unsafe fn(NonNull<()>, NonNull<OVERLAPPED>) -> Result<u32, u32>,
    cancel: unsafe fn(NonNull<()>, NonNull<OVERLAPPED>) -> Cancelled,
    abandon: unsafe fn(NonNull<()>, Ended),
}

struct MethodsOf<O>(PhantomData<O>);

fn lent<'a>(pointer: NonNull<OVERLAPPED>) -> Overlapped<'a> {
    Overlapped {
        pointer,
        lifetime: PhantomData,
    }
}

impl<O: Erasable> MethodsOf<O> {
    const METHODS: Methods = Methods {
        type_id: TypeId::of::<O>,
        issue: |operation, overlapped| {
            // SAFETY: the pointer is to an `O` that only the caller uses.
            unsafe { operation.cast::<O>().as_mut() }.issue(lent(overlapped))
        },
        cancel: |operation, overlapped| {
            // SAFETY: the pointer is to an `O`. The kernel writes to its buffers, which are not in it.
            unsafe { operation.cast::<O>().as_ref() }.cancel(lent(overlapped))
        },
        abandon: |operation, ended| {
            // SAFETY: the pointer is to an `O` from a box, which the caller gives up.
            unsafe { Box::from_raw(operation.cast::<O>().as_ptr()) }.abandon(ended);
        },
    };
}

/// An operation in a box, by a pointer and the functions of its type. Not a `Box`: while the operation is in
/// flight, a box would claim that nobody else reaches what it owns.
struct Erased {
    operation: NonNull<()>,
    methods: &'static Methods,
}

// SAFETY: an operation is Send, and this is the only pointer to it.
unsafe impl Send for Erased {}

/// An operation that the kernel does not know yet. Dropped unused, it leaks.
#[must_use]
pub(crate) struct Boxed(Erased);

impl Boxed {
    pub(crate) fn new<O: Erasable>(operation: O) -> Boxed {
        let operation = NonNull::from(Box::leak(Box::new(operation)));
        Boxed(Erased {
            operation: operation.cast(),
            methods: &MethodsOf::<O>::METHODS,
        })
    }

    /// The operation, ended before it was issued.
    pub(crate) fn refused(self, error: u32) -> Over {
        Over::new(self.0, Ended::refused(error))
    }
}

/// An `OVERLAPPED` that the kernel does not know, at an address for life.
#[derive(Debug)]
pub(crate) struct Idle(NonNull<UnsafeCell<OVERLAPPED>>);

// SAFETY: it owns plain memory.
unsafe impl Send for Idle {}

impl Idle {
    pub(crate) fn new() -> Idle {
        let overlapped = Box::new(UnsafeCell::new(OVERLAPPED::default()));
        Idle(NonNull::from(Box::leak(overlapped)))
    }

    /// The address by which packets name it.
    pub(crate) fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and the kernel does not know it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// An operation that the kernel has, or is about to be given. Dropped, it leaks the operation and its
/// `OVERLAPPED`: the kernel may still write to them.
pub(crate) struct InFlight {
    overlapped: ManuallyDrop<Idle>,
    erased: Erased,
    key: usize,
    /// The call that issues it has returned. Before that it cannot be cancelled.
    is_issued: bool,
}

/// The right to make the call that issues one operation in flight.
#[must_use]
pub(crate) struct Launch {
    operation: NonNull<()>,
    issue: unsafe fn(NonNull<()>, NonNull<OVERLAPPED>) -> Result<u32, u32>,
    overlapped: NonNull<OVERLAPPED>,
}

impl Launch {
    /// Makes the call that issues the operation. No lock is held.
    ///
    /// The operation must still be where it was: its future is made after this returns, and until that future
    /// takes it the operation is kept, even if its packet is dequeued meanwhile.
    pub(crate) fn issue(self) -> Result<u32, u32> {
        // SAFETY: nothing else touches the operation before its future exists, and the OVERLAPPED is zeroed.
        unsafe { (self.issue)(self.operation, self.overlapped) }
    }
}

impl InFlight {
    /// Joins an operation with an `OVERLAPPED`. The packets of its endpoint have this key.
    pub(crate) fn new(overlapped: Idle, operation: Boxed, key: usize) -> (InFlight, Launch) {
        let pointer = overlapped.0.cast::<OVERLAPPED>();
        // SAFETY: the kernel does not know it.
        unsafe { pointer.write(OVERLAPPED::default()) };
        let launch = Launch {
            operation: operation.0.operation,
            issue: operation.0.methods.issue,
            overlapped: pointer,
        };
        let in_flight = InFlight {
            overlapped: ManuallyDrop::new(overlapped),
            erased: operation.0,
            key,
            is_issued: false,
        };
        (in_flight, launch)
    }

    /// The call has returned, and a packet comes or has come.
    pub(crate) fn set_issued(&mut self) {
        self.is_issued = true;
    }

    /// Whether the packet is that of this operation: both its address and its key are.
    pub(crate) fn owns(&self, packet: &Packet) -> bool {
        packet.overlapped() as usize == self.overlapped.address() && packet.key() == self.key
    }

    /// Takes the operation back with its packet.
    ///
    /// # Errors
    /// Both, if the packet belongs to another.
    pub(crate) fn complete(self, packet: Packet) -> Result<(Idle, Over), (InFlight, Packet)> {
        if !self.owns(&packet) {
            return Err((self, packet));
        }
        let overlapped = packet.overlapped();
        // SAFETY: the packet says that the kernel has let go of it.
        let (status, bytes) = unsafe { ((*overlapped).Internal, (*overlapped).InternalHigh) };
        Ok(self.end(Ended {
            error: error_of_status(status as u32),
            transferred: u32::try_from(bytes).unwrap_or(u32::MAX),
            status: status as u32,
        }))
    }

    /// Takes the operation back because its call has returned that no packet comes.
    pub(crate) fn withdraw(self, ended: Ended) -> (Idle, Over) {
        self.end(ended)
    }

    /// Asks for the operation to end.
    ///
    /// # Errors
    /// Itself, if a packet comes, or the call that issues it has not returned.
    pub(crate) fn cancel(self) -> Result<(Idle, Over), InFlight> {
        if !self.is_issued {
            return Err(self);
        }
        let (operation, overlapped) = (self.erased.operation, self.overlapped.0.cast());
        // SAFETY: the operation was issued with this OVERLAPPED, and is in its place.
        match unsafe { (self.erased.methods.cancel)(operation, overlapped) } {
            Cancelled::PacketComes => Err(self),
            Cancelled::Gone => Ok(self.end(Ended::CANCELLED)),
        }
    }

    /// The kernel has nothing of the operation any more.
    fn end(self, ended: Ended) -> (Idle, Over) {
        let idle = ManuallyDrop::into_inner(self.overlapped);
        (idle, Over::new(self.erased, ended))
    }
}

/// An operation that has ended, and its end. Dropped, it is abandoned
/// ([`Operation::abandon`](crate::Operation::abandon)), which is other people's code: not under a lock.
pub(crate) struct Over {
    erased: Erased,
    ended: Ended,
}

impl Over {
    fn new(erased: Erased, ended: Ended) -> Over {
        Over { erased, ended }
    }

    /// The operation by its type, and its end.
    pub(crate) fn take<O: Erasable>(self) -> (O, Ended) {
        assert_eq!((self.erased.methods.type_id)(), TypeId::of::<O>());
        let over = ManuallyDrop::new(self);
        // SAFETY: the operation is an `O` from a box, the kernel has let go of it, and it is not dropped here.
        let operation = unsafe { Box::from_raw(over.erased.operation.cast::<O>().as_ptr()) };
        (*operation, over.ended)
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        // SAFETY: the kernel has let go of the operation, and this is the last use of it.
        unsafe { (self.erased.methods.abandon)(self.erased.operation, self.ended) }
    }
}
