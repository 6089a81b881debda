//! What is decided when the queue is dry: everything that happened before has been applied, so
//! what still does not fit has no record that would explain it.

use super::{Engine, Parked};
use crate::change::Cause;
use crate::kernel::{FaultKind, FileTime, Kernel};
use crate::mirror::Mark;
use crate::record::Moment;

impl<K: Kernel> Engine<K> {
    /// Called when the queue was dry at `clock`, with nothing left to apply.
    pub(super) fn settle(&mut self, now: Moment, clock: FileTime) {
        self.settle_vanished();
        self.settle_unverified();
        self.settle_parked();
        if !self.work.is_empty() {
            return;
        }
        if self.vanished.is_empty() && self.unverified.is_empty() && self.parked.is_empty() {
            self.end_resyncs();
            self.end_poll(now);
            self.complete = self.complete.max(clock);
        }
    }

    fn settle_vanished(&mut self) {
        for id in std::mem::take(&mut self.vanished) {
            if self.mirror.contains(id) && self.mirror.has(id, Mark::VANISHED) {
                self.mirror.clear(id, Mark::VANISHED);
                self.remove(id, Cause::Scanned, true, false);
            }
        }
    }

    fn settle_unverified(&mut self) {
        for id in std::mem::take(&mut self.unverified) {
            if !self.mirror.contains(id) || !self.mirror.has(id, Mark::UNVERIFIED) {
                continue;
            }
            let Some(parent) = self.mirror.parent(id) else {
                continue;
            };
            let name = self.mirror.name(id).to_vec();
            self.look(parent, &name, Cause::Scanned);
            if self.mirror.contains(id) && self.mirror.has(id, Mark::UNVERIFIED) {
                // Gone without a record, or moved with its directory: the listing tells which.
                self.unverified.retain(|&other| other != id);
                self.mirror.clear(id, Mark::UNVERIFIED);
                self.mirror.set(id, Mark::VANISHED);
                self.vanished.push(id);
                self.queue(parent);
            }
        }
    }

    fn settle_parked(&mut self) {
        for parked in std::mem::take(&mut self.parked) {
            if !self.mirror.contains(parked.node) {
                continue;
            }
            if parked.records == self.counters.records {
                self.conclude(parked);
            } else {
                self.queue(parked.node);
            }
        }
    }

    /// No record came since the directory was found astray, and none is under way.
    fn conclude(&mut self, parked: Parked) {
        let id = parked.node;
        let Some(parent) = self.mirror.parent(id) else {
            self.check_root_node(id);
            return;
        };
        let is_gone = parked
            .fault
            .is_some_and(|fault| fault.kind == FaultKind::NotFound);
        if is_gone {
            self.remove(id, Cause::Scanned, true, false);
            return;
        }
        if parked.fault.is_some() || self.open_known(parent).is_ok() {
            // Its parent is where it should be, so something else has its name now.
            let name = self.mirror.name(id).to_vec();
            self.remove(id, Cause::Scanned, true, false);
            self.look(parent, &name, Cause::Scanned);
        } else {
            self.queue(parent);
        }
    }
}
