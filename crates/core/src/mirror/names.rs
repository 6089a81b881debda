//! The names of a mirror: one byte buffer for all of them.
//!
//! A name is stored once, without an allocation of its own: on the trees people watch the average
//! name has about ten bytes, and a heap block for each would double what an entry costs. Names are
//! not interned across entries, because the table that finds the duplicates costs more than the
//! duplicates do. Removed names leave garbage behind; once it is more than half of the buffer the
//! owner moves the living names into a fresh one, which makes a removal O(1) amortised.

/// Where a name lies in [`Names`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameAt {
    /// Offset of the first byte.
    pub(crate) start: u32,
    /// Length in bytes. A root's name is its whole path, so this is not limited to `NAME_MAX`.
    pub(crate) len: u16,
}

/// The buffer. Offsets stay valid until the owner replaces it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    /// Bytes that belong to no living name.
    garbage: usize,
}

impl Names {
    /// Bytes a single buffer can address, less one longest name.
    const CAPACITY: usize = u32::MAX as usize - u16::MAX as usize;

    /// Whether the buffer has no room for another name of any length.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= Self::CAPACITY
    }

    /// Stores `name`. A name longer than 65,535 bytes is cut there; no system has such names.
    pub(crate) fn push(&mut self, name: &[u8]) -> NameAt {
        let len = u16::try_from(name.len()).unwrap_or(u16::MAX);
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&name[..usize::from(len)]);
        NameAt { start, len }
    }

    /// The name that `push` returned this place for.
    pub(crate) fn get(&self, at: NameAt) -> &[u8] {
        let start = at.start as usize;
        &self.bytes[start..start + usize::from(at.len)]
    }

    /// Notes that a name is no longer needed. Its bytes stay until the living names are moved elsewhere.
    pub(crate) fn release(&mut self, at: NameAt) {
        self.garbage += usize::from(at.len);
    }

    /// Whether moving the living names elsewhere is worth its cost now.
    pub(crate) fn wants_compaction(&self) -> bool {
        self.garbage > 64 * 1024 && self.garbage > self.bytes.len() / 2
    }

    /// An empty buffer with room for the living names of `other`.
    pub(crate) fn with_capacity_for(other: &Names) -> Names {
        Names {
            bytes: Vec::with_capacity(other.bytes.len() - other.garbage.min(other.bytes.len())),
            garbage: 0,
        }
    }

    /// Bytes on the heap, as allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}
