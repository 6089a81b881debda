//! Reconciling one name of the mirror with what was seen there.

use std::num::NonZeroU32;

use super::Engine;
use super::contents::Tracking;
use super::undecided::Undecided;
use super::world::Report;
use crate::coverage::Gap;
use crate::entry::{Birth, FileType, InodeNumber, Stat};
use crate::event::Cause;
use crate::kernel::Kernel;
use crate::mirror::NodeId;

/// What was seen at a name: by looking at it, or in a listing, which mostly lacks the birth time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) kind: FileType,
    pub(super) inode: Option<InodeNumber>,
    /// The file system, which a listing does not show.
    pub(super) device: Option<u64>,
    pub(super) birth: Birth,
    /// Number of names that the inode has, which a listing does not show.
    pub(super) links: Option<NonZeroU32>,
}

impl Seen {
    /// What a listing shows.
    pub(super) fn listed(kind: FileType, inode: Option<InodeNumber>, birth: Birth) -> Seen {
        Seen {
            kind,
            inode,
            device: None,
            birth,
            links: None,
        }
    }
}

impl From<&Stat> for Seen {
    fn from(stat: &Stat) -> Seen {
        Seen {
            kind: stat.kind,
            inode: stat.inode,
            device: Some(stat.device),
            birth: stat.birth,
            links: stat.links,
        }
    }
}

/// Up to this many names of one file are looked at whenever another one comes.
const FEW_NAMES: usize = 8;

impl<K: Kernel> Engine<K> {
    /// Looks at a name and brings the mirror in line with what is there.
    pub(super) fn look(&mut self, dir: NodeId, name: &[u8], cause: Cause) {
        self.counters.stats += 1;
        match self.directories.stat(&self.world.mirror, dir, name) {
            Ok(stat) => {
                if !self
                    .visibility
                    .hides(&self.world.mirror, dir, name, stat.kind == FileType::Dir)
                {
                    self.reconcile(dir, name, Seen::from(&stat), cause);
                    self.coverage.note_unlisted(&self.world.mirror, dir, name);
                }
            }
            // What the mirror has is not there now, or what is there cannot be seen now. A record
            // may be under way that says what became of it.
            Err(error) => match self.world.mirror.child(dir, name) {
                Some(child) => self.pending.doubt(&mut self.world.mirror, self.time, child),
                None if error.is_absence() => {}
                // Whatever is there may have no record to come.
                None => self.work.queue(&mut self.world.mirror, dir),
            },
        }
    }

