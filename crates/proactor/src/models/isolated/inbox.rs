//! What a worker's replies wait in until the caller looks.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::models::isolated::frame::Reply;
use crate::reads::Ring;

/// So many bytes of records wait here before the worker is left waiting in turn. While the caller
/// wants an answer there is no bound, because the answer may be behind the records.
const BOUND: usize = 8 * 1024 * 1024;

/// A reply, and what it belongs to.
pub(crate) struct Received {
    /// The worker that sent it.
    pub(crate) worker: u64,
    pub(crate) reply: Reply,
    /// The number of the request that it answers, if it is an answer.
    pub(crate) number: u64,
}

/// Why a wait is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Woken {
    /// There is something to take, or the worker has ended.
    News,
    Ring,
    Time,
}

#[derive(Default)]
struct Contents {
    replies: VecDeque<Received>,
    bytes: usize,
    is_unbounded: bool,
    is_rung: bool,
    /// The last worker whose pipe has ended.
    ended: u64,
    heard: Option<Instant>,
}

/// See the head of the module.
#[derive(Default)]
pub(crate) struct Inbox {
    contents: Mutex<Contents>,
    changed: Condvar,
}

fn weight(reply: &Reply) -> usize {
    let records = match reply {
        Reply::Changes { bytes, .. } => bytes.len(),
        _ => 0,
    };
    size_of::<Received>() + records
}

impl Inbox {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep<'a>(
        &'a self,
        contents: MutexGuard<'a, Contents>,
        at_most: Option<Duration>,
    ) -> MutexGuard<'a, Contents> {
        match at_most {
            None => self
                .changed
                .wait(contents)
                .unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                let woken = self.changed.wait_timeout(contents, time);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Puts a reply in, when there is room. Called by the thread that reads the pipe.
    pub(crate) fn put(&self, received: Received) {
        let mut contents = self.contents();
        contents.heard = Some(Instant::now());
        while contents.bytes >= BOUND && !contents.is_unbounded {
            contents = self.sleep(contents, None);
        }
        let last = contents.replies.back().map(|last| &last.reply);
        if matches!(received.reply, Reply::Lost(_)) && last == Some(&received.reply) {
            return;
        }
        contents.bytes += weight(&received.reply);
        contents.replies.push_back(received);
        self.changed.notify_all();
    }

    /// The pipe of this worker has ended.
    pub(crate) fn end(&self, worker: u64) {
        let mut contents = self.contents();
        contents.ended = contents.ended.max(worker);
        self.changed.notify_all();
    }

    pub(crate) fn has_ended(&self, worker: u64) -> bool {
        self.contents().ended >= worker
    }

    /// When something was last heard.
    pub(crate) fn heard(&self) -> Option<Instant> {
        self.contents().heard
    }

    pub(crate) fn set_unbounded(&self, is_unbounded: bool) {
        self.contents().is_unbounded = is_unbounded;
        self.changed.notify_all();
    }

    pub(crate) fn take(&self) -> Option<Received> {
        let mut contents = self.contents();
        let received = contents.replies.pop_front()?;
        let before = contents.bytes;
        contents.bytes -= weight(&received.reply);
        if before >= BOUND && contents.bytes < BOUND {
            self.changed.notify_all();
        }
        Some(received)
    }

    /// Blocks until there is something to take, the worker has ended, or the time is over; where
    /// `minds_rings`, until there is a ring as well, which it uses up.
    pub(crate) fn wait(&self, worker: u64, timeout: Option<Duration>, minds_rings: bool) -> Woken {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut contents = self.contents();
        loop {
            if !contents.replies.is_empty() || contents.ended >= worker {
                return Woken::News;
            }
            if minds_rings && std::mem::take(&mut contents.is_rung) {
                return Woken::Ring;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Woken::Time;
            }
            contents = self.sleep(contents, left);
        }
    }
}

impl Ring for Inbox {
    fn ring(&self) {
        self.contents().is_rung = true;
        self.changed.notify_all();
    }
}
