//! Listening TCP sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};
use std::sync::Arc;

use super::accept::{Accept, Accepted, is_of_one_client};
use super::of_endpoint::socket_of;
use super::tcp::TcpStream;
use crate::endpoint::{Endpoint, Packets};
use crate::native::io_error;
use crate::native::sockets::{self, Acceptor, AsStd};
use crate::read_lock::Incoming;
use crate::remote::Remote;

/// A TCP socket that accepts connections. Cheap to clone, and usable from any thread. It is closed when the
/// last clone and the last operation on it are gone.
///
/// ```no_run
/// # #[cfg(windows)] fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use everwatch_proactor::{Proactor, socket::TcpListener};
///
/// let mut proactor = Proactor::new()?;
/// let listener = TcpListener::bind(&proactor.remote(), ([127, 0, 0, 1], 0).into())?;
/// let (stream, peer) = proactor.block_on(listener.accept())?;
/// println!("{peer} has connected");
/// proactor.block_on(stream.write(b"welcome".to_vec())).0?;
/// # Ok(())
/// # }
/// # #[cfg(not(windows))] fn main() {}
/// ```
#[derive(Clone)]
pub struct TcpListener {
    endpoint: Arc<Endpoint>,
    acceptor: Acceptor,
    incoming: Arc<Incoming<Accepted>>,
    /// The address that it listens at. Accepted sockets are of its family.
    address: SocketAddr,
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut listener = formatter.debug_tuple("TcpListener");
        listener.field(&self.endpoint).finish()
    }
}

impl TcpListener {
    /// Binds to an address and listens, as [`std::net::TcpListener::bind`] does: from now on clients can
    /// connect, also before they are accepted.
    ///
    /// # Errors
    /// Those of std, and of attaching the socket to the loop.
    pub fn bind(remote: &Remote, address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::from_std(remote, std::net::TcpListener::bind(address)?)
    }

    /// Takes over a listener that was made elsewhere.
    ///
    /// # Errors
    /// It has a port already, or was not made for overlapped operations.
    pub fn from_std(remote: &Remote, listener: std::net::TcpListener) -> io::Result<TcpListener> {
        let address = listener.local_addr()?;
        let endpoint = Endpoint::of_socket(remote, listener.into(), Packets::OfPending)?;
        let acceptor = Acceptor::of(socket_of(&endpoint));
        Ok(TcpListener {
            acceptor: acceptor.map_err(io_error)?,
            endpoint: Arc::new(endpoint),
            incoming: Arc::new(Incoming::default()),
            address,
        })
    }

    /// The address it listens at, with the port that the system chose if 0 was asked for.
    ///
    /// # Errors
    /// Those of std.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        AsStd::<std::net::TcpListener>::new(socket_of(&self.endpoint)).local_addr()
    }

    /// Waits for a connection. Futures that wait at the same time get one each, in no particular order.
    ///
    /// A future that is dropped loses no connection: one that was accepted for it by then is what the next
    /// `accept` gets. A client that went before it was accepted is passed over.
    ///
    /// # Errors
    /// What AcceptEx reports about the listener, and those of making sockets. The listener can be used on
    /// unless the proactor has closed.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let mut lock = self.incoming.lock().await;
        loop {
            let accepted = match lock.with_kept(Accepted::pop_front) {
                Some(kept) => Ok(kept),
                None => {
                    let socket = sockets::tcp_socket(self.address).map_err(io_error)?;
                    let endpoint = Arc::clone(&self.endpoint);
                    let operation = Accept::new(endpoint, self.acceptor, socket, lock);
                    let (accepted, again) = self.endpoint.remote().submit(operation).await;
                    lock = again;
                    accepted
                }
            };
            match accepted.and_then(|one| one.attach(&self.endpoint, self.acceptor)) {
                Err(error) if is_of_one_client(&error) => {}
                done => return done,
            }
        }
    }
}

impl AsRawSocket for TcpListener {
    fn as_raw_socket(&self) -> RawSocket {
        socket_of(&self.endpoint).as_raw_socket()
    }
}

impl AsSocket for TcpListener {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        socket_of(&self.endpoint)
    }
}
