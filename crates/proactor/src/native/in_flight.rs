//! Operations in flight, as types that say whose their memory is: this side's or the kernel's.
//!
//! The kernel writes to an `OVERLAPPED`, and to the memory of an operation, from the call that issues it until
//! its packet was dequeued:
//!
//! ```text
//!   Idle ──┐
//!          ├─▶ InFlight ──(packet, or a call or cancel that says that none comes)──▶ Idle + Over
//!   Boxed ─┘      │
//!                 └──(dropped)──▶ leaked: the kernel may still write
//! ```
//!
//! Nothing of an [`InFlight`] can be read, moved or freed. Its operation gets the `OVERLAPPED` for one call, as an
//! [`Overlapped`]. The type of the operation is erased, so the table has one kind of slot for all of them.

use std::any::TypeId;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_MORE_DATA, ERROR_OPERATION_ABORTED};
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::native::memory::Memory;
use crate::native::overlapped::{Cancel, Cancelled, Ended, Issued, Overlapped};
use crate::native::port::Packet;

/// What the loop does with an operation whose type it does not know.
pub(crate) trait Erasable: Send + Sized + 'static {
    /// [`Operation::issue`](crate::Operation::issue).
    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a>;
    /// [`Operation::cancel`](crate::Operation::cancel).
    fn cancel<'a>(&self, cancel: Cancel<'a>) -> Cancelled<'a>;
    /// [`Operation::abandon`](crate::Operation::abandon).
    fn abandon(self, ended: Ended);
}

/// An operation, and the memory that it has given to the kernel.
struct Held<O> {
    operation: O,
    /// Set by the call that issues the operation.
    memory: Memory,
}

/// The functions of one type of operation. Each takes a pointer to a `Held` of this type.
struct Methods {
    type_id: fn() -> TypeId,
    issue: unsafe fn(NonNull<()>, NonNull<OVERLAPPED>) -> Result<u32, u32>,
    /// Returns whether the operation is gone.
    cancel: unsafe fn(NonNull<()>, NonNull<OVERLAPPED>) -> bool,
    abandon: unsafe fn(NonNull<()>, Ended),
}

/// The place of the [`Methods`] of one type of operation.
struct MethodsOf<O>(PhantomData<O>);

impl<O: Erasable> MethodsOf<O> {
    const METHODS: Methods = Methods {
        type_id: TypeId::of::<O>,
        issue: |held, pointer| {
            // SAFETY: the pointer is to a held `O` that only the caller uses.
            let held = unsafe { held.cast::<Held<O>>().as_mut() };
            // SAFETY: `InFlight::new` has zeroed the structure, which the kernel does not know. `InFlight` owns both,
            // and touches neither the structure nor the memory before the operation has ended.
            let overlapped = unsafe { Overlapped::lend(pointer, &mut held.memory) };
            held.operation.issue(overlapped).result()
        },
        cancel: |held, address| {
            let held = held.cast::<Held<O>>().as_ptr();
            // SAFETY: the pointer is to a held `O`. Its memory, to which the kernel writes, is not touched.
            let operation = unsafe { &(*held).operation };
            operation.cancel(Cancel::of(address)).is_gone()
        },
        abandon: |held, mut ended| {
            // SAFETY: the pointer is to a held `O` in a box, which the caller gives up.
            let held = unsafe { Box::from_raw(held.cast::<Held<O>>().as_ptr()) };
            let Held { operation, memory } = *held;
            ended.memory = memory;
            operation.abandon(ended);
        },
    };
}

/// A held operation in a box, by a pointer and the functions of its type. Not a `Box`: while the operation is
/// in flight, a box would claim that nothing else reaches what it owns.
struct Erased {
    held: NonNull<()>,
    methods: &'static Methods,
}

// SAFETY: an operation and its memory are Send, and this is the only pointer to them.
unsafe impl Send for Erased {}

/// An operation that the kernel does not know yet. Dropped unused, it leaks.
#[must_use]
pub(crate) struct Boxed(Erased);

impl Boxed {
    /// Boxes an operation.
    pub(crate) fn new<O: Erasable>(operation: O) -> Boxed {
        let held = Box::new(Held {
            operation,
            memory: Memory::Nothing,
        });
        Boxed(Erased {
            held: NonNull::from(Box::leak(held)).cast(),
            methods: &MethodsOf::<O>::METHODS,
        })
    }

    /// The operation, ended before it was issued.
    pub(crate) fn refused(self, error: u32) -> Over {
        let ended = Ended::without_packet(error, 0);
        Over {
            erased: self.0,
            ended: Some(ended),
        }
    }
}

