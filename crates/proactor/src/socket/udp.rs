//! UDP sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};
use std::sync::Arc;

use super::of_endpoint::socket_of;
use super::receive::{ReceiveFrom, SendTo, UnclaimedDatagrams, is_of_another};
use crate::endpoint::{Endpoint, Packets};
use crate::native::sockets::{self, AsStd};
use crate::read_lock::Incoming;
use crate::remote::Remote;
use crate::transfer::Write;

/// A UDP socket. Cheap to clone, and usable from any thread. It is closed when the last clone and the last
/// operation on it are gone.
///
/// A datagram that finds no receiver is no error of the socket: it goes on.
#[derive(Clone)]
pub struct UdpSocket {
    endpoint: Arc<Endpoint>,
    incoming: Arc<Incoming<UnclaimedDatagrams>>,
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
    /// Those of [`std::net::UdpSocket::bind`], and of attaching the socket to the loop.
    pub fn bind(remote: &Remote, address: SocketAddr) -> io::Result<UdpSocket> {
        UdpSocket::from_std(remote, std::net::UdpSocket::bind(address)?)
    }

    /// Takes over a socket that was made elsewhere.
    ///
    /// # Errors
    /// It has a port already, or was not made for overlapped operations.
    pub fn from_std(remote: &Remote, socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        sockets::ignore_unreachable(socket.as_socket());
        // Windows 7 posts packets of datagrams even where it was asked not to.
        let endpoint = Endpoint::of_socket(remote, socket.into(), Packets::Always)?;
        Ok(UdpSocket {
            endpoint: Arc::new(endpoint),
            incoming: Arc::new(Incoming::default()),
        })
    }

    /// Fixes the peer that [`UdpSocket::send`] sends to. From now on only its datagrams are received.
    ///
    /// # Errors
    /// Those of std.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.as_std().connect(peer)
    }

    /// Waits for a datagram, and puts as much of it into the buffer as this has capacity for; its contents are
    /// replaced. Returns the length of the whole datagram and the address of its sender. If the length is more
    /// than the capacity of the buffer, the rest was cut off.
    ///
    /// A future that is dropped loses nothing: the datagram that has come for it is what the next one gets.
    ///
    /// # Errors
    /// Those of WSARecvFrom. The buffer comes back in any case.
    pub async fn recv_from(
        &self,
        mut buffer: Vec<u8>,
    ) -> (io::Result<(usize, SocketAddr)>, Vec<u8>) {
        buffer.clear();
        let mut lock = self.incoming.lock().await;
        if let Some((datagram, from)) = lock.with_kept(|kept| kept.datagrams.pop_front()) {
            let length = datagram.len().min(buffer.capacity());
            buffer.extend_from_slice(&datagram[..length]);
            return (Ok((datagram.len(), from)), buffer);
        }
        loop {
            let operation = ReceiveFrom::new(Arc::clone(&self.endpoint), buffer, lock);
            let received = self.endpoint.remote().submit(operation).await;
            match received.result {
                Err(error) if is_of_another(&error) => {
                    buffer = received.buffer;
                    lock = received.lock;
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

    /// Sends a datagram. Whether a future that is dropped has sent it is unknown.
    ///
    /// # Errors
    /// Those of WSASendTo: it is too long, there is no route. The buffer comes back in any case.
    pub async fn send_to(
        &self,
        mut buffer: Vec<u8>,
        to: SocketAddr,
    ) -> (io::Result<usize>, Vec<u8>) {
        let mut is_retry = false;
        loop {
            let operation = SendTo {
                endpoint: Arc::clone(&self.endpoint),
                buffer,
                to,
            };
            match self.endpoint.remote().submit(operation).await {
                // The error is about an earlier datagram, and this one was not sent.
                (Err(error), same) if is_of_another(&error) && !is_retry => buffer = same,
                done => return done,
            }
            is_retry = true;
        }
    }

    /// Sends a datagram to the peer that the socket is connected to. Whether a future that is dropped has
    /// sent it is unknown.
    ///
    /// # Errors
    /// Those of WSASend: it is too long, there is no peer. The buffer comes back in any case.
    pub async fn send(&self, mut buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let mut is_retry = false;
        loop {
            let operation = Write {
                endpoint: Arc::clone(&self.endpoint),
                buffer,
                offset: 0,
            };
            match self.endpoint.remote().submit(operation).await {
                (Err(error), same) if is_of_another(&error) && !is_retry => buffer = same,
                done => return done,
            }
            is_retry = true;
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

    fn as_std(&self) -> AsStd<'_, std::net::UdpSocket> {
        AsStd::new(self.as_socket())
    }
}

impl AsRawSocket for UdpSocket {
    fn as_raw_socket(&self) -> RawSocket {
        self.as_socket().as_raw_socket()
    }
}

impl AsSocket for UdpSocket {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        socket_of(&self.endpoint)
    }
}
