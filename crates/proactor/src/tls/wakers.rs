//! The wakers of both sides of a connection.
//!
//! Two tasks may read and write, and either may have to do some of the other's work: a read sends answers, a
//! write waits for the same transport. A transport wakes only the task that polled last, so both are woken,
//! each time.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Which side of a connection polls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Reading,
    Writing,
}

/// The wakers of the task that reads and the task that writes.
#[derive(Default, Debug)]
pub(super) struct Wakers(Mutex<[Option<Waker>; 2]>);

impl Wakers {
    /// A waker that wakes both, after setting that of one side.
    pub(super) fn with(self: &Arc<Wakers>, side: Side, waker: &Waker) -> Waker {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = &mut both[side as usize];
        let replaced = match own {
            Some(own) if own.will_wake(waker) => None,
            own => own.replace(waker.clone()),
        };
        drop(both);
        drop(replaced);
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Wakers>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Wakers>) {
        let both = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        both.into_iter().flatten().for_each(Waker::wake);
    }
}
