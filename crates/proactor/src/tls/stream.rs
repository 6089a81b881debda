//! TLS connections by the traits of futures-io.
//!
//! rustls reads and writes through std's traits, which cannot wait. A transport that is not ready is
//! `WouldBlock` for rustls and `Pending` for the caller. All state is in the connection and none in a future,
//! so a future that is dropped loses nothing.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite, IoSlice};
use rustls::Connection;

use super::refusal::Refused;
use super::wakers::{Side, Wakers};

/// A TLS connection over a transport.
///
/// Bytes that are written are encrypted immediately and sent as far as the transport takes them; a flush sends
/// the rest. `poll_close` sends the peer a `close_notify` and closes the transport. A read returns 0 when the
/// peer has sent its `close_notify`, and `UnexpectedEof` when the transport has ended without: an attacker may
/// have cut it off.
///
/// A future that reads or writes here loses nothing when it is dropped. Two tasks may read and write at the
/// same time.
pub struct TlsStream<T> {
    io: T,
    connection: Connection,
    wakers: Arc<Wakers>,
    /// The transport has ended.
    has_ended: bool,
    is_closing: bool,
    /// An error of sending that happened in a read. The next write reports it, once.
    unsent: Option<io::Error>,
    /// The other side, as a phrase for messages.
    of: String,
}

impl<T: fmt::Debug> fmt::Debug for TlsStream<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("TlsStream").field(&self.io).finish()
    }
}

/// The transport by std's traits, for the length of one poll.
struct Transport<'a, 'c, T> {
    io: &'a mut T,
    context: &'a mut Context<'c>,
}

/// A poll as a result that cannot wait.
fn without_waiting<R>(poll: Poll<io::Result<R>>) -> io::Result<R> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// A result that cannot wait as a poll.
fn with_waiting<R>(result: io::Result<R>) -> Poll<io::Result<R>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl<T: AsyncRead + Unpin> Read for Transport<'_, '_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        without_waiting(Pin::new(&mut *self.io).poll_read(self.context, buffer))
    }
}

impl<T: AsyncWrite + Unpin> Write for Transport<'_, '_, T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        without_waiting(Pin::new(&mut *self.io).poll_write(self.context, buffer))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        without_waiting(Pin::new(&mut *self.io).poll_write_vectored(self.context, buffers))
    }

    fn flush(&mut self) -> io::Result<()> {
        without_waiting(Pin::new(&mut *self.io).poll_flush(self.context))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> TlsStream<T> {
    /// Shakes hands over a transport. `of` is the other side, as a phrase for messages.
    pub(super) async fn shake_hands(
        io: T,
        connection: Connection,
        of: &str,
    ) -> io::Result<TlsStream<T>> {
        let mut stream = TlsStream {
            io,
            connection,
            wakers: Arc::default(),
            has_ended: false,
            is_closing: false,
            unsent: None,
            of: of.to_owned(),
        };
        poll_fn(|context| stream.poll_handshake(context)).await?;
        Ok(stream)
    }

    /// The transport.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// The connection of rustls, with its certificates, protocol and version.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sends and receives until the handshake is over and its last message is with the transport.
    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_sent(context))?;
            if !self.connection.is_handshaking() {
                // Its last message must be on its way before anything waits for an answer.
                return Pin::new(&mut self.io).poll_flush(context);
            }
            if ready!(self.poll_receive(context))? == 0 {
                let end = format!("{} has ended the connection during the handshake", self.of);
                let kind = io::ErrorKind::UnexpectedEof;
                return Poll::Ready(Err(io::Error::new(kind, end)));
            }
        }
    }

    /// Sends what rustls has to send, as far as the transport takes it.
    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            let io = &mut self.io;
            let sent = self.connection.write_tls(&mut Transport { io, context });
            if ready!(with_waiting(sent))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes in what the transport has. Returns 0 at its end.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let io = &mut self.io;
        let received = self.connection.read_tls(&mut Transport { io, context });
        let count = ready!(with_waiting(received))?;
        if let Err(why) = self.connection.process_new_packets() {
            // An alert says why, if the transport takes it now.
            let _ = self.poll_sent(context);
            let _ = Pin::new(&mut self.io).poll_flush(context);
            return Poll::Ready(Err(Refused::error(&self.of, why)));
        }
        Poll::Ready(Ok(count))
    }

    /// Reads decrypted bytes.
    fn poll_plain(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            // Answers of rustls, and what a write has left here.
            if self.unsent.is_none()
                && let Poll::Ready(Err(error)) = self.poll_sent(context)
            {
                self.unsent = Some(error);
            }
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            if self.has_ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.has_ended = ready!(self.poll_receive(context))? == 0;
        }
    }

    /// Writes bytes to be encrypted.
    fn poll_encrypt(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.is_closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        loop {
            let count = write(&mut self.connection.writer())?;
            let is_full = self.connection.wants_write();
            let sent = self.poll_sent(context)?;
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            // Nothing was taken. When rustls has sent what it has, there is space again.
            if !is_full {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            ready!(sent);
        }
    }

    /// Polls for one side, with a context that wakes both.
    fn as_side<R>(
        &mut self,
        side: Side,
        context: &Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> R,
    ) -> R {
        let waker = self.wakers.with(side, context.waker());
        poll(self, &mut Context::from_waker(&waker))
    }

    /// The error of sending that a read has met.
    fn take_unsent(&mut self) -> io::Result<()> {
        self.unsent.take().map_or(Ok(()), Err)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.get_mut()
            .as_side(Side::Reading, context, |this, context| {
                this.poll_plain(context, buffer)
            })
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.get_mut()
            .as_side(Side::Writing, context, |this, context| {
                this.take_unsent()?;
                this.poll_encrypt(context, |writer| writer.write(buffer))
            })
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .as_side(Side::Writing, context, |this, context| {
                this.take_unsent()?;
                ready!(this.poll_sent(context))?;
                Pin::new(&mut this.io).poll_flush(context)
            })
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .as_side(Side::Writing, context, |this, context| {
                this.take_unsent()?;
                if !std::mem::replace(&mut this.is_closing, true) {
                    this.connection.send_close_notify();
                }
                ready!(this.poll_sent(context))?;
                Pin::new(&mut this.io).poll_close(context)
            })
    }
}
