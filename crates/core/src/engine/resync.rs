//! Comparing parts of the tree with the disk again.

use std::path::PathBuf;

use super::Engine;
use crate::change::ResyncReason;
use crate::kernel::Kernel;
use crate::mirror::{Mark, NodeId};
use crate::outlet::path_of;

impl<K: Kernel> Engine<K> {
    /// Records were lost: every root may have changed anywhere.
    pub(super) fn on_overflow(&mut self) {
        let tops: Vec<NodeId> = self.roots.iter().filter_map(|root| root.node).collect();
        for top in tops {
            self.resync(top, ResyncReason::Overflow);
        }
        let roots: Vec<_> = self.roots.iter().map(|root| root.id).collect();
        for root in roots {
            self.check_root(root);
        }
    }

    /// Compares a directory and all below it with the disk. The difference comes with the next
    /// steps, between a note at the beginning and one at the end.
    pub(super) fn resync(&mut self, top: NodeId, reason: ResyncReason) {
        let path = path_of(&self.mirror, top);
        if !self.resyncs.iter().any(|(other, _)| *other == path) {
            self.counters.resyncs += 1;
            self.outlets.resync_begins(path.clone(), reason);
            self.resyncs.push((path, reason));
        }
        self.mirror.set(top, Mark::STALE);
        self.queue(top);
    }

    pub(super) fn end_resyncs(&mut self) {
        for (path, reason) in std::mem::take(&mut self.resyncs) {
            self.outlets.resync_ends(&path, reason);
        }
    }

    /// The ignore rules in `dir` changed.
    pub(super) fn rules_changed(&mut self, dir: NodeId) {
        self.resync(dir, ResyncReason::IgnoreRules);
    }

    /// Says that something was mounted on, or unmounted from, these paths. They are compared with
    /// the disk if they are below a root.
    pub fn mounts_changed(&mut self, paths: &[PathBuf]) {
        self.volumes.clear();
        for path in paths {
            if let Some(dir) = self.find(path) {
                self.resync(dir, ResyncReason::Mounts);
            }
        }
        let roots: Vec<_> = self.roots.iter().map(|root| root.id).collect();
        for root in roots {
            self.check_root(root);
        }
    }
}
