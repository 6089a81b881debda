//! One directory read as a value with a state: idle, pending, ready.
//!
//! From the call that issues a read until its completion was taken, OVERLAPPED and buffer are the kernel's. So
//! they are on the heap, are reached by a pointer alone, and only the right state has the method that would
//! touch them:
//!
//! ```text
//!             arm                    dequeued
//!   Idle ───────────────▶ Pending ───────────────▶ Ready
//!    ▲  (an error: Idle)           (a packet)        │
//!    └───────────────────────────────────────────────┘
//!                     exchange, into_idle
//! ```
//!
//! A read owns its directory handle, so there is never a second read on it, and none whose handle was closed
//! before it came back. A pending read that is dropped nevertheless (a panic, a kernel that does not answer) is
//! cancelled and its handle closed, but its memory is leaked: the kernel may still write to it.
//!
//! A pending read cannot be issued again:
//! ```compile_fail,E0599
//! use everwatch_directory_reads::native::{ChangeRead, Pending};
//! fn twice(read: ChangeRead<Pending>) {
//!     let _ = read.arm();
//! }
//! ```
//! nor can its records be looked at, or its buffer be taken:
//! ```compile_fail,E0599
//! use everwatch_directory_reads::native::{ChangeRead, Pending};
//! fn early(read: &ChangeRead<Pending>) -> &[u8] {
//!     read.bytes(1)
//! }
//! ```
//! ```compile_fail,E0599
//! use everwatch_directory_reads::native::{Buffer, ChangeRead, Pending};
//! fn steal(read: ChangeRead<Pending>, spare: Buffer) {
//!     let _ = read.exchange(spare, 1);
//! }
//! ```
//! and a read is consumed by being issued:
//! ```compile_fail,E0382
//! use everwatch_directory_reads::native::{ChangeRead, Idle};
//! fn twice(read: ChangeRead<Idle>) {
//!     let _ = read.arm();
//!     let _ = read.arm();
//! }
//! ```

