//! The hand-over: a bounded queue between the engine's thread and one consumer.
//!
//! The engine puts events into the queue and never waits. The consumer takes the whole queue at once,
//! reads from what it took, and waits when there is nothing. The engine leaves a full queue alone and
//! folds instead; the consumer rings the engine's bell when it has emptied such a queue. Either side
//! holds the lock for a swap of two pointers.

#![allow(
    unreachable_pub,
    reason = "the interleaving tests include this file and call it from outside"
)]

use std::collections::VecDeque;
use std::task::Waker;
use std::time::{Duration, Instant};

use everwatch_backends::Signal;
use everwatch_core::event::Event;

use crate::platform::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What the lock protects.
#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// Whether the engine has more for this consumer than the queue took.
    backlog: Backlog,
    /// How often `backlog` became [`Backlog::Folded`].
    folds: u64,
    end: End,
    /// The task that awaits the feed. Taken, and woken, by the next event, fold or end.
    waker: Option<Waker>,
    /// Raised whenever taking would find something. It may stay raised longer, until a take finds
    /// nothing and lowers it.
    signal: Option<Arc<Signal>>,
}

/// How far the queue is from its end.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum End {
    /// The engine may put more.
    #[default]
    Open,
    /// Nothing more comes; the consumer may take what is queued.
    Finished,
    /// Nothing more comes, and nothing is left to take.
    Closed,
}

/// What the engine keeps for a consumer beyond what it put into the queue.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Backlog {
    /// Nothing: the consumer is up to date once it has taken the queue.
    #[default]
    Empty,
    /// A difference, folded because the queue was full or because the feed is debounced.
    Folded,
}

/// The queue between the engine's thread, which puts, and one consumer, which takes.
#[derive(Debug)]
pub struct Handover {
    queue: Mutex<Queue>,
    /// Notified whenever a waiting consumer may have something to take.
    filled: Condvar,
    /// The number of events that the queue holds at most, but for the last ones before its end.
    capacity: usize,
}

/// The result of a take.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// Events were moved into the consumer's buffer.
    Some,
    /// There is nothing now.
    Nothing,
    /// There is nothing now, but the engine has a backlog and needs a ring of the bell to go on.
    Lagging,
    /// There is nothing, and nothing will come.
    Closed,
}

/// How long a consumer waits.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// Until there is something.
    Endless,
    /// Until there is something, or until that moment.
    Until(Instant),
    /// Until the engine has written out its backlog, which may come to nothing.
    ForFold,
}

impl Handover {
    /// A hand-over whose queue holds `capacity` events before the engine folds.
    pub fn new(capacity: usize) -> Handover {
        Handover {
            queue: Mutex::default(),
            filled: Condvar::new(),
            capacity,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole at every point where a panic could happen.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more events the queue takes now.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.lock().events.len())
    }

    /// Adds events, in order, and says what the engine keeps back. Does nothing after
    /// [`Handover::close`].
    pub fn put(&self, events: Vec<Event>, backlog: Backlog) {
        let mut queue = self.lock();
        if queue.end == End::Closed {
            return;
        }
        let is_news = !events.is_empty() || backlog != queue.backlog;
        let begins_to_fold = (queue.backlog, backlog) == (Backlog::Empty, Backlog::Folded);
        queue.folds += u64::from(begins_to_fold);
        queue.backlog = backlog;
        if queue.events.is_empty() {
            queue.events = events.into();
        } else {
            queue.events.extend(events);
        }
        if is_news {
            self.notify(queue);
        }
    }

    /// Ends the queue once the consumer has taken what is in it.
    pub fn finish(&self) {
        let mut queue = self.lock();
        if queue.end == End::Open {
            queue.end = End::Finished;
        }
        self.notify(queue);
    }

    /// Whether either side has closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().end == End::Closed
    }

    /// Ends the queue now: drops what is in it, and wakes a consumer that waits.
    pub fn close(&self) {
        let mut queue = self.lock();
        queue.end = End::Closed;
        queue.events = VecDeque::new();
        self.notify(queue);
    }

    /// Wakes the consumer in every way in which it may wait. Wakers run without the lock: they may
    /// call back.
    fn notify(&self, mut queue: MutexGuard<'_, Queue>) {
        let waker = queue.waker.take();
        if let Some(signal) = &queue.signal {
            signal.raise();
        }
        drop(queue);
        self.filled.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Moves all queued events into `buffer`, which must be empty. Never waits.
    pub fn take(&self, buffer: &mut VecDeque<Event>) -> Taken {
        self.take_from(&mut self.lock(), buffer)
    }

    /// Takes from the locked queue, and lowers the signal if there is nothing.
    fn take_from(&self, queue: &mut Queue, buffer: &mut VecDeque<Event>) -> Taken {
        if queue.end == End::Closed {
            return Taken::Closed;
        }
        std::mem::swap(&mut queue.events, buffer);
        let taken = match (buffer.is_empty(), queue.end, queue.backlog) {
            (false, _, _) => Taken::Some,
            (true, End::Open, Backlog::Folded) => Taken::Lagging,
            (true, End::Open, Backlog::Empty) => Taken::Nothing,
            (true, _, _) => Taken::Closed,
        };
        if let (Taken::Nothing | Taken::Lagging, Some(signal)) = (&taken, &queue.signal) {
            signal.lower();
        }
        taken
    }

    /// How often the engine began to fold for this consumer.
    pub(crate) fn folds(&self) -> u64 {
        self.lock().folds
    }

    /// The signal of this queue. A new one is raised, because only a take finds out that there is
    /// nothing.
    pub(crate) fn signal(&self) -> std::io::Result<Arc<Signal>> {
        let mut queue = self.lock();
        if let Some(signal) = &queue.signal {
            return Ok(Arc::clone(signal));
        }
        let signal = Arc::new(Signal::new()?);
        signal.raise();
        queue.signal = Some(Arc::clone(&signal));
        Ok(signal)
    }

    /// Like [`Handover::take`], and blocks as long as `patience` says. Calls `ring` at most once, if
    /// the engine needs it to go on.
    pub fn take_by(
        &self,
        buffer: &mut VecDeque<Event>,
        patience: Patience,
        ring: impl Fn(),
    ) -> Taken {
        let mut has_rung = false;
        let mut queue = self.lock();
        loop {
            match (self.take_from(&mut queue, buffer), patience) {
                (Taken::Lagging, _) if !has_rung => {
                    has_rung = true;
                    ring();
                }
                (Taken::Nothing, Patience::ForFold) => return Taken::Nothing,
                (Taken::Nothing | Taken::Lagging, _) => {}
                (taken, _) => return taken,
            }
            let left = match patience {
                Patience::Until(at) => Some(at.saturating_duration_since(Instant::now())),
                Patience::ForFold | Patience::Endless => None,
            };
            queue = match left {
                Some(Duration::ZERO) => return Taken::Nothing,
                Some(left) => {
                    self.filled
                        .wait_timeout(queue, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .filled
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Like [`Handover::take`]; if there is nothing, the next event or the end wakes `waker`, which
    /// replaces the waker of an earlier call.
    pub(crate) fn take_or_wake(&self, buffer: &mut VecDeque<Event>, waker: &Waker) -> Taken {
        let mut queue = self.lock();
        let taken = self.take_from(&mut queue, buffer);
        if matches!(taken, Taken::Nothing | Taken::Lagging) {
            match &mut queue.waker {
                Some(old) => old.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
        taken
    }
}
