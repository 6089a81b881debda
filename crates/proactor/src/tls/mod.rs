//! TLS over sockets, pipes, and everything else that is `AsyncRead` and `AsyncWrite`, by [`rustls`].
//!
//! [`connect`] and [`accept`] shake hands and return a [`TlsStream`], which is both again. Certificates, trust
//! and versions are set in the [`ClientConfig`] or [`ServerConfig`] of rustls. So is the provider of the
//! cryptography; the feature `tls-ring` brings one.
//!
//! ```no_run
//! # #[cfg(feature = "sockets")]
//! # async fn example(
//! #     remote: everwatch_proactor::Remote,
//! #     config: std::sync::Arc<everwatch_proactor::tls::ClientConfig>,
//! # ) -> std::io::Result<()> {
//! use everwatch_proactor::{Duplex, tls, socket::TcpStream};
//!
//! let stream = TcpStream::connect(&remote, ([192, 0, 2, 1], 443).into()).await?;
//! let name = "example.org".try_into().map_err(std::io::Error::other)?;
//! let secured = tls::connect(Duplex::new(stream), config, name).await?;
//! // It is `AsyncRead` and `AsyncWrite`.
//! # drop(secured);
//! # Ok(())
//! # }
//! ```

mod refusal;
mod stream;
mod wakers;

pub use refusal::Refused;
pub use rustls::pki_types::ServerName;
pub use rustls::{self, ClientConfig, ServerConfig};
pub use stream::TlsStream;

use std::io;
use std::sync::Arc;

use futures_io::{AsyncRead, AsyncWrite};
use rustls::{ClientConnection, Connection, ServerConnection};

/// Shakes hands as the client, with a server that must prove that it has this name. A future that is dropped
/// drops the connection.
///
/// # Errors
/// Those of reading and writing; `UnexpectedEof` if the server goes; and `InvalidData` with a [`Refused`]
/// that says in one sentence what is wrong with its certificate, or what else the two sides do not agree on.
pub async fn connect<T>(
    io: T,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> io::Result<TlsStream<T>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let of = format!("the server {}", name.to_str());
    let connection =
        ClientConnection::new(config, name).map_err(|error| Refused::error("this side", error))?;
    TlsStream::shake_hands(io, Connection::Client(connection), &of).await
}

/// Shakes hands as the server. A future that is dropped drops the connection.
///
/// # Errors
/// Those of [`connect`], about the client.
pub async fn accept<T>(io: T, config: Arc<ServerConfig>) -> io::Result<TlsStream<T>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let connection =
        ServerConnection::new(config).map_err(|error| Refused::error("this side", error))?;
    TlsStream::shake_hands(io, Connection::Server(connection), "the client").await
}
