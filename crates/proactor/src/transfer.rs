//! Reads and writes: by ReadFile and WriteFile, of sockets by WSARecv and WSASend.

use std::io;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{
    ERROR_ABANDONED_WAIT_0, ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, ERROR_MORE_DATA,
    ERROR_OPERATION_ABORTED, ERROR_PIPE_NOT_CONNECTED,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

use crate::endpoint::Endpoint;
use crate::native::calls;
#[cfg(feature = "sockets")]
use crate::native::sockets;
use crate::operation::{Ended, Operation};
use crate::read_lock::Turn;

/// A result, and the buffer that went into the operation.
pub(crate) type WithBuffer = (io::Result<usize>, Vec<u8>);

/// What a read came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// There is nothing more, and never will be.
    End,
    /// Bytes, or none at all: an empty message.
    Bytes {
        count: usize,
        /// Of a message: there is no more of it.
        is_last: bool,
    },
}

impl Arrival {
    pub(crate) fn count(self) -> usize {
        match self {
            Arrival::End => 0,
            Arrival::Bytes { count, .. } => count,
        }
    }
}

pub(crate) fn at(offset: u64) -> OVERLAPPED {
    OVERLAPPED {
        Anonymous: OVERLAPPED_0 {
            Anonymous: OVERLAPPED_0_0 {
                Offset: offset as u32,
                OffsetHigh: (offset >> 32) as u32,
            },
        },
        ..OVERLAPPED::default()
    }
}

/// Fills a buffer up to its capacity.
pub(crate) struct Read {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Empty, until the kernel has filled it.
    pub(crate) buffer: Vec<u8>,
    /// Where a file is read; 0 elsewhere.
    pub(crate) offset: u64,
    /// Of streams: what was read keeps its order.
    pub(crate) turn: Option<Turn>,
}

impl Read {
    /// The buffer, with what was read in it.
    fn fill(&mut self, ended: Ended) -> io::Result<Arrival> {
        let ended = self.endpoint.known(ended);
        let (count, is_last) = match ended.error {
            ERROR_BROKEN_PIPE | ERROR_HANDLE_EOF | ERROR_PIPE_NOT_CONNECTED => {
                return Ok(Arrival::End);
            }
            ERROR_MORE_DATA => (ended.bytes as usize, false),
            _ => (ended.bytes()?, true),
        };
        let count = count.min(self.buffer.capacity());
        // SAFETY: the kernel has written this many bytes, and there is room for them.
        unsafe { self.buffer.set_len(count) };
        Ok(Arrival::Bytes { count, is_last })
    }
}

// SAFETY: the buffer is heap memory of the operation and is not touched before `finish`.
unsafe impl Operation for Read {
    type Output = (io::Result<Arrival>, Vec<u8>);

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        let room = u32::try_from(self.buffer.capacity()).unwrap_or(u32::MAX);
        let buffer = (self.buffer.as_mut_ptr(), room);
        // SAFETY: the endpoint is open, and the table keeps OVERLAPPED and operation.
        unsafe {
            overlapped.write(at(self.offset));
            #[cfg(feature = "sockets")]
            if let Some(socket) = self.endpoint.socket() {
                return sockets::receive(socket, buffer, overlapped);
            }
            calls::read_file(self.endpoint.raw(), buffer, overlapped)
        }
    }

    fn finish(mut self, ended: Ended) -> Self::Output {
        (self.fill(ended), self.buffer)
    }

    fn abandon(mut self, ended: Ended) {
        let filled = self.fill(ended);
        let Some(turn) = &self.turn else { return };
        match filled {
            Ok(Arrival::Bytes { is_last, .. }) => turn.keep(self.buffer, is_last),
            Err(_) if is_of_the_connection(ended.error) => {
                turn.keep_error(self.endpoint.known(ended).error);
            }
            Ok(Arrival::End) | Err(_) => {}
        }
    }
}

/// Whether an error says something of the connection, and not only that the read was not wanted any more.
fn is_of_the_connection(error: u32) -> bool {
    !matches!(error, ERROR_OPERATION_ABORTED | ERROR_ABANDONED_WAIT_0)
}

/// Writes all of a buffer, or less where the system does.
pub(crate) struct Write {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) offset: u64,
}

// SAFETY: the buffer is heap memory of the operation and is not touched before `finish`.
unsafe impl Operation for Write {
    type Output = WithBuffer;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        let length = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        let buffer = (self.buffer.as_ptr(), length);
        // SAFETY: the endpoint is open, and the table keeps OVERLAPPED and operation.
        unsafe {
            overlapped.write(at(self.offset));
            #[cfg(feature = "sockets")]
            if let Some(socket) = self.endpoint.socket() {
                return sockets::send(socket, buffer, overlapped);
            }
            calls::write_file(self.endpoint.raw(), buffer, overlapped)
        }
    }

    fn finish(self, ended: Ended) -> WithBuffer {
        (self.endpoint.known(ended).bytes(), self.buffer)
    }
}
