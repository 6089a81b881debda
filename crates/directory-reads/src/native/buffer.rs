//! The memory that the kernel writes records into.

use std::ffi::c_void;
use std::ptr::NonNull;

use crate::settings::Layout;

/// Zeroed memory aligned to 8 bytes, as extended records want it. Held by pointer and not as a
/// `Box`: while a read is pending the kernel writes to it, and a box would promise that nobody does.
#[derive(Debug)]
pub struct Buffer {
    /// From `Box::into_raw`, and given back to it once.
    words: NonNull<[u64]>,
    /// As asked for; at most 7 less than the memory.
    capacity: u32,
}

// SAFETY: it owns plain memory.
unsafe impl Send for Buffer {}

impl Buffer {
    /// A buffer that the kernel is told is of `capacity` bytes.
    pub fn new(capacity: u32) -> Buffer {
        let words = vec![0_u64; (capacity as usize).div_ceil(8)].into_boxed_slice();
        Buffer {
            words: NonNull::from(Box::leak(words)),
            capacity,
        }
    }

    /// The bytes that the kernel may write.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    pub(crate) fn start(&self) -> *mut c_void {
        self.words.as_ptr().cast()
    }

    /// # Safety
    /// No read into this buffer is pending.
    pub(crate) unsafe fn bytes(&self, valid: u32) -> &[u8] {
        let valid = valid.min(self.capacity) as usize;
        // SAFETY: the memory is initialised, at least as long as the capacity, and nobody writes.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), valid) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and only here does it go back.
        drop(unsafe { Box::from_raw(self.words.as_ptr()) });
    }
}

/// A buffer with records in it, which no read can reach.
#[derive(Debug)]
pub struct Filled {
    buffer: Buffer,
    valid: u32,
    layout: Layout,
}

impl Filled {
    /// # Safety
    /// No read into this buffer is pending.
    pub(crate) unsafe fn new(buffer: Buffer, valid: u32, layout: Layout) -> Filled {
        Filled {
            buffer,
            valid,
            layout,
        }
    }

    /// The records.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: whoever made `self` saw to it that no read is pending.
        unsafe { self.buffer.bytes(self.valid) }
    }

    /// Their layout.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The memory, for another read.
    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }
}
