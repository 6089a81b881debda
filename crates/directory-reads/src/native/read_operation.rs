//! A directory read as an operation of a completion loop.

use std::os::windows::io::AsRawHandle;
use std::sync::Arc;

use everwatch_proactor::fault_injection::planned_end;
use everwatch_proactor::{Ended, Endpoint, Issued, Operation, Overlapped};
use windows_sys::Win32::Foundation::ERROR_IO_PENDING;

use crate::native::buffer::{Buffer, Filled};
use crate::native::calls::{self, Target};
use crate::settings::{Layout, Settings};
use crate::verdict::ReadEnd;

/// One read of a directory into a buffer of its own.
pub(crate) struct ReadOperation {
    endpoint: Arc<Endpoint>,
    buffer: Buffer,
    settings: Settings,
    layout: Layout,
}

impl ReadOperation {
    /// A read that was not issued yet. Every packet of the endpoint must be posted
    /// ([`Packets::Always`](everwatch_proactor::Packets::Always)).
    pub(crate) fn new(
        endpoint: &Arc<Endpoint>,
        buffer: Buffer,
        settings: Settings,
        layout: Layout,
    ) -> ReadOperation {
        ReadOperation {
            endpoint: Arc::clone(endpoint),
            buffer,
            settings,
            layout,
        }
    }
}

/// A read that has ended, or was refused.
pub(crate) struct FinishedRead {
    buffer: Buffer,
    layout: Layout,
    end: ReadEnd,
}

impl FinishedRead {
    /// How the read ended.
    pub(crate) fn end(&self) -> ReadEnd {
        self.end
    }

    /// The records, of which there are `valid` bytes.
    pub(crate) fn into_filled(self, valid: u32) -> Filled {
        // SAFETY: the read into this buffer has ended.
        unsafe { Filled::new(self.buffer, valid, self.layout) }
    }

    /// The memory, for another read.
    pub(crate) fn into_buffer(self) -> Buffer {
        self.buffer
    }
}

impl Operation for ReadOperation {
    type Output = FinishedRead;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        let target = Target {
            buffer: self.buffer.start(),
            bytes: self.buffer.capacity(),
            overlapped: overlapped.as_ptr(),
            routine: None,
        };
        let directory = self.endpoint.as_raw_handle();
        // The call returns the same for a pending read and a complete one; both post a packet.
        // SAFETY: the endpoint keeps the directory open. The buffer is heap memory that is not touched before
        // `finish` or `abandon`.
        unsafe {
            let result = calls::read(directory, &self.settings, self.layout, target);
            overlapped.issued(result.and(Err(ERROR_IO_PENDING)))
        }
    }

    fn finish(self, ended: Ended) -> FinishedRead {
        let end = match planned_end() {
            Some((error, status)) => ReadEnd {
                error,
                status,
                bytes: 0,
            },
            None => ReadEnd {
                error: ended.error(),
                status: ended.status(),
                bytes: ended.transferred(),
            },
        };
        FinishedRead {
            buffer: self.buffer,
            layout: self.layout,
            end,
        }
    }
}
