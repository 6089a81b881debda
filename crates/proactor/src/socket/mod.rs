//! TCP and UDP sockets whose operations run on a loop.
//!
//! A socket is an [`Endpoint`](crate::Endpoint). std makes the sockets that are bound by name, because its
//! sockets are overlapped ones, and the plain questions (addresses, options) go through std's types as well.
//! Errors are WinSock's, also where a completion reports another code, so that [`std::io::ErrorKind`] is the
//! same as with std.
//!
//! Connections and datagrams come in under a read lock as the bytes of a stream do: what an operation has
//! brought after its future was dropped is the first that the next one gets.

mod accept;
mod connect;
mod listener;
mod of_endpoint;
mod receive;
mod tcp;
mod transmit;
mod udp;

pub use listener::TcpListener;
pub use tcp::TcpStream;
pub use udp::UdpSocket;
