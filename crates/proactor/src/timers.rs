//! The timers of one loop: points in time and the wakers that wait for them, in one ordered map.
//!
//! The thread that polls waits no longer than until the first of them. A time is over when the clock has
//! reached it, not when a wait returns: no waker is woken early.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

/// The name of a timer: its time, and a number that makes it unique.
pub(crate) type TimerId = (Instant, u64);

/// The timers that have not ended.
#[derive(Default)]
pub(crate) struct Timers {
    waiting: BTreeMap<TimerId, Waker>,
    /// The number of the last timer.
    last: u64,
}

impl Timers {
    /// Adds a timer. Returns its name, and whether it is now the first of all.
    pub(crate) fn add(&mut self, time: Instant, waker: Waker) -> (TimerId, bool) {
        self.last += 1;
        let id = (time, self.last);
        self.waiting.insert(id, waker);
        let first = self.waiting.first_key_value();
        (id, first.is_some_and(|(first, _)| *first == id))
    }

    /// Removes a timer. Its waker must be dropped without the lock.
    pub(crate) fn remove(&mut self, id: TimerId) -> Option<Waker> {
        self.waiting.remove(&id)
    }

    /// The time of the first timer.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((time, _), _)| *time)
    }

    /// Takes out the timers whose time has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            if first.key().0 > now {
                break;
            }
            due.push(first.remove());
        }
        due
    }

    /// Takes out all timers.
    pub(crate) fn take_all(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }
}
