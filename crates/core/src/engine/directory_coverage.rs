//! Coverage of directories: each is reported by a watch, or has a gap.
//!
//! The two exclude each other for what is polled, and both decide what is known of the content of files,
//! so they are changed together here.

use super::gaps::{Gaps, is_block};
use super::resyncs::Resyncs;
use super::root_table::Roots;
use super::stamps::Stamps;
use super::watches::Watches;
use super::work::WorkList;
use super::world::World;
use crate::coverage::{CoverageState, Gap};
use crate::entry::{FileType, Watch};
use crate::fault::Fault;
use crate::kernel::{Kernel, Purpose, Watched};
use crate::mirror::{Mirror, NodeId};

/// The watches and gaps of the directories of the mirror, and the stamps of what is polled.
#[derive(Debug, Default)]
pub(super) struct DirectoryCoverage {
    pub(super) watches: Watches,
    pub(super) gaps: Gaps,
    pub(super) stamps: Stamps,
}

impl DirectoryCoverage {
    /// Gives a directory a gap. One that is polled has no watch.
    pub(super) fn set_gap<K: Kernel>(
        &mut self,
        mirror: &mut Mirror,
        kernel: &mut K,
        resyncs: &mut Resyncs,
        id: NodeId,
        gap: Gap,
    ) {
        if gap.state() == CoverageState::Polled {
            self.watches.release(mirror, kernel, id);
        }
        let before = self.gaps.insert(id, gap);
        if is_block(gap) {
            resyncs.cannot_see(mirror, id);
        } else if before.is_some_and(is_block) {
            resyncs.can_see(mirror, id);
        }
    }

    /// Ends the gap of a directory.
    pub(super) fn clear_gap(&mut self, mirror: &mut Mirror, resyncs: &mut Resyncs, id: NodeId) {
        let Some(gap) = self.gaps.remove(id) else {
            return;
        };
        if gap.state() == CoverageState::Polled {
            self.stamps.forget_children(mirror, id);
        }
        if is_block(gap) {
            resyncs.can_see(mirror, id);
        }
    }

    /// Forgets the gap of a directory that goes, without a report.
    pub(super) fn drop_gap(&mut self, world: &mut World, resyncs: &mut Resyncs, id: NodeId) {
        if self.gaps.is_unused() {
            return;
        }
        resyncs.forget(id);
        if let Some(path) = self.gaps.forget_report(id) {
            world.outlets.forget_coverage(&path);
        }
        self.gaps.remove(id);
    }

    /// Watches a directory. A watch that only guarded a root until now has reported a part of what
    /// happened: that something went, and not that it came again. After a listing such records would
    /// be believed, so they are left behind with the watch, and the root is checked.
    pub(super) fn watch<K: Kernel>(
        &mut self,
        kernel: &mut K,
        roots: &mut Roots,
        dir: &K::Dir,
        purpose: Purpose,
    ) -> Result<Watched, Fault> {
        let watched = kernel.watch(dir, purpose)?;
        let Watched::Known(watch) = watched else {
            return Ok(watched);
        };
        if self.watches.first(watch).is_some() || !self.watches.is_guard(watch) {
            return Ok(watched);
        }
        for root in self.watches.guarded(watch) {
            roots.check_soon(root);
        }
        self.watches.remove(watch);
        kernel.unwatch(watch);
        kernel.watch(dir, purpose)
    }

    /// Makes `watch` the one that reports on the directory.
    pub(super) fn bind<K: Kernel>(
        &mut self,
        mirror: &mut Mirror,
        kernel: &mut K,
        id: NodeId,
        watch: Watch,
    ) {
        self.rely_on(mirror, kernel, id, watch);
        self.watches.bind(watch, id);
    }

    /// Makes `watch`, of a directory above, the one that reports on the directory.
    pub(super) fn rely_on<K: Kernel>(
        &mut self,
        mirror: &mut Mirror,
        kernel: &mut K,
        id: NodeId,
        watch: Watch,
    ) {
        if let Some(old) = mirror.watch(id).filter(|&old| old != watch)
            && self.watches.unbind(old, id)
        {
            kernel.unwatch(old);
        }
        mirror.set_watch(id, Some(watch));
    }

    /// Takes the watch from a directory that it does not report on any more: it was that of a top which is polled now.
    pub(super) fn drop_lost_watch(&self, mirror: &mut Mirror, id: NodeId) {
        if let Some(watch) = mirror.watch(id)
            && !self.watches.cover(mirror, watch, id)
        {
            mirror.set_watch(id, None);
        }
    }

    /// Queues a directory, and those below it that relied on a watch above, to be watched and compared
    /// again: that watch is no more, or is not above them now.
    ///
    /// Work is taken from its end, so children are put there first: the listing of a stale directory
    /// makes those below it stale, and what was compared before it would be compared again.
    pub(super) fn lose_watch_above<K: Kernel>(
        &mut self,
        mirror: &mut Mirror,
        kernel: &mut K,
        work: &mut WorkList,
        top: NodeId,
    ) {
        for id in mirror.subtree(top).into_iter().rev() {
            if mirror.is_dir(id) && (id == top || mirror.watch(id).is_some()) {
                self.watches.release(mirror, kernel, id);
                work.queue_stale(mirror, id);
            }
        }
    }

    /// Notes that an entry was found by looking at its name. If it is in a polled directory, the next
    /// poll cannot say whether it was written since.
    pub(super) fn note_unlisted(&mut self, mirror: &Mirror, dir: NodeId, name: &[u8]) {
        if self.gaps.is_polled(dir)
            && let Some(child) = mirror.child(dir, name)
            && mirror.kind(child) == FileType::File
        {
            self.stamps.insert_unknown(child);
        }
    }
}