    /// Brings the mirror in line with what was seen at a name just now. This is where an entry is
    /// identified:
    ///
    /// 1. It is hidden: what the mirror has there goes.
    /// 2. It is the entry that the mirror has there: that one is confirmed.
    /// 3. It is one that the mirror has elsewhere, and that is not there any more: it moved here
    ///    ([`Engine::claim`]).
    /// 4. It is another file in place of a file: its content changed, to a reader of the name.
    /// 5. It is new, and what the mirror has there goes.
    pub(super) fn reconcile(&mut self, dir: NodeId, name: &[u8], seen: Seen, cause: Cause) {
        let child = self.world.mirror.child(dir, name);
        if self
            .visibility
            .hides(&self.world.mirror, dir, name, seen.kind == FileType::Dir)
        {
            if let Some(child) = child {
                self.remove(child, cause, Report::Removed);
            }
            return;
        }
        if let Some(child) = child {
            if seen.kind != FileType::Dir
                && self.world.mirror.inode(child) != seen.inode
                && self.directories.kernel.replaces_in_any_case()
            {
                self.pending
                    .doubt_other_cases(&mut self.world.mirror, self.time, dir, name);
            }
            let same_sort = self.world.mirror.is_dir(child) == (seen.kind == FileType::Dir);
            let is_doubtful = same_sort
                && self.world.mirror.is_doubted(child)
                && self.world.mirror.inode(child).is_none();
            if is_doubtful || self.has_turned(child, seen) || self.is_same(child, seen) {
                let was_unsure = self.world.mirror.is_unsure(child);
                let was_lost =
                    self.world.mirror.is_doubted(child) || self.world.mirror.has_vanished(child);
                let had_vanished = self.world.mirror.confirm(child).has_vanished();
                if seen.kind == FileType::Dir {
                    // A directory that came back may be another one with the number of the first.
                    if had_vanished {
                        self.world.mirror.mark_stale(child);
                    }
                    // What was opened under its former name may be another one.
                    if (is_doubtful || had_vanished || was_unsure)
                        && self.roots.reaches(&self.world.mirror, child)
                    {
                        self.work.queue(&mut self.world.mirror, child);
                    }
                } else {
                    let birth = seen.birth.fold().or(self.world.mirror.birth(child));
                    let is_news = self.world.mirror.inode(child) != seen.inode;
                    if is_news {
                        self.doubt_namesakes(dir, seen);
                    }
                    if is_news || was_lost {
                        self.pending.early.identified(child, self.time.step);
                    }
                    let was_mistaken = self.world.mirror.kind(child) != seen.kind;
                    self.world
                        .mirror
                        .identify(child, seen.kind, seen.inode, birth);
                    // It may be another one than the one that was reported, or have been away.
                    let is_other = is_doubtful || had_vanished;
                    if was_mistaken || (is_other && seen.kind == FileType::File) {
                        self.world.modified_if_known(&self.roots, child, cause);
                    }
                }
                return;
            }
        }
        if let Some(known) = self.claim(dir, name, seen) {
            let from = self.world.mirror.parent(known);
            let tracking = from.map_or(Tracking::Gaps, |from| {
                Tracking::of(&self.world.mirror, from)
            });
            self.infer_move(known, dir, name, cause);
            if child.is_some() && seen.kind == FileType::File {
                // Writes to it may have been reported of the one that was thought to be here.
                self.world.modified_if_known(&self.roots, known, cause);
            } else {
                self.report_if_recent(known, tracking, cause);
            }
            return;
        }
        if let Some(child) = child {
            if self.world.mirror.kind(child) == seen.kind && seen.kind != FileType::Dir {
                // Another file took the name: to a reader, its content changed.
                self.world.mirror.confirm(child);
                self.world
                    .mirror
                    .identify(child, seen.kind, seen.inode, seen.birth.fold());
                self.pending.early.identified(child, self.time.step);
                self.world.modified_if_known(&self.roots, child, cause);
                return;
            }
            let was_dir = self.world.mirror.is_dir(child);
            self.remove(child, cause, Report::Removed);
            self.introduce(dir, name, seen, cause);
            if was_dir && let Some(successor) = self.world.mirror.child(dir, name) {
                self.note_shift(successor);
            }
            return;
        }
        self.introduce(dir, name, seen, cause);
    }

    /// Whether what was seen is the entry that the mirror has under the name: of the same kind and with
    /// the same number, and born at the same time as far as both are known.
    fn is_same(&self, child: NodeId, seen: Seen) -> bool {
        if self.world.mirror.kind(child) != seen.kind {
            return false;
        }
        let births = self.world.mirror.birth(child).zip(seen.birth.fold());
        let inode_fits = self.world.mirror.inode(child) == seen.inode
            && births.is_none_or(|(known, seen)| known == seen);
        // A listing shows the inode that a mount point covers, looking at it shows the mount.
        let identity_fits = self.world.mirror.identity(child).is_some_and(|identity| {
            identity.inode == seen.inode && identity.birth.may_be(seen.birth)
        });
        inode_fits || identity_fits
    }

    /// Whether what was seen is the entry that the mirror has under the name, and has become another kind of file: on
    /// Windows a file can be made a link.
    fn has_turned(&self, child: NodeId, seen: Seen) -> bool {
        seen.birth == Birth::Unique
            && seen.kind != FileType::Dir
            && !self.world.mirror.is_dir(child)
            && self.world.mirror.kind(child) != seen.kind
            && self.world.mirror.inode(child).is_some()
            && self.world.mirror.inode(child) == seen.inode
    }

    /// Adds an entry that was just seen, and reports it. Directories are reported once they were opened.
    /// If the mirror is full, the directory gets a gap that says so.
    pub(super) fn introduce(&mut self, dir: NodeId, name: &[u8], seen: Seen, cause: Cause) {
        if seen.kind == FileType::Dir {
            self.introduce_dir(dir, name, seen.inode, cause);
            return;
        }
        if !self.has_room(dir) {
            return;
        }
        self.doubt_namesakes(dir, seen);
        let id = self
            .world
            .mirror
            .insert(Some(dir), name, seen.kind, seen.inode);
        self.pending.early.identified(id, self.time.step);
        if seen.birth != Birth::Unknown {
            self.world
                .mirror
                .identify(id, seen.kind, seen.inode, seen.birth.fold());
        }
        self.report_new(id, cause);
    }

