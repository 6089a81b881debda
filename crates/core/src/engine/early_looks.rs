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

use super::step_time::StepTime;
use crate::mirror::NodeId;
use crate::time::Moment;

/// Entries that are marked one by one. While there are more, each entry counts as identified early.
const MOST: usize = 4096;

/// When an entry was identified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mark {
    step: u64,
    at: Moment,
}

impl Mark {
    fn of(time: StepTime) -> Mark {
        Mark {
            step: time.step,
            at: time.now,
        }
    }

    /// Whether it was before the step and not after the moment.
    fn is_before(self, step: u64, moment: Moment) -> bool {
        self.step < step && self.at <= moment
    }
}

/// Entries that were identified before all records from before that were applied.
#[derive(Debug, Default)]
pub(super) struct EarlyLooks {
    /// Each entry with the last time that it was identified.
    marks: HashMap<NodeId, Mark>,
    /// In the order of their steps.
    order: VecDeque<(Mark, NodeId)>,
    /// Each entry may have been identified as late as this.
    all: Option<Mark>,
    /// A root is being armed, and no record has come meanwhile.
    is_calm: bool,
}

impl EarlyLooks {
    /// A step begins. While a root is armed and no record waits, what is found is what was there.
    pub(super) fn begin(&mut self, is_calm: bool) {
        self.is_calm = is_calm;
    }

    /// An entry was identified by what was seen at its name. Steps must not decrease.
    pub(super) fn identified(&mut self, id: NodeId, time: StepTime) {
        let mark = Mark::of(time);
        if self.is_calm || self.all == Some(mark) || self.marks.insert(id, mark) == Some(mark) {
            return;
        }
        if self.order.len() < MOST {
            self.order.push_back((mark, id));
        } else {
            // As when a tree is listed.
            self.all = Some(mark);
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
        self.all = self.all.filter(|all| !all.is_before(step, moment));
        while let Some(&(mark, id)) = self.order.front()
            && mark.is_before(step, moment)
        {
            self.order.pop_front();
            if self.marks.get(&id) == Some(&mark) {
                self.marks.remove(&id);
            }
        }
    }
}
