//! Scanning a directory: open, identify, watch, list, merge.
//!
//! The one routine for roots, for new and moved-in directories, for what was mounted, became
//! readable or is polled, and for resync. A directory is watched before it is listed, so that no change
//! falls between the two.

use super::Engine;
use super::contents::{Comparison, Tracking};
use super::directories::OpenError;
use super::reconcile::Seen;
use super::undecided::Unreachable;
use super::world::Report;
use crate::coverage::Gap;
use crate::entry::{FileType, Identity, InodeNumber, Watch};
use crate::event::Cause;
use crate::fault::{Fault, FaultKind};
use crate::ignore::{RULES_FILE, RULES_LIMIT, whole_lines};
use crate::kernel::{Kernel, Purpose, Watched};
use crate::listing::{DirEntry, Listing};
use crate::mirror::NodeId;

/// How a listing is merged into the mirror.
#[derive(Clone, Copy, Debug)]
struct Merging {
    /// The directory, and all below it, is compared with the disk.
    is_stale: bool,
    /// The directory is polled.
    is_polled: bool,
    tracking: Tracking,
}

/// What watching a directory led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Covered {
    /// It is covered, by a watch or by polling; list it.
    Yes,
    /// It is a directory that the mirror has already, and stands here now.
    Elsewhere,
}