    /// An entry is seen whose inode the mirror has under other names. They may be further names of
    /// the same file. But a record about a name that is reused may also have been taken for one
    /// about this entry, so the others are looked at again; if they are many, only when they are
    /// more than the file has names.
    fn doubt_namesakes(&mut self, dir: NodeId, seen: Seen) {
        let (Some(inode), Some(links), false) = (seen.inode, seen.links, self.roots.is_arming())
        else {
            return;
        };
        let namesakes = self.world.mirror.by_inode(inode);
        if namesakes.len() > FEW_NAMES && namesakes.len() < links.get() as usize {
            return;
        }
        let device = self
            .world
            .mirror
            .identity(dir)
            .map(|identity| identity.device);
        for other in namesakes {
            if !self.world.mirror.is_dir(other) && self.world.mirror.device_of(other) == device {
                self.pending.doubt(&mut self.world.mirror, self.time, other);
            }
        }
    }

    /// Whether the mirror has room for an entry of `dir`. If not, the directory gets the gap that says so.
    fn has_room(&mut self, dir: NodeId) -> bool {
        let is_full = self.world.mirror.is_full();
        if is_full {
            self.coverage.set_gap(
                &mut self.world.mirror,
                &mut self.directories.kernel,
                &mut self.resyncs,
                dir,
                Gap::MirrorFull,
            );
        }
        !is_full
    }

    /// Adds a directory. It is announced once it has been opened: it may turn out to be one that the
    /// mirror has elsewhere.
    pub(super) fn introduce_dir(
        &mut self,
        dir: NodeId,
        name: &[u8],
        inode: Option<InodeNumber>,
        cause: Cause,
    ) {
        if !self.has_room(dir) {
            return;
        }
        let id = self
            .world
            .mirror
            .insert(Some(dir), name, FileType::Dir, inode);
        if inode.is_some() {
            self.pending.early.identified(id, self.time.step);
        }
        self.world.mirror.withhold(id, cause);
        if self.roots.reaches(&self.world.mirror, id) {
            self.work.queue(&mut self.world.mirror, id);
        } else {
            self.announce(id);
        }
    }

    /// Adds an entry that a record speaks of and that could not be seen.
    pub(super) fn introduce_unseen(
        &mut self,
        dir: NodeId,
        name: &[u8],
        kind: FileType,
        cause: Cause,
    ) {
        if kind == FileType::Dir {
            self.introduce_dir(dir, name, None, cause);
            return;
        }
        if !self.has_room(dir) {
            return;
        }
        let id = self.world.mirror.insert(Some(dir), name, kind, None);
        self.pending.doubt(&mut self.world.mirror, self.time, id);
        self.report_new(id, cause);
    }

    /// Reports a directory that consumers do not know yet.
    pub(super) fn announce(&mut self, id: NodeId) {
        if let Some(cause) = self.world.mirror.announce(id) {
            self.report_new(id, cause);
        }
    }

    /// Reports an entry that consumers do not know, unless it belongs to the beginning of a root. Trees of
    /// other roots that begin at its path end first.
    fn report_new(&mut self, id: NodeId, cause: Cause) {
        self.yield_path(id);
        if self.roots.is_beginning(&self.world.mirror, id) {
            self.world.found(id, cause);
        } else {
            self.world.created(id, cause);
        }
    }

    /// Moves an entry that was found elsewhere. The place it leaves is looked at again.
    pub(super) fn infer_move(&mut self, id: NodeId, dir: NodeId, name: &[u8], cause: Cause) {
        if let Some(from) = self.world.mirror.parent(id) {
            let name = self.world.mirror.name(id).into();
            self.pending
                .defer(self.time, Undecided::Place { dir: from, name });
        }
        self.relocate(id, dir, name, cause);
        self.pending.early.identified(id, self.time.step);
        self.note_shift(id);
        if self.coverage.gaps.get(id).is_some() {
            self.work.queue(&mut self.world.mirror, id);
        }
    }

