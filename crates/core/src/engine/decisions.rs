//! Decisions: what becomes of what was deferred, once every record that may explain it is applied.
//!
//! The disk decides. See [`pending`](super::pending) for when that is.

use std::time::Duration;

use super::Engine;
use super::directories::OpenError;
use super::pending_queue::Deferred;
use super::reconcile::Seen;
use super::undecided::{Undecided, Unreachable};
use super::world::Report;
use crate::event::Cause;
use crate::kernel::Kernel;
use crate::mirror::NodeId;

impl<K: Kernel> Engine<K> {
    /// Decides what can be decided, and ends the resyncs and the poll of which nothing is left.
    /// Called when the work list is empty.
    pub(super) fn decide(&mut self) {
        let complete = self.pending.applied(self.records.queue.popped());
        self.decide_due();
        if !self.work.is_empty() {
            return;
        }
        self.resyncs
            .end_decided(self.time.step, &self.pending, &self.roots, &mut self.world);
        self.polling.end_if_decided(self.time, &self.pending);
        self.polling
            .schedule(self.time, &self.coverage.gaps, &self.world.mirror);
        self.coverage.gaps.report(&mut self.world);
        if let Some(complete) = complete
            && self.pending.is_empty()
            && !self.resyncs.are_running()
        {
            self.resyncs.complete_at(complete);
        }
    }

    /// Makes the decisions that are due, in the order in which they were deferred. Entries that no listing
    /// shows any more go last: one of the other decisions may find them elsewhere.
    fn decide_due(&mut self) {
        let mut vanished = Vec::new();
        while let Some(due) = self.pending.take_due(self.time.ripe()) {
            match due.undecided {
                Undecided::Vanished(id) => vanished.push(id),
                Undecided::Unverified(id) => self.decide_unverified(id, due.since),
                Undecided::Place { dir, name } => self.decide_place(dir, &name),
                Undecided::Arrival {
                    inode,
                    dir,
                    name,
                    from,
                } => {
                    self.decide_place(dir, &name);
                    let mirror = &self.world.mirror;
                    let found = mirror.contains(dir).then(|| mirror.child(dir, &name));
                    // What could not be looked at is in doubt.
                    let is_it = found.flatten().is_some_and(|found| {
                        !mirror.is_doubted(found)
                            && (inode.is_none() || mirror.inode(found) == inode)
                    });
                    if !is_it {
                        self.decide_place(from.0, &from.1);
                    }
                }
                Undecided::Mount { path, dirs } => self.compare_mount(&path, dirs),
                Undecided::Departed(id) => self.remove_vanished(id, Cause::Notified),
                Undecided::Shifted(id) => {
                    self.work
                        .compare_again(&self.roots, &mut self.world.mirror, id)
                }
                Undecided::Unreachable { .. } => self.decide_unreachable(due),
            }
        }
        let lateness = self.directories.kernel.lateness();
        let lateness = Duration::from_nanos(lateness.unsigned_abs());
        self.pending
            .end_decisions(self.time.ripe().min(self.time.now.saturating_sub(lateness)));
        for id in vanished {
            self.remove_vanished(id, Cause::Scanned);
        }
    }

    /// Looks at a place from which an entry was moved by inference, or to which a record said that one was
    /// moved.
    fn decide_place(&mut self, dir: NodeId, name: &[u8]) {
        if self.world.mirror.contains(dir) && self.world.mirror.is_dir(dir) {
            self.look(dir, name, Cause::Scanned);
        }
    }

    /// Removes an entry that vanished, unless something has found it since. What a record removed is
    /// notified; what a listing no longer showed is scanned.
    fn remove_vanished(&mut self, id: NodeId, cause: Cause) {
        if self.world.mirror.contains(id) && self.world.mirror.reappear(id) {
            self.remove(id, cause, Report::Removed);
        }
    }

