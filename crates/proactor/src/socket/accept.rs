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
use crate::native::overlapped::{Ended, Issued, Overlapped};
use crate::native::sockets::{self, Acceptor};
use crate::operation::Operation;
use crate::read_lock::ReadLock;

/// Connections that were accepted when no future waited for them any more.
pub(super) type Accepted = VecDeque<Connection>;

/// An accepted connection that is not attached to a loop yet.
pub(super) struct Connection {
    socket: OwnedSocket,
    /// The address of the client, if AcceptEx has written it.
    peer: Option<SocketAddr>,
}

impl Connection {
    /// Attaches the connection to the loop of its listener.
    pub(super) fn attach(self, listener: &Endpoint) -> io::Result<(TcpStream, SocketAddr)> {
        let set = sockets::set_accepted(self.socket.as_socket(), socket_of(listener));
        set.map_err(io_error)?;
        let endpoint = Endpoint::of_socket(listener.remote(), self.socket, Packets::OfPending)?;
        let stream = TcpStream::over(Arc::new(endpoint));
        let peer = match self.peer {
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
    socket: OwnedSocket,
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
            socket,
            lock,
        }
    }
}

impl Operation for Accept {
    type Output = (io::Result<Connection>, ReadLock<Accepted>);

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        let (listener, socket) = (socket_of(&self.endpoint), self.socket.as_socket());
        self.acceptor.accept(listener, socket, overlapped)
    }

    fn finish(self, mut ended: Ended) -> Self::Output {
        let peer = self.acceptor.take_peer(&mut ended);
        self.endpoint.translate(&mut ended);
        let accepted = ended.bytes().map(|_| Connection {
            socket: self.socket,
            peer,
        });
        (accepted, self.lock)
    }

    fn abandon(self, ended: Ended) {
        if let (Ok(connection), lock) = self.finish(ended) {
            lock.with_kept(|kept| kept.push_back(connection));
        }
    }
}
