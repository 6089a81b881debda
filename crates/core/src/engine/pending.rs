//! Pending decisions: what does not fit the mirror, until every record that may explain it has been
//! applied.
//!
//! Steps are numbered. What is deferred in one step is explained, if at all, by a record that was
//! queued before that moment, so the drain of the next step has it. Once all records up to the end of
//! that drain are applied, the disk decides what was not explained. So nothing waits for the queue to
//! be empty, which on a busy tree it never is.
//!
//! Barriers stand on the same argument: what happened before one is in the drain of the next step.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::early_looks::EarlyLooks;
use super::pending_queue::{Deferred, PendingQueue};
use super::step_time::StepTime;
use super::undecided::{Undecided, Unreachable};
use super::watches::may_be_same;
use crate::kernel::Drained;
use crate::mirror::{Mirror, NodeId};
use crate::time::Moment;

/// All records up to this serial number had come by the drain of this step.
#[derive(Clone, Copy, Debug)]
struct DrainMark {
    step: u64,
    serial: u64,
    moment: Moment,
}

/// What waits for a decision, and up to which step decisions can be made.
#[derive(Debug, Default)]
pub(super) struct Pending {
    queue: PendingQueue,
    /// Directories that are tried again, and the step since which they have been unreachable.
    unreachable_since: HashMap<NodeId, u64>,
    /// How far the drains went of which records are left.
    drains: VecDeque<DrainMark>,
    /// The age of what is being decided: what follows from it is as old.
    deciding: Option<u64>,
    /// All records that had come by the drain of this step have been applied.
    decided: u64,
    /// What was seen before its records were applied.
    pub(super) early: EarlyLooks,
}

impl Pending {
    /// Defers a decision.
    pub(super) fn defer(&mut self, time: StepTime, undecided: Undecided) {
        self.defer_since(time, undecided, self.deciding.unwrap_or(time.step));
    }

    /// Defers a decision about something that has been undecided since a step.
    pub(super) fn defer_since(&mut self, time: StepTime, undecided: Undecided, since: u64) {
        self.queue.push(undecided, time.step, since, time.now);
    }

    /// Defers the decision about a directory that is not where the mirror has it. Its id is pinned
    /// until [`Pending::take_due`] has returned it and the caller unpins it.
    pub(super) fn defer_unreachable(
        &mut self,
        mirror: &mut Mirror,
        time: StepTime,
        node: NodeId,
        why: Unreachable,
    ) {
        let since = self.unreachable_since.remove(&node).unwrap_or(time.step);
        let parent = mirror.parent(node);
        let name = mirror.name(node).into();
        mirror.pin(node);
        let undecided = Undecided::Unreachable {
            node,
            why,
            parent,
            name,
        };
        self.defer_since(time, undecided, since);
    }

    /// Marks an entry whose kind and identity are not known at present.
    pub(super) fn doubt(&mut self, mirror: &mut Mirror, time: StepTime, id: NodeId) {
        if mirror.doubt(id) {
            self.defer(time, Undecided::Unverified(id));
        }
    }

    /// Doubts the entries of a directory whose names differ from this one in case alone: what took the name may have
    /// replaced one of them, without a record. Goes through the whole directory.
    pub(super) fn doubt_other_cases(
        &mut self,
        mirror: &mut Mirror,
        time: StepTime,
        dir: NodeId,
        name: &[u8],
    ) {
        let others: Vec<NodeId> = mirror
            .children(dir)
            .filter(|&child| mirror.name(child) != name && may_be_same(mirror.name(child), name))
            .collect();
        for other in others {
            self.doubt(mirror, time, other);
        }
    }

    /// Marks an entry that a listing no longer shows.
    pub(super) fn vanish(&mut self, mirror: &mut Mirror, time: StepTime, id: NodeId) {
        if mirror.vanish(id) {
            self.defer(time, Undecided::Vanished(id));
        }
    }

    /// Marks an entry that a record removed, perhaps to another directory.
    pub(super) fn depart(&mut self, mirror: &mut Mirror, time: StepTime, id: NodeId) {
        if mirror.vanish(id) {
            self.defer(time, Undecided::Departed(id));
        }
    }

    /// A directory was reached.
    pub(super) fn reached(&mut self, node: NodeId) {
        self.unreachable_since.remove(&node);
    }

    /// A directory that is tried again has been unreachable since this step.
    pub(super) fn retry_since(&mut self, node: NodeId, since: u64) {
        self.unreachable_since.insert(node, since);
    }

    /// Notes how far the drain of a step went: it has the record of every change before `moment`.
    pub(super) fn mark_drain(&mut self, step: u64, drained: Drained, serial: u64, moment: Moment) {
        if drained != Drained::Part {
            self.drains.push_back(DrainMark {
                step,
                serial,
                moment,
            });
        }
    }

    /// The drain of this step found nothing, and nothing from before waits to be applied.
    pub(super) fn nothing_came(&mut self) {
        if let Some(drain) = self.drains.back() {
            self.early.applied(drain.step, drain.moment);
        }
    }

    /// Notes that all records up to `serial` are applied. Returns the moment of the last drain all of
    /// whose records these are.
    pub(super) fn applied(&mut self, serial: u64) -> Option<Moment> {
        let mut moment = None;
        while let Some(&mark) = self.drains.front()
            && mark.serial <= serial
        {
            self.decided = mark.step;
            moment = Some(mark.moment);
            self.drains.pop_front();
        }
        moment
    }

    /// The step whose drain, and all drains before it, have been applied.
    pub(super) fn decided(&self) -> u64 {
        self.decided
    }

    /// Takes the next decision that is due. Until [`Pending::end_decisions`], what is deferred is as
    /// old as this one.
    pub(super) fn take_due(&mut self, ripe: Moment) -> Option<Deferred> {
        let due = self.queue.take_due(self.decided, ripe)?;
        self.deciding = Some(due.since);
        Some(due)
    }

    /// No more decisions are made in this step. All records from before `moment` have come.
    pub(super) fn end_decisions(&mut self, moment: Moment) {
        self.deciding = None;
        self.early.applied(self.decided, moment);
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether nothing is left of what was deferred up to a step.
    pub(super) fn has_decided(&self, step: u64) -> bool {
        self.queue.is_younger(step)
    }

    /// When the decisions that are left can be made: right after another drain, or at a moment.
    pub(super) fn next_decision(&self, time: StepTime) -> (bool, Option<Moment>) {
        let needs_drain = self.queue.has_since(self.decided);
        let ripe = self.queue.next_ripe(self.decided, time.pace.pairing);
        (needs_drain, ripe)
    }
}
