//! What is put aside, and decided when every record that may explain it has been applied.
//!
//! Steps are numbered. What is put aside in one step is explained, if at all, by a record that was
//! queued before that moment, so the drain of the next step has it. Once all records up to the end
//! of that drain are applied, and what is still odd has not been explained, the disk decides. So
//! nothing waits for the queue to be dry, which on a busy tree it never is.
//!
//! The same argument makes barriers: what happened before one is in the drain of the next step.

use std::path::PathBuf;

use super::directories::OpenError;
use super::pending_queue::Aside;
use super::reconcile::Seen;
use super::{Engine, Poll, RunningResync};
use crate::change::Cause;
use crate::coverage::Gap;
use crate::kernel::{Drained, FileTime, Kernel};
use crate::mirror::{Mark, NodeId};
use crate::record::Moment;

/// Why a directory was not reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Astray {
    /// A directory above it is not where the mirror has it.
    Unreachable,
    /// Its name is not, or not a directory, in a parent that was reached.
    Missing,
    /// Another directory has its name in a parent that was reached.
    Replaced,
}

#[derive(Debug)]
pub(super) enum Oddity {
    /// A directory was not where the mirror had it: under this parent and name.
    Astray {
        node: NodeId,
        why: Astray,
        parent: Option<NodeId>,
        name: Box<[u8]>,
    },
    /// A listing no longer showed the entry.
    Vanished(NodeId),
    /// The entry was gone when it was looked at.
    Unverified(NodeId),
    /// The entry that had this place was found elsewhere. What is there now may have come with
    /// records that were taken to be about the other.
    Place { dir: NodeId, name: Box<[u8]> },
    /// A record said that the entry was moved to this place. It may have been there before, or have
    /// stayed where it was: of an exchange, one half may have come before there was a watch; and
    /// Linux merges two moves to one name if the first half of the second is not watched.
    Arrival {
        /// 0 if unknown.
        inode: u64,
        dir: NodeId,
        name: Box<[u8]>,
        from: (NodeId, Box<[u8]>),
    },
    /// A file system was mounted here, or unmounted.
    Mount(PathBuf),
    /// A record said that the entry is gone, perhaps to another directory.
    Departed(NodeId),
    /// The directory was found elsewhere, and records named what is below it by other paths.
    Shifted(NodeId),
}

impl Oddity {
    /// Opening and looking see a rename a moment before its record is queued; listings do not,
    /// because they wait for the directory's lock.
    pub(super) fn needs_patience(&self) -> bool {
        matches!(
            self,
            Oddity::Astray { .. } | Oddity::Unverified(_) | Oddity::Departed(_)
        )
    }
}

/// All records up to this serial number had come by the drain of this step.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrainMark {
    step: u64,
    serial: u64,
    clock: FileTime,
}

/// A point in the feed: all that happened before it was made.
#[derive(Debug)]
pub struct Barrier {
    after: u64,
    /// The step in which all records from before were applied, and the comparisons begun by then.
    reached: Option<(u64, u64)>,
    /// The step in which those comparisons were over.
    listed: Option<u64>,
    /// The poll that has to be over.
    poll: u64,
}

impl<K: Kernel> Engine<K> {
    /// Makes a barrier. What is polled is listed once more before it is passed.
    pub fn barrier(&mut self) -> Barrier {
        self.kernel.fence();
        let poll = if self.has_polled() {
            self.poll_wanted = true;
            self.polls_begun + 1
        } else {
            0
        };
        Barrier {
            after: self.step,
            reached: None,
            listed: None,
            poll,
        }
    }

    /// Makes a barrier for the records that have come: it waits for no poll, and for nothing that is on
    /// its way.
    pub fn barrier_of_records(&self) -> Barrier {
        Barrier {
            after: self.step,
            reached: None,
            listed: None,
            poll: 0,
        }
    }

    /// Whether every change that was complete before the barrier was made is in the outlets.
    pub fn is_passed(&mut self, barrier: &mut Barrier) -> bool {
        if !self.work.is_empty() {
            return false;
        }
        if barrier.reached.is_none() && self.decided > barrier.after {
            barrier.reached = Some((self.step, self.passes));
        }
        let Some((step, pass)) = barrier.reached else {
            return false;
        };
        let is_compared = self
            .resyncs
            .iter()
            .filter_map(|resync| resync.passes.front())
            .all(|oldest| oldest.number > pass);
        if !is_compared || !self.has_decided(step) || self.polls_done < barrier.poll {
            return false;
        }
        // What a listing no longer showed since then may be older, if there was no watch.
        let listed = *barrier.listed.get_or_insert(self.step);
        self.has_decided(listed)
    }

