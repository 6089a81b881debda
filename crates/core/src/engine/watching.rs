//! Watches of directories of the mirror: how they come, are replaced and are given up.

use super::Engine;
use crate::entry::Watch;
use crate::fault::Fault;
use crate::kernel::{Kernel, Purpose, Watched};
use crate::mirror::NodeId;

impl<K: Kernel> Engine<K> {
    /// Watches a directory. A watch that only guarded a root until now has reported a part of what
    /// happened: that something went, and not that it came again. After a listing such records would
    /// be believed, so they are left behind with the watch, and the root is checked.
    pub(super) fn watch_afresh(
        &mut self,
        dir: &K::Dir,
        purpose: Purpose,
    ) -> Result<Watched, Fault> {
        let watched = self.directories.kernel.watch(dir, purpose)?;
        let Watched::Known(watch) = watched else {
            return Ok(watched);
        };
        if self.watches.first(watch).is_some() || !self.watches.is_guard(watch) {
            return Ok(watched);
        }
        for root in self.watches.guarded(watch) {
            self.roots.check_soon(root);
        }
        self.watches.remove(watch);
        self.directories.kernel.unwatch(watch);
        self.directories.kernel.watch(dir, purpose)
    }

    /// Makes `watch` the one that reports on the directory.
    pub(super) fn bind(&mut self, id: NodeId, watch: Watch) {
        self.rely_on(id, watch);
        self.watches.bind(watch, id);
    }

    /// Makes `watch`, of a directory above, the one that reports on the directory.
    pub(super) fn rely_on(&mut self, id: NodeId, watch: Watch) {
        if let Some(old) = self.world.mirror.watch(id).filter(|&old| old != watch)
            && self.watches.unbind(old, id)
        {
            self.directories.kernel.unwatch(old);
        }
        self.world.mirror.set_watch(id, Some(watch));
    }

    /// Has a directory, and those below it that relied on a watch above, watched and compared again: that
    /// watch is no more, or is not above them now.
    ///
    /// Work is taken from its end, so children are put there first: the listing of a stale directory
    /// makes those below it stale, and what was compared before it would be compared again.
    pub(super) fn lose_watch_above(&mut self, top: NodeId) {
        for id in self.world.mirror.subtree(top).into_iter().rev() {
            if self.world.mirror.is_dir(id) && (id == top || self.world.mirror.watch(id).is_some())
            {
                self.watches
                    .release(&mut self.world.mirror, &mut self.directories.kernel, id);
                self.work.queue_stale(&mut self.world.mirror, id);
            }
        }
    }
}
