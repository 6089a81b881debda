//! The pipes to one worker, both served by the caller's proactor and by no thread.
//!
//! Requests are queued without bound: they are short, and a worker that does not take them hangs. Replies
//! are read ahead as far as [`BOUND`], and further while the caller wants an answer, because that may be
//! behind the records; a worker that is not read from waits, and the kernel collects for it.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use everwatch_proactor::Stream;

use crate::isolated::frame::{self, Reply};

/// So many bytes of replies wait here before no more are read.
const BOUND: usize = 8 * 1024 * 1024;
/// What is read at once.
const CHUNK: usize = 64 * 1024;

/// A reply, and the number of the request that it answers, if it is an answer.
pub(crate) type Numbered = (Reply, u64);

/// See the head of the module.
pub(crate) struct Line {
    requests: Stream,
    replies: Stream,
    writing: Option<Transfer>,
    /// Behind what is being written.
    queued: Vec<u8>,
    reading: Option<Transfer>,
    /// The beginning of a reply.
    partial: Vec<u8>,
    received: VecDeque<Numbered>,
    /// Bytes of records in `received`.
    bytes: usize,
    pub(crate) is_unbounded: bool,
    has_ended: bool,
    /// When something was last heard.
    pub(crate) heard: Option<Instant>,
}

fn weight(reply: &Reply) -> usize {
    let records = match reply {
        Reply::Changes { bytes, .. } => bytes.len(),
        _ => 0,
    };
    size_of::<Numbered>() + records
}

/// A read or a write of a pipe, with the buffer that went into it.
type Transfer = Pin<Box<dyn Future<Output = (io::Result<usize>, Vec<u8>)> + Send>>;

/// What a transfer has come to by now. Whoever polls the proactor looks again.
fn now(transfer: &mut Transfer) -> Option<(io::Result<usize>, Vec<u8>)> {
    let mut context = Context::from_waker(Waker::noop());
    match transfer.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

impl Line {
    pub(crate) fn new(requests: &Stream, replies: &Stream) -> Line {
        Line {
            requests: requests.clone(),
            replies: replies.clone(),
            writing: None,
            queued: Vec::new(),
            reading: None,
            partial: Vec::new(),
            received: VecDeque::new(),
            bytes: 0,
            is_unbounded: false,
            has_ended: false,
            heard: None,
        }
    }

    /// Queues a request; nothing comes of it if the worker has gone.
    pub(crate) fn ask(&mut self, request: &[u8]) {
        self.queued.extend_from_slice(request);
        self.write();
    }

    fn write(&mut self) {
        loop {
            if let Some(writing) = &mut self.writing {
                let Some((written, buffer)) = now(writing) else {
                    return;
                };
                self.writing = None;
                match written {
                    Ok(count) => drop(self.queued.splice(..0, buffer.into_iter().skip(count))),
                    // The other pipe tells that it has gone.
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

    /// Goes on with both pipes as far as that is possible without waiting.
    pub(crate) fn advance(&mut self) {
        self.write();
        while !self.has_ended && (self.is_unbounded || self.bytes + self.partial.len() < BOUND) {
            let reading = self.reading.get_or_insert_with(|| {
                let replies = self.replies.clone();
                Box::pin(async move { replies.read(Vec::with_capacity(CHUNK)).await })
            });
            let Some((read, buffer)) = now(reading) else {
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

    fn put(&mut self, reply: Reply, number: u64) {
        let last = self.received.back().map(|(last, _)| last);
        if !matches!(reply, Reply::Lost(_)) || last != Some(&reply) {
            self.bytes += weight(&reply);
            self.received.push_back((reply, number));
        }
    }

    /// The next reply that has come.
    pub(crate) fn take(&mut self) -> Option<Numbered> {
        let (reply, number) = self.received.pop_front()?;
        self.bytes -= weight(&reply);
        Some((reply, number))
    }

    /// Whether there is something to take.
    pub(crate) fn has_news(&self) -> bool {
        !self.received.is_empty()
    }

    /// Whether the worker says no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }
}
