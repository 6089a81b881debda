//! The shelf: oddities in the order in which they were put aside.
//!
//! On a busy tree there may be hundreds of thousands of them, and every step asks which are due and
//! how old the oldest is. Steps and moments only grow, so what is due is always at the front of one
//! of two queues, and the ages are counted apart.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::pending::Oddity;
use crate::record::Moment;

#[derive(Debug)]
pub(super) struct Aside {
    pub(super) oddity: Oddity,
    /// The step in which it was put aside.
    step: u64,
    /// The step in which it was put aside for the first time.
    pub(super) since: u64,
    at: Moment,
    /// How many were put aside before.
    number: u64,
}

/// See the module head.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    prompt: VecDeque<Aside>,
    /// Those that have to lie for a while.
    patient: VecDeque<Aside>,
    /// How many there are of each age.
    ages: BTreeMap<u64, usize>,
    count: u64,
}

impl Shelf {
    pub(super) fn is_empty(&self) -> bool {
        self.ages.is_empty()
    }

    /// Neither `step` nor `at` is less than it was in the call before.
    pub(super) fn put(&mut self, oddity: Oddity, step: u64, since: u64, at: Moment) {
        let queue = if oddity.needs_patience() {
            &mut self.patient
        } else {
            &mut self.prompt
        };
        queue.push_back(Aside {
            oddity,
            step,
            since,
            at,
            number: self.count,
        });
        self.count += 1;
        *self.ages.entry(since).or_default() += 1;
    }

    /// Takes the first one that was put aside before the step and, if it needs patience, not after
    /// the moment.
    pub(super) fn take_due(&mut self, step: u64, ripe: Moment) -> Option<Aside> {
        let prompt = self.prompt.front().filter(|aside| aside.step < step);
        let patient = self.patient.front();
        let patient = patient.filter(|aside| aside.step < step && aside.at <= ripe);
        let queue = match (prompt, patient) {
            (Some(prompt), Some(patient)) if patient.number < prompt.number => &mut self.patient,
            (Some(_), _) => &mut self.prompt,
            (None, Some(_)) => &mut self.patient,
            (None, None) => return None,
        };
        let aside = queue.pop_front()?;
        if let Some(count) = self.ages.get_mut(&aside.since) {
            *count -= 1;
            if *count == 0 {
                self.ages.remove(&aside.since);
            }
        }
        Some(aside)
    }

    /// Whether everything was put aside for the first time after the step.
    pub(super) fn is_younger(&self, step: u64) -> bool {
        self.ages.keys().next().is_none_or(|&oldest| oldest > step)
    }

    /// Whether something was put aside in the step or after it.
    pub(super) fn has_since(&self, step: u64) -> bool {
        [self.prompt.back(), self.patient.back()]
            .into_iter()
            .flatten()
            .any(|aside| aside.step >= step)
    }

    /// When the first of what was put aside before the step has lain for so long.
    pub(super) fn next_ripe(&self, step: u64, patience: Duration) -> Option<Moment> {
        [self.prompt.front(), self.patient.front()]
            .into_iter()
            .flatten()
            .filter(|aside| aside.step < step)
            .map(|aside| aside.at.saturating_add(patience))
            .min()
    }
}
