//! TCP connections.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::os::windows::io::{AsHandle, AsRawSocket, AsSocket, BorrowedSocket, RawSocket};
use std::sync::Arc;

use super::connect::Connect;
use super::of_endpoint::socket_of;
use super::transmit::{LARGEST_PART, Source, Transmit};
use crate::endpoint::{Endpoint, Packets};
use crate::native::io_error;
use crate::native::sockets::{self, Address, AsStd};
use crate::remote::Remote;
use crate::stream::Stream;

/// A TCP connection. Cheap to clone; reads and writes may be in flight at the same time, and from any
/// thread. It is closed when the last clone and the last operation on it are gone.
#[derive(Clone, Debug)]
pub struct TcpStream {
    stream: Stream,
}

impl TcpStream {
    /// A connected socket.
    pub(super) fn over(endpoint: Arc<Endpoint>) -> TcpStream {
        TcpStream {
            stream: Stream::over(endpoint),
        }
    }

    /// Connects to an address. A future that is dropped gives up; the peer may see a connection that ends at
    /// once.
    ///
    /// # Errors
    /// `ConnectionRefused`, `TimedOut`, `NetworkUnreachable` and so on, as std's.
    pub async fn connect(remote: &Remote, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = sockets::tcp_socket(address).map_err(io_error)?;
        let anywhere: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        // ConnectEx wants a socket that is bound.
        let bound = sockets::bind_to(socket.as_socket(), &mut Address::new(anywhere));
        bound.map_err(io_error)?;
        let endpoint = Endpoint::of_socket(remote, socket, Packets::OfPending)?;
        let operation = Connect {
            endpoint: Arc::new(endpoint),
            address: Address::new(address),
        };
        remote.submit(operation).await.map(TcpStream::over)
    }

    /// Takes over a connection that was made elsewhere.
    ///
    /// # Errors
    /// It has a port already, or was not made for overlapped operations.
    pub fn from_std(remote: &Remote, stream: std::net::TcpStream) -> io::Result<TcpStream> {
        let endpoint = Endpoint::of_socket(remote, stream.into(), Packets::OfPending)?;
        Ok(TcpStream::over(Arc::new(endpoint)))
    }

    /// The bytes of both directions, for code that does not care what carries them.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// [`Stream::read`]: 0 is the end. After `shutdown(Read)` it is always the end.
    ///
    /// # Errors
    /// Those of WSARecv, most often `ConnectionReset`.
    pub async fn read(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        self.stream.read(buffer).await
    }

    /// [`Stream::write`].
    ///
    /// # Errors
    /// Those of WSASend, and `BrokenPipe` after `shutdown(Write)`.
    pub async fn write(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        self.stream.write(buffer).await
    }

    /// Sends a part of a file without reading it into the process: up to `length` bytes from `offset` on, as
    /// far as there are any. Returns how many were sent. Afterwards the position of `file` is where it was; it
    /// moves meanwhile if the file was opened without sharing it for reading.
    ///
    /// A future that is dropped cancels it: how much was sent is unknown then, and the connection is only good
    /// for being closed.
    ///
    /// # Errors
    /// Those of TransmitFile. How much was sent is unknown then.
    pub async fn send_file(
        &self,
        file: &impl AsHandle,
        offset: u64,
        length: u64,
    ) -> io::Result<u64> {
        let source = Arc::new(Source::of(file)?);
        let length = length.min(source.length()?.saturating_sub(offset));
        let mut sent = 0;
        while sent < length {
            let chunk =
                u32::try_from(length - sent).map_or(LARGEST_PART, |left| left.min(LARGEST_PART));
            let operation = Transmit {
                endpoint: Arc::clone(self.stream.endpoint()),
                source: Arc::clone(&source),
                offset: offset + sent,
                length: chunk,
            };
            match self.stream.endpoint().remote().submit(operation).await? {
                0 => break,
                some => sent += some as u64,
            }
        }
        Ok(sent)
    }

    /// Shuts one direction down, or both. When writing is shut down, the peer reads the end behind what was
    /// written. A read that waits already may go on waiting.
    ///
    /// # Errors
    /// Those of std.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.as_std().shutdown(how)
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// Those of std.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
    }

    /// The address of this side.
    ///
    /// # Errors
    /// Those of std.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Whether small writes are sent immediately (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Those of std.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.as_std().nodelay()
    }

    /// Sends small writes immediately, or gathers them (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Those of std.
    pub fn set_nodelay(&self, is_on: bool) -> io::Result<()> {
        self.as_std().set_nodelay(is_on)
    }

    fn as_std(&self) -> AsStd<'_, std::net::TcpStream> {
        AsStd::new(self.as_socket())
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Stream {
        stream.stream
    }
}

impl AsRawSocket for TcpStream {
    fn as_raw_socket(&self) -> RawSocket {
        self.as_socket().as_raw_socket()
    }
}

impl AsSocket for TcpStream {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        socket_of(self.stream.endpoint())
    }
}
