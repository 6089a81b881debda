//! Points in time that futures wait for, in one ordered map.
//!
//! The thread that polls waits no longer than until the first of them. A time is over when the clock has
//! reached it, not when a wait says so: no timer fires early.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::ERROR_ABANDONED_WAIT_0;

use crate::native::of_code;
use crate::remote::Remote;

/// The time, and a number that makes it the only one.
type TimerId = (Instant, u64);

/// See the module head.
#[derive(Default)]
pub(crate) struct Timers {
    waiting: BTreeMap<TimerId, Waker>,
    next: u64,
}

impl Timers {
    /// Returns whether it is now the first.
    fn add(&mut self, time: Instant, waker: Waker) -> (TimerId, bool) {
        self.next += 1;
        let id = (time, self.next);
        self.waiting.insert(id, waker);
        let is_first = self
            .waiting
            .first_key_value()
            .is_some_and(|(first, _)| *first == id);
        (id, is_first)
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((time, _), _)| *time)
    }

    /// Takes out those whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            if first.key().0 > now {
                break;
            }
            due.push(first.remove());
        }
        due
    }

    pub(crate) fn all(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }
}

/// A future that ends at a point in time; see [`Remote::sleep`]. Dropped, it leaves nothing behind.
/// When the proactor is closed it ends with `ERROR_ABANDONED_WAIT_0`.
#[must_use = "a future does nothing unless it is polled"]
pub struct Sleep {
    remote: Remote,
    /// None is later than the clock can represent.
    time: Option<Instant>,
    timer: Option<TimerId>,
}

impl fmt::Debug for Sleep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Sleep").field(&self.time).finish()
    }
}

impl Sleep {
    pub(crate) fn new(remote: Remote, time: Option<Instant>) -> Sleep {
        Sleep {
            remote,
            time,
            timer: None,
        }
    }
}

impl Future for Sleep {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let waker = context.waker().clone();
        // Without a time it waits for the close of the proactor.
        let time = self.time.unwrap_or_else(far);
        let is_over = Instant::now() >= time;
        let mut ledger = self.remote.shared.ledger();
        let old = self
            .timer
            .and_then(|timer| ledger.timers.waiting.remove(&timer));
        let added = (!is_over && !ledger.is_closed).then(|| ledger.timers.add(time, waker));
        drop(ledger);
        drop(old);
        let Some((timer, is_first)) = added else {
            self.timer = None;
            let closed = || of_code(ERROR_ABANDONED_WAIT_0);
            return Poll::Ready(is_over.then_some(()).ok_or_else(closed));
        };
        self.timer = Some(timer);
        if is_first {
            self.remote.wake();
        }
        Poll::Pending
    }
}

/// A time that no process lives to see.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(u64::from(u32::MAX))
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let waker = self
            .timer
            .and_then(|timer| self.remote.shared.ledger().timers.waiting.remove(&timer));
        drop(waker);
    }
}
