//! The second buffer of one directory, on its way between who reads and who is told.
//!
//! There are two buffers to a directory and no more. While the records in one are being looked at,
//! the other is in the kernel; when that comes back first, the read waits for a buffer, and the
//! kernel collects meanwhile. So memory is bounded, and a slow reader costs an overflow at worst.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::native::{Buffer, Filled};

enum Spare {
    Here(Buffer),
    Away,
    /// Away, and who reads waits for it.
    Wanted,
}

/// See the head of the module.
pub(crate) struct Lane {
    spare: Mutex<Spare>,
}

impl Lane {
    pub(crate) fn new(bytes: u32) -> Arc<Lane> {
        Arc::new(Lane {
            spare: Mutex::new(Spare::Here(Buffer::new(bytes))),
        })
    }

    fn spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The buffer, or a note that it is wanted.
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

    /// Brings the buffer back. Whether it is wanted.
    pub(crate) fn give(&self, buffer: Buffer) -> bool {
        let before = std::mem::replace(&mut *self.spare(), Spare::Here(buffer));
        matches!(before, Spare::Wanted)
    }
}

/// Records that are being looked at. The buffer goes back to its lane even if that panics.
pub(crate) struct Loan<'a> {
    filled: Option<Filled>,
    lane: &'a Lane,
}

impl<'a> Loan<'a> {
    pub(crate) fn new(filled: Filled, lane: &'a Lane) -> Loan<'a> {
        Loan {
            filled: Some(filled),
            lane,
        }
    }

    pub(crate) fn filled(&self) -> &Filled {
        self.filled
            .as_ref()
            .expect("there until it is brought back")
    }

    /// Brings the buffer back. Whether it is wanted.
    pub(crate) fn end(mut self) -> bool {
        let filled = self.filled.take();
        filled.is_some_and(|filled| self.lane.give(filled.into_buffer()))
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(filled) = self.filled.take() {
            self.lane.give(filled.into_buffer());
        }
    }
}