    /// Moves an entry with all below it; what is at the place goes. The caller knows that the place
    /// is not below the entry.
    ///
    /// The order matters. What is at the place is removed first, as implied by the move. Then the entry is
    /// reported as moved, or, if consumers do not know it, as created with all below it. Only then its new
    /// place has its effects: the watch of another tree, permissions, another scope, other ignore rules.
    pub(super) fn relocate(&mut self, id: NodeId, dir: NodeId, name: &[u8], cause: Cause) {
        let unannounced = self.world.mirror.is_withheld(id);
        // Consumers do not know yet what is found of a root that is being armed.
        let is_unreported = unannounced || self.roots.is_beginning(&self.world.mirror, id);
        let was_deep = self.roots.is_deep(&self.world.mirror, id);
        let top_before = self.world.mirror.top(id);
        if let Some(victim) = self.world.mirror.child(dir, name) {
            if victim == id {
                return;
            }
            if self.world.mirror.is_within(id, victim) {
                // No rename does this, so the mirror is not as it was: both go, the disk decides.
                self.remove(victim, cause, Report::Removed);
                self.look(dir, name, cause);
                return;
            }
            let report = match is_unreported {
                true => Report::Removed,
                false => Report::ImpliedByMove,
            };
            self.remove(victim, cause, report);
        }
        // A comparison that did not find it here has not looked at its content either. It may be over: what could
        // not be opened is compared later.
        let was_passed_over = self.world.mirror.was_passed_over(id)
            || (self.world.mirror.has_vanished(id) && self.resyncs.are_running());
        self.world.mirror.reappear(id);
        if self.world.mirror.make_entry(id) {
            self.roots.top_left(id);
        }
        // Of what records said of it there, nothing could be verified.
        let was_blocked = self.world.mirror.parent(id).is_some_and(|from| {
            self.coverage
                .gaps
                .block_above(&self.world.mirror, from)
                .is_some()
        });
        if is_unreported {
            self.world.mirror.relocate(id, dir, name);
            if !unannounced && !self.roots.is_beginning(&self.world.mirror, id) {
                self.yield_path(id);
                for id in self.world.mirror.subtree(id) {
                    if !self.world.mirror.is_withheld(id) {
                        self.world.created(id, cause);
                    }
                }
            }
        } else {
            self.clear_below(id);
            self.clear_target(id, dir, name);
            // An exchange of which the mirror knows one file alone leaves the other one here.
            let mirror = &self.world.mirror;
            let was_exchanged = mirror.is_doubted(id)
                && mirror.parent(id).is_some_and(|from| {
                    let arrivals = &self.records.arrivals;
                    arrivals.may_be_exchange(from, mirror.name(id))
                });
            let from = self.world.moving(id, cause);
            self.world.mirror.relocate(id, dir, name);
            let is_other = self.verify_moved(id, was_exchanged);
            self.world.moved(id, &from, cause);
            self.yield_path(id);
            if is_other || (was_passed_over && self.world.mirror.kind(id) == FileType::File) {
                self.world.modified(id, cause);
            }
        }
        if self.world.mirror.is_dir(id) {
            if self.directories.kernel.names_paths()
                && (self.world.mirror.top(id) != top_before
                    || !self.directories.kernel.keeps_moved())
            {
                self.coverage.lose_watch_above(
                    &mut self.world.mirror,
                    &mut self.directories.kernel,
                    &mut self.work,
                    id,
                );
            }
            self.coverage
                .gaps
                .retry_unreadable(&mut self.world.mirror, &mut self.work, id);
            let is_listed = self.world.mirror.identity(id).is_some();
            if !is_listed || !was_deep || !self.roots.is_deep(&self.world.mirror, id) {
                self.apply_scope(id, Report::Removed);
            }
            let is_doubtful = was_blocked
                || was_passed_over
                || self.visibility.filter.is_active()
                || self.resyncs.are_running();
            if is_listed && is_doubtful && self.roots.reaches(&self.world.mirror, id) {
                // Other rules may apply to what is below it here, and it may have left a directory
                // before that was compared, for one that had been compared already.
                self.work.queue_stale(&mut self.world.mirror, id);
            }
        }
    }

