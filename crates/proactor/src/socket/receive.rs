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
use crate::native::overlapped::{Ended, Issued, Overlapped};
use crate::native::sockets;
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
    /// The caller's buffer, and where the datagram continues when that is full. Both are empty, and gone when it
    /// was issued.
    buffers: [Vec<u8>; 2],
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
            buffers: [buffer, beyond],
            lock,
        }
    }

    /// Takes both buffers, and says what has come: the length of the datagram, and its sender.
    fn take(&mut self, mut ended: Ended) -> (io::Result<(usize, SocketAddr)>, [Vec<u8>; 2]) {
        let unissued = std::mem::take(&mut self.buffers);
        let datagram = sockets::take_datagram(&mut ended, unissued);
        self.endpoint.translate(&mut ended);
        let no_address = || io_error(WSAEFAULT.cast_unsigned());
        let result = ended.bytes().and_then(|length| {
            let from = datagram.from.ok_or_else(no_address)?;
            Ok((length, from))
        });
        (result, [datagram.first, datagram.beyond])
    }
}

impl Operation for ReceiveFrom {
    type Output = Received;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        let buffers = std::mem::take(&mut self.buffers);
        sockets::receive_from(socket_of(&self.endpoint), buffers, overlapped)
    }

    fn finish(mut self, ended: Ended) -> Received {
        let (result, [buffer, beyond]) = self.take(ended);
        self.lock.with_kept(|kept| kept.spare = beyond);
        Received {
            result,
            buffer,
            lock: self.lock,
        }
    }

    fn abandon(mut self, ended: Ended) {
        let (result, [mut datagram, beyond]) = self.take(ended);
        datagram.extend_from_slice(&beyond);
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
    /// Gone when it was issued.
    pub(super) buffer: Vec<u8>,
    pub(super) to: SocketAddr,
}

impl Operation for SendTo {
    type Output = WithBuffer;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        let buffer = std::mem::take(&mut self.buffer);
        sockets::send_to(socket_of(&self.endpoint), buffer, self.to, overlapped)
    }

    fn finish(self, mut ended: Ended) -> WithBuffer {
        let buffer = ended.take_buffer(self.buffer);
        self.endpoint.translate(&mut ended);
        (ended.bytes(), buffer)
    }
}
