//! A directory whose reads block the thread that issues them.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use everwatch_proactor::native::{self, Handle};

use crate::native::buffer::{Buffer, Filled};
use crate::native::calls::{self, Flavour, Target};
use crate::settings::{Layout, Settings};
use crate::verdict::ReadEnd;

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

/// The buffer of one directory that is read by a thread that blocks.
#[derive(Debug)]
pub(crate) struct BlockingRead {
    settings: Settings,
    buffer: Buffer,
    /// That of the records in the buffer.
    layout: Layout,
}

impl BlockingRead {
    /// A read into a buffer of its own.
    pub(crate) fn new(settings: Settings) -> BlockingRead {
        BlockingRead {
            settings,
            buffer: Buffer::new(settings.bytes),
            layout: Layout::Plain,
        }
    }

    /// Blocks until something changes or the read is cancelled.
    pub(crate) fn read(&mut self, directory: &BlockingDirectory, layout: Layout) -> ReadEnd {
        self.layout = layout;
        let target = Target {
            buffer: self.buffer.start(),
            bytes: self.buffer.capacity(),
            overlapped: std::ptr::null_mut(),
            routine: None,
        };
        let handle = directory.handle.raw();
        // SAFETY: the handle is open; the buffer is this side's, and the read is over when the call
        // returns.
        let result = unsafe { calls::read(handle, &self.settings, layout, target) };
        let (error, bytes) = match (result, native::completion()) {
            (_, Some((error, _))) | (Err(error), None) => (error, 0),
            (Ok(bytes), None) => (0, bytes),
        };
        ReadEnd {
            error,
            status: 0,
            bytes,
        }
    }

    /// Takes the records out, of which there are `valid` bytes, and puts `spare` in.
    pub(crate) fn exchange(&mut self, spare: Buffer, valid: u32) -> Filled {
        assert_eq!(spare.capacity(), self.settings.bytes);
        let buffer = std::mem::replace(&mut self.buffer, spare);
        // SAFETY: no read is pending between two calls of `read`.
        unsafe { Filled::new(buffer, valid, self.layout) }
    }
}