    /// Whether nothing is left of what was put aside up to a step.
    fn has_decided(&self, step: u64) -> bool {
        self.aside.is_younger(step)
    }

    pub(super) fn put_aside(&mut self, oddity: Oddity) {
        // What follows from an older oddity is as old as that.
        self.put_aside_since(oddity, self.deciding.unwrap_or(self.step));
    }

    fn put_aside_since(&mut self, oddity: Oddity, since: u64) {
        self.aside.put(oddity, self.step, since, self.now);
    }

    /// Puts a directory aside that is not where the mirror has it.
    pub(super) fn park(&mut self, node: NodeId, why: Astray) {
        let since = self.astray_since.remove(&node).unwrap_or(self.step);
        let parent = self.mirror.parent(node);
        let name = self.mirror.name(node).into();
        self.mirror.pin(node);
        self.put_aside_since(
            Oddity::Astray {
                node,
                why,
                parent,
                name,
            },
            since,
        );
    }

    /// Notes how far a drain went.
    pub(super) fn mark_drain(&mut self, drained: Drained, clock: FileTime) {
        if drained != Drained::Part {
            let serial = self.backlog.end();
            self.drains.push_back(DrainMark {
                step: self.step,
                serial,
                clock,
            });
        }
    }

    /// Decides what can be decided. Called when the work list is empty.
    pub(super) fn settle(&mut self) {
        let mut clock = None;
        while let Some(&mark) = self.drains.front()
            && mark.serial <= self.backlog.popped()
        {
            self.decided = mark.step;
            clock = Some(mark.clock);
            self.drains.pop_front();
        }
        self.decide_due();
        if !self.work.is_empty() {
            return;
        }
        self.end_resyncs();
        self.end_poll();
        self.schedule_poll();
        self.tell_coverage();
        if let Some(clock) = clock
            && self.aside.is_empty()
            && self.resyncs.is_empty()
        {
            self.complete = self.complete.max(clock);
        }
    }

    fn decide_due(&mut self) {
        let ripe = self.now.saturating_sub(self.pace.pairing);
        let mut vanished = Vec::new();
        while let Some(aside) = self.aside.take_due(self.decided, ripe) {
            self.deciding = Some(aside.since);
            match aside.oddity {
                Oddity::Vanished(id) => vanished.push(id),
                Oddity::Unverified(id) => self.decide_unverified(id, aside.since),
                Oddity::Place { dir, name } => self.look_at_place(dir, &name),
                Oddity::Arrival {
                    inode,
                    dir,
                    name,
                    from,
                } => {
                    self.look_at_place(dir, &name);
                    let found = self
                        .mirror
                        .contains(dir)
                        .then(|| self.mirror.child(dir, &name));
                    let is_it = found
                        .flatten()
                        .is_some_and(|found| inode == 0 || self.mirror.inode(found) == inode);
                    if !is_it {
                        self.look_at_place(from.0, &from.1);
                    }
                }
                Oddity::Mount(path) => self.look_at_mount(&path),
                Oddity::Departed(id) => self.decide_departed(id),
                Oddity::Shifted(id) => self.decide_shifted(id),
                Oddity::Astray { .. } => self.decide_astray(aside),
            }
        }
        self.deciding = None;
        for id in vanished {
            if self.mirror.contains(id) && self.mirror.has(id, Mark::VANISHED) {
                self.mirror.clear(id, Mark::VANISHED);
                self.remove(id, Cause::Scanned, true, false);
            }
        }
    }

    fn look_at_place(&mut self, dir: NodeId, name: &[u8]) {
        if self.mirror.contains(dir) && self.mirror.is_dir(dir) {
            self.look(dir, name, Cause::Scanned);
        }
    }

