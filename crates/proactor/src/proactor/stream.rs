//! Bytes in both directions over one endpoint.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::endpoint::Endpoint;
use super::transfer::{Read, Write};
use super::turn::Incoming;

/// A connection: what pipes and sockets have in common. Cheap to clone; reads and writes may be in flight
/// at the same time, and from any thread. It is closed when the last clone and the last operation are gone.
#[derive(Clone)]
pub struct Stream {
    endpoint: Arc<Endpoint>,
    incoming: Arc<Incoming>,
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
        Stream {
            endpoint: Arc::new(endpoint),
            incoming: Arc::new(Incoming::default()),
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
    /// What ReadFile says. The buffer comes back in any case.
    pub async fn read(&self, mut buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        buffer.clear();
        let turn = self.incoming.turn().await;
        let kept = turn.take_leftover(&mut buffer);
        if kept > 0 || buffer.capacity() == 0 {
            return (Ok(kept), buffer);
        }
        let operation = Read {
            endpoint: Arc::clone(&self.endpoint),
            buffer,
            offset: 0,
            turn: Some(turn),
        };
        self.endpoint.remote().submit(operation).await
    }

    /// Writes the buffer; how many of its bytes were written, which is all of them in a pipe. A future that
    /// is dropped asks for the end of the write: whether it was written is not known then.
    ///
    /// # Errors
    /// What WriteFile says. The buffer comes back in any case.
    pub async fn write(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let operation = Write {
            endpoint: Arc::clone(&self.endpoint),
            buffer,
            offset: 0,
        };
        self.endpoint.remote().submit(operation).await
    }
}
