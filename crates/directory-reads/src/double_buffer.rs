//! The double buffer of one directory: the second of its two buffers, on its way between the thread that reads
//! and the caller that looks at records.
//!
//! While the records in one buffer are looked at, the other is in the kernel. When that comes back first, the
//! read starves until a buffer returns, and the kernel collects meanwhile. So memory is bounded, and a slow
//! caller costs an overflow at worst.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::native::{Buffer, Filled};

/// Where the second buffer is.
enum Spare {
    Here(Buffer),
    /// In the kernel, or with the caller.
    Away,
    /// Away, and the read starves for it.
    Wanted,
}

/// The second buffer of a directory. Any thread may take it or give it back.
pub(crate) struct DoubleBuffer {
    spare: Mutex<Spare>,
}

impl DoubleBuffer {
    /// A second buffer of this many bytes.
    pub(crate) fn new(bytes: u32) -> Arc<DoubleBuffer> {
        Arc::new(DoubleBuffer {
            spare: Mutex::new(Spare::Here(Buffer::new(bytes))),
        })
    }

    fn spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the buffer, or notes that it is wanted.
    pub(crate) fn take(&self) -> Option<Buffer> {
        let mut spare = self.spare();
        match std::mem::replace(&mut *spare, Spare::Wanted) {
            Spare::Here(buffer) => {
                *spare = Spare::Away;
                Some(buffer)
            }
            Spare::Away | Spare::Wanted => None,
        }
    }

    /// Gives the buffer back. Returns whether the read starves for it.
    pub(crate) fn give(&self, buffer: Buffer) -> bool {
        let before = std::mem::replace(&mut *self.spare(), Spare::Here(buffer));
        matches!(before, Spare::Wanted)
    }
}

/// Records that the caller looks at. Their buffer goes back even if that panics.
pub(crate) struct LentRecords<'a> {
    /// `None` when the buffer went back.
    filled: Option<Filled>,
    owner: &'a DoubleBuffer,
}

impl<'a> LentRecords<'a> {
    /// Lends records of a directory with this double buffer.
    pub(crate) fn new(filled: Filled, owner: &'a DoubleBuffer) -> LentRecords<'a> {
        LentRecords {
            filled: Some(filled),
            owner,
        }
    }

    /// The records.
    pub(crate) fn filled(&self) -> &Filled {
        self.filled.as_ref().expect("there until it goes back")
    }

    /// Gives the buffer back. Returns whether the read starves for it.
    pub(crate) fn end(mut self) -> bool {
        let filled = self.filled.take();
        filled.is_some_and(|filled| self.owner.give(filled.into_buffer()))
    }
}

impl Drop for LentRecords<'_> {
    fn drop(&mut self) {
        if let Some(filled) = self.filled.take() {
            self.owner.give(filled.into_buffer());
        }
    }
}
