//! Sleeping: futures that wait for the timers of a loop.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::ERROR_ABANDONED_WAIT_0;

use crate::native::io_error;
use crate::remote::Remote;
use crate::timers::TimerId;

/// A time that no process lives to see: in 136 years.
const FAR: Duration = Duration::from_secs(u32::MAX as u64);

/// A future that resolves at a point in time; made by [`Remote::sleep`]. Dropped, it leaves nothing behind.
/// When the proactor is closed it resolves with `ERROR_ABANDONED_WAIT_0`.
#[must_use = "a future does nothing unless it is polled"]
pub struct Sleep {
    remote: Remote,
    /// `None` is later than the clock can say.
    time: Option<Instant>,
    timer: Option<TimerId>,
}

impl fmt::Debug for Sleep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Sleep").field(&self.time).finish()
    }
}

impl Sleep {
    /// Removes the timer. The waker that it had must be dropped without the lock.
    fn remove_timer(&mut self) -> Option<Waker> {
        let timer = self.timer.take()?;
        self.remote.shared.registry().timers.remove(timer)
    }
}

impl Remote {
    /// Resolves after this time, never before.
    pub fn sleep(&self, time: Duration) -> Sleep {
        self.sleep_to(Instant::now().checked_add(time))
    }

    /// Resolves at this time, never before.
    pub fn sleep_until(&self, time: Instant) -> Sleep {
        self.sleep_to(Some(time))
    }

    /// A sleep without a time, past what [`Instant`] can express, lasts until the loop closes.
    fn sleep_to(&self, time: Option<Instant>) -> Sleep {
        Sleep {
            remote: self.clone(),
            time,
            timer: None,
        }
    }
}

impl Future for Sleep {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let waker = context.waker().clone();
        // Without a time it waits for the close of the loop.
        let time = self.time.unwrap_or_else(|| Instant::now() + FAR);
        let is_over = Instant::now() >= time;
        let replaced = self.remove_timer();
        let mut registry = self.remote.shared.registry();
        let added = (!is_over && !registry.is_closed).then(|| registry.timers.add(time, waker));
        drop(registry);
        drop(replaced);
        let Some((timer, is_first)) = added else {
            return Poll::Ready(match is_over {
                true => Ok(()),
                false => Err(io_error(ERROR_ABANDONED_WAIT_0)),
            });
        };
        self.timer = Some(timer);
        if is_first {
            self.remote.wake();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let waker = self.remove_timer();
        drop(waker);
    }
}