impl<K: Kernel> Engine<K> {
    /// Brings the mirror in line with a directory from the work list. Does nothing if the directory has
    /// been scanned since it was put there.
    ///
    /// 1. Open it through its parent. If that fails, a queued record may explain why: the decision is
    ///    deferred.
    /// 2. Compare its identity with the mirror's. Another directory has the name, or, if the identity is
    ///    new, it may be the top of another root's tree, which is absorbed.
    /// 3. Watch it, or give it the gap that says why not. Then announce it, so that consumers know it
    ///    before its contents.
    /// 4. List it and merge the listing. What is new below is queued in turn.
    pub(super) fn scan(&mut self, id: NodeId) {
        let mirror = &mut self.world.mirror;
        if !mirror.contains(id) || !mirror.is_dir(id) || !mirror.dequeue(id) {
            return;
        }
        if !self.roots.reaches(&self.world.mirror, id) {
            self.announce(id);
            return;
        }
        self.directories.leave_for(&self.world.mirror, id);
        let opened = self.directories.open_and_identify(&self.world.mirror, id);
        let (dir, identity) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.cannot_open(id, error),
        };
        if self.is_another(id, identity) {
            self.pending.defer_unreachable(
                &mut self.world.mirror,
                self.time,
                id,
                Unreachable::Replaced,
            );
            return;
        }
        self.pending.reached(id);
        if self.world.mirror.identity(id).is_none() && self.absorb(id, identity) {
            return;
        }
        let kernel = &mut self.directories.kernel;
        let gap = self.coverage.gaps.of_volume(kernel, &dir, identity.device);
        if gap == Some(Gap::PseudoFileSystem) && self.is_mount_point(id, identity) {
            return self.announce_with_gap(id, Gap::PseudoMount);
        }
        if self.world.mirror.identity(id).is_none() {
            self.pending.early.identified(id, self.time.step);
        }
        self.world.mirror.set_identity(id, identity);
        if self.world.mirror.inode(id).is_none() || self.world.mirror.is_unsure(id) {
            let birth = identity.birth.fold();
            self.world
                .mirror
                .identify(id, FileType::Dir, identity.inode, birth);
        }
        self.coverage.drop_lost_watch(&mut self.world.mirror, id);
        let tracking = Tracking::of(&self.world.mirror, id);
        match self.cover(id, &dir, identity, gap) {
            Covered::Yes => {}
            Covered::Elsewhere => return,
        }
        // Its watch is held: from here on every change leaves a record.
        self.announce(id);
        self.counters.listings += 1;
        let mut listing = std::mem::take(&mut self.directories.listing);
        listing.clear();
        let listed = self.directories.kernel.list(&dir, &mut listing);
        self.directories.keep(id, dir);
        match listed {
            Ok(()) => {
                let is_watched = self.world.mirror.watch(id).is_some();
                if is_watched && self.coverage.gaps.is_lost(id) {
                    self.coverage
                        .clear_gap(&mut self.world.mirror, &mut self.resyncs, id);
                }
                // What is found may take the directory away: it belongs to another tree now.
                self.world.mirror.pin(id);
                let missed = self.merge(id, &listing, tracking);
                self.world.mirror.unpin(id);
                if !self.world.mirror.contains(id) {
                    self.directories.listing = listing;
                    return;
                }
                self.world.mirror.note_listed(id);
                // Only now: what was polled until now is compared as such one last time.
                let was_polled = self.coverage.gaps.is_polled(id);
                match missed {
                    Some(gap) if is_watched || !was_polled => self.coverage.set_gap(
                        &mut self.world.mirror,
                        &mut self.directories.kernel,
                        &mut self.resyncs,
                        id,
                        gap,
                    ),
                    None if is_watched && was_polled => {
                        self.coverage
                            .clear_gap(&mut self.world.mirror, &mut self.resyncs, id)
                    }
                    None if is_watched => {
                        self.coverage.stamps.forget_children(&self.world.mirror, id)
                    }
                    _ => {}
                }
            }
            Err(fault) => self.cannot_list(id, fault),
        }
        self.directories.listing = listing;
    }

    /// Whether the directory that was opened is another one than the mirror has. Of one that was never opened,
    /// the record or the listing that named it says which one it is. On Linux a number from a listing need not be
    /// the one that opening shows, and the watch says the rest.
    fn is_another(&self, id: NodeId, found: Identity) -> bool {
        let mirror = &self.world.mirror;
        match (mirror.identity(id), mirror.inode(id)) {
            (Some(known), _) => known != found,
            (None, Some(recorded)) => {
                self.directories.kernel.names_paths()
                    && mirror.parent(id).is_some()
                    && found.inode.is_some_and(|inode| inode != recorded)
            }
            (None, None) => false,
        }
    }

    /// Whether the directory is on another device than its parent.
    fn is_mount_point(&self, id: NodeId, identity: Identity) -> bool {
        self.world
            .mirror
            .parent(id)
            .and_then(|parent| self.world.mirror.identity(parent))
            .is_some_and(|above| above.device != identity.device)
    }

    /// Watches the directory, or has it polled where that is not possible.
    ///
    /// A watch that is held already is kept without asking the kernel, which makes listing a directory
    /// again cheap. Once the kernel has refused a watch because of its limit, no other directory asks
    /// before the next poll, or a large tree would make one failing call for each directory.
    fn cover(&mut self, id: NodeId, dir: &K::Dir, identity: Identity, gap: Option<Gap>) -> Covered {
        if let Some(gap) = gap {
            self.coverage.set_gap(
                &mut self.world.mirror,
                &mut self.directories.kernel,
                &mut self.resyncs,
                id,
                gap,
            );
            return Covered::Yes;
        }
        // While a watch is held nothing can have ended it unheard, except when records were lost;
        // then a birth before that proves that this is still the directory that was watched.
        let is_sure =
            !self.world.mirror.is_stale(id) || identity.birth.is_before(self.resyncs.complete());
        if self.world.mirror.watch(id).is_some() && is_sure {
            return Covered::Yes;
        }
        // Asking for a watch that is held already costs none.
        if self.polling.is_out_of_watches && self.world.mirror.watch(id).is_none() {
            self.coverage.set_gap(
                &mut self.world.mirror,
                &mut self.directories.kernel,
                &mut self.resyncs,
                id,
                Gap::WatchLimit,
            );
            return Covered::Yes;
        }
        let purpose = match self.world.mirror.parent(id) {
            Some(_) => Purpose::Entries,
            None => Purpose::Root,
        };
        let watched =
            self.coverage
                .watch(&mut self.directories.kernel, &mut self.roots, dir, purpose);
        match watched {
            // The top of the tree has none. This one guards a root, or is that of another tree.
            Ok(Watched::Above(watch))
                if !self
                    .coverage
                    .watches
                    .cover(&mut self.world.mirror, watch, id) =>
            {
                self.coverage.set_gap(
                    &mut self.world.mirror,
                    &mut self.directories.kernel,
                    &mut self.resyncs,
                    id,
                    Gap::NoNotification,
                );
            }
            Ok(Watched::New(watch)) => self.coverage.bind(
                &mut self.world.mirror,
                &mut self.directories.kernel,
                id,
                watch,
            ),
            Ok(Watched::Known(watch)) => {
                if self.resolve_known(id, watch) {
                    return Covered::Elsewhere;
                }
                self.coverage.bind(
                    &mut self.world.mirror,
                    &mut self.directories.kernel,
                    id,
                    watch,
                );
            }
            Ok(Watched::Above(watch)) => self.coverage.rely_on(
                &mut self.world.mirror,
                &mut self.directories.kernel,
                id,
                watch,
            ),
            Err(fault) => {
                self.polling.is_out_of_watches = fault.kind == FaultKind::WatchLimit;
                self.coverage.set_gap(
                    &mut self.world.mirror,
                    &mut self.directories.kernel,
                    &mut self.resyncs,
                    id,
                    fault.kind.gap(),
                );
                return Covered::Yes;
            }
        }
        Covered::Yes
    }

    /// Decides what it means that the directory under the name of `id` is watched already: it was moved
    /// here, or has a second name (a bind mount, a root spelled in two ways). Returns true if it was moved,
    /// and moves it in the mirror.
    fn resolve_known(&mut self, id: NodeId, watch: Watch) -> bool {
        let Some(dir) = self.world.mirror.parent(id) else {
            return false;
        };
        for other in self.coverage.watches.nodes(watch) {
            if other == id
                || !self.world.mirror.contains(other)
                || self.visibility.is_partial(other)
                || self.coverage.watches.is_shown_beside(
                    &self.roots,
                    &mut self.world.mirror,
                    dir,
                    other,
                )
            {
                continue;
            }
            // Below itself it cannot be, and where it is in place this is a second name for it.
            let is_new = self.world.mirror.first_child(id).is_none();
            if is_new
                && !self.world.mirror.is_within(dir, other)
                && self.directories.is_in_place(&self.world.mirror, other) != Some(true)
            {
                if self.roots.is_beginning(&self.world.mirror, id)
                    && !self.roots.is_beginning(&self.world.mirror, other)
                {
                    // The new root begins with it here; for the others it goes.
                    self.coverage.bind(
                        &mut self.world.mirror,
                        &mut self.directories.kernel,
                        id,
                        watch,
                    );
                    self.remove(other, Cause::Scanned, Report::Removed);
                    return false;
                }
                if self.world.mirror.is_unsure(other) {
                    // It may never have been where the mirror has it.
                    self.pending.doubt(&mut self.world.mirror, self.time, other);
                    continue;
                }
                let name = self.world.mirror.name(id).to_vec();
                let is_stale = self.world.mirror.is_stale(id);
                self.infer_move(other, dir, &name, Cause::Scanned);
                if is_stale {
                    self.work.queue_stale(&mut self.world.mirror, other);
                }
                return true;
            }
        }
        false
    }

    /// Reports a directory, and why it is not live.
    pub(super) fn announce_with_gap(&mut self, id: NodeId, gap: Gap) {
        self.announce(id);
        self.coverage.set_gap(
            &mut self.world.mirror,
            &mut self.directories.kernel,
            &mut self.resyncs,
            id,
            gap,
        );
    }

    /// Defers or reports that a directory could not be opened.
    fn cannot_open(&mut self, id: NodeId, error: OpenError) {
        match error {
            OpenError::Unreachable => self.pending.defer_unreachable(
                &mut self.world.mirror,
                self.time,
                id,
                Unreachable::Above,
            ),
            OpenError::Fault(fault) => match fault.kind {
                FaultKind::NotFound | FaultKind::NotDirectory => self.pending.defer_unreachable(
                    &mut self.world.mirror,
                    self.time,
                    id,
                    Unreachable::Missing,
                ),
                FaultKind::OpenFiles
                    if self.directories.has_open() || self.directories.has_deferred =>
                {
                    self.directories.finish_deferred_stats(&mut self.world);
                    self.directories.close_all();
                    self.work.queue(&mut self.world.mirror, id);
                }
                kind => {
                    if kind == FaultKind::Denied {
                        self.look_for_closed_mount(id);
                    }
                    self.announce_with_gap(id, kind.gap());
                }
            },
        }
    }

    /// Looks from above at a directory that must not be opened, and notes whether another file system is
    /// mounted there.
    fn look_for_closed_mount(&mut self, id: NodeId) {
        let Some(parent) = self.world.mirror.parent(id) else {
            return;
        };
        self.counters.stats += 1;
        let name = self.world.mirror.name(id).to_vec();
        if let Ok(stat) = self.directories.stat(&self.world.mirror, parent, &name) {
            let is_mount = self.is_mount_point(id, stat.identity());
            self.coverage.gaps.note_mount(id, is_mount);
        }
    }

    /// The directory was opened but not listed: what is below it is kept, and not believed.
    fn cannot_list(&mut self, id: NodeId, fault: Fault) {
        match fault.kind {
            FaultKind::NotFound => self.pending.defer_unreachable(
                &mut self.world.mirror,
                self.time,
                id,
                Unreachable::Missing,
            ),
            kind => self.coverage.set_gap(
                &mut self.world.mirror,
                &mut self.directories.kernel,
                &mut self.resyncs,
                id,
                kind.gap(),
            ),
        }
    }

    /// What an entry of a listing is; `None` if it is hidden, or gone by now.
    fn shown_kind(
        &mut self,
        dir: NodeId,
        entry: &DirEntry<'_>,
        missed: &mut Option<Gap>,
    ) -> Option<FileType> {
        let kind = match entry.kind {
            Some(kind) => kind,
            None => self.kind_of(dir, entry.name, missed)?,
        };
        let is_dir = kind == FileType::Dir;
        let is_hidden = self
            .visibility
            .hides(&self.world.mirror, dir, entry.name, is_dir);
        (!is_hidden).then_some(kind)
    }

    /// What an entry of a listing is, where the listing does not say. If it cannot be looked at now,
    /// `missed` says why.
    fn kind_of(&mut self, dir: NodeId, name: &[u8], missed: &mut Option<Gap>) -> Option<FileType> {
        self.counters.stats += 1;
        match self.directories.stat(&self.world.mirror, dir, name) {
            Ok(stat) => return Some(stat.kind),
            Err(error) if error.is_absence() => return None,
            Err(error) => *missed = Some(error.gap()),
        }
        self.world
            .mirror
            .child(dir, name)
            .map(|child| self.world.mirror.kind(child))
    }

    /// Makes the children of `dir` what the listing shows. What it no longer shows is only marked:
    /// another listing or a record may say where it went. Returns why something of it could not be
    /// taken over: then it has to be listed again.
    ///
    /// An entry that is as it was costs one comparison of names and no system call. Content is compared
    /// only where records may be missing: in directories that are polled, that were not watched for a
    /// while, or that are stale.
    fn merge(&mut self, dir: NodeId, listing: &Listing, tracking: Tracking) -> Option<Gap> {
        if self.visibility.filter.reads_rules() {
            self.load_rules(dir, listing);
        }
        let how = Merging {
            is_stale: self.world.mirror.take_stale(dir),
            is_polled: self.coverage.gaps.is_polled(dir),
            tracking,
        };
        if self.world.mirror.first_child(dir).is_none() {
            return self.merge_into_empty(dir, listing, how);
        }
        let mut missed = None;
        let is_deep = self.roots.is_deep(&self.world.mirror, dir);
        // A listing mostly has the order of the one before it, which the children are in.
        let mut expected = self.world.mirror.first_child(dir);
        for entry in listing.iter() {
            if !self.world.mirror.contains(dir) {
                return missed;
            }
            let Some(kind) = self.shown_kind(dir, &entry, &mut missed) else {
                continue;
            };
            let before = expected
                .filter(|&child| self.world.mirror.name(child) == entry.name)
                .or_else(|| self.world.mirror.child(dir, entry.name));
            let known = before.filter(|&child| self.is_as_listed(child, kind, entry.inode));
            // Entries that are not as the listing shows them are few: they are reconciled one by one.
            let (child, is_news) = match known {
                Some(child) => (child, false),
                None => {
                    let seen = Seen::listed(kind, entry.inode, listing.birth());
                    let seq = self.world.outlets.seq();
                    self.reconcile(dir, entry.name, seen, Cause::Scanned);
                    let Some(child) = self.world.mirror.child(dir, entry.name) else {
                        expected = None;
                        continue;
                    };
                    (
                        child,
                        before != Some(child) || self.world.outlets.seq() != seq,
                    )
                }
            };
            // What is not marked after the loop is no longer in the directory.
            self.world.mirror.mark_shown(child);
            if kind == FileType::Dir {
                let is_unlisted = self.world.mirror.identity(child).is_none();
                if (how.is_stale || how.is_polled || is_unlisted)
                    && (is_deep || self.roots.reaches(&self.world.mirror, child))
                {
                    if how.is_stale {
                        self.world.mirror.mark_stale(child);
                    }
                    self.work.queue(&mut self.world.mirror, child);
                }
                expected = self.world.mirror.next_sibling(child);
                continue;
            }
            let by_stamp =
                how.is_polled || how.tracking == Tracking::Gaps || self.coverage.stamps.has(child);
            if by_stamp || how.is_stale {
                let comparison = Comparison {
                    by_stamp,
                    tracking: how.tracking,
                    is_news,
                };
                let compared = self.compare_content(dir, child, entry.name, comparison);
                missed = compared.err().or(missed);
            }
            expected = self.world.mirror.next_sibling(child);
        }
        if !self.world.mirror.contains(dir) {
            return missed;
        }
        let mut next = self.world.mirror.first_child(dir);
        while let Some(child) = next {
            next = self.world.mirror.next_sibling(child);
            if !self.world.mirror.take_shown(child) {
                self.pending
                    .vanish(&mut self.world.mirror, self.time, child);
                if how.is_stale {
                    self.world.mirror.pass_over(child);
                }
            }
        }
        missed
    }

    /// Whether a listing shows of an entry exactly what is known of it.
    fn is_as_listed(&self, child: NodeId, kind: FileType, inode: Option<InodeNumber>) -> bool {
        self.world.mirror.kind(child) == kind
            && self.world.mirror.inode(child) == inode
            && !self.world.mirror.is_doubted(child)
            && !self.world.mirror.has_vanished(child)
            && !self.world.mirror.is_unsure(child)
    }

    /// The same for a directory of which the mirror has no entry. This is the path that a crawl takes:
    /// it looks nothing up by name.
    fn merge_into_empty(&mut self, dir: NodeId, listing: &Listing, how: Merging) -> Option<Gap> {
        let mut missed = None;
        for entry in listing.iter() {
            if !self.world.mirror.contains(dir) {
                return missed;
            }
            let Some(kind) = self.shown_kind(dir, &entry, &mut missed) else {
                continue;
            };
            let seen = Seen::listed(kind, entry.inode, listing.birth());
            match self.claim(dir, entry.name, seen) {
                Some(_) => self.reconcile(dir, entry.name, seen, Cause::Scanned),
                None => self.introduce(dir, entry.name, seen, Cause::Scanned),
            }
            if how.is_stale
                && kind == FileType::Dir
                && let Some(child) = self.world.mirror.child(dir, entry.name)
                && self.roots.reaches(&self.world.mirror, child)
            {
                self.work.queue_stale(&mut self.world.mirror, child);
            }
            if how.is_polled
                && kind != FileType::Dir
                && let Some(child) = self.world.mirror.child(dir, entry.name)
            {
                let comparison = Comparison {
                    by_stamp: true,
                    tracking: Tracking::Complete,
                    is_news: true,
                };
                let compared = self.compare_content(dir, child, entry.name, comparison);
                missed = compared.err().or(missed);
            }
        }
        missed
    }

    /// Reads the ignore rules of a directory that is being listed.
    fn load_rules(&mut self, dir: NodeId, listing: &Listing) {
        let has_rules = listing
            .iter()
            .any(|entry| entry.name == RULES_FILE && entry.kind != Some(FileType::Dir));
        let mut text = None;
        if has_rules && let Ok((kernel, dir)) = self.directories.open_known(&self.world.mirror, dir)
        {
            let read = kernel.read_file(dir, RULES_FILE, RULES_LIMIT);
            text = read.ok().map(whole_lines);
        }
        self.visibility
            .note_unread_rules(dir, has_rules && text.is_none());
        self.visibility.filter.set_rules(dir, text.as_deref());
    }
}