    fn decide_unverified(&mut self, id: NodeId, since: u64) {
        if !self.mirror.contains(id) || !self.mirror.has(id, Mark::UNVERIFIED) {
            return;
        }
        let Some(parent) = self.mirror.parent(id) else {
            return;
        };
        let name = self.mirror.name(id).to_vec();
        self.counters.stats += 1;
        match self.stat(parent, &name) {
            Ok(stat) => {
                self.reconcile(parent, &name, Seen::from(&stat), Cause::Scanned);
            }
            Err(OpenError::Fault(fault)) if fault.kind.is_absence() => {
                // It may have gone just now: a record of that is in the next drain.
                self.mirror.clear(id, Mark::UNVERIFIED);
                self.mirror.set(id, Mark::VANISHED);
                self.put_aside_since(Oddity::Vanished(id), since);
            }
            Err(OpenError::Fault(fault)) => {
                self.mirror.clear(id, Mark::UNVERIFIED);
                self.set_gap(parent, fault.kind.gap());
            }
            Err(OpenError::Astray) if self.block_above(parent).is_some() => {
                self.mirror.clear(id, Mark::UNVERIFIED);
                if !self.mirror.is_dir(id) {
                    // Wherever it is found, it may have been written there without a record.
                    let kind = self.mirror.kind(id);
                    self.mirror.identify(id, kind, 0, 0);
                }
            }
            Err(OpenError::Astray) => {
                self.mirror.clear(id, Mark::UNVERIFIED);
                self.doubt(id);
                self.queue(parent);
            }
        }
    }

    fn decide_astray(&mut self, aside: Aside) {
        let Oddity::Astray {
            node,
            why,
            parent,
            name,
        } = aside.oddity
        else {
            return;
        };
        self.mirror.unpin(node);
        if !self.mirror.contains(node) || !self.mirror.is_dir(node) {
            return;
        }
        let Some(parent_now) = self.mirror.parent(node) else {
            self.check_root_node(node);
            if self.roots.iter().any(|root| root.node == Some(node)) {
                self.retry(node, aside.since);
            }
            return;
        };
        let is_at_the_same_place = parent == Some(parent_now) && *name == *self.mirror.name(node);
        match why {
            // It is there, a record or a listing said so, and is tried again with the one above.
            Astray::Unreachable if self.block_above(parent_now).is_some() => {
                let gap = self.block_above(parent_now).unwrap_or(Gap::Failing);
                self.announce(node);
                self.set_gap(node, gap);
            }
            Astray::Unreachable => {
                // The parent comes first; if it is astray itself, that is found out there.
                self.retry(node, aside.since);
                self.queue(parent_now);
            }
            Astray::Missing | Astray::Replaced if is_at_the_same_place => {
                self.remove(node, Cause::Scanned, true, false);
                self.look(parent_now, &name, Cause::Scanned);
            }
            Astray::Missing | Astray::Replaced => self.retry(node, aside.since),
        }
    }

    /// Why the directory, or one above it, is known not to be opened at present.
    pub(super) fn block_above(&self, dir: NodeId) -> Option<Gap> {
        if self.gaps.is_empty() {
            return None;
        }
        std::iter::successors(Some(dir), |&dir| self.mirror.parent(dir))
            .filter_map(|dir| self.gap(dir))
            .find(|&gap| super::gaps::is_block(gap))
    }

    /// Adopts a directory again. If it is still astray, it has been so since then.
    fn retry(&mut self, node: NodeId, since: u64) {
        self.astray_since.insert(node, since);
        self.queue(node);
    }

    /// When the oddities that are left can be decided: right after another drain, or at a moment.
    pub(super) fn next_decision(&self) -> (bool, Option<Moment>) {
        let needs_drain = self.aside.has_since(self.decided);
        let ripe = self.aside.next_ripe(self.decided, self.pace.pairing);
        (needs_drain, ripe)
    }

    pub(super) fn end_resyncs(&mut self) {
        let mut running = std::mem::take(&mut self.resyncs);
        running.retain_mut(|resync: &mut RunningResync| {
            for pass in &mut resync.passes {
                pass.listed.get_or_insert(self.step);
            }
            while let Some(pass) = resync.passes.front()
                && pass.listed.is_some_and(|listed| self.has_decided(listed))
            {
                resync.passes.pop_front();
            }
            let is_over = resync.passes.is_empty();
            if is_over {
                self.outlets.resync_ends(&resync.path, resync.reason);
            }
            !is_over
        });
        self.resyncs = running;
    }

    /// Sets when the next poll begins: after the interval, and so late that polling does not take
    /// more than its share of the time.
    fn end_poll(&mut self) {
        let Some(Poll { began, listed }) = self.polling else {
            return;
        };
        let listed = listed.unwrap_or(self.step);
        if !self.has_decided(listed) {
            self.polling = Some(Poll {
                began,
                listed: Some(listed),
            });
            return;
        }
        self.polling = None;
        self.polls_done += 1;
        let took = self.now.saturating_sub(began);
        let pause = self
            .pace
            .poll
            .max(took.saturating_mul(self.pace.poll_share));
        self.next_poll = self.now.checked_add(pause);
    }
}
