//! The channel to one worker: two pipes that the caller's loop serves, without a thread.
//!
//! Requests are queued without a bound: they are short, and a worker that does not take them hangs. Replies
//! are read ahead up to a bound, and further while the caller waits for an answer, because that may be behind
//! records. A worker whose replies are not read waits, and the kernel collects for it.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use everwatch_proactor::Stream;

use crate::isolated::frame::{self, Reply};

/// The bytes of replies that wait here before no more are read: 8 MiB.
const READ_AHEAD: usize = 8 * 1024 * 1024;

/// The bytes that one read takes.
const CHUNK: usize = 64 * 1024;

/// A reply, and the number of the request that it answers, if it is an answer.
pub(super) type Numbered = (Reply, u64);

/// A read or a write of a pipe, with the buffer that went into it.
type Transfer = Pin<Box<dyn Future<Output = (io::Result<usize>, Vec<u8>)> + Send>>;

/// How much the channel reads ahead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ReadAhead {
    /// Up to [`READ_AHEAD`] bytes.
    Bounded,
    /// Everything that comes.
    Unbounded,
}

/// The pipes to one worker, and what is on its way in them.
pub(super) struct Channel {
    requests: Stream,
    replies: Stream,
    writing: Option<Transfer>,
    /// Requests behind those that are being written.
    queued: Vec<u8>,
    reading: Option<Transfer>,
    /// The beginning of a reply.
    partial: Vec<u8>,
    received: VecDeque<Numbered>,
    /// The weight of `received`, in bytes.
    weight: usize,
    read_ahead: ReadAhead,
    has_ended: bool,
    /// When the last bytes came.
    heard: Option<Instant>,
}

/// The memory that a reply takes, in bytes.
fn weight(reply: &Reply) -> usize {
    let records = match reply {
        Reply::Changes { bytes, .. } => bytes.len(),
        _ => 0,
    };
    size_of::<Numbered>() + records
}

/// The output of a transfer, if it has ended. It is looked at again after each poll of the loop.
fn output(transfer: &mut Transfer) -> Option<(io::Result<usize>, Vec<u8>)> {
    let mut context = Context::from_waker(Waker::noop());
    match transfer.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Channel {
    /// A channel over these pipes.
    pub(super) fn new(requests: Stream, replies: Stream) -> Channel {
        Channel {
            requests,
            replies,
            writing: None,
            queued: Vec::new(),
            reading: None,
            partial: Vec::new(),
            received: VecDeque::new(),
            weight: 0,
            read_ahead: ReadAhead::Bounded,
            has_ended: false,
            heard: None,
        }
    }

    /// Queues a request. Nothing comes of it if the worker has gone.
    pub(super) fn send(&mut self, request: &[u8]) {
        self.queued.extend_from_slice(request);
        self.write();
    }

    pub(super) fn set_read_ahead(&mut self, read_ahead: ReadAhead) {
        self.read_ahead = read_ahead;
    }

    /// When the last bytes came.
    pub(super) fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// Issues the write of what is queued, when the one before has ended.
    fn write(&mut self) {
        loop {
            if let Some(writing) = &mut self.writing {
                let Some((written, buffer)) = output(writing) else {
                    return;
                };
                self.writing = None;
                match written {
                    Ok(count) => drop(self.queued.splice(..0, buffer.into_iter().skip(count))),
                    // The pipe of the replies reports that the worker has gone.
                    Err(_) => self.queued.clear(),
                }
            }
            if self.queued.is_empty() {
                return;
            }
            let (requests, buffer) = (self.requests.clone(), std::mem::take(&mut self.queued));
            self.writing = Some(Box::pin(async move { requests.write(buffer).await }));
        }
    }

    /// Whether more replies may be read.
    fn has_space(&self) -> bool {
        let is_bounded = self.read_ahead == ReadAhead::Bounded;
        !is_bounded || self.weight + self.partial.len() < READ_AHEAD
    }

    /// Goes on with both pipes, without waiting.
    pub(super) fn advance(&mut self) {
        self.write();
        while !self.has_ended && self.has_space() {
            let reading = self.reading.get_or_insert_with(|| {
                let replies = self.replies.clone();
                Box::pin(async move { replies.read(Vec::with_capacity(CHUNK)).await })
            });
            let Some((read, buffer)) = output(reading) else {
                return;
            };
            self.reading = None;
            match read {
                Ok(0) | Err(_) => self.has_ended = true,
                Ok(_) => {
                    self.heard = Some(Instant::now());
                    self.partial.extend_from_slice(&buffer);
                    self.has_ended = self.parse().is_err();
                }
            }
        }
    }

    /// Takes whole replies out of the bytes that have come.
    fn parse(&mut self) -> io::Result<()> {
        let mut done = 0;
        while let Some(length) = frame::whole(&self.partial[done..]) {
            let end = done + length;
            if let Some((reply, number)) = Reply::read(&mut &self.partial[done..end])? {
                self.put(reply, number);
            }
            done = end;
        }
        self.partial.drain(..done);
        Ok(())
    }

    /// Appends a reply, unless it repeats that records were lost.
    fn put(&mut self, reply: Reply, number: u64) {
        let last = self.received.back().map(|(last, _)| last);
        if !matches!(reply, Reply::Lost(_)) || last != Some(&reply) {
            self.weight += weight(&reply);
            self.received.push_back((reply, number));
        }
    }

    /// The next reply that has come.
    pub(super) fn take(&mut self) -> Option<Numbered> {
        let (reply, number) = self.received.pop_front()?;
        self.weight -= weight(&reply);
        Some((reply, number))
    }

    /// Whether there is a reply to take.
    pub(super) fn has_news(&self) -> bool {
        !self.received.is_empty()
    }

    /// Whether nothing more comes.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }
}
