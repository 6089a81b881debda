//! Reconciling one name with what was seen there.

use super::pending::Oddity;
use super::{Engine, Stamp, may_be_since};
use crate::change::{Cause, FileType};
use crate::coverage::Gap;
use crate::kernel::{FileTime, Kernel, Stat};
use crate::mirror::{Mark, NodeId};

/// What was seen at a name: by looking at it, or in a listing, which mostly does not tell the birth time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) kind: FileType,
    pub(super) inode: u64,
    /// 0 if unknown.
    pub(super) device: u64,
    /// 0 if unknown.
    pub(super) born: FileTime,
    /// Number of names that the inode has, 0 if unknown.
    pub(super) links: u32,
}

impl Seen {
    /// What a listing shows.
    pub(super) fn listed(kind: FileType, inode: u64, born: FileTime) -> Seen {
        Seen {
            kind,
            inode,
            device: 0,
            born,
            links: 0,
        }
    }
}

impl From<&Stat> for Seen {
    fn from(stat: &Stat) -> Seen {
        Seen {
            kind: stat.kind,
            inode: stat.inode,
            device: stat.device,
            born: stat.born,
            links: stat.links,
        }
    }
}

/// A birth time in the four bytes that an entry has for it. Never 0 for a known time.
pub(super) fn fold_born(born: FileTime) -> u32 {
    if born == 0 {
        return 0;
    }
    let folded = (born as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    (folded as u32).max(1)
}

/// So many names of one file are looked at whenever another one comes.
const FEW: usize = 8;

impl<K: Kernel> Engine<K> {
    /// Brings the mirror in line with what was seen at a name just now.
    pub(super) fn reconcile(&mut self, dir: NodeId, name: &[u8], seen: Seen, cause: Cause) {
        let child = self.mirror.child(dir, name);
        if self.is_hidden(dir, name, seen.kind == FileType::Dir) {
            if let Some(child) = child {
                self.remove(child, cause, true, false);
            }
            return;
        }
        if let Some(child) = child {
            let same_sort = self.mirror.is_dir(child) == (seen.kind == FileType::Dir);
            let is_doubtful = same_sort
                && self.mirror.has(child, Mark::UNVERIFIED)
                && self.mirror.inode(child) == 0;
            if is_doubtful || self.is_same(child, seen) {
                let had_vanished = self.mirror.has(child, Mark::VANISHED);
                self.mirror.clear(child, Mark::UNVERIFIED);
                self.mirror.clear(child, Mark::VANISHED);
                if seen.kind == FileType::Dir {
                    // A directory that came back may be another one with the number of the first.
                    if had_vanished {
                        self.mirror.set(child, Mark::STALE);
                    }
                    if (is_doubtful || had_vanished) && self.reaches(child) {
                        self.queue(child);
                    }
                } else {
                    let born = match fold_born(seen.born) {
                        0 => self.mirror.born(child),
                        born => born,
                    };
                    if self.mirror.inode(child) != seen.inode {
                        self.doubt_namesakes(dir, seen);
                    }
                    self.identify(child, seen.kind, seen.inode, born, cause);
                    if is_doubtful && seen.kind == FileType::File {
                        // It may be another one than the one that was told.
                        self.outlets.modified(&mut self.mirror, child, cause);
                    }
                }
                return;
            }
        }
        if let Some(known) = self.claim(dir, name, seen) {
            let from = self.mirror.parent(known);
            let was_tracked = from.is_some_and(|from| self.mirror.is_tracked(from));
            self.infer_move(known, dir, name, cause);
            if child.is_some() && seen.kind == FileType::File {
                // Writes to it may have been told of the one that was thought to be here.
                self.outlets.modified(&mut self.mirror, known, cause);
            } else {
                self.report_if_recent(known, was_tracked, cause);
            }
            return;
        }
        if let Some(child) = child {
            if self.mirror.kind(child) == seen.kind && seen.kind != FileType::Dir {
                // Another file took the name: to a reader, its content changed.
                self.mirror.clear(child, Mark::VANISHED);
                self.mirror.clear(child, Mark::UNVERIFIED);
                self.mirror
                    .identify(child, seen.kind, seen.inode, fold_born(seen.born));
                self.outlets.modified(&mut self.mirror, child, cause);
                return;
            }
            self.remove(child, cause, true, false);
        }
        self.introduce(dir, name, seen, cause);
    }

    /// Records what an entry is, and tells consumers if they were told something else.
    fn identify(&mut self, id: NodeId, kind: FileType, inode: u64, born: u32, cause: Cause) {
        let was_mistaken = self.mirror.kind(id) != kind;
        self.mirror.identify(id, kind, inode, born);
        if was_mistaken {
            self.outlets.modified(&mut self.mirror, id, cause);
        }
    }

    fn is_same(&self, child: NodeId, seen: Seen) -> bool {
        if self.mirror.kind(child) != seen.kind {
            return false;
        }
        let born = (self.mirror.born(child), fold_born(seen.born));
        let inode_fits = self.mirror.inode(child) == seen.inode
            && (born.0 == 0 || born.1 == 0 || born.0 == born.1);
        // A listing shows the inode that a mount point covers, looking at it shows the mount.
        let identity_fits = self.mirror.identity(child).is_some_and(|identity| {
            identity.inode == seen.inode
                && (identity.born == 0 || seen.born == 0 || identity.born == seen.born)
        });
        inode_fits || identity_fits
    }

    /// Adds an entry that was just seen.
    pub(super) fn introduce(&mut self, dir: NodeId, name: &[u8], seen: Seen, cause: Cause) {
        if seen.kind == FileType::Dir {
            self.introduce_dir(dir, name, seen.inode, cause);
            return;
        }
        if self.mirror.is_full() {
            self.set_gap(dir, Gap::MirrorFull);
            return;
        }
        self.doubt_namesakes(dir, seen);
        let id = self.mirror.insert(Some(dir), name, seen.kind, seen.inode);
        if seen.born != 0 {
            self.mirror
                .identify(id, seen.kind, seen.inode, fold_born(seen.born));
        }
        self.make_way(id);
        self.tell_new(id, cause);
    }

    /// An entry is seen whose inode the mirror has under other names. They may be further names of
    /// the same file. But a record about a name that is used again may also have been taken for one
    /// about this entry, so the others are looked at again; if they are many, only when they are
    /// more than the file has names.
    fn doubt_namesakes(&mut self, dir: NodeId, seen: Seen) {
        if self.arming.is_some() || seen.inode == 0 || seen.links == 0 {
            return;
        }
        let namesakes = self.mirror.by_inode(seen.inode);
        if namesakes.len() > FEW && namesakes.len() < seen.links as usize {
            return;
        }
        let device = self.mirror.identity(dir).map(|identity| identity.device);
        for other in namesakes {
            if !self.mirror.is_dir(other) && self.device_of(other) == device {
                self.doubt(other);
            }
        }
    }

    /// Adds a directory, to be told of when it has been opened: it may turn out to be one that the
    /// mirror has elsewhere.
    pub(super) fn introduce_dir(&mut self, dir: NodeId, name: &[u8], inode: u64, cause: Cause) {
        if self.mirror.is_full() {
            self.set_gap(dir, Gap::MirrorFull);
            return;
        }
        let id = self.mirror.insert(Some(dir), name, FileType::Dir, inode);
        self.mirror.set(id, Mark::UNANNOUNCED);
        if cause == Cause::Notified {
            self.mirror.set(id, Mark::NOTIFIED);
        }
        if self.reaches(id) {
            self.queue(id);
        } else {
            self.announce(id);
        }
    }

    /// Adds an entry that a record speaks of and that could not be seen.
    pub(super) fn introduce_unverified(
        &mut self,
        dir: NodeId,
        name: &[u8],
        kind: FileType,
        cause: Cause,
    ) {
        if self.mirror.is_full() {
            self.set_gap(dir, Gap::MirrorFull);
            return;
        }
        let id = self.mirror.insert(Some(dir), name, kind, 0);
        self.doubt(id);
        self.make_way(id);
        self.outlets.created(&mut self.mirror, id, cause);
    }

    /// Marks an entry whose kind and identity are not known at present.
    pub(super) fn doubt(&mut self, id: NodeId) {
        if !self.mirror.has(id, Mark::UNVERIFIED) {
            self.mirror.set(id, Mark::UNVERIFIED);
            self.put_aside(Oddity::Unverified(id));
        }
    }

    /// Tells consumers of a directory.
    pub(super) fn announce(&mut self, id: NodeId) {
        if !self.mirror.has(id, Mark::UNANNOUNCED) {
            return;
        }
        self.mirror.clear(id, Mark::UNANNOUNCED);
        let was_notified = self.mirror.has(id, Mark::NOTIFIED);
        self.mirror.clear(id, Mark::NOTIFIED);
        self.make_way(id);
        let cause = if was_notified {
            Cause::Notified
        } else {
            Cause::Scanned
        };
        self.tell_new(id, cause);
    }

    fn tell_new(&mut self, id: NodeId, cause: Cause) {
        if self.is_beginning(id) {
            self.outlets.found(&mut self.mirror, id, cause);
        } else {
            self.outlets.created(&mut self.mirror, id, cause);
        }
    }

    /// Moves an entry that was found elsewhere. The place it leaves is looked at again.
    pub(super) fn infer_move(&mut self, id: NodeId, dir: NodeId, name: &[u8], cause: Cause) {
        if let Some(from) = self.mirror.parent(id) {
            let name = self.mirror.name(id).into();
            self.put_aside(Oddity::Place { dir: from, name });
        }
        self.relocate(id, dir, name, cause);
        self.note_shift(id);
        if self.gap(id).is_some() {
            self.queue(id);
        }
    }

    /// Moves an entry with all below it; what is at the place goes. The caller knows that the place
    /// is not below the entry.
    pub(super) fn relocate(&mut self, id: NodeId, dir: NodeId, name: &[u8], cause: Cause) {
        let unannounced = self.mirror.has(id, Mark::UNANNOUNCED);
        // Consumers do not know yet what is found of a root that is being armed.
        let is_untold = unannounced || self.is_beginning(id);
        let was_deep = self.is_deep(id);
        let top_before = self.top(id);
        if let Some(victim) = self.mirror.child(dir, name) {
            if victim == id {
                return;
            }
            if self.mirror.is_within(id, victim) {
                // No rename does this, so the mirror is not as it was: both go, the disk decides.
                self.remove(victim, cause, true, false);
                self.look(dir, name, cause);
                return;
            }
            self.remove(victim, cause, true, !is_untold);
        }
        // A comparison that did not find it here has not looked at its content either.
        let was_passed_over = self.mirror.has(id, Mark::VANISHED)
            && self.mirror.kind(id) == FileType::File
            && !self.resyncs.is_empty();
        self.mirror.clear(id, Mark::VANISHED);
        if self.mirror.has(id, Mark::ROOT) {
            self.mirror.clear(id, Mark::ROOT);
            self.root_left(id);
        }
        // Of what records said of it there, nothing could be verified.
        let was_blocked = self
            .mirror
            .parent(id)
            .is_some_and(|from| self.block_above(from).is_some());
        if is_untold {
            self.mirror.relocate(id, dir, name);
            if !unannounced && !self.is_beginning(id) {
                for id in self.mirror.subtree(id) {
                    if !self.mirror.has(id, Mark::UNANNOUNCED) {
                        self.outlets.created(&mut self.mirror, id, cause);
                    }
                }
            }
        } else {
            self.clear_below(id);
            let from = self.outlets.moving(&mut self.mirror, id, cause);
            self.mirror.relocate(id, dir, name);
            let is_other = self.verify_moved(id, dir, name);
            self.outlets.moved(&self.mirror, id, &from, cause);
            if is_other || was_passed_over {
                self.outlets.modified(&mut self.mirror, id, cause);
            }
        }
        if self.mirror.is_dir(id) {
            if self.kernel.names_paths()
                && (self.top(id) != top_before || !self.kernel.keeps_moved())
            {
                self.lose_watch_above(id);
            }
            self.retry_unreadable(id);
            let is_listed = self.mirror.identity(id).is_some();
            if !is_listed || !was_deep || !self.is_deep(id) {
                self.fit(id, true);
            }
            let is_doubtful = was_blocked || self.filter.is_active() || !self.resyncs.is_empty();
            if is_listed && is_doubtful && self.reaches(id) {
                // Other rules may apply to what is below it here, and it may have left a directory
                // before that was compared, for one that had been compared already.
                self.mirror.set(id, Mark::STALE);
                self.queue(id);
            }
        }
    }

    /// An entry that was gone when it was looked at may be caught at its new place. Returns whether
    /// it is not the one that it was taken for.
    fn verify_moved(&mut self, id: NodeId, dir: NodeId, name: &[u8]) -> bool {
        if !self.mirror.has(id, Mark::UNVERIFIED) || self.mirror.is_dir(id) {
            return false;
        }
        self.counters.stats += 1;
        match self.stat(dir, name) {
            Ok(stat) if stat.kind != FileType::Dir => {
                let before = self.mirror.inode(id);
                self.mirror.clear(id, Mark::UNVERIFIED);
                self.doubt_namesakes(dir, Seen::from(&stat));
                self.mirror
                    .identify(id, stat.kind, stat.inode, fold_born(stat.born));
                before != 0 && before != stat.inode
            }
            _ => false,
        }
    }

    /// The entry of the mirror that what was seen at a new place really is, if it left its own
    /// place. Inode numbers are used again, so it has to be older than what is known, too.
    pub(super) fn claim(&mut self, dir: NodeId, name: &[u8], seen: Seen) -> Option<NodeId> {
        if self.arming.is_some() || seen.inode == 0 {
            return None;
        }
        let candidates = self.mirror.by_inode(seen.inode);
        if candidates.is_empty() {
            return None;
        }
        let device = self.mirror.identity(dir)?.device;
        // What is mounted in different places may be alike in all but the device.
        if seen.device != 0 && seen.device != device {
            return None;
        }
        let occupant = self.mirror.child(dir, name);
        let mut born = seen.born;
        for known in candidates {
            if self.mirror.kind(known) != seen.kind
                || self.mirror.has(known, Mark::UNANNOUNCED)
                || self.mirror.is_within(dir, known)
                || occupant.is_some_and(|occupant| self.mirror.is_within(known, occupant))
            {
                continue;
            }
            let Some(parent) = self.mirror.parent(known) else {
                continue;
            };
            if (parent == dir && self.mirror.name(known) == name)
                || self.is_shown_beside(dir, known)
            {
                continue;
            }
            if self.mirror.identity(parent).map(|identity| identity.device) != Some(device) {
                continue;
            }
            if born == 0 {
                let stat = self.stat(dir, name).ok()?;
                if (stat.inode, stat.kind, stat.device) != (seen.inode, seen.kind, device) {
                    return None;
                }
                born = stat.born;
            }
            let known_born = match self.mirror.identity(known) {
                Some(identity) if identity.device != device => continue,
                Some(identity) => fold_born(identity.born),
                None => self.mirror.born(known),
            };
            let is_the_same = born != 0
                && match known_born {
                    // Of what is not watched, nothing is known to be complete. Nor of what was not
                    // until now: it went without a record, and none was lost.
                    0 => {
                        self.mirror.is_tracked(parent)
                            && (!self.mirror.has(known, Mark::VANISHED) || !self.resyncs.is_empty())
                            && !may_be_since(born, self.complete)
                    }
                    known_born => known_born == fold_born(born),
                };
            if is_the_same && self.is_in_place(known) == Some(false) {
                return Some(known);
            }
        }
        None
    }

    /// Reports a file that may have been written since the queue was last known complete: records
    /// of that went to the name it had before, if there was a watch.
    fn report_if_recent(&mut self, id: NodeId, was_tracked: bool, cause: Cause) {
        if self.mirror.kind(id) != FileType::File {
            return;
        }
        let Some(parent) = self.mirror.parent(id) else {
            return;
        };
        let name = self.mirror.name(id).to_vec();
        let is_suspect = match self.stat(parent, &name) {
            // A rename changes the second time, and whoever writes can set the first one back.
            Ok(stat) => {
                let differs =
                    |stamp: &Stamp| (stamp.modified, stamp.size) != (stat.modified, stat.size);
                (!was_tracked && self.stamps.get(&id).is_none_or(differs))
                    || may_be_since(stat.modified, self.complete)
                    || (!self.resyncs.is_empty() && may_be_since(stat.changed, self.complete))
            }
            Err(error) => !error.is_absence(),
        };
        if is_suspect {
            self.outlets.modified(&mut self.mirror, id, cause);
        }
    }
}
