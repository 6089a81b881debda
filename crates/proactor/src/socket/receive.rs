//! WSARecvFrom and WSASendTo.
//!
//! A datagram that has no room in the caller's buffer is cut by WinSock, with an error of which it depends
//! on the driver whether a packet comes as well. So it never is: behind the caller's buffer there is one of
//! the socket's own, and both together have room for the largest datagram that there can be. That also
//! reports how long it was.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use windows_sys::Win32::Networking::WinSock::{
    WSAECONNREFUSED, WSAECONNRESET, WSAEFAULT, WSAENETRESET,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::{of_code, socket_of};
use crate::endpoint::Endpoint;
use crate::native::address::Address;
use crate::native::sockets;
use crate::operation::{Ended, Operation};
use crate::read_lock::Turn;
use crate::transfer::WithBuffer;

/// No datagram is longer: the length of an IP packet has 16 bits.
const LONGEST: usize = 65_535;

/// What a socket for datagrams keeps from one operation to the next.
#[derive(Default)]
pub(super) struct Kept {
    /// Datagrams that came after their futures were dropped.
    pub(super) datagrams: VecDeque<(Vec<u8>, SocketAddr)>,
    /// The memory behind the caller's buffer, while no operation has it.
    spare: Vec<u8>,
}

/// Whether an error is that of a datagram that was sent, not of the one that is waited for.
pub(super) fn is_of_another(error: &io::Error) -> bool {
    const OF_ANOTHER: [i32; 3] = [WSAECONNRESET, WSAENETRESET, WSAECONNREFUSED];
    error
        .raw_os_error()
        .is_some_and(|code| OF_ANOTHER.contains(&code))
}

/// Receives one datagram.
pub(super) struct ReceiveFrom {
    endpoint: Arc<Endpoint>,
    /// Empty, until the kernel has filled it.
    buffer: Vec<u8>,
    /// As above; where `buffer` ends, the datagram goes on here.
    beyond: Vec<u8>,
    from: Address,
    turn: Turn<Kept>,
}

/// What has come.
pub(super) struct Received {
    /// The length of the whole datagram, and who has sent it.
    pub(super) result: io::Result<(usize, SocketAddr)>,
    pub(super) buffer: Vec<u8>,
    pub(super) turn: Turn<Kept>,
}

impl ReceiveFrom {
    pub(super) fn new(endpoint: Arc<Endpoint>, buffer: Vec<u8>, turn: Turn<Kept>) -> ReceiveFrom {
        let mut beyond = turn.with_kept(|kept| std::mem::take(&mut kept.spare));
        beyond.clear();
        beyond.reserve_exact(LONGEST.saturating_sub(buffer.capacity()));
        ReceiveFrom {
            endpoint,
            buffer,
            beyond,
            from: Address::room(),
            turn,
        }
    }

    /// Both buffers, with what has come in them.
    fn fill(&mut self, ended: Ended) -> io::Result<(usize, SocketAddr)> {
        let length = self.endpoint.known(ended).bytes()?;
        let first = length.min(self.buffer.capacity());
        let second = (length - first).min(self.beyond.capacity());
        // SAFETY: the kernel has written this many bytes, from the first one on.
        unsafe {
            self.buffer.set_len(first);
            self.beyond.set_len(second);
        }
        let from = self.from.get();
        let from = from.ok_or_else(|| of_code(WSAEFAULT.cast_unsigned()))?;
        Ok((length, from))
    }
}

// SAFETY: buffers and address are heap memory of the operation and are not touched before `finish`.
unsafe impl Operation for ReceiveFrom {
    type Output = Received;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        let socket = socket_of(&self.endpoint)?;
        let room = |buffer: &mut Vec<u8>| {
            let length = u32::try_from(buffer.capacity()).unwrap_or(u32::MAX);
            (buffer.as_mut_ptr(), length)
        };
        let buffers = [room(&mut self.buffer), room(&mut self.beyond)];
        // SAFETY: the socket is open, and the table keeps OVERLAPPED and operation.
        unsafe { sockets::receive_from(socket, buffers, &mut self.from, overlapped) }
    }

    fn finish(mut self, ended: Ended) -> Received {
        let result = self.fill(ended);
        let beyond = self.beyond;
        self.turn.with_kept(|kept| kept.spare = beyond);
        Received {
            result,
            buffer: self.buffer,
            turn: self.turn,
        }
    }

    fn abandon(mut self, ended: Ended) {
        let result = self.fill(ended);
        let mut datagram = self.buffer;
        datagram.extend_from_slice(&self.beyond);
        let beyond = self.beyond;
        self.turn.with_kept(|kept| {
            kept.spare = beyond;
            if let Ok((_, from)) = result {
                kept.datagrams.push_back((datagram, from));
            }
        });
    }
}

/// Sends one datagram.
pub(super) struct SendTo {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) buffer: Vec<u8>,
    pub(super) to: Address,
}

// SAFETY: buffer and address are heap memory of the operation and are not touched before `finish`.
unsafe impl Operation for SendTo {
    type Output = WithBuffer;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        let socket = socket_of(&self.endpoint)?;
        let length = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        let buffer = (self.buffer.as_ptr(), length);
        // SAFETY: the socket is open, and the table keeps OVERLAPPED and operation.
        unsafe { sockets::send_to(socket, buffer, &mut self.to, overlapped) }
    }

    fn finish(self, ended: Ended) -> WithBuffer {
        (self.endpoint.known(ended).bytes(), self.buffer)
    }
}
