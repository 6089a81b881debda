//! Adopting a directory: open, identify, watch, list, merge.
//!
//! The one routine for roots, for new and moved-in directories, for what was mounted, became
//! readable or is polled, and for resync.

use super::directories::OpenError;
use super::pending::Astray;
use super::{Engine, may_be_since};
use crate::change::{Cause, FileType};
use crate::coverage::{Gap, State};
use crate::kernel::{Fault, FaultKind, Identity, Kernel, Purpose, Watch, Watched};
use crate::mirror::{Mark, NodeId};
use crate::record::Moment;

/// What watching a directory led to.
enum Covered {
    /// It is covered, by a watch or by polling; list it.
    Yes,
    /// It is a directory that the mirror has already, and stands here now.
    Elsewhere,
}

impl<K: Kernel> Engine<K> {
    /// Takes a directory from the work list and brings the mirror in line with it.
    pub(super) fn adopt(&mut self, id: NodeId) {
        if !self.mirror.contains(id)
            || !self.mirror.has(id, Mark::QUEUED)
            || !self.mirror.is_dir(id)
        {
            return;
        }
        self.mirror.clear(id, Mark::QUEUED);
        if !self.reaches(id) {
            self.announce(id);
            return;
        }
        self.leave_for(id);
        let opened = self.open_fresh(id).and_then(|dir| {
            let identity = self.kernel.identity(&dir).map_err(OpenError::Fault)?;
            Ok((dir, identity))
        });
        let (dir, identity) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.cannot_open(id, error),
        };
        if self
            .mirror
            .identity(id)
            .is_some_and(|known| known != identity)
        {
            self.park(id, Astray::Replaced);
            return;
        }
        self.astray_since.remove(&id);
        if self.mirror.identity(id).is_none() && self.meet(id, identity) {
            return;
        }
        let gap = self.gap_of(&dir, identity);
        if gap == Some(Gap::PseudoFileSystem) && self.is_mount_point(id, identity) {
            self.announce(id);
            self.set_gap(id, Gap::PseudoMount);
            return;
        }
        self.mirror.set_identity(id, identity);
        if self.mirror.inode(id) == 0 {
            let born = super::reconcile::fold_born(identity.born);
            self.mirror
                .identify(id, FileType::Dir, identity.inode, born);
        }
        let was_tracked = self.mirror.is_tracked(id);
        match self.cover(id, &dir, identity, gap) {
            Covered::Yes => {}
            Covered::Elsewhere => return,
        }
        self.announce(id);
        self.counters.listings += 1;
        let mut listing = std::mem::take(&mut self.listing);
        listing.clear();
        let listed = self.kernel.list(&dir, &mut listing);
        self.keep(id, dir);
        match listed {
            Ok(()) => {
                let is_watched = self.mirror.watch(id).is_some();
                if is_watched && self.gap(id).is_some_and(|gap| gap.state() == State::Lost) {
                    self.clear_gap(id);
                }
                let missed = self.merge(id, &listing, was_tracked);
                self.mirror.note_listed(id);
                // Only now: what was polled until now is compared as such one last time.
                let was_polled = self.gap(id).is_some_and(|gap| gap.state() == State::Polled);
                match missed {
                    Some(gap) if is_watched || !was_polled => self.set_gap(id, gap),
                    None if is_watched && was_polled => self.clear_gap(id),
                    None if is_watched => self.forget_stamps(id),
                    _ => {}
                }
            }
            Err(fault) => self.cannot_list(id, fault),
        }
        self.listing = listing;
    }

    fn is_mount_point(&self, id: NodeId, identity: Identity) -> bool {
        self.mirror
            .parent(id)
            .and_then(|parent| self.mirror.identity(parent))
            .is_some_and(|above| above.device != identity.device)
    }

    fn gap_of(&mut self, dir: &K::Dir, identity: Identity) -> Option<Gap> {
        if let Some(&gap) = self.volumes.get(&identity.device) {
            return gap;
        }
        let gap = self.kernel.gap_of_volume(dir);
        self.volumes.insert(identity.device, gap);
        gap
    }

    fn cover(&mut self, id: NodeId, dir: &K::Dir, identity: Identity, gap: Option<Gap>) -> Covered {
        if let Some(gap) = gap {
            self.set_gap(id, gap);
            return Covered::Yes;
        }
        // While a watch is held nothing can have ended it unheard, except when records were lost;
        // then a birth before that tells that this is still the directory that was watched.
        let is_sure = !self.mirror.has(id, Mark::STALE)
            || (identity.born != 0 && !may_be_since(identity.born, self.complete));
        if self.mirror.watch(id).is_some() && is_sure {
            return Covered::Yes;
        }
        // Asking for a watch that is held already costs none.
        if self.is_out_of_watches && self.mirror.watch(id).is_none() {
            self.set_gap(id, Gap::WatchLimit);
            return Covered::Yes;
        }
        let purpose = match self.mirror.parent(id) {
            Some(_) => Purpose::Entries,
            None => Purpose::Root,
        };
        match self.watch_afresh(dir, purpose) {
            Ok(Watched::New(watch)) => self.bind(id, watch),
            Ok(Watched::Known(watch)) => {
                if self.resolve_known(id, watch) {
                    return Covered::Elsewhere;
                }
                self.bind(id, watch);
            }
            Ok(Watched::Above(watch)) => self.rely_on(id, watch),
            Err(fault) => {
                self.is_out_of_watches = fault.kind == FaultKind::WatchLimit;
                self.set_gap(id, fault.kind.gap());
                return Covered::Yes;
            }
        }
        Covered::Yes
    }

    /// Watches a directory. A watch that only guarded a root until now has reported a part of what
    /// happened: that something went, and not that it came again. After a listing such records would
    /// be believed, so they are left behind with the watch, and the root is checked.
    fn watch_afresh(&mut self, dir: &K::Dir, purpose: Purpose) -> Result<Watched, Fault> {
        let watched = self.kernel.watch(dir, purpose)?;
        let Watched::Known(watch) = watched else {
            return Ok(watched);
        };
        if self.watches.first(watch).is_some() || !self.watches.is_guard(watch) {
            return Ok(watched);
        }
        for root in self.watches.guarded(watch) {
            if let Some(root) = self.root_mut(root) {
                root.next_check = Some(Moment::ZERO);
            }
        }
        self.watches.remove(watch);
        self.kernel.unwatch(watch);
        self.kernel.watch(dir, purpose)
    }

    fn bind(&mut self, id: NodeId, watch: Watch) {
        if let Some(old) = self.mirror.watch(id).filter(|&old| old != watch)
            && self.watches.unbind(old, id)
        {
            self.kernel.unwatch(old);
        }
        self.mirror.set_watch(id, Some(watch));
        self.watches.bind(watch, id);
    }

    /// The kernel says that the directory under the name of `id` is watched already. Returns true
    /// if that is because it was moved here, and moves it in the mirror.
    fn resolve_known(&mut self, id: NodeId, watch: Watch) -> bool {
        let Some(dir) = self.mirror.parent(id) else {
            return false;
        };
        for other in self.watches.nodes(watch) {
            if other == id
                || !self.mirror.contains(other)
                || self.only.contains_key(&other)
                || self.is_shown_beside(dir, other)
            {
                continue;
            }
            // Below itself it cannot be, and where it is in place this is a second name for it.
            let is_new = self.mirror.first_child(id).is_none();
            if is_new && !self.mirror.is_within(dir, other) && self.is_in_place(other) != Some(true)
            {
                if self.is_beginning(id) && !self.is_beginning(other) {
                    // Whoever asked for the new root finds it here; for the others it goes.
                    self.bind(id, watch);
                    self.remove(other, Cause::Scanned, true, false);
                    return false;
                }
                let name = self.mirror.name(id).to_vec();
                let is_stale = self.mirror.has(id, Mark::STALE);
                self.infer_move(other, dir, &name, Cause::Scanned);
                if is_stale {
                    self.mirror.set(other, Mark::STALE);
                    self.queue(other);
                }
                return true;
            }
        }
        false
    }

    fn cannot_open(&mut self, id: NodeId, error: OpenError) {
        match error {
            OpenError::Astray => self.park(id, Astray::Unreachable),
            OpenError::Fault(fault) => match fault.kind {
                FaultKind::NotFound | FaultKind::NotDirectory => self.park(id, Astray::Missing),
                FaultKind::OpenFiles if !self.handles.is_empty() || self.has_put_off => {
                    self.recall();
                    self.handles.clear();
                    self.queue(id);
                }
                _ => {
                    self.announce(id);
                    self.set_gap(id, fault.kind.gap());
                }
            },
        }
    }

    /// The directory was opened but not listed: what is below it is kept, and not believed.
    fn cannot_list(&mut self, id: NodeId, fault: Fault) {
        match fault.kind {
            FaultKind::NotFound => self.park(id, Astray::Missing),
            kind => self.set_gap(id, kind.gap()),
        }
    }

    /// Whether the entry is hidden by the filter, or by a root that stands for a single file.
    pub(super) fn is_hidden(&self, dir: NodeId, name: &[u8], is_dir: bool) -> bool {
        if !self.only.is_empty()
            && let Some(only) = self.only.get(&dir)
        {
            return !only.contains(name);
        }
        self.filter.hides(&self.mirror, dir, name, is_dir)
    }

    /// What an entry of a listing is, where the listing does not say. If it cannot be looked at now,
    /// `missed` says why.
    pub(super) fn kind_of(
        &mut self,
        dir: NodeId,
        name: &[u8],
        missed: &mut Option<Gap>,
    ) -> Option<FileType> {
        self.counters.stats += 1;
        match self.stat(dir, name) {
            Ok(stat) => return Some(stat.kind),
            Err(error) if error.is_absence() => return None,
            Err(error) => *missed = Some(error.gap()),
        }
        self.mirror
            .child(dir, name)
            .map(|child| self.mirror.kind(child))
    }
}
