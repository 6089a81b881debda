//! A listening TCP socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};
use std::sync::Arc;

use super::accept::{Accept, Accepted, is_of_one_client};
use super::tcp::TcpStream;
use super::{as_std, of_code, socket_of};
use crate::endpoint::{Endpoint, Packets};
use crate::native::sockets::{self, Acceptor};
use crate::read_lock::Incoming;
use crate::remote::Remote;

/// A TCP socket that connections come to. Cheap to clone, and used from any thread. It is closed when the
/// last clone and the last operation on it are gone.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use everwatch_proactor::{Proactor, socket::TcpListener};
///
/// let mut proactor = Proactor::new()?;
/// let listener = TcpListener::bind(&proactor.remote(), ([127, 0, 0, 1], 0).into())?;
/// let (stream, peer) = proactor.block_on(listener.accept())?;
/// println!("{peer} has connected");
/// proactor.block_on(stream.write(b"welcome".to_vec())).0?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TcpListener {
    endpoint: Arc<Endpoint>,
    acceptor: Acceptor,
    incoming: Arc<Incoming<Accepted>>,
    is_v4: bool,
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut listener = formatter.debug_tuple("TcpListener");
        listener.field(&self.endpoint).finish()
    }
}

impl TcpListener {
    /// Binds to an address and listens, as [`std::net::TcpListener::bind`] does: from now on clients can
    /// connect, whether or not they are accepted yet.
    ///
    /// # Errors
    /// Those of std, and of attaching the socket to the proactor.
    pub fn bind(remote: &Remote, address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::from_std(remote, std::net::TcpListener::bind(address)?)
    }

    /// Attaches a listener that was made elsewhere.
    ///
    /// # Errors
    /// It is attached to a port already, or was not made for overlapped operations.
    pub fn from_std(remote: &Remote, listener: std::net::TcpListener) -> io::Result<TcpListener> {
        let is_v4 = listener.local_addr()?.is_ipv4();
        let endpoint = Endpoint::of_socket(remote, listener.into(), Packets::OfPending)?;
        let acceptor = socket_of(&endpoint).and_then(Acceptor::of);
        Ok(TcpListener {
            acceptor: acceptor.map_err(of_code)?,
            endpoint: Arc::new(endpoint),
            incoming: Arc::new(Incoming::default()),
            is_v4,
        })
    }

    /// The address it listens at, with the port that the system chose if 0 was asked for.
    ///
    /// # Errors
    /// Those of std.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        as_std!(self.endpoint, std::net::TcpListener).local_addr()
    }

    /// Waits for a connection. Those who wait at the same time get one each, in no particular order.
    ///
    /// A future that is dropped loses no connection: one that was accepted for it all the same is what the
    /// next `accept` gets. A client that went before it was accepted is passed over.
    ///
    /// # Errors
    /// What AcceptEx says about the listener, and those of making sockets. The listener is good for more
    /// unless the proactor has closed.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let mut turn = self.incoming.turn().await;
        loop {
            let accepted = match turn.with_kept(Accepted::pop_front) {
                Some(kept) => Ok(kept),
                None => {
                    let socket = sockets::tcp_socket(self.is_v4).map_err(of_code)?;
                    let endpoint = Arc::clone(&self.endpoint);
                    let operation = Accept::new(endpoint, self.acceptor, socket, turn);
                    let (accepted, again) = self.endpoint.remote().submit(operation).await;
                    turn = again;
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
        as_std!(self.endpoint, std::net::TcpListener).as_raw_socket()
    }
}

impl AsSocket for TcpListener {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        // SAFETY: the endpoint keeps it open.
        unsafe { BorrowedSocket::borrow_raw(self.as_raw_socket()) }
    }
}
