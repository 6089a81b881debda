//! Receives and sends of datagrams, by WSARecvFrom and WSASendTo.
//!
//! WinSock cuts a datagram that has no space in the caller's buffer, with an error of which it depends on the
//! driver whether a packet comes as well. So none is ever cut: behind the caller's buffer there is one of the
//! socket's own, and both together have space for the largest datagram that there can be. That also gives the
//! length of the whole datagram.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use windows_sys::Win32::Networking::WinSock::{
    WSAECONNREFUSED, WSAECONNRESET, WSAEFAULT, WSAENETRESET,
};

use super::of_endpoint::socket_of;
use crate::endpoint::Endpoint;
use crate::native::io_error;
use crate::native::overlapped::{Ended, Overlapped};
use crate::native::sockets::{self, Address};
use crate::operation::Operation;
use crate::read_lock::ReadLock;
use crate::transfer::WithBuffer;

/// The longest datagram, in bytes: the length of an IP packet has 16 bits.
const LONGEST_DATAGRAM: usize = 65_535;

/// What a UDP socket keeps from one receive to the next.
#[derive(Default)]
pub(super) struct UnclaimedDatagrams {
    /// Datagrams that came when no future waited for them any more.
    pub(super) datagrams: VecDeque<(Vec<u8>, SocketAddr)>,
    /// The memory behind the caller's buffer, while no operation has it.
    spare: Vec<u8>,
}

/// Whether an error is about a datagram that was sent, and not about the one that is waited for.
pub(super) fn is_of_another(error: &io::Error) -> bool {
    const OF_ANOTHER: [i32; 3] = [WSAECONNRESET, WSAENETRESET, WSAECONNREFUSED];
    error
        .raw_os_error()
        .is_some_and(|code| OF_ANOTHER.contains(&code))
}

/// The receive of one datagram.
pub(super) struct ReceiveFrom {
    endpoint: Arc<Endpoint>,
    /// Empty until the kernel has filled it.
    buffer: Vec<u8>,
    /// Where the datagram continues when `buffer` is full; empty until then.
    beyond: Vec<u8>,
    from: Address,
    lock: ReadLock<UnclaimedDatagrams>,
}

/// The output of a receive.
pub(super) struct Received {
    /// The length of the whole datagram, and the address of its sender.
    pub(super) result: io::Result<(usize, SocketAddr)>,
    pub(super) buffer: Vec<u8>,
    pub(super) lock: ReadLock<UnclaimedDatagrams>,
}

impl ReceiveFrom {
    /// A receive into this buffer, which must be empty.
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        buffer: Vec<u8>,
        lock: ReadLock<UnclaimedDatagrams>,
    ) -> ReceiveFrom {
        let mut beyond = lock.with_kept(|kept| std::mem::take(&mut kept.spare));
        beyond.clear();
        beyond.reserve_exact(LONGEST_DATAGRAM.saturating_sub(buffer.capacity()));
        ReceiveFrom {
            endpoint,
            buffer,
            beyond,
            from: Address::empty(),
            lock,
        }
    }

    /// Gives both buffers their lengths, and says what has come.
    fn fill(&mut self, ended: Ended) -> io::Result<(usize, SocketAddr)> {
        let length = self.endpoint.translate(ended).bytes()?;
        sockets::set_both_filled([&mut self.buffer, &mut self.beyond], ended);
        let from = self.from.get();
        let from = from.ok_or_else(|| io_error(WSAEFAULT.cast_unsigned()))?;
        Ok((length, from))
    }
}

// SAFETY: buffers and address are heap memory of the operation, and are not touched before `finish` or
// `abandon`.
unsafe impl Operation for ReceiveFrom {
    type Output = Received;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32> {
        let buffers = [&mut self.buffer, &mut self.beyond];
        sockets::receive_from(
            socket_of(&self.endpoint),
            buffers,
            &mut self.from,
            overlapped,
        )
    }

    fn finish(mut self, ended: Ended) -> Received {
        let result = self.fill(ended);
        let beyond = self.beyond;
        self.lock.with_kept(|kept| kept.spare = beyond);
        Received {
            result,
            buffer: self.buffer,
            lock: self.lock,
        }
    }

    fn abandon(mut self, ended: Ended) {
        let result = self.fill(ended);
        let mut datagram = self.buffer;
        datagram.extend_from_slice(&self.beyond);
        let beyond = self.beyond;
        self.lock.with_kept(|kept| {
            kept.spare = beyond;
            if let Ok((_, from)) = result {
                kept.datagrams.push_back((datagram, from));
            }
        });
    }
}

/// The send of one datagram.
pub(super) struct SendTo {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) buffer: Vec<u8>,
    pub(super) to: Address,
}

// SAFETY: buffer and address are heap memory of the operation, and are not touched before `finish` or
// `abandon`.
unsafe impl Operation for SendTo {
    type Output = WithBuffer;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32> {
        let socket = socket_of(&self.endpoint);
        sockets::send_to(socket, &self.buffer, &mut self.to, overlapped)
    }

    fn finish(self, ended: Ended) -> WithBuffer {
        (self.endpoint.translate(ended).bytes(), self.buffer)
    }
}
