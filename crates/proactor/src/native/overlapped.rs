//! `OVERLAPPED` structures and the operations that are in flight with them, as types.
//!
//! The kernel writes to an `OVERLAPPED`, and to the memory of an operation, from the call that issues it until
//! its packet was dequeued. Types say whose they are:
//!
//! ```text
//!   Idle ──┐
//!          ├─▶ InFlight ──(packet, or a call or cancel that says that none comes)──▶ Idle + Over
//!   Boxed ─┘      │
//!                 └──(dropped)──▶ leaked: the kernel may still write
//! ```
//!
//! Nothing of an [`InFlight`] can be read, moved or freed. Its operation gets the `OVERLAPPED` for one call, as
//! an [`Overlapped`]. A call takes the buffers out of the operation and keeps them in a [`Memory`] beside it,
//! where the operation cannot reach them. It returns an [`Issued`], which no other call can make up. So an
//! operation is safe code: it can do wrong, but it cannot free what the kernel has.

use std::any::TypeId;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_MORE_DATA, ERROR_OPERATION_ABORTED};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

use crate::native::error::{error_of_status, io_error};
use crate::native::memory::Memory;
use crate::native::port::{CompletionPort, Packet};

/// How long to wait after a post that the system refused.
const BEFORE_THE_NEXT_POST: Duration = Duration::from_millis(1);

/// A lifetime that stands for one call: neither a shorter nor a longer one is as good.
type Brand<'a> = PhantomData<Cell<&'a ()>>;

/// The end of an operation, with the memory that the kernel had. Only the loop makes one, from what the kernel
/// or the call said.
#[derive(Debug)]
pub struct Ended {
    error: u32,
    transferred: u32,
    status: u32,
    pub(super) memory: Memory,
}

impl Ended {
    /// The end of an operation that did not get into the kernel, or whose packet does not come.
    fn without_packet(error: u32, transferred: u32) -> Ended {
        Ended {
            error,
            transferred,
            status: 0,
            memory: Memory::Nothing,
        }
    }

    /// The Win32 error; 0 for success.
    pub fn error(&self) -> u32 {
        self.error
    }

    /// The same end under another error code.
    #[cfg(feature = "sockets")]
    pub(crate) fn set_error(&mut self, error: u32) {
        self.error = error;
    }

    /// How many bytes were transferred, whatever the error says.
    pub fn transferred(&self) -> u32 {
        self.transferred
    }

    /// The NTSTATUS of the packet; 0 if there was none.
    pub fn status(&self) -> u32 {
        self.status
    }

    /// The number of bytes of a success.
    ///
    /// # Errors
    /// The error of the operation.
    pub fn bytes(&self) -> std::io::Result<usize> {
        match self.error {
            0 => Ok(self.transferred as usize),
            error => Err(io_error(error)),
        }
    }

    /// Whether the kernel has written the bytes that it says.
    pub(super) fn is_filled(&self) -> bool {
        matches!(self.error, 0 | ERROR_MORE_DATA)
    }

    /// The buffer of a write, as it was; `unissued` if the operation did not get into the kernel.
    pub(crate) fn take_buffer(&mut self, unissued: Vec<u8>) -> Vec<u8> {
        match std::mem::take(&mut self.memory) {
            Memory::Bytes(buffer) => buffer,
            #[cfg(feature = "sockets")]
            Memory::Outgoing { bytes, .. } => bytes,
            _ => unissued,
        }
    }

    /// The buffer of a read with the bytes that were read, none of them after an error; `unissued` if the
    /// operation did not get into the kernel.
    pub(crate) fn take_filled(&mut self, unissued: Vec<u8>) -> Vec<u8> {
        match std::mem::take(&mut self.memory) {
            Memory::Bytes(mut buffer) => {
                if self.is_filled() {
                    // SAFETY: the buffer is that of this operation, and the kernel says that it has filled it.
                    unsafe { Memory::set_filled(&mut buffer, self.transferred as usize) };
                }
                buffer
            }
            _ => unissued,
        }
    }
}

/// The outcome of the call that issues an operation. It can be returned by the operation of that call alone.
#[derive(Debug)]
#[must_use]
pub struct Issued<'a> {
    /// How many bytes were transferred at once, or the Win32 error.
    result: Result<u32, u32>,
    brand: Brand<'a>,
}