/// An `OVERLAPPED` that the kernel does not know, at an address for life.
#[derive(Debug)]
pub(crate) struct Idle(NonNull<UnsafeCell<OVERLAPPED>>);

// SAFETY: it owns plain memory.
unsafe impl Send for Idle {}

impl Idle {
    /// Allocates one.
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
    /// That of the packets of its endpoint.
    key: usize,
    /// The call that issues it has returned. Before that it cannot be cancelled.
    is_issued: bool,
}

/// The right to make the call that issues one operation in flight.
#[must_use]
pub(crate) struct Launch {
    held: NonNull<()>,
    issue: unsafe fn(NonNull<()>, NonNull<OVERLAPPED>) -> Result<u32, u32>,
    overlapped: NonNull<OVERLAPPED>,
}

/// What the call that issues an operation came to: how many bytes were transferred at once, or the Win32 error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CallResult(Result<u32, u32>);

impl CallResult {
    /// Whether a packet of the operation comes. On an endpoint that does not skip packets, an operation that is
    /// complete posts one as well.
    pub(crate) fn brings_packet(self, skips_packets: bool) -> bool {
        match self.0 {
            Ok(_) | Err(ERROR_MORE_DATA) => !skips_packets,
            Err(error) => error == ERROR_IO_PENDING,
        }
    }
}

impl Launch {
    /// Makes the call that issues the operation. No lock is held.
    ///
    /// The operation is still where it was: its future is made after this returns, and until that future takes
    /// it the table keeps it, even if its packet is dequeued meanwhile.
    pub(crate) fn issue(self) -> CallResult {
        // SAFETY: nothing else touches the operation before its future exists, and the OVERLAPPED is zeroed.
        CallResult(unsafe { (self.issue)(self.held, self.overlapped) })
    }
}

impl InFlight {
    /// Joins an operation with an `OVERLAPPED`. The packets of its endpoint have this key.
    pub(crate) fn new(overlapped: Idle, operation: Boxed, key: usize) -> (InFlight, Launch) {
        let pointer = overlapped.0.cast::<OVERLAPPED>();
        // SAFETY: the kernel does not know it.
        unsafe { pointer.write(OVERLAPPED::default()) };
        let launch = Launch {
            held: operation.0.held,
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
        Ok(self.end(Ended::by_packet(status, bytes)))
    }

    /// Takes the operation back because its call has returned that no packet comes.
    pub(crate) fn withdraw(self, result: CallResult) -> (Idle, Over) {
        let (error, transferred) = match result.0 {
            Ok(transferred) => (0, transferred),
            Err(error) => (error, 0),
        };
        self.end(Ended::without_packet(error, transferred))
    }

    /// Asks for the operation to end.
    ///
    /// # Errors
    /// Itself, if a packet comes, or the call that issues it has not returned.
    pub(crate) fn cancel(self) -> Result<(Idle, Over), InFlight> {
        if !self.is_issued {
            return Err(self);
        }
        let (held, overlapped) = (self.erased.held, self.overlapped.0.cast());
        // SAFETY: the operation was issued with this OVERLAPPED, and is in its place.
        match unsafe { (self.erased.methods.cancel)(held, overlapped) } {
            false => Err(self),
            true => Ok(self.end(Ended::without_packet(ERROR_OPERATION_ABORTED, 0))),
        }
    }

    /// The kernel has nothing of the operation any more.
    fn end(self, ended: Ended) -> (Idle, Over) {
        let idle = ManuallyDrop::into_inner(self.overlapped);
        let over = Over {
            erased: self.erased,
            ended: Some(ended),
        };
        (idle, over)
    }
}

/// An operation that has ended, and its end. Dropped, it is abandoned
/// ([`Operation::abandon`](crate::Operation::abandon)), which is other people's code: not under a lock.
pub(crate) struct Over {
    erased: Erased,
    /// Taken when this is dropped.
    ended: Option<Ended>,
}

impl Over {
    /// The operation by its type, and its end.
    pub(crate) fn take<O: Erasable>(self) -> (O, Ended) {
        assert_eq!((self.erased.methods.type_id)(), TypeId::of::<O>());
        let mut over = ManuallyDrop::new(self);
        // SAFETY: the pointer is to a held `O` in a box, the kernel has let go of it, and `over` does not drop
        // it.
        let held = unsafe { Box::from_raw(over.erased.held.cast::<Held<O>>().as_ptr()) };
        let Held { operation, memory } = *held;
        let ended = over.ended.take();
        let mut ended = ended.unwrap_or(Ended::without_packet(0, 0));
        ended.memory = memory;
        (operation, ended)
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            // SAFETY: the kernel has let go of the operation, and this is the last use of it.
            unsafe { (self.erased.methods.abandon)(self.erased.held, ended) }
        }
    }
}