use std::cell::{RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use everwatch_proactor::fault_injection::{Call, attempt, planned_end, record};
use everwatch_proactor::native::{Packet, cancel_io, error_of_status, result_of};
use windows_sys::Win32::Foundation::STATUS_PENDING;
use windows_sys::Win32::System::IO::{CancelIo, OVERLAPPED};

use crate::native::buffer::{Buffer, Filled};
use crate::native::calls::{self, Target};
use crate::native::directory::DirHandle;
use crate::native::events::Event;
use crate::settings::{Layout, Settings};
use crate::verdict::ReadEnd;

/// The state of a read that was not issued; the kernel knows nothing of it.
#[derive(Debug)]
pub enum Idle {}
/// The state of a read that was issued; memory and OVERLAPPED are the kernel's.
#[derive(Debug)]
pub enum Pending {}
/// The state of a read that has completed, and whose completion was taken.
#[derive(Debug)]
pub enum Ready {}

/// A state of a [`ChangeRead`].
pub trait ReadState {
    /// Whether the kernel may write to the read's memory.
    const IS_IN_KERNEL: bool;
}

impl ReadState for Idle {
    const IS_IN_KERNEL: bool = false;
}
impl ReadState for Pending {
    const IS_IN_KERNEL: bool = true;
}
impl ReadState for Ready {
    const IS_IN_KERNEL: bool = false;
}

static LEAKED: AtomicUsize = AtomicUsize::new(0);

/// How many reads of this process were dropped while the kernel had them.
pub fn leaked() -> usize {
    LEAKED.load(Ordering::Relaxed)
}

/// The memory of a read that the kernel knows. The address of the OVERLAPPED is the address of the whole.
#[repr(C)]
struct Operation {
    overlapped: UnsafeCell<OVERLAPPED>,
    /// The key of packets that a completion routine makes.
    key: usize,
    /// Replaced only while the read is not pending.
    buffer: Buffer,
}

const _: () = assert!(offset_of!(Operation, overlapped) == 0);

/// How a read reports its end.
#[derive(Clone, Debug)]
pub(crate) enum Via {
    /// By a packet, if the handle is associated with a port.
    Packet,
    /// By an event.
    Event(Arc<Event>),
    /// By a completion routine on the thread that issued the read, whose packets
    /// [`take_completed`](crate::native::take_completed) gives.
    Routine,
}

/// The parts of a read, which are the same in all of its states.
#[derive(Debug)]
struct Parts {
    directory: DirHandle,
    /// From `Box::leak`. Shared with the kernel while pending, so never a reference.
    operation: NonNull<Operation>,
    settings: Settings,
    layout: Layout,
    /// How the last read ended.
    end: ReadEnd,
}

/// A read of one directory, in one of the states [`Idle`], [`Pending`] and [`Ready`]. It owns the directory's
/// handle, its OVERLAPPED and a buffer. Any thread may use it, one at a time.
#[derive(Debug)]
pub struct ChangeRead<S: ReadState> {
    parts: ManuallyDrop<Parts>,
    state: PhantomData<S>,
}

// SAFETY: the operation is owned, and while pending only the kernel touches it.
unsafe impl<S: ReadState> Send for ChangeRead<S> {}

impl<S: ReadState> ChangeRead<S> {
    /// The same read in another state.
    fn become_state<T: ReadState>(self) -> ChangeRead<T> {
        let mut old = ManuallyDrop::new(self);
        // SAFETY: `old` is neither dropped nor used after this.
        let parts = unsafe { ManuallyDrop::take(&mut old.parts) };
        ChangeRead {
            parts: ManuallyDrop::new(parts),
            state: PhantomData,
        }
    }

    /// The directory that is read.
    pub fn directory(&self) -> &DirHandle {
        &self.parts.directory
    }

    fn overlapped(&self) -> *mut OVERLAPPED {
        self.parts.operation.as_ptr().cast()
    }
}

impl ChangeRead<Idle> {
    /// A read of `directory`, in the richest layout that this Windows has. `key` is that of its packets where
    /// no port gives one.
    pub fn new(directory: DirHandle, settings: Settings, key: usize) -> ChangeRead<Idle> {
        let operation = Box::new(Operation {
            overlapped: UnsafeCell::new(OVERLAPPED::default()),
            key,
            buffer: Buffer::new(settings.bytes),
        });
        ChangeRead {
            parts: ManuallyDrop::new(Parts {
                directory,
                operation: NonNull::from(Box::leak(operation)),
                settings,
                layout: calls::best_layout(),
                end: ReadEnd::default(),
            }),
            state: PhantomData,
        }
    }

    /// Issues the read. Its end comes as a packet of the port that the directory is associated with.
    ///
    /// # Errors
    /// The read itself, and the Win32 error of the call.
    pub fn arm(self) -> Result<ChangeRead<Pending>, (ChangeRead<Idle>, u32)> {
        let layout = self.parts.layout;
        self.arm_via(&Via::Packet, layout)
    }

    /// Issues the read in this layout. It reports its end in this way.
    pub(crate) fn arm_via(
        mut self,
        via: &Via,
        layout: Layout,
    ) -> Result<ChangeRead<Pending>, (ChangeRead<Idle>, u32)> {
        self.parts.layout = layout;
        let event = match via {
            Via::Event(event) => event.raw(),
            Via::Packet | Via::Routine => null_mut(),
        };
        let overlapped = self.overlapped();
        // SAFETY: the read is idle, so the operation is this side's alone.
        let buffer = unsafe {
            overlapped.write(OVERLAPPED {
                hEvent: event,
                ..OVERLAPPED::default()
            });
            &(*self.parts.operation.as_ptr()).buffer
        };
        let target = Target {
            buffer: buffer.start(),
            bytes: buffer.capacity(),
            overlapped,
            routine: match via {
                Via::Routine => Some(completed),
                Via::Packet | Via::Event(_) => None,
            },
        };
        let parts = &*self.parts;
        let directory = parts.directory.handle().raw();
        // SAFETY: the directory is open, and on success the operation is not touched before the state is
        // `Ready`.
        match unsafe { calls::read(directory, &parts.settings, parts.layout, target) } {
            Ok(_) => Ok(self.become_state()),
            Err(error) => Err((self, error)),
        }
    }
}

impl ChangeRead<Pending> {
    /// Asks the kernel to end the read. Its completion still comes, with or without records.
    ///
    /// # Errors
    /// What CancelIoEx reports. Most often the completion is queued already.
    pub fn cancel(&self) -> Result<(), u32> {
        let directory = self.parts.directory.handle();
        cancel_io(directory, Some(self.overlapped() as usize))
    }

    /// [`ChangeRead::cancel`] by CancelIo: on the thread that issued the read; on another it does nothing.
    pub(crate) fn cancel_here(&self) -> Result<(), u32> {
        let directory = self.parts.directory.handle().raw();
        attempt(Call::CancelIo, directory, [0; 5], || {
            // SAFETY: the directory is open.
            result_of(unsafe { CancelIo(directory) })
        })
    }

    /// The packet of a read that reports its end by an event, if it has completed.
    pub(crate) fn completed(&self) -> Option<Packet> {
        let overlapped = self.overlapped();
        // SAFETY: the OVERLAPPED lives as long as `self`; the kernel writes the status once, last of all.
        let status = unsafe { (&raw const (*overlapped).Internal).read_volatile() };
        let is_complete = status != STATUS_PENDING.cast_unsigned() as usize;
        // SAFETY: the kernel has completed the read; its key and address are those of `self`.
        is_complete.then(|| unsafe { packet_of(overlapped) })
    }

    /// Takes the read back with its packet.
    ///
    /// # Errors
    /// Both, if the packet is another read's.
    pub fn dequeued(
        mut self,
        packet: Packet,
    ) -> Result<ChangeRead<Ready>, (ChangeRead<Pending>, Packet)> {
        let overlapped = self.overlapped();
        if packet.overlapped() != overlapped {
            return Err((self, packet));
        }
        // SAFETY: the packet says that the kernel has let go of the operation.
        let (status, bytes) = unsafe { ((*overlapped).Internal, (*overlapped).InternalHigh) };
        let directory = self.parts.directory.handle().raw() as usize;
        let arguments = [overlapped as usize, 0, 0, 0, 0];
        record(Call::Completion, directory, arguments, 0);
        let status = status as u32;
        self.parts.end = match planned_end() {
            Some((error, status)) => ReadEnd {
                error,
                status,
                bytes: 0,
            },
            None => ReadEnd {
                error: error_of_status(status),
                status,
                bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            },
        };
        Ok(self.become_state())
    }
}

/// The packet of a read, by the address of its OVERLAPPED.
///
/// # Safety
/// `overlapped` is that of a [`ChangeRead`], and the kernel has completed it.
unsafe fn packet_of(overlapped: *mut OVERLAPPED) -> Packet {
    let operation = overlapped.cast::<Operation>();
    // SAFETY: the OVERLAPPED of a read is the first field of an operation, which is not freed before its
    // completion was taken. The kernel does not touch the key.
    unsafe { Packet::of_completed((*operation).key, overlapped) }
}

thread_local! {
    /// The packets of reads of this thread whose completion routine was called.
    static COMPLETED: RefCell<VecDeque<Packet>> = RefCell::default();
}

/// The completion routine of all reads that have one. It only notes the packet: it runs inside a frame of the
/// system, where nothing else may happen.
unsafe extern "system" fn completed(_error: u32, _bytes: u32, read: *mut OVERLAPPED) {
    // SAFETY: this routine is given to reads of this crate alone, and is called when one has completed.
    let packet = unsafe { packet_of(read) };
    COMPLETED.with_borrow_mut(|completed| completed.push_back(packet));
}

/// Takes the packets of reads of this thread that have completed since the last call.
pub(crate) fn take_completed() -> VecDeque<Packet> {
    COMPLETED.take()
}

impl ChangeRead<Ready> {
    /// How the read ended, as the kernel reports it; for [`verdict`](crate::verdict).
    pub fn end(&self) -> ReadEnd {
        self.parts.end
    }

    /// The first `valid` bytes of the buffer, which a verdict has found to be records.
    pub fn bytes(&self, valid: u32) -> &[u8] {
        // SAFETY: the read is not pending, and does not become so while `self` is borrowed.
        unsafe { (*self.parts.operation.as_ptr()).buffer.bytes(valid) }
    }

    /// Takes the records out, of which there are `valid` bytes, and puts `spare` in, so that the read can be
    /// issued again before they are looked at.
    ///
    /// # Panics
    /// If `spare` does not have the capacity that the settings say.
    pub fn exchange(self, spare: Buffer, valid: u32) -> (ChangeRead<Idle>, Filled) {
        assert_eq!(spare.capacity(), self.parts.settings.bytes);
        // SAFETY: the read is not pending, so the operation is this side's alone.
        let buffer =
            unsafe { std::mem::replace(&mut (*self.parts.operation.as_ptr()).buffer, spare) };
        // SAFETY: the buffer belongs to no read any more.
        let filled = unsafe { Filled::new(buffer, valid, self.parts.layout) };
        (self.become_state(), filled)
    }

    /// Lets go of what was read.
    pub fn into_idle(self) -> ChangeRead<Idle> {
        self.become_state()
    }
}

impl<S: ReadState> Drop for ChangeRead<S> {
    fn drop(&mut self) {
        // SAFETY: this is the last use of the parts.
        let parts = unsafe { ManuallyDrop::take(&mut self.parts) };
        if S::IS_IN_KERNEL {
            LEAKED.fetch_add(1, Ordering::Relaxed);
            let address = parts.operation.as_ptr() as usize;
            let _ = cancel_io(parts.directory.handle(), Some(address));
        } else {
            // SAFETY: it came from a box, and the kernel does not know it any more.
            drop(unsafe { Box::from_raw(parts.operation.as_ptr()) });
        }
    }
}
