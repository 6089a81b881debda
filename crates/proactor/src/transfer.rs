//! Transfers: reads and writes, by ReadFile and WriteFile, or by WSARecv and WSASend of sockets.

use std::io;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{
    ERROR_ABANDONED_WAIT_0, ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_MORE_DATA,
    ERROR_OPERATION_ABORTED, ERROR_PIPE_NOT_CONNECTED,
};

use crate::endpoint::Endpoint;
use crate::native::files;
use crate::native::overlapped::{Ended, Overlapped};
#[cfg(feature = "sockets")]
use crate::native::sockets;
use crate::operation::Operation;
use crate::read_lock::{Arrival, ReadLock};

/// A result, and the buffer that went into the operation.
pub(crate) type WithBuffer = (io::Result<usize>, Vec<u8>);

/// A read that fills a buffer up to its capacity.
pub(crate) struct Read {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Empty until the kernel has filled it.
    pub(crate) buffer: Vec<u8>,
    /// The place in a file, in bytes; 0 elsewhere.
    pub(crate) offset: u64,
    /// That of the stream, so that what was read keeps its order. Files have none.
    pub(crate) lock: Option<ReadLock>,
}

impl Read {
    /// Gives the buffer its length, and says what the read came to.
    fn fill(&mut self, ended: Ended) -> io::Result<Arrival> {
        let ended = self.endpoint.translate(ended);
        let is_last = match ended.error() {
            ERROR_BROKEN_PIPE | ERROR_HANDLE_EOF | ERROR_PIPE_NOT_CONNECTED => {
                return Ok(Arrival::End);
            }
            ERROR_MORE_DATA => false,
            _ => ended.bytes().map(|_| true)?,
        };
        let count = files::set_filled(&mut self.buffer, ended);
        Ok(Arrival::Bytes { count, is_last })
    }
}

// SAFETY: the buffer is heap memory of the operation, and is not touched before `finish` or `abandon`.
unsafe impl Operation for Read {
    type Output = (io::Result<Arrival>, Vec<u8>);

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32> {
        #[cfg(feature = "sockets")]
        if let Some(socket) = self.endpoint.socket() {
            return sockets::receive(socket, &mut self.buffer, overlapped);
        }
        let handle = self.endpoint.raw();
        files::read(handle, &mut self.buffer, self.offset, overlapped)
    }

    fn finish(mut self, ended: Ended) -> Self::Output {
        (self.fill(ended), self.buffer)
    }

    fn abandon(mut self, ended: Ended) {
        let filled = self.fill(ended);
        let Some(lock) = &self.lock else { return };
        match filled {
            Ok(Arrival::Bytes { is_last, .. }) => lock.keep(self.buffer, is_last),
            Err(_) if is_of_the_connection(ended.error()) => {
                lock.keep_error(self.endpoint.translate(ended).error());
            }
            Ok(Arrival::End) | Err(_) => {}
        }
    }
}

/// Whether an error says something of the connection, and not only that the read was cancelled.
fn is_of_the_connection(error: u32) -> bool {
    !matches!(error, ERROR_OPERATION_ABORTED | ERROR_ABANDONED_WAIT_0)
}

/// A write of all of a buffer, or of less where the system writes less.
pub(crate) struct Write {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) buffer: Vec<u8>,
    /// The place in a file, in bytes; 0 elsewhere.
    pub(crate) offset: u64,
}

// SAFETY: the buffer is heap memory of the operation, and is not touched before `finish` or `abandon`.
unsafe impl Operation for Write {
    type Output = WithBuffer;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32> {
        #[cfg(feature = "sockets")]
        if let Some(socket) = self.endpoint.socket() {
            return sockets::send(socket, &self.buffer, overlapped);
        }
        let handle = self.endpoint.raw();
        files::write(handle, &self.buffer, self.offset, overlapped)
    }

    fn finish(self, ended: Ended) -> WithBuffer {
        (self.endpoint.translate(ended).bytes(), self.buffer)
    }
}
