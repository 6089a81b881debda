//! Early looks: entries that were identified before all records from before that were applied.
//!
//! A look or a listing shows what has a name now, and the records that wait are older than that. If one of them
//! moves the entry, it may be about another one, which had the name then: a program that saves makes, writes and
//! renames `.tmp` again and again. The move is believed, because it keeps the names right, but the entry is unsure
//! from then on ([`Mirror::mistrust`](crate::mirror::Mirror::mistrust)): its identity belongs to the name that it
//! left, and perhaps not to the one that it has.
//!
//! Like decisions, this is over once the drain of a later step is applied ([`pending`](super::pending)), and
//! records that come late have had their time.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::mirror::NodeId;
use crate::time::Moment;

/// Entries that are marked one by one. While there are more, each entry counts as identified early.
const MOST: usize = 4096;

/// Entries that were identified before all records from before that were applied.
#[derive(Debug, Default)]
pub(super) struct EarlyLooks {
    /// Each entry with the last step in which it was identified.
    marks: HashMap<NodeId, u64>,
    /// In the order of their steps.
    order: VecDeque<(u64, NodeId)>,
    /// Each entry may have been identified as late as in this step.
    all: Option<u64>,
    /// The steps that identified something, each with a moment when it was over: a step may take long.
    ends: VecDeque<(u64, Moment)>,
    /// The last step that identified something, if no other has begun since.
    last: Option<u64>,
}

impl EarlyLooks {
    /// A step begins, so the one before it is over.
    pub(super) fn begin(&mut self, now: Moment) {
        if let Some(step) = self.last.take() {
            self.ends.push_back((step, now));
        }
    }

    /// An entry was identified by what was seen at its name. Steps must not decrease.
    pub(super) fn identified(&mut self, id: NodeId, step: u64) {
        self.last = Some(step);
        if self.all == Some(step) || self.marks.insert(id, step) == Some(step) {
            return;
        }
        if self.order.len() < MOST {
            self.order.push_back((step, id));
        } else {
            // As when a tree is listed.
            self.all = Some(step);
            self.marks.clear();
            self.order.clear();
        }
    }

    /// A record says what the entry is.
    pub(super) fn described(&mut self, id: NodeId) {
        self.marks.remove(&id);
    }

    /// Whether records that are still to be applied may be about another entry that had its name before.
    pub(super) fn has(&self, id: NodeId) -> bool {
        self.all.is_some() || self.marks.contains_key(&id)
    }

    /// All records from before this step and this moment are applied.
    pub(super) fn applied(&mut self, step: u64, moment: Moment) {
        let is_applied = |&(looked, end): &(u64, Moment)| looked < step && end <= moment;
        while let Some(&(looked, _)) = self.ends.front().filter(|&end| is_applied(end)) {
            self.ends.pop_front();
            self.all = self.all.filter(|&all| all > looked);
            while let Some(&(mark, id)) = self.order.front()
                && mark <= looked
            {
                self.order.pop_front();
                if self.marks.get(&id) == Some(&mark) {
                    self.marks.remove(&id);
                }
            }
        }
    }
}