/// The `OVERLAPPED` of one operation, lent to it for the call that issues it.
///
/// The calls of this crate take it and return an [`Issued`]. Another call is made with
/// [`Overlapped::as_ptr`], in an unsafe block that keeps the contract of [`Overlapped::issued`].
#[derive(Debug)]
pub struct Overlapped<'a> {
    pointer: NonNull<OVERLAPPED>,
    memory: &'a mut Memory,
    brand: Brand<'a>,
}

impl<'a> Overlapped<'a> {
    /// The address to issue the operation with. The structure is zeroed, and this side's until the call is
    /// made.
    pub fn as_ptr(&self) -> *mut OVERLAPPED {
        self.pointer.as_ptr()
    }

    /// Does not make the call: the operation ends with this error.
    pub fn refuse(self, error: u32) -> Issued<'a> {
        Issued {
            result: Err(error),
            brand: PhantomData,
        }
    }

    /// The outcome of a call that was made with [`Overlapped::as_ptr`]: the number of bytes if the operation is
    /// complete, or the Win32 error, of which `ERROR_IO_PENDING` says that a packet comes.
    ///
    /// # Safety
    ///
    /// - `result` is what the one call said that was made with this `OVERLAPPED`, on a handle whose packets
    ///   come to the loop of the operation's endpoint.
    /// - All memory that the kernel was given is heap memory that the operation owns. It stays in place, and
    ///   nothing else uses it, until [`Operation::finish`](crate::Operation::finish) or
    ///   [`Operation::abandon`](crate::Operation::abandon).
    pub unsafe fn issued(self, result: Result<u32, u32>) -> Issued<'a> {
        self.returned(result)
    }

    /// The outcome of a call of this crate.
    pub(super) fn returned(self, result: Result<u32, u32>) -> Issued<'a> {
        Issued {
            result,
            brand: PhantomData,
        }
    }

    /// The outcome of a call that transfers bytes and returns whether it has done so.
    pub(super) fn transferred(self, result: Result<(), u32>) -> Issued<'a> {
        let count = || {
            // SAFETY: the structure lives; if its packet is dequeued meanwhile, it says the same.
            unsafe { (&raw const (*self.as_ptr()).InternalHigh).read_volatile() as u32 }
        };
        let result = result.map(|()| count());
        self.returned(result)
    }

    /// The outcome of a call that has put the operation into the kernel.
    pub(super) fn pending(self) -> Issued<'a> {
        self.returned(Err(ERROR_IO_PENDING))
    }

    /// Keeps the memory that the call is about to be given.
    pub(super) fn keep(&mut self, memory: Memory) {
        *self.memory = memory;
    }

    /// Keeps a buffer that the kernel fills. Returns its address and capacity.
    pub(super) fn keep_space(&mut self, mut buffer: Vec<u8>) -> (*mut u8, u32) {
        let space = Memory::space_in(&mut buffer);
        self.keep(Memory::Bytes(buffer));
        space
    }

    /// Keeps a buffer that the kernel reads. Returns its address and length.
    pub(super) fn keep_bytes(&mut self, buffer: Vec<u8>) -> (*const u8, u32) {
        let bytes = Memory::bytes_of(&buffer);
        self.keep(Memory::Bytes(buffer));
        bytes
    }

    /// Sets the offset in bytes at which a file is read or written. Before the call.
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

    /// Promises a packet that this side posts, for an operation that is no I/O: the kernel is given nothing of
    /// it. `key` is that of its endpoint.
    pub(crate) fn own_packet(
        self,
        port: &Arc<CompletionPort>,
        key: usize,
    ) -> (Arc<OwnPacket>, Issued<'a>) {
        let packet = OwnPacket::new(port, key, self.pointer);
        (packet, self.pending())
    }
}

/// The outcome of a cancel. Only calls of this crate, and [`Cancel::gone`], say that no packet comes.
#[derive(Debug)]
#[must_use]
pub struct Cancelled<'a> {
    is_gone: bool,
    brand: Brand<'a>,
}

/// The cancel of one operation, for the length of [`Operation::cancel`](crate::Operation::cancel).
#[derive(Debug)]
pub struct Cancel<'a> {
    address: NonNull<OVERLAPPED>,
    brand: Brand<'a>,
}

impl<'a> Cancel<'a> {
    /// The address that the operation was issued with.
    pub fn address(&self) -> usize {
        self.address.as_ptr() as usize
    }

