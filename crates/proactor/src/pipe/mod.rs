//! Named pipes: a server that always listens, clients that wait for their turn, and the connections.
//!
//! ```text
//!   PipeServer ── instances that listen ──▶ accepted, not yet asked for ──▶ accept() ──▶ PipeStream
//!                  ▲                 │
//!                  └── a fresh one ◀─┘ before a client is handed over
//! ```
//!
//! A name is that of all its instances, and each takes one client. Between the moment at which the last
//! instance that listens gets its client and that at which the next one is made, clients would find the
//! pipe busy, or no pipe at all. So the server makes the next one first, on the thread that polls, whether
//! or not a future waits for clients.
//!
//! The accepts belong to the server and not to those who ask for clients: a dropped `accept` has no call to
//! cancel, and loses no client.

mod accept;
mod client;
mod name;
mod options;
mod pair;
mod server;

pub use accept::{AcceptPipe, PipeInstance};
pub use client::connect_pipe;
pub use options::{PipeAccess, PipeMode, PipeOptions};
pub(crate) use pair::{Toward, pair};
pub use server::PipeServer;

use std::io;
use std::os::windows::io::AsRawHandle;
use std::sync::Arc;

use crate::endpoint::{Endpoint, Packets};
use crate::native::handle::Handle;
use crate::native::of_code;
use crate::native::pipes;
use crate::remote::Remote;
use crate::stream::Stream;
use crate::transfer::Arrival;

/// What [`PipeStream::read_message`] has read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessagePart {
    /// How many bytes. An empty message has none.
    pub bytes: usize,
    /// The message ends here. Otherwise the buffer was too small, and the next read goes on.
    pub is_last: bool,
}

/// One end of a connected pipe. Cheap to clone; reads and writes may be in flight at the same time, and
/// from any thread.
///
/// It is closed when the last clone and the last operation are gone. What was written before that stays
/// readable for the peer, which finds the end of the stream behind it: closing throws nothing away, and
/// nothing has to be flushed. Whoever wants to know that the peer has read it has the peer say so.
#[derive(Clone, Debug)]
pub struct PipeStream {
    stream: Stream,
    mode: PipeMode,
}

impl PipeStream {
    fn over(endpoint: Arc<Endpoint>, mode: PipeMode) -> PipeStream {
        PipeStream {
            stream: Stream::over_pipe(endpoint),
            mode,
        }
    }

    /// Whether messages keep their bounds.
    pub fn mode(&self) -> PipeMode {
        self.mode
    }

    /// The bytes of both directions, for those who do not care what carries them.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// [`Stream::read`]. In message mode the bytes of several messages do not come together, and where one
    /// ends does not hear of it.
    ///
    /// 0 is the end: the peer has closed the pipe. Cancellation: dropped, it loses nothing.
    ///
    /// # Errors
    /// What ReadFile says. The buffer comes back in any case.
    pub async fn read(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        self.stream.read(buffer).await
    }

    /// [`Stream::write`]. In message mode the buffer is one message, and may be empty.
    ///
    /// It is complete when all bytes are in the pipe, which is when there is room for them or the peer has
    /// read them. Cancellation: dropped, it asks for the end of the write; whether it was written is not
    /// known then.
    ///
    /// # Errors
    /// What WriteFile says, `ERROR_NO_DATA` or `ERROR_BROKEN_PIPE` where the peer is gone. The buffer comes
    /// back in any case.
    pub async fn write(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        self.stream.write(buffer).await
    }

    /// Reads one message, or as much of it as the buffer has capacity for; its contents are replaced. None
    /// is the end: the peer has closed the pipe. In byte mode a message is what one read brings.
    ///
    /// Cancellation: dropped, it loses nothing; the next read gets the message, with its bounds.
    ///
    /// # Errors
    /// What ReadFile says. The buffer comes back in any case.
    pub async fn read_message(
        &self,
        buffer: Vec<u8>,
    ) -> (io::Result<Option<MessagePart>>, Vec<u8>) {
        let (arrival, buffer) = self.stream.receive(buffer).await;
        let part = arrival.map(|arrival| match arrival {
            Arrival::End => None,
            Arrival::Bytes { count, is_last } => Some(MessagePart {
                bytes: count,
                is_last,
            }),
        });
        (part, buffer)
    }

    /// The process at the other end. For the server's end alone. By the time the caller looks at it the
    /// process may have ended, and another one have its number.
    ///
    /// # Errors
    /// What GetNamedPipeClientProcessId says.
    pub fn client_process_id(&self) -> io::Result<u32> {
        // SAFETY: the endpoint is open.
        unsafe { pipes::client_process(self.stream.endpoint().as_raw_handle()) }.map_err(of_code)
    }

    /// Ends the connection at once, for all its clones, and throws away what the client has not
    /// read. For the server's end alone, and seldom wanted: dropping it lets the client read to the end.
    ///
    /// # Errors
    /// What DisconnectNamedPipe says.
    pub fn disconnect(&self) -> io::Result<()> {
        // SAFETY: the endpoint is open.
        unsafe { pipes::disconnect(self.stream.endpoint().as_raw_handle()) }.map_err(of_code)
    }
}

impl From<PipeStream> for Stream {
    fn from(pipe: PipeStream) -> Stream {
        pipe.stream
    }
}

/// Attaches a pipe's end. The end of a read of part of a message is not a success by its status, so that
/// whether its packet is skipped is not said anywhere: in message mode all packets are asked for.
fn attach(remote: &Remote, handle: Handle, mode: PipeMode) -> io::Result<Endpoint> {
    let packets = match mode {
        PipeMode::Bytes => Packets::OfPending,
        PipeMode::Messages => Packets::Always,
    };
    Endpoint::of_own(remote, handle, packets)
}