    /// Looks again at an entry that was gone when it was looked at.
    ///
    /// If it is absent, it is not removed yet: it may have gone just now, and the record of that, which may
    /// say where it went, is in the next drain. If its directory cannot be opened at present, what is known of
    /// its identity is given up, because it may be written, or replaced, without a record.
    fn decide_unverified(&mut self, id: NodeId, since: u64) {
        if !self.world.mirror.contains(id) || !self.world.mirror.is_doubted(id) {
            return;
        }
        let Some(parent) = self.world.mirror.parent(id) else {
            return;
        };
        let name = self.world.mirror.name(id).to_vec();
        self.counters.stats += 1;
        match self.directories.stat(&self.world.mirror, parent, &name) {
            Ok(stat) => {
                self.reconcile(parent, &name, Seen::from(&stat), Cause::Scanned);
            }
            Err(OpenError::Fault(fault)) if fault.kind.is_absence() => {
                // It may have gone just now: a record of that is in the next drain.
                self.world.mirror.lose(id);
                self.pending
                    .defer_since(self.time, Undecided::Vanished(id), since);
            }
            Err(OpenError::Fault(fault)) => {
                self.world.mirror.verify(id);
                self.coverage.set_gap(
                    &mut self.world.mirror,
                    &mut self.directories.kernel,
                    &mut self.resyncs,
                    parent,
                    fault.kind.gap(),
                );
            }
            Err(OpenError::Unreachable)
                if self
                    .coverage
                    .gaps
                    .block_above(&self.world.mirror, parent)
                    .is_some() =>
            {
                self.world.mirror.verify(id);
                if !self.world.mirror.is_dir(id) {
                    // Wherever it is found, it may have been written there without a record.
                    let kind = self.world.mirror.kind(id);
                    self.world.mirror.identify(id, kind, None, None);
                }
            }
            Err(OpenError::Unreachable) => {
                self.world.mirror.verify(id);
                self.pending.doubt(&mut self.world.mirror, self.time, id);
                self.work.queue(&mut self.world.mirror, parent);
            }
        }
    }

    /// Decides about a directory that was not where the mirror has it.
    ///
    /// By now every record that may explain that is applied. If the mirror still has it at the same place, it
    /// is gone; if a record has moved it since, it is tried at its new place. If a directory above it could not
    /// be opened, nothing is known of it, and it has the gap of that directory.
    fn decide_unreachable(&mut self, due: Deferred) {
        let since = due.since;
        let Undecided::Unreachable {
            node,
            why,
            parent,
            name,
        } = due.undecided
        else {
            return;
        };
        self.world.mirror.unpin(node);
        if !self.world.mirror.contains(node) || !self.world.mirror.is_dir(node) {
            return;
        }
        let Some(parent_now) = self.world.mirror.parent(node) else {
            self.check_top(node);
            if self.roots.of_top(node).is_some() {
                self.retry(node, since);
            }
            return;
        };
        let is_at_the_same_place =
            parent == Some(parent_now) && *name == *self.world.mirror.name(node);
        let block = self
            .coverage
            .gaps
            .block_above(&self.world.mirror, parent_now);
        match (why, block) {
            // No root wants what is in it any more.
            (Unreachable::Above, _) if !self.roots.reaches(&self.world.mirror, node) => {
                self.announce(node);
            }
            // It is there, a record or a listing said so, and is tried again with the one above.
            (Unreachable::Above, Some(gap)) => {
                self.announce_with_gap(node, gap);
            }
            (Unreachable::Above, None) => {
                // The parent comes first; if it is unreachable itself, that is found out there.
                self.retry(node, since);
                self.work.queue(&mut self.world.mirror, parent_now);
            }
            (Unreachable::Missing | Unreachable::Replaced, _) if is_at_the_same_place => {
                self.remove(node, Cause::Scanned, Report::Removed);
                self.look(parent_now, &name, Cause::Scanned);
                if self.directories.kernel.names_paths()
                    && let Some(successor) = self.world.mirror.child(parent_now, &name)
                    && self.world.mirror.is_dir(successor)
                {
                    // Records that are still to come may mean what was below the other one.
                    self.pending.defer(self.time, Undecided::Shifted(successor));
                }
            }
            (Unreachable::Missing | Unreachable::Replaced, _) => self.retry(node, since),
        }
    }

    /// Scans a directory again. If it is still unreachable, it has been so since then.
    fn retry(&mut self, node: NodeId, since: u64) {
        self.pending.retry_since(node, since);
        self.work.queue(&mut self.world.mirror, node);
    }
}
