//! Coverage of single directories: what else changes when one gets a gap, or loses it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Engine;
use super::gaps::is_block;
use crate::coverage::{Gap, State, Subtree};
use crate::kernel::Kernel;
use crate::mirror::{Mark, NodeId};

impl<K: Kernel> Engine<K> {
    /// Gives a directory a gap. One that is polled has no watch.
    pub(super) fn set_gap(&mut self, id: NodeId, gap: Gap) {
        if gap.state() == State::Polled {
            self.watches
                .release(&mut self.world.mirror, &mut self.directories.kernel, id);
        }
        let before = self.gaps.insert(id, gap);
        if is_block(gap) {
            if self.resyncs.are_running() || self.world.mirror.has(id, Mark::STALE) {
                self.stamps.cannot_see(id);
            }
        } else if before.is_some_and(is_block) {
            self.unblock(id);
        }
    }

    /// Ends the gap of a directory.
    pub(super) fn clear_gap(&mut self, id: NodeId) {
        let Some(gap) = self.gaps.remove(id) else {
            return;
        };
        if gap.state() == State::Polled {
            self.stamps.forget_children(&self.world.mirror, id);
        }
        if is_block(gap) {
            self.unblock(id);
        }
    }

    /// The directory can be opened now: what records said of all below could not be verified.
    fn unblock(&mut self, id: NodeId) {
        self.world.mirror.set(id, Mark::STALE);
        self.stamps.can_see(id);
    }

    /// Forgets the gap of a directory that goes, without a report.
    pub(super) fn drop_gap(&mut self, id: NodeId) {
        if self.gaps.is_unused() {
            return;
        }
        self.stamps.forget_unseen(id);
        if let Some(path) = self.gaps.forget_report(id) {
            self.world.outlets.forget_coverage(&path);
        }
        self.gaps.remove(id);
    }

    /// What is not live, and every root that is, in order of their paths.
    pub fn coverage(&self) -> Vec<Subtree> {
        let mirror = &self.world.mirror;
        let mut all: BTreeMap<PathBuf, Subtree> = self
            .gaps
            .ids()
            .filter_map(|id| {
                let gap = self.gaps.topmost(mirror, id)?;
                let path = self.world.path(id);
                Some((path.clone(), subtree(path, Some(gap))))
            })
            .collect();
        for root in self.roots.iter() {
            let path = root.asked_path();
            let gap = match self.roots.node_of(mirror, root) {
                None => Some(Gap::RootGone),
                Some(node) => std::iter::successors(Some(node), |&id| mirror.parent(id))
                    .find_map(|id| self.gaps.get(id)),
            };
            all.entry(path.clone())
                .or_insert_with(|| subtree(path, gap));
        }
        all.into_values().collect()
    }
}

fn subtree(path: PathBuf, gap: Option<Gap>) -> Subtree {
    Subtree {
        path,
        state: gap.map_or(State::Live, Gap::state),
        gap,
    }
}
