//! Duplex streams: a stream by the traits of futures-io.
//!
//! Those traits lend buffers for the length of a poll, and an operation of the kernel needs them for longer.
//! So there is a buffer for each direction, which goes into the operation and comes back. The operation
//! belongs to the duplex stream and not to the future that polls: one that is dropped between two polls takes
//! nothing with it.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite, IoSlice};

use crate::stream::Stream;
use crate::transfer::WithBuffer;

/// How many bytes are read or written at once.
const CHUNK: usize = 16 * 1024;

/// An operation in flight, which has the buffer.
type Flight = Pin<Box<dyn Future<Output = WithBuffer> + Send>>;

/// A [`Stream`], be it a pipe or a socket, as `AsyncRead`, `AsyncBufRead` and `AsyncWrite`.
///
/// The bytes that `poll_write` has accepted are on their way and need no flush to get there. `poll_flush`
/// waits until the system has them, and so reports whether that went well. `poll_close` flushes and, of a
/// socket, shuts it down for writing, so that the peer reads the end. A pipe has no such thing: its peer reads
/// the end when the last clone of the stream is dropped.
///
/// A future that reads or writes here loses nothing when it is dropped. When the `Duplex` is dropped, bytes
/// that it had read and that were not taken are the next that the stream gives, and a write that was not
/// flushed is cancelled.
///
/// ```no_run
/// # #[cfg(feature = "sockets")]
/// # async fn example(remote: everwatch_proactor::Remote) -> std::io::Result<()> {
/// use everwatch_proactor::{Duplex, socket::TcpStream};
///
/// let stream = TcpStream::connect(&remote, ([127, 0, 0, 1], 80).into()).await?;
/// let duplex = Duplex::new(stream);
/// // Use it wherever `AsyncRead` and `AsyncWrite` are asked for.
/// # drop(duplex);
/// # Ok(())
/// # }
/// ```
pub struct Duplex {
    stream: Stream,
    /// The bytes that were read; empty while a read is in flight.
    incoming: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
    reading: Option<Flight>,
    /// Empty, for the next write.
    outgoing: Vec<u8>,
    writing: Option<Flight>,
    is_closed: bool,
}

impl fmt::Debug for Duplex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut duplex = formatter.debug_tuple("Duplex");
        duplex.field(&self.stream).finish()
    }
}

impl Duplex {
    /// Wraps a connection. Nothing is read before the first poll.
    pub fn new(stream: impl Into<Stream>) -> Duplex {
        Duplex {
            stream: stream.into(),
            incoming: Vec::new(),
            taken: 0,
            reading: None,
            outgoing: Vec::new(),
            writing: None,
            is_closed: false,
        }
    }

    /// The connection. Reading from it and from the `Duplex` at the same time mixes the bytes in no particular
    /// order.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Waits for the write that is in flight.
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(flight) = &mut self.writing else {
            return Poll::Ready(Ok(()));
        };
        let (result, mut buffer) = ready!(flight.as_mut().poll(context));
        self.writing = None;
        buffer.clear();
        self.outgoing = buffer;
        Poll::Ready(result.map(drop))
    }

    /// Takes as much as the buffer has space for, and issues its write.
    fn poll_write_parts<'a>(
        &mut self,
        context: &mut Context<'_>,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        if self.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_written(context))?;
        let mut buffer = std::mem::take(&mut self.outgoing);
        buffer.reserve(CHUNK);
        for part in parts {
            let count = part.len().min(CHUNK - buffer.len());
            buffer.extend_from_slice(&part[..count]);
        }
        let count = buffer.len();
        if count == 0 {
            self.outgoing = buffer;
            return Poll::Ready(Ok(0));
        }
        self.writing = Some(Box::pin(write_all(self.stream.clone(), buffer)));
        // The first poll issues it.
        match self.poll_written(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }
}

/// Writes all of a buffer, in as many writes as it takes.
async fn write_all(stream: Stream, mut buffer: Vec<u8>) -> WithBuffer {
    let whole = buffer.len();
    loop {
        let (written, mut rest) = stream.write(buffer).await;
        match written {
            Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), rest),
            Ok(count) if count < rest.len() => {
                rest.drain(..count);
                buffer = rest;
            }
            written => return (written.map(|_| whole), rest),
        }
    }
}

/// One read, as a future that owns its stream.
async fn read_some(stream: Stream, buffer: Vec<u8>) -> WithBuffer {
    stream.read(buffer).await
}

impl AsyncBufRead for Duplex {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.taken == this.incoming.len() {
            let mut buffer = std::mem::take(&mut this.incoming);
            this.taken = 0;
            let flight = this.reading.get_or_insert_with(|| {
                buffer.clear();
                buffer.reserve(CHUNK);
                Box::pin(read_some(this.stream.clone(), std::mem::take(&mut buffer)))
            });
            let (result, buffer) = ready!(flight.as_mut().poll(context));
            this.reading = None;
            this.incoming = buffer;
            if let Err(error) = result {
                this.incoming.clear();
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(&this.incoming[this.taken..]))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        let this = self.get_mut();
        this.taken = (this.taken + count).min(this.incoming.len());
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let available = ready!(self.as_mut().poll_fill_buf(context))?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let parts = std::iter::once(buffer);
        self.get_mut().poll_write_parts(context, parts)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let parts = buffers.iter().map(|part| &**part);
        self.get_mut().poll_write_parts(context, parts)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_written(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_written(context))?;
        if std::mem::replace(&mut this.is_closed, true) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(match this.stream.shut_writing() {
            // The peer is gone and reads nothing any more.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        self.stream.put_back(&self.incoming[self.taken..]);
    }
}
