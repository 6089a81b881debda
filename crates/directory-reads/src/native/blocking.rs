//! A directory whose reads block the thread that issues them.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use everwatch_proactor::native::{self, Handle};
use windows_sys::Win32::Foundation::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER,
    ERROR_NOT_SUPPORTED,
};

use crate::native::buffer::{Buffer, Filled};
use crate::native::calls::{self, Flavour, Target};
use crate::settings::{Layout, Settings};
use crate::verdict::{Verdict, verdict};

/// A directory opened without `FILE_FLAG_OVERLAPPED`.
///
/// On Windows closing such a handle waits for the call that is in it. So it is shared between who
/// reads and who cancels, and goes only when both have let go.
#[derive(Debug)]
pub(crate) struct BlockingDirectory {
    handle: Handle,
}

impl BlockingDirectory {
    pub(crate) fn reopen(directory: BorrowedHandle<'_>) -> Result<BlockingDirectory, u32> {
        // SAFETY: a borrowed handle is open.
        let handle = unsafe { calls::reopen(directory.as_raw_handle(), Flavour::Blocking)? };
        Ok(BlockingDirectory { handle })
    }

    /// Ends the call that any thread is in on this handle, if one is.
    pub(crate) fn cancel(&self) -> Result<(), u32> {
        // SAFETY: the handle is open; null stands for all reads.
        unsafe { native::cancel(self.handle.raw(), std::ptr::null()) }
    }
}

/// The reads of one directory, on the thread that blocks.
#[derive(Debug)]
pub(crate) struct BlockingRead {
    settings: Settings,
    layout: Layout,
    buffer: Buffer,
    /// Win32 error and bytes of the last read.
    ended: (u32, u32),
}

impl BlockingRead {
    pub(crate) fn new(settings: Settings) -> BlockingRead {
        BlockingRead {
            settings,
            layout: calls::best_layout(),
            buffer: Buffer::new(settings.bytes),
            ended: (0, 0),
        }
    }

    /// Blocks until something changes or the read is cancelled.
    pub(crate) fn read(&mut self, directory: &BlockingDirectory) {
        let target = Target {
            buffer: self.buffer.start(),
            bytes: self.buffer.capacity(),
            overlapped: std::ptr::null_mut(),
            routine: None,
        };
        let handle = directory.handle.raw();
        // SAFETY: the handle is open; the buffer is this side's, and the read is over when the call
        // returns.
        let result = unsafe { calls::read(handle, &self.settings, self.layout, target) };
        self.ended = match (result, native::completion()) {
            (_, Some((error, _))) => (error, 0),
            (Ok(bytes), None) => (0, bytes),
            (Err(error), None) => (error, 0),
        };
    }

    /// Whether the file system refused the layout, and the plain one is to be tried.
    pub(crate) fn falls_back(&mut self) -> bool {
        let is_refused = self.layout == Layout::Extended
            && matches!(
                self.ended.0,
                ERROR_INVALID_FUNCTION
                    | ERROR_NOT_SUPPORTED
                    | ERROR_INVALID_PARAMETER
                    | ERROR_CALL_NOT_IMPLEMENTED
            );
        if is_refused {
            self.layout = Layout::Plain;
        }
        is_refused
    }

    /// What the last read means.
    pub(crate) fn verdict(&self, is_cancelled: bool) -> Verdict {
        let (error, bytes) = self.ended;
        verdict(error, 0, bytes, self.settings.bytes, is_cancelled)
    }

    /// Takes the records out and puts `spare` in.
    pub(crate) fn exchange(&mut self, spare: Buffer, valid: u32) -> Filled {
        assert_eq!(spare.capacity(), self.settings.bytes);
        let buffer = std::mem::replace(&mut self.buffer, spare);
        // SAFETY: no read is pending between two calls of `read`.
        unsafe { Filled::new(buffer, valid, self.layout) }
    }
}
