//! The queue of pending decisions, in the order in which they were deferred.
//!
//! On a busy tree there may be hundreds of thousands of them, and every step asks which are due and
//! how old the oldest is. Steps and moments only grow, so what is due is always at the front of one
//! of two queues, and the ages are counted apart.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::undecided::Undecided;
use crate::time::Moment;

/// A pending decision.
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) undecided: Undecided,
    /// The step in which it was deferred.
    step: u64,
    /// The step in which it was deferred for the first time.
    pub(super) since: u64,
    at: Moment,
    /// How many were deferred before.
    number: u64,
}

/// Two queues of pending decisions, merged by their numbers when they are taken.
#[derive(Debug, Default)]
pub(super) struct PendingQueue {
    prompt: VecDeque<Deferred>,
    /// Those that need patience; see [`Undecided::needs_patience`].
    patient: VecDeque<Deferred>,
    /// How many there are of each age.
    ages: BTreeMap<u64, usize>,
    count: u64,
}

impl PendingQueue {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.ages.is_empty()
    }

    /// Adds a decision. `step` and `at` must not be less than in the call before.
    pub(super) fn push(&mut self, undecided: Undecided, step: u64, since: u64, at: Moment) {
        let queue = if undecided.needs_patience() {
            &mut self.patient
        } else {
            &mut self.prompt
        };
        queue.push_back(Deferred {
            undecided,
            step,
            since,
            at,
            number: self.count,
        });
        self.count += 1;
        *self.ages.entry(since).or_default() += 1;
    }

    /// Takes the first one that was deferred before the step and, if it needs patience, not after
    /// the moment.
    pub(super) fn take_due(&mut self, step: u64, ripe: Moment) -> Option<Deferred> {
        let prompt = self.prompt.front().filter(|deferred| deferred.step < step);
        let patient = self.patient.front();
        let patient = patient.filter(|deferred| deferred.step < step && deferred.at <= ripe);
        let queue = match (prompt, patient) {
            (Some(prompt), Some(patient)) if patient.number < prompt.number => &mut self.patient,
            (Some(_), _) => &mut self.prompt,
            (None, Some(_)) => &mut self.patient,
            (None, None) => return None,
        };
        let deferred = queue.pop_front()?;
        if let Some(count) = self.ages.get_mut(&deferred.since) {
            *count -= 1;
            if *count == 0 {
                self.ages.remove(&deferred.since);
            }
        }
        Some(deferred)
    }

    /// Whether everything was deferred for the first time after the step.
    pub(super) fn is_younger(&self, step: u64) -> bool {
        self.ages.keys().next().is_none_or(|&oldest| oldest > step)
    }

    /// Whether something was deferred in the step or after it.
    pub(super) fn has_since(&self, step: u64) -> bool {
        [self.prompt.back(), self.patient.back()]
            .into_iter()
            .flatten()
            .any(|deferred| deferred.step >= step)
    }

    /// When the first of what was deferred before the step has lain for so long.
    pub(super) fn next_ripe(&self, step: u64, patience: Duration) -> Option<Moment> {
        [self.prompt.front(), self.patient.front()]
            .into_iter()
            .flatten()
            .filter(|deferred| deferred.step < step)
            .map(|deferred| deferred.at.saturating_add(patience))
            .min()
    }
}
