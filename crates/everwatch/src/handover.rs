//! The hand-over between the engine's thread and one consumer.
//!
//! The engine puts events into a queue and never waits. The consumer takes the whole queue at once,
//! reads from what it took, and waits when there is nothing. A queue that reached its capacity is
//! left alone by the engine, which folds instead; the consumer rings the engine's bell when it has
//! emptied such a queue. The lock is held for a swap of two pointers, on either side.

#![allow(
    unreachable_pub,
    reason = "the interleaving tests include this file and call it"
)]

use std::collections::VecDeque;
use std::task::Waker;
use std::time::{Duration, Instant};

use everwatch_core::event::Event;

use everwatch_backends::Signal;

use crate::platform::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// The engine has more than the queue took.
    lags: bool,
    /// How often `lags` began to hold.
    folds: u64,
    /// Nothing will come any more; what is queued may still be taken.
    is_finished: bool,
    /// Nothing will come any more, and nothing may be taken.
    is_closed: bool,
    waker: Option<Waker>,
    /// Up whenever taking would not find nothing; and perhaps longer, until that is found out.
    signal: Option<Arc<Signal>>,
}

/// The queue between the engine's thread, which puts, and one consumer, which takes.
#[derive(Debug)]
pub struct Handover {
    queue: Mutex<Queue>,
    filled: Condvar,
    capacity: usize,
}

/// What taking led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// Events were moved into the consumer's buffer.
    Some,
    /// There is nothing now.
    Nothing,
    /// There is nothing now, but the engine has more and should be told to go on.
    Lagging,
    /// There will be nothing any more.
    Closed,
}

/// How long a consumer waits.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// Until there is something.
    Endless,
    /// Until there is something, or that moment.
    Until(Instant),
    /// Until the engine has written out what it has folded, which may come to nothing.
    ForFold,
}

impl Handover {
    /// A hand-over whose queue holds at most `capacity` events before the engine has to fold.
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

    /// How many events the queue takes at present.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.lock().events.len())
    }

    /// Hands over events. `lags` says that the engine keeps more. Nothing is taken after
    /// [`Handover::close`].
    pub fn put(&self, events: Vec<Event>, lags: bool) {
        let mut queue = self.lock();
        if queue.is_closed {
            return;
        }
        let is_news = !events.is_empty() || lags != queue.lags;
        queue.folds += u64::from(lags && !queue.lags);
        queue.lags = lags;
        if queue.events.is_empty() {
            queue.events = events.into();
        } else {
            queue.events.extend(events);
        }
        if is_news {
            self.notify(queue);
        }
    }

    /// Ends the hand-over once the consumer has taken what is queued.
    pub fn finish(&self) {
        let mut queue = self.lock();
        queue.is_finished = true;
        self.notify(queue);
    }

    /// Whether either side has closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Ends the hand-over: what is queued is dropped, and whoever waits wakes.
    pub fn close(&self) {
        let mut queue = self.lock();
        queue.is_closed = true;
        queue.events = VecDeque::new();
        self.notify(queue);
    }

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

    /// Moves all queued events into `buffer`, which is empty; never waits.
    pub fn take(&self, buffer: &mut VecDeque<Event>) -> Taken {
        self.take_from(&mut self.lock(), buffer)
    }

    fn take_from(&self, queue: &mut Queue, buffer: &mut VecDeque<Event>) -> Taken {
        if queue.is_closed {
            return Taken::Closed;
        }
        std::mem::swap(&mut queue.events, buffer);
        let taken = match (buffer.is_empty(), queue.is_finished, queue.lags) {
            (false, _, _) => Taken::Some,
            (true, true, _) => Taken::Closed,
            (true, false, true) => Taken::Lagging,
            (true, false, false) => Taken::Nothing,
        };
        if let (Taken::Nothing | Taken::Lagging, Some(signal)) = (&taken, &queue.signal) {
            signal.lower();
        }
        taken
    }

    /// How often the engine began to fold because the queue was full.
    pub(crate) fn folds(&self) -> u64 {
        self.lock().folds
    }

    /// The signal of this hand-over, which begins raised: only taking finds out that there is nothing.
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

    /// Like [`Handover::take`], and waits as long as `patience` says. Calls `ring` once if the
    /// engine has to be told to go on.
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

    /// Has `waker` woken by the next hand-over, unless there is something to take now.
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
