//! The parker: where the dispatching thread waits for the feed, and for callers of `sync`.

use std::task::Wake;

use super::sync::{Condvar, Mutex, PoisonError};

/// A flag that one thread waits for. It serves as the waker of the feed, so it is in the `Arc` of the
/// standard library, which wakers are made of.
#[derive(Debug, Default)]
pub(super) struct Parker {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Parker {
    /// Wakes the thread, now or when it next parks.
    pub(super) fn unpark(&self) {
        *self.is_woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.notify_all();
    }

    /// Blocks until the thread was woken since the last time.
    pub(super) fn park(&self) {
        let mut is_woken = self.is_woken.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_woken {
            is_woken = self
                .woken
                .wait(is_woken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *is_woken = false;
    }
}

impl Wake for Parker {
    fn wake(self: std::sync::Arc<Self>) {
        self.unpark();
    }
}
