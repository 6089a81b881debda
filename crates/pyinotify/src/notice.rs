//! Notices: something that happens once, for which any number of threads and tasks wait.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Whether it has happened, and the tasks that wait.
struct Fate<T> {
    /// The outcome. Set once, never changed.
    value: Option<T>,
    /// The tasks that wait, by the number of their notice.
    wakers: BTreeMap<u64, Waker>,
    next_number: u64,
}

struct Slot<T> {
    fate: Mutex<Fate<T>>,
    happened: Condvar,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Fate<T>> {
        // Nothing is half done at a point where a panic could happen.
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that happens once: a watch has started, has stopped.
///
/// Wait for it with [`wait`](Notice::wait), or await it under any runtime: it is a future. Clones are
/// notices of the same thing.
pub struct Notice<T> {
    inner: Arc<Slot<T>>,
    /// Which of the wakers is this notice's, once it was polled.
    number: Option<u64>,
}

impl<T: Clone> Notice<T> {
    /// A notice of something that has not happened.
    pub(super) fn new() -> Notice<T> {
        let fate = Fate {
            value: None,
            wakers: BTreeMap::new(),
            next_number: 0,
        };
        let inner = Arc::new(Slot {
            fate: Mutex::new(fate),
            happened: Condvar::new(),
        });
        Notice {
            inner,
            number: None,
        }
    }

    /// Makes it happen with this outcome, unless it has happened before. Returns whether it had not.
    pub(super) fn fire(&self, value: T) -> bool {
        let mut fate = self.inner.lock();
        if fate.value.is_some() {
            return false;
        }
        fate.value = Some(value);
        let wakers = std::mem::take(&mut fate.wakers);
        drop(fate);
        self.inner.happened.notify_all();
        wakers.into_values().for_each(Waker::wake);
        true
    }

    /// The outcome, if it has happened. Never blocks.
    pub fn get(&self) -> Option<T> {
        self.inner.lock().value.clone()
    }

    /// Blocks until it has happened.
    pub fn wait(&self) -> T {
        let mut fate = self.inner.lock();
        loop {
            match &fate.value {
                Some(value) => return value.clone(),
                None => {
                    let happened = &self.inner.happened;
                    fate = happened.wait(fate).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Blocks until it has happened, but no longer than `timeout`; `None` if it has not happened by then.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<T> {
        // A time beyond the clock's is no limit.
        let Some(end) = Instant::now().checked_add(timeout) else {
            return Some(self.wait());
        };
        let mut fate = self.inner.lock();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if fate.value.is_some() || left.is_zero() {
                return fate.value.clone();
            }
            let happened = &self.inner.happened;
            fate = happened
                .wait_timeout(fate, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl<T: Clone> Future for Notice<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut fate = self.inner.lock();
        if let Some(value) = &fate.value {
            return Poll::Ready(value.clone());
        }
        let number = self.number.unwrap_or(fate.next_number);
        if self.number.is_none() {
            fate.next_number += 1;
        }
        fate.wakers.insert(number, context.waker().clone());
        drop(fate);
        self.number = Some(number);
        Poll::Pending
    }
}

impl<T> Clone for Notice<T> {
    fn clone(&self) -> Notice<T> {
        Notice {
            inner: Arc::clone(&self.inner),
            number: None,
        }
    }
}

impl<T> Drop for Notice<T> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.inner.lock().wakers.remove(&number);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Notice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notice")
            .field(&self.inner.lock().value)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_first_stays() {
        let notice = Notice::new();
        assert_eq!(notice.get(), None);
        assert!(notice.fire(1));
        assert!(!notice.fire(2));
        assert_eq!((notice.get(), notice.wait()), (Some(1), 1));
    }

    #[test]
    fn threads_and_tasks_that_wait_are_woken() {
        let notice = Notice::new();
        let threads = [0; 4].map(|_| {
            let notice = notice.clone();
            std::thread::spawn(move || notice.wait())
        });
        let tasks = [0; 4].map(|_| {
            let notice = notice.clone();
            std::thread::spawn(move || futures_lite::future::block_on(notice))
        });
        assert_eq!(notice.wait_timeout(Duration::from_millis(5)), None);
        notice.fire("now");
        for thread in threads.into_iter().chain(tasks) {
            assert_eq!(thread.join().expect("it is woken"), "now");
        }
    }

    #[test]
    fn a_notice_that_is_dropped_leaves_no_waker_behind() {
        let notice = Notice::<()>::new();
        let mut polled = notice.clone();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(Pin::new(&mut polled).poll(&mut context).is_pending());
        }
        assert_eq!(notice.inner.lock().wakers.len(), 1);
        drop(polled);
        assert_eq!(notice.inner.lock().wakers.len(), 0);
    }
}
