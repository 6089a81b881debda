//! AcceptEx.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::windows::io::{AsRawSocket, OwnedSocket};
use std::sync::Arc;

use windows_sys::Win32::Networking::WinSock::{
    WSAECONNABORTED, WSAECONNRESET, WSAENOTCONN, WSAETIMEDOUT,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::tcp::TcpStream;
use super::{of_code, socket_of};
use crate::endpoint::{Endpoint, Packets};
use crate::native::sockets::{self, ACCEPT_WORDS, Acceptor};
use crate::operation::{Ended, Operation};
use crate::read_lock::Turn;

/// Connections that were accepted after their futures were dropped.
pub(super) type Accepted = VecDeque<Connection>;

/// An accepted connection that is not attached yet.
pub(super) struct Connection {
    socket: OwnedSocket,
    /// The addresses, as AcceptEx writes them.
    buffer: Vec<u64>,
}

impl Connection {
    /// Attaches it to the listener's proactor.
    pub(super) fn attach(
        self,
        listener: &Endpoint,
        acceptor: Acceptor,
    ) -> io::Result<(TcpStream, SocketAddr)> {
        let raw = self.socket.as_raw_socket() as usize;
        socket_of(listener)
            .and_then(|listener| sockets::set_accepted(raw, listener))
            .map_err(of_code)?;
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

/// Accepts one connection.
pub(super) struct Accept {
    endpoint: Arc<Endpoint>,
    acceptor: Acceptor,
    connection: Connection,
    turn: Turn<Accepted>,
}

impl Accept {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        acceptor: Acceptor,
        socket: OwnedSocket,
        turn: Turn<Accepted>,
    ) -> Accept {
        Accept {
            endpoint,
            acceptor,
            connection: Connection {
                socket,
                buffer: vec![0; ACCEPT_WORDS],
            },
            turn,
        }
    }
}

// SAFETY: the addresses are written to heap memory of the operation, which is not touched before `finish`,
// and both sockets are open until then.
unsafe impl Operation for Accept {
    type Output = (io::Result<Connection>, Turn<Accepted>);

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        let listener = socket_of(&self.endpoint)?;
        let socket = self.connection.socket.as_raw_socket() as usize;
        let buffer = self.connection.buffer.as_mut_ptr();
        // SAFETY: both sockets are open, and the table keeps OVERLAPPED and operation.
        unsafe { self.acceptor.accept(listener, socket, buffer, overlapped) }
    }

    fn finish(self, ended: Ended) -> Self::Output {
        let accepted = self.endpoint.known(ended).bytes();
        (accepted.map(|_| self.connection), self.turn)
    }

    fn abandon(self, ended: Ended) {
        if ended.error == 0 {
            let connection = self.connection;
            self.turn.with_kept(|kept| kept.push_back(connection));
        }
    }
}