    /// The packet of the operation still comes, or is there already.
    pub fn packet_comes(self) -> Cancelled<'a> {
        Cancelled {
            is_gone: false,
            brand: PhantomData,
        }
    }

    /// The operation is over, and no packet comes.
    ///
    /// # Safety
    /// The kernel has nothing of the operation, and no packet of it is in the port or comes.
    pub unsafe fn gone(self) -> Cancelled<'a> {
        Cancelled {
            is_gone: true,
            brand: PhantomData,
        }
    }
}

/// The packet was not posted yet.
const ARMED: u8 = 0;
/// The packet was posted, or is being posted.
const POSTED: u8 = 1;
/// The packet will not be posted.
const WITHDRAWN: u8 = 2;

/// A packet that this side posts when an operation that is no I/O has ended. It is posted once, or withdrawn:
/// one atomic word decides which, so that a cancel is exact.
#[derive(Debug)]
pub(crate) struct OwnPacket {
    port: Arc<CompletionPort>,
    key: usize,
    overlapped: NonNull<OVERLAPPED>,
    decision: AtomicU8,
}

// SAFETY: the address is carried and compared, never followed.
unsafe impl Send for OwnPacket {}
// SAFETY: as for Send; the decision is atomic.
unsafe impl Sync for OwnPacket {}

impl OwnPacket {
    fn new(
        port: &Arc<CompletionPort>,
        key: usize,
        overlapped: NonNull<OVERLAPPED>,
    ) -> Arc<OwnPacket> {
        Arc::new(OwnPacket {
            port: Arc::clone(port),
            key,
            overlapped,
            decision: AtomicU8::new(ARMED),
        })
    }

    /// Decides for good. Returns whether nothing was decided before.
    fn decide(&self, decision: u8) -> bool {
        self.decision
            .compare_exchange(ARMED, decision, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Posts the packet, unless it was posted or withdrawn. Blocks for as long as the system is out of memory:
    /// the end of a wait must not get lost, or its operation would wait forever.
    pub(crate) fn post(&self) {
        if !self.decide(POSTED) {
            return;
        }
        let overlapped = self.overlapped.as_ptr();
        // SAFETY: the operation of this key is in flight, the kernel has nothing of it, and this is its only
        // packet.
        while unsafe { self.port.post_packet(self.key, overlapped) }.is_err() {
            std::thread::sleep(BEFORE_THE_NEXT_POST);
        }
    }

    /// Withdraws the packet, unless it was posted.
    pub(crate) fn withdraw<'a>(&self, cancel: Cancel<'a>) -> Cancelled<'a> {
        let is_own = cancel.address == self.overlapped;
        if is_own && (self.decide(WITHDRAWN) || self.is_withdrawn()) {
            // SAFETY: the operation is no I/O, and its only packet is not posted any more.
            return unsafe { cancel.gone() };
        }
        cancel.packet_comes()
    }

    /// Withdraws a packet that no operation waits for any more.
    pub(crate) fn disarm(&self) {
        self.decide(WITHDRAWN);
    }

    fn is_withdrawn(&self) -> bool {
        self.decision.load(Ordering::Acquire) == WITHDRAWN
    }

    /// A packet of no operation, for tests.
    #[cfg(test)]
    pub(crate) fn of_nothing(port: &Arc<CompletionPort>) -> Arc<OwnPacket> {
        OwnPacket::new(port, 1, NonNull::dangling())
    }
}

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

struct MethodsOf<O>(PhantomData<O>);

impl<O: Erasable> MethodsOf<O> {
    const METHODS: Methods = Methods {
        type_id: TypeId::of::<O>,
        issue: |held, pointer| {
            // SAFETY: the pointer is to a held `O` that only the caller uses.
            let held = unsafe { held.cast::<Held<O>>().as_mut() };
            let overlapped = Overlapped {
                pointer,
                memory: &mut held.memory,
                brand: PhantomData,
            };
            held.operation.issue(overlapped).result
        },
        cancel: |held, address| {
            let held = held.cast::<Held<O>>().as_ptr();
            // SAFETY: the pointer is to a held `O`. Its memory, to which the kernel writes, is not touched.
            let operation = unsafe { &(*held).operation };
            let cancel = Cancel {
                address,
                brand: PhantomData,
            };
            operation.cancel(cancel).is_gone
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
/// in flight, a box would claim that nobody else reaches what it owns.
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
        Ok(self.end(Ended {
            error: error_of_status(status as u32),
            transferred: u32::try_from(bytes).unwrap_or(u32::MAX),
            status: status as u32,
            memory: Memory::Nothing,
        }))
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
