//! Transfers: reads and writes, by ReadFile and WriteFile, or by WSARecv and WSASend of sockets.

use std::io;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{
    ERROR_ABANDONED_WAIT_0, ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_MORE_DATA,
    ERROR_OPERATION_ABORTED, ERROR_PIPE_NOT_CONNECTED,
};

use crate::endpoint::Endpoint;
use crate::native::overlapped::{Ended, Issued, Overlapped};
#[cfg(feature = "sockets")]
use crate::native::sockets;
use crate::native::{error_code, files, io_error};
use crate::operation::Operation;
use crate::read_lock::{Arrival, ReadLock};

/// WSAECONNRESET, the code for which std has [`ConnectionReset`](io::ErrorKind::ConnectionReset). It has no kind for
/// ERROR_PIPE_NOT_CONNECTED.
const CONNECTION_RESET: u32 = 10_054;

/// A result, and the buffer that went into the operation.
pub(crate) type WithBuffer = (io::Result<usize>, Vec<u8>);

/// A read that fills a buffer up to its capacity.
pub(crate) struct Read {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Empty; gone when it was issued.
    pub(crate) buffer: Vec<u8>,
    /// The place in a file, in bytes; 0 elsewhere.
    pub(crate) offset: u64,
    /// That of the stream, so that what was read keeps its order. Files have none.
    pub(crate) lock: Option<ReadLock>,
}

impl Read {
    /// Takes the buffer, and says what the read came to.
    fn take(&mut self, mut ended: Ended) -> (io::Result<Arrival>, Vec<u8>) {
        let unissued = std::mem::take(&mut self.buffer);
        let buffer = ended.take_filled(unissued);
        self.endpoint.translate(&mut ended);
        let arrival = match ended.error() {
            ERROR_BROKEN_PIPE | ERROR_HANDLE_EOF => Ok(Arrival::End),
            // The server has disconnected the pipe, and what was in it is thrown away: no end, but a cut.
            ERROR_PIPE_NOT_CONNECTED => Err(io_error(CONNECTION_RESET)),
            ERROR_MORE_DATA => Ok(Arrival::Bytes {
                count: buffer.len(),
                is_last: false,
            }),
            _ => ended.bytes().map(|_| Arrival::Bytes {
                count: buffer.len(),
                is_last: true,
            }),
        };
        (arrival, buffer)
    }
}

impl Operation for Read {
    type Output = (io::Result<Arrival>, Vec<u8>);

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        let buffer = std::mem::take(&mut self.buffer);
        #[cfg(feature = "sockets")]
        if let Some(socket) = self.endpoint.socket() {
            return sockets::receive(socket, buffer, overlapped);
        }
        files::read(self.endpoint.raw(), buffer, self.offset, overlapped)
    }

    fn finish(mut self, ended: Ended) -> Self::Output {
        self.take(ended)
    }

    fn abandon(mut self, ended: Ended) {
        let is_cancelled = matches!(
            ended.error(),
            ERROR_OPERATION_ABORTED | ERROR_ABANDONED_WAIT_0
        );
        let (arrival, buffer) = self.take(ended);
        let Some(lock) = &self.lock else { return };
        match arrival {
            Ok(Arrival::Bytes { is_last, .. }) => lock.keep(buffer, is_last),
            // It says something of the connection, and not only that the read was cancelled.
            Err(error) if !is_cancelled => lock.keep_error(error_code(&error)),
            Ok(Arrival::End) | Err(_) => {}
        }
    }
}

/// A write of all of a buffer, or of less where the system writes less.
pub(crate) struct Write {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Gone when it was issued.
    pub(crate) buffer: Vec<u8>,
    /// The place in a file, in bytes; 0 elsewhere.
    pub(crate) offset: u64,
}

impl Operation for Write {
    type Output = WithBuffer;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        let buffer = std::mem::take(&mut self.buffer);
        #[cfg(feature = "sockets")]
        if let Some(socket) = self.endpoint.socket() {
            return sockets::send(socket, buffer, overlapped);
        }
        files::write(self.endpoint.raw(), buffer, self.offset, overlapped)
    }

    fn finish(self, mut ended: Ended) -> WithBuffer {
        let buffer = ended.take_buffer(self.buffer);
        self.endpoint.translate(&mut ended);
        // There is no reader any more, as with ERROR_NO_DATA, whose kind std knows.
        if ended.error() == ERROR_PIPE_NOT_CONNECTED {
            ended.set_error(ERROR_BROKEN_PIPE);
        }
        (ended.bytes(), buffer)
    }
}
