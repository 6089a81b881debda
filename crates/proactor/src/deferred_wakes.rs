//! Wakers and abandoned operations that wait until the lock is released.
//!
//! Waking one and dropping the other is other people's code, which may call the loop, and may panic. A panic
//! keeps none of the others from its turn: it goes on when all had theirs, unless another one is already
//! unwinding.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

use crate::table::Completed;

/// What is left to do. Done when this is dropped, which must be without the lock.
#[derive(Default)]
pub(crate) struct DeferredWakes {
    completed: Vec<Completed>,
}

impl DeferredWakes {
    /// Adds what is left to do for operations.
    pub(crate) fn add(&mut self, completed: impl IntoIterator<Item = Completed>) {
        self.completed.extend(completed);
    }

    /// Adds wakers.
    pub(crate) fn wake(&mut self, wakers: impl IntoIterator<Item = Waker>) {
        self.add(wakers.into_iter().map(|waker| Completed::Wake(Some(waker))));
    }
}

impl Drop for DeferredWakes {
    fn drop(&mut self) {
        let mut first = None;
        for completed in self.completed.drain(..) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| finish(completed))) {
                first.get_or_insert(panic);
            }
        }
        if let Some(panic) = first
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

/// Does what is left to do for one operation. The lock must not be held.
pub(crate) fn finish(completed: Completed) {
    match completed {
        Completed::Wake(waker) => {
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        Completed::Abandon(over, _waker) => drop(over),
    }
}
