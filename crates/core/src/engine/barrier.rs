//! Barriers: points in the feed behind which all lies that happened before they were made.

use super::Engine;
use crate::kernel::Kernel;

/// A point in the feed: all that happened before it was made.
#[derive(Debug)]
pub struct Barrier {
    /// The step in which it was made.
    after: u64,
    /// The step in which all records from before were applied, and the last comparison begun by then.
    reached: Option<(u64, u64)>,
    /// The step in which those comparisons were over.
    listed: Option<u64>,
    /// The number of the poll that has to be over.
    poll: u64,
}

impl Barrier {
    /// A barrier behind all that had come by the end of a step.
    fn after(step: u64, poll: u64) -> Barrier {
        Barrier {
            after: step,
            reached: None,
            listed: None,
            poll,
        }
    }
}

impl<K: Kernel> Engine<K> {
    /// Makes a barrier. What is polled is listed once more before it is passed, and roots that are
    /// looked at from time to time, because not all of their path is watched, are looked at.
    ///
    /// A file system that was unmounted lazily is gone once nothing on it is open, and only then has a record of
    /// that. So what the engine has open is closed first.
    pub fn barrier(&mut self) -> Barrier {
        self.directories.release();
        self.directories.kernel.fence();
        self.roots.hasten_checks();
        let has_polled = self.coverage.gaps.needs_any_polling(&self.world.mirror);
        let poll = match has_polled {
            true => self.polling.request(),
            false => 0,
        };
        Barrier::after(self.time.step, poll)
    }

    /// Makes a barrier for the records that have come: it waits for no poll, and for nothing that is on
    /// its way.
    pub fn barrier_of_records(&self) -> Barrier {
        Barrier::after(self.time.step, 0)
    }

    /// Whether every change that was complete before the barrier was made is in the outlets.
    pub fn is_passed(&mut self, barrier: &mut Barrier) -> bool {
        if !self.work.is_empty() {
            return false;
        }
        if barrier.reached.is_none() && self.pending.decided() > barrier.after {
            barrier.reached = Some((self.time.step, self.resyncs.last_pass()));
        }
        let Some((step, pass)) = barrier.reached else {
            return false;
        };
        if !self.resyncs.are_over(pass)
            || !self.pending.has_decided(step)
            || !self.polling.is_done(barrier.poll)
        {
            return false;
        }
        // What a listing no longer showed since then may be older, if there was no watch.
        let listed = *barrier.listed.get_or_insert(self.time.step);
        self.pending.has_decided(listed)
    }
}
