//! The memory of an operation that the kernel reads from or writes to.

#[cfg(feature = "sockets")]
use crate::native::sockets::Address;

/// The memory that a call was given. It is kept beside the operation, out of its reach, from the call until the
/// operation has ended. All of it is on the heap, so it stays in place when this moves.
#[derive(Debug, Default)]
pub(super) enum Memory {
    /// The call was given none, or was not made.
    #[default]
    Nothing,
    /// A buffer that is read or written.
    Bytes(Vec<u8>),
    /// The buffers of a datagram that is received, and its sender.
    #[cfg(feature = "sockets")]
    Incoming {
        first: Vec<u8>,
        beyond: Vec<u8>,
        from: Address,
    },
    /// A datagram that is sent, and its receiver.
    #[cfg(feature = "sockets")]
    Outgoing {
        bytes: Vec<u8>,
        /// Only read by the kernel.
        _to: Address,
    },
    /// The addresses that an accept writes.
    #[cfg(feature = "sockets")]
    Words(Vec<u64>),
    /// The address that a connect reads.
    #[cfg(feature = "sockets")]
    Address { _to: Address },
}

impl Memory {
    /// The address and the capacity of a buffer that the kernel fills, as calls want them.
    pub(super) fn space_in(buffer: &mut Vec<u8>) -> (*mut u8, u32) {
        let length = u32::try_from(buffer.capacity()).unwrap_or(u32::MAX);
        (buffer.as_mut_ptr(), length)
    }

    /// The address and the length of bytes that the kernel reads, as calls want them.
    pub(super) fn bytes_of(buffer: &[u8]) -> (*const u8, u32) {
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        (buffer.as_ptr(), length)
    }

    /// Sets the length of a buffer to what the kernel has written to it.
    ///
    /// # Safety
    /// The kernel has written `count` bytes to the start of the buffer, or as many as it has space for.
    pub(super) unsafe fn set_filled(buffer: &mut Vec<u8>, count: usize) -> usize {
        let count = count.min(buffer.capacity());
        // SAFETY: this many bytes were written, and there is space for them.
        unsafe { buffer.set_len(count) };
        count
    }
}
