//! Streams: bytes in both directions over one endpoint.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::read_lock::{Arrival, Incoming};
use crate::transfer::{Read, Write};

/// What a read of no bytes means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum EmptyRead {
    /// The end of the stream.
    End,
    /// The peer has written no bytes, as pipes allow. Their end is an error of its own.
    EmptyWrite,
}

/// A connection: what pipes and sockets have in common. Cheap to clone. Reads and writes may be in flight at
/// the same time, and from any thread. It is closed when the last clone and the last operation are gone.
#[derive(Clone)]
pub struct Stream {
    endpoint: Arc<Endpoint>,
    incoming: Arc<Incoming>,
    empty_read: EmptyRead,
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

    /// A stream over a connected endpoint whose reads of no bytes are its end.
    pub(crate) fn over(endpoint: Arc<Endpoint>) -> Stream {
        Stream {
            endpoint,
            incoming: Arc::new(Incoming::default()),
            empty_read: EmptyRead::End,
        }
    }

    /// A stream over a connected pipe.
    pub(crate) fn over_pipe(endpoint: Arc<Endpoint>) -> Stream {
        Stream {
            endpoint,
            incoming: Arc::new(Incoming::default()),
            empty_read: EmptyRead::EmptyWrite,
        }
    }

    /// The endpoint that it runs on.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Reads at least one byte, and at most what the buffer has capacity for; its contents are replaced. 0 is
    /// the end of the stream: the peer has closed it.
    ///
    /// One read is in flight at a time, others wait. A future that is dropped loses nothing: what its read has
    /// brought by then is what the next read gets.
    ///
    /// # Errors
    /// What ReadFile or, of a socket, WSARecv reports. The buffer comes back in any case.
    pub async fn read(&self, mut buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        loop {
            let (arrival, returned) = self.receive(buffer).await;
            buffer = returned;
            match arrival {
                Ok(Arrival::Bytes { count: 0, .. })
                    if self.empty_read == EmptyRead::EmptyWrite && buffer.capacity() > 0 => {}
                arrival => return (arrival.map(Arrival::count), buffer),
            }
        }
    }

    /// [`Stream::read`], with the bounds of messages.
    pub(crate) async fn receive(&self, mut buffer: Vec<u8>) -> (io::Result<Arrival>, Vec<u8>) {
        buffer.clear();
        let lock = self.incoming.lock().await;
        if let Some(arrival) = lock.take_kept(&mut buffer) {
            return (arrival, buffer);
        }
        let operation = Read {
            endpoint: Arc::clone(&self.endpoint),
            buffer,
            offset: 0,
            lock: Some(lock),
        };
        self.endpoint.remote().submit(operation).await
    }

    /// Writes the buffer. Returns how many of its bytes were written, which is all of them if there are fewer
    /// than 2 GiB. A future that is dropped cancels the write: how much of it was written is unknown then.
    ///
    /// # Errors
    /// What WriteFile or, of a socket, WSASend reports. The buffer comes back in any case.
    pub async fn write(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let operation = Write {
            endpoint: Arc::clone(&self.endpoint),
            buffer,
            offset: 0,
        };
        self.endpoint.remote().submit(operation).await
    }

    /// Shuts a socket down for writing, so that the peer reads the end. A pipe has no such thing.
    #[cfg(feature = "futures-io")]
    pub(crate) fn shut_writing(&self) -> io::Result<()> {
        #[cfg(feature = "sockets")]
        if let Some(socket) = self.endpoint.socket() {
            let shut = crate::native::sockets::shut_writing(socket);
            return shut.map_err(crate::native::io_error);
        }
        Ok(())
    }

    /// Puts bytes back that were read and not used.
    #[cfg(feature = "futures-io")]
    pub(crate) fn put_back(&self, bytes: &[u8]) {
        self.incoming.put_back(bytes);
    }
}
