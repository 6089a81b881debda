//! One directory read as a value with a state: idle, pending, ready.
//!
//! From the moment a read is issued until its completion has been taken, OVERLAPPED and buffer are
//! the kernel's. So they live on the heap, are reached by pointer only, and no state but the right
//! one has the method that would touch them:
//!
//! ```text
//!             arm                    dequeued
//!   Idle ───────────────▶ Pending ───────────────▶ Ready
//!    ▲  (an error: Idle)           (a packet)        │
//!    └───────────────────────────────────────────────┘
//!                     exchange, into_idle
//! ```
//!
//! A read owns its directory handle, so there is never a second one on it, and none whose handle
//! was closed before it came back. A pending read that is dropped all the same (a panic, a kernel
//! that does not answer) is cancelled and its handle closed, but its memory is leaked: the kernel
//! may still write there.
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
//! and a read is used up by being issued:
//! ```compile_fail,E0382
//! use everwatch_directory_reads::native::{ChangeRead, Idle};
//! fn twice(read: ChangeRead<Idle>) {
//!     let _ = read.arm();
//!     let _ = read.arm();
//! }
//! ```

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use everwatch_proactor::native::{Call, Packet, cancel, completion, error_of, record};
use windows_sys::Win32::Foundation::{HANDLE, STATUS_PENDING};
use windows_sys::Win32::System::IO::{LPOVERLAPPED_COMPLETION_ROUTINE, OVERLAPPED};

use crate::native::buffer::{Buffer, Filled};
use crate::native::calls::{self, Target};
use crate::native::directory::DirHandle;
use crate::settings::{Layout, Settings};
use crate::verdict::ReadEnd;

/// Not issued; nothing of it is known to the kernel.
#[derive(Debug)]
pub enum Idle {}
/// Issued; memory and OVERLAPPED are the kernel's.
#[derive(Debug)]
pub enum Pending {}
/// Completed, and the completion has been taken.
#[derive(Debug)]
pub enum Ready {}

/// A state of a [`ChangeRead`].
pub trait State {
    /// Whether the kernel may write to the read's memory.
    const IS_IN_KERNEL: bool;
}

impl State for Idle {
    const IS_IN_KERNEL: bool = false;
}
impl State for Pending {
    const IS_IN_KERNEL: bool = true;
}
impl State for Ready {
    const IS_IN_KERNEL: bool = false;
}

static LEAKED: AtomicUsize = AtomicUsize::new(0);

/// How many reads of this process were dropped while the kernel had them.
pub fn leaked() -> usize {
    LEAKED.load(Ordering::Relaxed)
}

/// What the kernel knows a read by. The address of the OVERLAPPED is the address of the whole.
#[repr(C)]
struct Operation {
    overlapped: UnsafeCell<OVERLAPPED>,
    /// What the packets of a completion routine are to say.
    key: usize,
    /// Replaced only while the read is not pending.
    buffer: Buffer,
}

const _: () = assert!(offset_of!(Operation, overlapped) == 0);

/// How the end of a read is told.
#[derive(Clone, Copy)]
pub(crate) enum Via {
    /// By a packet, if the handle is associated with a port.
    Packet,
    /// By an event, which outlives the read.
    Event(HANDLE),
    /// By a routine, on the thread that issued the read.
    Routine(LPOVERLAPPED_COMPLETION_ROUTINE),
}

// SAFETY: the handle of an event may be used from any thread.
unsafe impl Send for Via {}

#[derive(Debug)]
struct Parts {
    directory: DirHandle,
    /// From `Box::into_raw`. Shared with the kernel while pending, so never a reference.
    operation: NonNull<Operation>,
    settings: Settings,
    layout: Layout,
    /// How the last read ended.
    end: ReadEnd,
}

/// A directory read. See the head of the module.
#[derive(Debug)]
pub struct ChangeRead<S: State> {
    parts: ManuallyDrop<Parts>,
    state: PhantomData<S>,
}

// SAFETY: the operation is owned, and while pending touched by the kernel alone.
unsafe impl<S: State> Send for ChangeRead<S> {}

impl<S: State> ChangeRead<S> {
    fn become_state<T: State>(self) -> ChangeRead<T> {
        let mut old = ManuallyDrop::new(self);
        // SAFETY: `old` is not dropped and not used again.
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
    /// A read of `directory`, in the richest layout that this Windows has. The key is that of its
    /// packets where no port has one.
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

    /// Issues the read; its end comes as a packet of the port that the directory is associated with.
    pub fn arm(self) -> Result<ChangeRead<Pending>, (ChangeRead<Idle>, u32)> {
        let layout = self.parts.layout;
        self.arm_via(Via::Packet, layout)
    }

    /// Issues the read in this layout; its end is learnt of in this way.
    pub(crate) fn arm_via(
        mut self,
        via: Via,
        layout: Layout,
    ) -> Result<ChangeRead<Pending>, (ChangeRead<Idle>, u32)> {
        self.parts.layout = layout;
        let (event, routine) = match via {
            Via::Packet => (std::ptr::null_mut(), None),
            Via::Event(event) => (event, None),
            Via::Routine(routine) => (std::ptr::null_mut(), routine),
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
            routine,
        };
        let parts = &*self.parts;
        let handle = parts.directory.handle().raw();
        // SAFETY: the handle is open, and on success the operation is not touched again before the
        // state is `Ready`.
        match unsafe { calls::read(handle, &parts.settings, parts.layout, target) } {
            Ok(_) => Ok(self.become_state()),
            Err(error) => Err((self, error)),
        }
    }
}

impl ChangeRead<Pending> {
    /// Asks the kernel to end the read. Its completion still comes, with or without records.
    pub fn cancel(&self) -> Result<(), u32> {
        // SAFETY: the handle is open.
        unsafe { cancel(self.parts.directory.handle().raw(), self.overlapped()) }
    }

