//! The time of a step, as numbers: the engine has no clock.

use std::time::Duration;

use crate::time::Moment;

/// How long things wait. All of it is chosen by the caller.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Pace {
    /// How long the first half of a move waits for the second. Both are queued together, so this
    /// covers only a processor that was interrupted in between.
    pub pairing: Duration,
    /// How often what cannot be watched is listed.
    pub poll: Duration,
    /// How often a missing root is looked for.
    pub root: Duration,
    /// Listing takes at most one part in `poll_share` of the time.
    pub poll_share: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            pairing: Duration::from_millis(5),
            poll: Duration::from_secs(1),
            root: Duration::from_millis(100),
            poll_share: 10,
        }
    }
}

/// The step in hand, and the pace.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepTime {
    /// The number of the step. Steps are counted from 1.
    pub(super) step: u64,
    /// When it began.
    pub(super) now: Moment,
    pub(super) pace: Pace,
}

impl StepTime {
    /// The time before the first step.
    pub(super) fn new(pace: Pace) -> StepTime {
        StepTime {
            step: 0,
            now: Moment::ZERO,
            pace,
        }
    }

    /// Begins the next step.
    pub(super) fn begin(&mut self, now: Moment) {
        self.step += 1;
        self.now = now;
    }

    /// The moment until which something that was deferred before has waited for long enough.
    pub(super) fn ripe(&self) -> Moment {
        self.now.saturating_sub(self.pace.pairing)
    }
}