    /// An entry that was gone when it was looked at may be caught at its new place. Returns whether it may be
    /// another one than the one that it was taken for. Of one that was never seen that is so after an exchange
    /// alone: otherwise nothing else was reported under its name.
    fn verify_moved(&mut self, id: NodeId, was_exchanged: bool) -> bool {
        let mirror = &self.world.mirror;
        if !mirror.is_doubted(id) || mirror.is_dir(id) {
            return false;
        }
        let Some(dir) = mirror.parent(id) else {
            return false;
        };
        self.counters.stats += 1;
        match self.directories.stat(mirror, dir, mirror.name(id)) {
            Ok(stat) if stat.kind != FileType::Dir => {
                let before = self.world.mirror.inode(id);
                self.world.mirror.verify(id);
                self.doubt_namesakes(dir, Seen::from(&stat));
                self.world
                    .mirror
                    .identify(id, stat.kind, stat.inode, stat.birth.fold());
                self.pending.early.identified(id, self.time.step);
                match before {
                    Some(before) => Some(before) != stat.inode,
                    None => was_exchanged,
                }
            }
            _ => false,
        }
    }

    /// The entry of the mirror that what was seen at a new place really is, if it left its own
    /// place.
    ///
    /// A candidate has the same inode number, kind and device, is known to consumers, and is not above the
    /// new place. It is the same entry if the birth times agree and its own place does not have it any
    /// more. A listing has no birth time, so the new place is looked at once there is a candidate. Where the
    /// mirror does not know the birth time of the candidate, the entry must be older than the last moment
    /// at which all records had arrived, or it may be a new file with a reused number.
    ///
    /// Inode numbers are reused, so it has to be older than what is known, too.
    pub(super) fn claim(&mut self, dir: NodeId, name: &[u8], seen: Seen) -> Option<NodeId> {
        let inode = seen.inode.filter(|_| !self.roots.is_arming())?;
        let candidates = self.world.mirror.by_inode(inode);
        if candidates.is_empty() {
            return None;
        }
        let device = self.world.mirror.identity(dir)?.device;
        // What is mounted in different places may be alike in all but the device.
        if seen.device.is_some_and(|seen| seen != device) {
            return None;
        }
        let occupant = self.world.mirror.child(dir, name);
        let mut birth = seen.birth;
        for known in candidates {
            if self.world.mirror.kind(known) != seen.kind
                || self.world.mirror.is_withheld(known)
                || self.world.mirror.is_within(dir, known)
                || occupant.is_some_and(|occupant| self.world.mirror.is_within(known, occupant))
            {
                continue;
            }
            let Some(parent) = self.world.mirror.parent(known) else {
                continue;
            };
            if (parent == dir && self.world.mirror.name(known) == name)
                || self.coverage.watches.is_shown_beside(
                    &self.roots,
                    &mut self.world.mirror,
                    dir,
                    known,
                )
            {
                continue;
            }
            if self
                .world
                .mirror
                .identity(parent)
                .map(|identity| identity.device)
                != Some(device)
            {
                continue;
            }
            if birth == Birth::Unknown {
                let stat = self.directories.stat(&self.world.mirror, dir, name).ok()?;
                if (stat.inode, stat.kind, stat.device) != (seen.inode, seen.kind, device) {
                    return None;
                }
                birth = stat.birth;
            }
            let known_birth = match self.world.mirror.identity(known) {
                // A listing has shown another one than was opened then.
                Some(identity) if identity.inode != seen.inode => continue,
                Some(identity) if identity.device != device => continue,
                Some(identity) => identity.birth.fold(),
                None => self.world.mirror.birth(known),
            };
            let is_the_same = birth != Birth::Unknown
                && match known_birth {
                    // Of what is not watched, nothing is known to be complete. Nor of what was not
                    // until now: it went without a record, and none was lost.
                    None => {
                        self.world.mirror.is_tracked(parent)
                            && (!self.world.mirror.has_vanished(known)
                                || self.resyncs.are_running())
                            && birth.is_before(self.resyncs.complete())
                    }
                    known_birth => known_birth == birth.fold(),
                };
            if is_the_same && self.directories.is_in_place(&self.world.mirror, known) == Some(false)
            {
                let mirror = &self.world.mirror;
                let mut above = std::iter::successors(Some(known), |&id| mirror.parent(id));
                if !above.any(|id| mirror.is_unsure(id)) {
                    return Some(known);
                }
                // It may never have been where the mirror has it.
                self.pending.doubt(&mut self.world.mirror, self.time, known);
            }
        }
        None
    }

    /// Notes that a directory was found at its place by inference: records that are still to come may
    /// name what is below it by another path, or mean what was below another directory by its path.
    fn note_shift(&mut self, id: NodeId) {
        if self.directories.kernel.names_paths() && self.world.mirror.is_dir(id) {
            self.pending.defer(self.time, Undecided::Shifted(id));
        }
    }
}
