//! A socket for datagrams.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};
use std::sync::Arc;

use super::as_std;
use super::receive::{Kept, ReceiveFrom, SendTo, is_of_another};
use crate::endpoint::{Endpoint, Packets};
use crate::native::address::Address;
use crate::native::sockets;
use crate::read_lock::Incoming;
use crate::remote::Remote;
use crate::transfer::Write;

/// A UDP socket. Cheap to clone, and used from any thread. It is closed when the last clone and the last
/// operation on it are gone.
///
/// A datagram that it sent to a port without a socket is not an error of the socket: it goes on.
#[derive(Clone)]
pub struct UdpSocket {
    endpoint: Arc<Endpoint>,
    incoming: Arc<Incoming<Kept>>,
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut socket = formatter.debug_tuple("UdpSocket");
        socket.field(&self.endpoint).finish()
    }
}

impl UdpSocket {
    /// Binds to an address; port 0 is one that the system chooses.
    ///
    /// # Errors
    /// Those of [`std::net::UdpSocket::bind`], and of attaching the socket to the proactor.
    pub fn bind(remote: &Remote, address: SocketAddr) -> io::Result<UdpSocket> {
        UdpSocket::from_std(remote, std::net::UdpSocket::bind(address)?)
    }

    /// Attaches a socket that was made elsewhere.
    ///
    /// # Errors
    /// It is attached to a port already, or was not made for overlapped operations.
    pub fn from_std(remote: &Remote, socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        sockets::ignore_unreachable(socket.as_raw_socket() as usize);
        // Windows 7 posts packets of datagrams even where this was switched off.
        let endpoint = Endpoint::of_socket(remote, socket.into(), Packets::Always)?;
        Ok(UdpSocket {
            endpoint: Arc::new(endpoint),
            incoming: Arc::new(Incoming::default()),
        })
    }

    /// Fixes the peer that [`UdpSocket::send`] sends to, and whose datagrams alone are received from now on.
    ///
    /// # Errors
    /// Those of std.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.as_std().connect(peer)
    }

    /// Waits for a datagram, and puts as much of it into the buffer as there is room for; its contents are
    /// replaced. Returns the length of the whole datagram and who sent it: a length that is more than that
    /// of the buffer says that the rest was cut off.
    ///
    /// A future that is dropped loses nothing: the datagram that came for it all the same is what the next
    /// one gets.
    ///
    /// # Errors
    /// Those of WSARecvFrom. The buffer comes back in any case.
    pub async fn recv_from(
        &self,
        mut buffer: Vec<u8>,
    ) -> (io::Result<(usize, SocketAddr)>, Vec<u8>) {
        buffer.clear();
        let mut turn = self.incoming.turn().await;
        if let Some((datagram, from)) = turn.with_kept(|kept| kept.datagrams.pop_front()) {
            let length = datagram.len().min(buffer.capacity());
            buffer.extend_from_slice(&datagram[..length]);
            return (Ok((datagram.len(), from)), buffer);
        }
        loop {
            let operation = ReceiveFrom::new(Arc::clone(&self.endpoint), buffer, turn);
            let received = self.endpoint.remote().submit(operation).await;
            match received.result {
                Err(error) if is_of_another(&error) => {
                    buffer = received.buffer;
                    turn = received.turn;
                }
                result => return (result, received.buffer),
            }
        }
    }

    /// [`UdpSocket::recv_from`] without the sender.
    ///
    /// # Errors
    /// Those of WSARecvFrom. The buffer comes back in any case.
    pub async fn recv(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let (received, buffer) = self.recv_from(buffer).await;
        (received.map(|(length, _)| length), buffer)
    }

    /// Sends a datagram. A future that is dropped may have sent it or not.
    ///
    /// # Errors
    /// Those of WSASendTo: it is too long, there is no way to the network. The buffer comes back in any case.
    pub async fn send_to(
        &self,
        mut buffer: Vec<u8>,
        to: SocketAddr,
    ) -> (io::Result<usize>, Vec<u8>) {
        let mut is_again = false;
        loop {
            let operation = SendTo {
                endpoint: Arc::clone(&self.endpoint),
                buffer,
                to: Address::new(to),
            };
            match self.endpoint.remote().submit(operation).await {
                // The error is that of an earlier datagram, and this one was not sent.
                (Err(error), same) if is_of_another(&error) && !is_again => buffer = same,
                done => return done,
            }
            is_again = true;
        }
    }

    /// Sends a datagram to the peer that the socket is connected to. A future that is dropped may have sent
    /// it or not.
    ///
    /// # Errors
    /// Those of WSASend: it is too long, there is no peer. The buffer comes back in any case.
    pub async fn send(&self, mut buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let mut is_again = false;
        loop {
            let operation = Write {
                endpoint: Arc::clone(&self.endpoint),
                buffer,
                offset: 0,
            };
            match self.endpoint.remote().submit(operation).await {
                (Err(error), same) if is_of_another(&error) && !is_again => buffer = same,
                done => return done,
            }
            is_again = true;
        }
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// Those of std.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// The peer it is connected to.
    ///
    /// # Errors
    /// `NotConnected` if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
    }

    /// Allows or forbids sending to broadcast addresses.
    ///
    /// # Errors
    /// Those of std.
    pub fn set_broadcast(&self, is_on: bool) -> io::Result<()> {
        self.as_std().set_broadcast(is_on)
    }

    fn as_std(&self) -> std::mem::ManuallyDrop<std::net::UdpSocket> {
        as_std!(self.endpoint, std::net::UdpSocket)
    }
}

impl AsRawSocket for UdpSocket {
    fn as_raw_socket(&self) -> RawSocket {
        self.as_std().as_raw_socket()
    }
}

impl AsSocket for UdpSocket {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        // SAFETY: the endpoint keeps it open.
        unsafe { BorrowedSocket::borrow_raw(self.as_raw_socket()) }
    }
}
