//! Bytes in both directions over one endpoint.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::read_lock::Incoming;
use crate::transfer::{Arrival, Read, Write};

/// A connection: what pipes and sockets have in common. Cheap to clone; reads and writes may be in flight
/// at the same time, and from any thread. It is closed when the last clone and the last operation are gone.
#[derive(Clone)]
pub struct Stream {
    endpoint: Arc<Endpoint>,
    incoming: Arc<Incoming>,
    /// Reads that bring nothing are not its end: the peer has written an empty message.
    has_empty_reads: bool,
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Stream")
            .field(&self.endpoint)
            .finish()
    }
}

impl Stream {
    /// A stream over an endpoint that is connected.
    pub fn new(endpoint: Endpoint) -> Stream {
        Stream::over(Arc::new(endpoint))
    }

    pub(crate) fn over(endpoint: Arc<Endpoint>) -> Stream {
        Stream {
            endpoint,
            incoming: Arc::new(Incoming::default()),
            has_empty_reads: false,
        }
    }

    /// One over a pipe, whose end is an error of its own. A write of no bytes is read as no bytes.
    pub(crate) fn over_pipe(endpoint: Arc<Endpoint>) -> Stream {
        Stream {
            endpoint,
            incoming: Arc::new(Incoming::default()),
            has_empty_reads: true,
        }
    }

    /// Where it runs.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Reads at least one byte, and at most as many as the buffer has capacity for; its contents are
    /// replaced. 0 is the end of the stream: the peer has closed it.
    ///
    /// One read is in flight at a time, others wait. A future that is dropped loses nothing: what its read
    /// brings all the same is what the next read gets.
    ///
    /// # Errors
    /// What ReadFile or, of a socket, WSARecv says. The buffer comes back in any case.
    pub async fn read(&self, mut buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        loop {
            let (arrival, returned) = self.receive(buffer).await;
            buffer = returned;
            match arrival {
                Ok(Arrival::Bytes { count: 0, .. })
                    if self.has_empty_reads && buffer.capacity() > 0 => {}
                arrival => return (arrival.map(Arrival::count), buffer),
            }
        }
    }

    /// [`Stream::read`], with what the caller must know of messages.
    pub(crate) async fn receive(&self, mut buffer: Vec<u8>) -> (io::Result<Arrival>, Vec<u8>) {
        buffer.clear();
        let turn = self.incoming.turn().await;
        if let Some(arrival) = turn.take_kept(&mut buffer) {
            return (arrival, buffer);
        }
        let operation = Read {
            endpoint: Arc::clone(&self.endpoint),
            buffer,
            offset: 0,
            turn: Some(turn),
        };
        self.endpoint.remote().submit(operation).await
    }

    /// Writes the buffer; how many of its bytes were written, which is all of them if there are less than
    /// 2 GiB. A future that is dropped asks for the end of the write: whether it was written is not known then.
    ///
    /// # Errors
    /// What WriteFile or, of a socket, WSASend says. The buffer comes back in any case.
    pub async fn write(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let operation = Write {
            endpoint: Arc::clone(&self.endpoint),
            buffer,
            offset: 0,
        };
        self.endpoint.remote().submit(operation).await
    }

    /// Tells the peer that nothing more comes, where there is a way to: of sockets, not of pipes.
    #[cfg(feature = "futures-io")]
    pub(crate) fn shut_writing(&self) -> io::Result<()> {
        #[cfg(feature = "sockets")]
        if let Some(socket) = self.endpoint.socket() {
            return crate::native::sockets::shut_writing(socket).map_err(crate::native::of_code);
        }
        Ok(())
    }

    /// Puts bytes back that were read and not used.
    #[cfg(feature = "futures-io")]
    pub(crate) fn put_back(&self, bytes: &[u8]) {
        self.incoming.put_back(bytes);
    }
}
