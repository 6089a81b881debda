//! Buffers that the kernel writes records into.

use std::ffi::c_void;
use std::ptr::NonNull;

use crate::settings::Layout;

/// Zeroed memory, aligned to 8 bytes as extended records must be. It is held by a pointer and not by a `Box`:
/// the kernel writes to it while a read is pending, and a box would claim that nothing else does.
#[derive(Debug)]
pub struct Buffer {
    /// From `Box::leak`, and given back to a box once.
    words: NonNull<[u64]>,
    /// In bytes, as it was asked for; at most 7 less than the memory.
    capacity: u32,
}

// SAFETY: it owns plain memory.
unsafe impl Send for Buffer {}

impl Buffer {
    /// A buffer of `capacity` bytes.
    pub fn new(capacity: u32) -> Buffer {
        let words = vec![0_u64; (capacity as usize).div_ceil(8)].into_boxed_slice();
        Buffer {
            words: NonNull::from(Box::leak(words)),
            capacity,
        }
    }

    /// How many bytes the kernel may write.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The address that the kernel writes to.
    pub(super) fn start(&self) -> *mut c_void {
        self.words.as_ptr().cast()
    }

    /// The first `valid` bytes, or all if there are fewer.
    ///
    /// # Safety
    /// No read into this buffer is pending, nor becomes so for as long as the slice lives.
    pub(super) unsafe fn bytes(&self, valid: u32) -> &[u8] {
        let valid = valid.min(self.capacity) as usize;
        // SAFETY: the memory is initialised and at least as long as the capacity, and is not written to.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), valid) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: it came from a box, which is made again only here.
        drop(unsafe { Box::from_raw(self.words.as_ptr()) });
    }
}

/// A buffer with records in it, which no read can reach.
#[derive(Debug)]
pub struct Filled {
    buffer: Buffer,
    /// How many bytes are records.
    valid: u32,
    layout: Layout,
}

impl Filled {
    /// A buffer whose first `valid` bytes are records.
    ///
    /// # Safety
    /// No read into this buffer is pending.
    pub(super) unsafe fn new(buffer: Buffer, valid: u32, layout: Layout) -> Filled {
        Filled {
            buffer,
            valid,
            layout,
        }
    }

    /// The records.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: no read was pending when `self` was made, and none can be issued into its buffer.
        unsafe { self.buffer.bytes(self.valid) }
    }

    /// The layout of the records.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The memory, for another read.
    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }
}
