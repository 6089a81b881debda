//! Directories whose reads block the thread that issues them.

use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle};
use std::thread::JoinHandle;

use everwatch_proactor::fault_injection::{Call, attempt, planned_end};
use everwatch_proactor::native::{Handle, cancel_io, result_of};
use windows_sys::Win32::System::IO::CancelSynchronousIo;

use crate::native::buffer::{Buffer, Filled};
use crate::native::calls::{self, Flavour, Target};
use crate::settings::{Layout, Settings};
use crate::verdict::ReadEnd;

/// A directory that was opened without `FILE_FLAG_OVERLAPPED`.
///
/// On Windows the close of such a handle waits for the call that is in it. So the thread that reads and the
/// one that cancels share it, and it is closed when both have released it.
#[derive(Debug)]
pub(crate) struct BlockingDirectory {
    handle: Handle,
}

impl BlockingDirectory {
    /// Opens a directory again by its handle, wherever it has been moved to.
    pub(crate) fn reopen(directory: BorrowedHandle<'_>) -> Result<BlockingDirectory, u32> {
        let handle = calls::reopen(directory, Flavour::Blocking)?;
        Ok(BlockingDirectory { handle })
    }

    /// Ends the call that any thread is in on this handle, if one is.
    pub(crate) fn cancel(&self) -> Result<(), u32> {
        cancel_io(&self.handle, None)
    }
}

impl AsHandle for BlockingDirectory {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

/// Ends the blocking call that a thread is in, if it is in one.
pub(crate) fn cancel_blocking<T>(thread: &JoinHandle<T>) -> Result<(), u32> {
    let handle = thread.as_raw_handle();
    attempt(Call::CancelSynchronousIo, handle, [0; 5], || {
        // SAFETY: the handle of a thread that was not joined is open.
        result_of(unsafe { CancelSynchronousIo(handle) })
    })
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
        // SAFETY: the directory is open; the buffer is this side's, and the read is over when the call returns.
        let result = unsafe { calls::read(handle, &self.settings, layout, target) };
        let (error, bytes) = match (result, planned_end()) {
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
