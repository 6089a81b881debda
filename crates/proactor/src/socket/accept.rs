//! Accepts of connections, by AcceptEx.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::windows::io::{AsSocket, OwnedSocket};
use std::sync::Arc;

use windows_sys::Win32::Networking::WinSock::{
    WSAECONNABORTED, WSAECONNRESET, WSAENOTCONN, WSAETIMEDOUT,
};

use super::of_endpoint::socket_of;
use super::tcp::TcpStream;
use crate::endpoint::{Endpoint, Packets};
use crate::native::io_error;
use crate::native::overlapped::{Ended, Overlapped};
use crate::native::sockets::{self, ACCEPT_WORDS, Acceptor};
use crate::operation::Operation;
use crate::read_lock::ReadLock;

/// Connections that were accepted when no future waited for them any more.
pub(super) type Accepted = VecDeque<Connection>;

/// An accepted connection that is not attached to a loop yet.
pub(super) struct Connection {
    socket: OwnedSocket,
    /// Both addresses, as AcceptEx writes them.
    buffer: Vec<u64>,
}

impl Connection {
    /// Attaches the connection to the loop of its listener.
    pub(super) fn attach(
        self,
        listener: &Endpoint,
        acceptor: Acceptor,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        let set = sockets::set_accepted(self.socket.as_socket(), socket_of(listener));
        set.map_err(io_error)?;
        let peer = acceptor.peer(&self.buffer);
        let endpoint = Endpoint::of_socket(listener.remote(), self.socket, Packets::OfPending)?;
        let stream = TcpStream::over(Arc::new(endpoint));
        let peer = match peer {
            Some(peer) => peer,
            None => stream.peer_addr()?,
        };
        Ok((stream, peer))
    }
}

/// Whether an error is about one client, which went before it was accepted, and not about the listener.
pub(super) fn is_of_one_client(error: &io::Error) -> bool {
    const OF_ONE: [i32; 4] = [WSAECONNRESET, WSAECONNABORTED, WSAENOTCONN, WSAETIMEDOUT];
    error
        .raw_os_error()
        .is_some_and(|code| OF_ONE.contains(&code))
}

/// The accept of one connection.
pub(super) struct Accept {
    endpoint: Arc<Endpoint>,
    acceptor: Acceptor,
    connection: Connection,
    lock: ReadLock<Accepted>,
}

impl Accept {
    /// An accept into `socket`, which is fresh.
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        acceptor: Acceptor,
        socket: OwnedSocket,
        lock: ReadLock<Accepted>,
    ) -> Accept {
        Accept {
            endpoint,
            acceptor,
            connection: Connection {
                socket,
                buffer: vec![0; ACCEPT_WORDS],
            },
            lock,
        }
    }
}

// SAFETY: the addresses are written to heap memory of the operation, which is not touched before `finish` or
// `abandon`, and both sockets are open until then.
unsafe impl Operation for Accept {
    type Output = (io::Result<Connection>, ReadLock<Accepted>);

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32> {
        let listener = socket_of(&self.endpoint);
        let Connection { socket, buffer } = &mut self.connection;
        self.acceptor
            .accept(listener, socket.as_socket(), buffer, overlapped)
    }

    fn finish(self, ended: Ended) -> Self::Output {
        let accepted = self.endpoint.translate(ended).bytes();
        (accepted.map(|_| self.connection), self.lock)
    }

    fn abandon(self, ended: Ended) {
        if ended.error() == 0 {
            let connection = self.connection;
            self.lock.with_kept(|kept| kept.push_back(connection));
        }
    }
}
