//! Work for after the lock is released: wakers to wake, and results to drop whose futures are gone.
//!
//! All of that is other people's code, which may come back to the proactor, and may panic. A panic keeps
//! nothing else from being done: it goes on when everything is, unless another is on its way already.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

use crate::remote::conclude;
use crate::table::Landing;

/// See the module head. Done when it is dropped, which must be without the lock.
#[derive(Default)]
pub(crate) struct Aftermath {
    landings: Vec<Landing>,
}

impl Aftermath {
    pub(crate) fn add(&mut self, landings: impl IntoIterator<Item = Landing>) {
        self.landings.extend(landings);
    }

    pub(crate) fn wake(&mut self, wakers: impl IntoIterator<Item = Waker>) {
        self.add(wakers.into_iter().map(|waker| Landing::Wake(Some(waker))));
    }
}

impl Drop for Aftermath {
    fn drop(&mut self) {
        let mut first = None;
        for landing in self.landings.drain(..) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| conclude(landing))) {
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
