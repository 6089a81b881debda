//! One end of a connected pipe.

use std::io;
use std::sync::Arc;

use super::options::PipeMode;
use crate::endpoint::{Endpoint, Packets};
use crate::native::{Handle, io_error, pipes};
use crate::read_lock::Arrival;
use crate::remote::Remote;
use crate::stream::Stream;

/// What [`PipeStream::read_message`] has read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessagePart {
    /// How many bytes. An empty message has none.
    pub bytes: usize,
    /// Whether the message ends here. Otherwise the buffer was too small, and the next read continues it.
    pub is_last: bool,
}

/// One end of a connected pipe. Cheap to clone. Reads and writes may be in flight at the same time, and from
/// any thread.
///
/// It is closed when the last clone and the last operation are gone. What was written before that stays
/// readable for the peer, which finds the end of the stream behind it: a close throws nothing away, and nothing
/// must be flushed. To know that the peer has read it, let the peer answer.
#[derive(Clone, Debug)]
pub struct PipeStream {
    stream: Stream,
    mode: PipeMode,
}

impl PipeStream {
    /// A connected end.
    pub(super) fn over(endpoint: Arc<Endpoint>, mode: PipeMode) -> PipeStream {
        PipeStream {
            stream: Stream::over_pipe(endpoint),
            mode,
        }
    }

    /// Whether messages keep their bounds.
    pub fn mode(&self) -> PipeMode {
        self.mode
    }

    /// The bytes of both directions, for code that does not care what carries them.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// [`Stream::read`]. In message mode one read never returns bytes of several messages, and does not report
    /// where one ends.
    ///
    /// 0 is the end: the peer has closed the pipe, and all that it wrote was read. A future that is dropped loses
    /// nothing.
    ///
    /// # Errors
    /// What ReadFile reports. [`ConnectionReset`](io::ErrorKind::ConnectionReset) after
    /// [`disconnect`](Self::disconnect), which threw away what was not read: what was read may be a part of what was
    /// written. The buffer comes back in any case.
    pub async fn read(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        self.stream.read(buffer).await
    }

    /// [`Stream::write`]. In message mode the buffer is one message, and may be empty.
    ///
    /// It is complete when all bytes are in the pipe: when there is space for them, or the peer has read them.
    /// A future that is dropped cancels the write: whether it was written is unknown then.
    ///
    /// # Errors
    /// What WriteFile reports; `ERROR_NO_DATA` or `ERROR_BROKEN_PIPE` where the peer is gone or the pipe was
    /// disconnected. The buffer comes back in any case.
    pub async fn write(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        self.stream.write(buffer).await
    }

    /// Reads one message, or as much of it as the buffer has capacity for; its contents are replaced. `None`
    /// is the end: the peer has closed the pipe. In byte mode a message is what one read brings.
    ///
    /// A future that is dropped loses nothing: the next read gets the message, with its bounds.
    ///
    /// # Errors
    /// As those of [`read`](Self::read). The buffer comes back in any case.
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

    /// The number of the process at the other end. For the server's end alone. By the time that it is used the
    /// process may have ended, and another one may have its number.
    ///
    /// # Errors
    /// What GetNamedPipeClientProcessId reports.
    pub fn client_process_id(&self) -> io::Result<u32> {
        pipes::client_process(self.stream.endpoint().raw()).map_err(io_error)
    }

    /// Ends the connection at once, in all clones, and throws away what the client has not read. For the
    /// server's end alone, and rarely needed: dropping it lets the client read to the end. The client's reads, and
    /// this end's, fail with [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    ///
    /// # Errors
    /// What DisconnectNamedPipe reports.
    pub fn disconnect(&self) -> io::Result<()> {
        pipes::disconnect(self.stream.endpoint().raw()).map_err(io_error)
    }
}

impl From<PipeStream> for Stream {
    fn from(pipe: PipeStream) -> Stream {
        pipe.stream
    }
}

/// Attaches one end of a pipe to a loop. The status of a read of a part of a message is no success, and no
/// document says whether its packet is skipped. So in message mode every operation posts one.
pub(super) fn attach(remote: &Remote, handle: Handle, mode: PipeMode) -> io::Result<Endpoint> {
    let packets = match mode {
        PipeMode::Bytes => Packets::OfPending,
        PipeMode::Messages => Packets::Always,
    };
    Endpoint::of_own(remote, handle, packets)
}