    /// Takes the read back with its packet; `Err` gives both back if the packet is another read's.
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
        let handle = self.parts.directory.handle().raw() as usize;
        record(
            Call::Completion,
            handle,
            [overlapped as usize, 0, 0, 0, 0],
            0,
        );
        let status = status as u32;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.parts.end = match completion() {
            Some((error, status)) => ReadEnd {
                error,
                status,
                bytes: 0,
            },
            None => ReadEnd {
                error: error_of(status),
                status,
                bytes,
            },
        };
        Ok(self.become_state())
    }

    /// [`ChangeRead::cancel`] on the thread that issued the read; on another it does nothing.
    pub(crate) fn cancel_here(&self) -> Result<(), u32> {
        // SAFETY: the handle is open.
        unsafe { calls::cancel_here(self.parts.directory.handle().raw()) }
    }

    /// The address by which the kernel knows the read.
    pub(crate) fn address(&self) -> *mut OVERLAPPED {
        self.overlapped()
    }
}

/// The packet for a completion routine that was called with this address.
///
/// # Safety
/// `overlapped` is that of a [`ChangeRead`], and the kernel has completed it.
pub(crate) unsafe fn packet_of(overlapped: *mut OVERLAPPED) -> Packet {
    let operation = overlapped.cast::<Operation>();
    // SAFETY: an OVERLAPPED that was given to the kernel is the first field of an operation, which
    // is not freed before its completion has been taken.
    unsafe { Packet::posted((*operation).key, overlapped) }
}

/// The packet of a read whose event was signalled, unless the read is not complete.
///
/// # Safety
/// `overlapped` is null or that of a read that exists.
pub(crate) unsafe fn signalled(key: usize, overlapped: *mut OVERLAPPED) -> Option<Packet> {
    if overlapped.is_null() {
        return None;
    }
    // SAFETY: the read exists; the kernel writes the status once, last of all.
    let status = unsafe { (&raw const (*overlapped).Internal).read_volatile() };
    let is_complete = status != STATUS_PENDING.cast_unsigned() as usize;
    // SAFETY: the kernel has completed it.
    is_complete.then(|| unsafe { Packet::posted(key, overlapped) })
}

impl ChangeRead<Ready> {
    /// How the read ended, as the kernel reports it; for [`verdict`](crate::verdict).
    pub fn end(&self) -> ReadEnd {
        self.parts.end
    }

    /// What the kernel wrote: the first `valid` bytes of the buffer, which a verdict has found to be records.
    pub fn bytes(&self, valid: u32) -> &[u8] {
        // SAFETY: the read is not pending; the reference lives as long as this state.
        unsafe { (*self.parts.operation.as_ptr()).buffer.bytes(valid) }
    }

    /// Takes the records out and puts `spare` in, so that the read can be issued again before they
    /// are looked at.
    pub fn exchange(self, spare: Buffer, valid: u32) -> (ChangeRead<Idle>, Filled) {
        assert_eq!(spare.capacity(), self.parts.settings.bytes);
        // SAFETY: the read is not pending, so the operation is this side's alone.
        let buffer =
            unsafe { std::mem::replace(&mut (*self.parts.operation.as_ptr()).buffer, spare) };
        // SAFETY: the buffer is no longer that of any read.
        let filled = unsafe { Filled::new(buffer, valid, self.parts.layout) };
        (self.become_state(), filled)
    }

    /// Lets go of what was read.
    pub fn into_idle(self) -> ChangeRead<Idle> {
        self.become_state()
    }
}

impl<S: State> Drop for ChangeRead<S> {
    fn drop(&mut self) {
        // SAFETY: the last use of the parts.
        let parts = unsafe { ManuallyDrop::take(&mut self.parts) };
        if S::IS_IN_KERNEL {
            LEAKED.fetch_add(1, Ordering::Relaxed);
            // SAFETY: the handle is open; the operation is leaked, so its address stays good.
            let _ = unsafe {
                cancel(
                    parts.directory.handle().raw(),
                    parts.operation.as_ptr().cast(),
                )
            };
        } else {
            // SAFETY: it came from a box, and the kernel does not know it any more.
            drop(unsafe { Box::from_raw(parts.operation.as_ptr()) });
        }
    }
}
