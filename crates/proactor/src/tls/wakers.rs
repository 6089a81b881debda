//! Who reads and who writes may be two tasks, and either may have to do some of the other's work: a read
//! answers what the peer asks for, a write waits for the same pipe. The one who polled last would be the
//! only one to be woken. So both are woken in any case.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Which side of a connection polls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Reading,
    Writing,
}

/// See the module head.
#[derive(Default, Debug)]
pub(super) struct Wakers(Mutex<[Option<Waker>; 2]>);

impl Wakers {
    /// A waker of both, of which one is now this.
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
