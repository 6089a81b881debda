//! The `OVERLAPPED` of an operation, as the operation sees it: lent for the call that issues it, and named again to
//! cancel it.
//!
//! A call takes the buffers out of the operation and keeps them in a [`Memory`] beside it, where the operation
//! cannot reach them. It returns an [`Issued`], which no other call can make up. So an operation is safe code: it
//! can do wrong, but it cannot free what the kernel has. An operation that is no I/O promises an [`OwnPacket`]
//! instead.
//!
//! [`in_flight`](crate::native::in_flight) says who owns all this meanwhile.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_MORE_DATA};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

use crate::native::error::{error_of_status, io_error};
use crate::native::memory::Memory;
use crate::native::port::CompletionPort;

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
    /// The end that a packet brings: the `Internal` and `InternalHigh` of its `OVERLAPPED`.
    pub(super) fn by_packet(status: usize, bytes: usize) -> Ended {
        let status = status as u32;
        Ended {
            error: error_of_status(status),
            transferred: u32::try_from(bytes).unwrap_or(u32::MAX),
            status,
            memory: Memory::Nothing,
        }
    }

    /// The end of an operation that did not get into the kernel, or whose packet does not come.
    pub(super) fn without_packet(error: u32, transferred: u32) -> Ended {
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
    pub(crate) fn set_error(&mut self, error: u32) {
        self.error = error;
    }

    /// How many bytes were transferred, also with an error.
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

impl Issued<'_> {
    /// How many bytes were transferred at once, or the Win32 error.
    pub(super) fn result(self) -> Result<u32, u32> {
        self.result
    }
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
    /// Lends a structure for one call. What the call gives to the kernel is kept in `memory`.
    ///
    /// # Safety
    /// The structure is zeroed and unknown to the kernel. From the call until the operation has ended, it stays
    /// in place, and nothing else uses it or `memory`.
    pub(super) unsafe fn lend(
        pointer: NonNull<OVERLAPPED>,
        memory: &'a mut Memory,
    ) -> Overlapped<'a> {
        Overlapped {
            pointer,
            memory,
            brand: PhantomData,
        }
    }

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

impl Cancelled<'_> {
    /// Whether the operation is over and no packet comes.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }
}

/// The cancel of one operation, for the length of [`Operation::cancel`](crate::Operation::cancel).
#[derive(Debug)]
pub struct Cancel<'a> {
    address: NonNull<OVERLAPPED>,
    brand: Brand<'a>,
}

impl<'a> Cancel<'a> {
    /// The cancel of the operation that was issued with the structure at this address.
    pub(super) fn of(address: NonNull<OVERLAPPED>) -> Cancel<'a> {
        Cancel {
            address,
            brand: PhantomData,
        }
    }

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
    /// The packet of the operation whose structure is at this address. Its endpoint has this key.
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
