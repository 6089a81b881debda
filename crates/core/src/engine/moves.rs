//! Applying moves: both halves, or one of them where the other place is not watched.
//!
//! A move says more than a name: that an entry which the mirror knows is the one at another place.
//! It is believed if the two fit, because that keeps a rename one change, and verified at both ends
//! once all that came with it is applied, because kernels do not report moves one after the other.

use super::Engine;
use super::directories::OpenError;
use super::reconcile::Seen;
use super::undecided::Undecided;
use super::world::Report;
use crate::entry::FileType;
use crate::event::Cause;
use crate::kernel::Kernel;
use crate::mirror::NodeId;

impl<K: Kernel> Engine<K> {
    /// Applies a move from one name to another; `None` where the mirror does not have the directory. With
    /// one end alone it is an arrival or a departure.
    pub(super) fn apply_move_between(
        &mut self,
        source: Option<(NodeId, &[u8])>,
        target: Option<(NodeId, &[u8])>,
        is_dir: bool,
    ) {
        for (dir, name) in [source, target].into_iter().flatten() {
            self.note_rules(dir, name);
        }
        let source = source.filter(|&(dir, _)| self.world.mirror.contains(dir));
        let target = target
            .filter(|&(dir, _)| self.world.mirror.contains(dir))
            .filter(|&(dir, name)| !self.visibility.hides(&self.world.mirror, dir, name, is_dir));
        let child = source.and_then(|(dir, name)| self.world.mirror.child(dir, name));
        let is_exchange =
            source.is_some_and(|(dir, name)| self.records.arrivals.may_be_exchange(dir, name));
        let is_other_sort = child.is_some_and(|child| self.world.mirror.is_dir(child) != is_dir);
        match (child, source, target) {
            // The mirror is not as it was when this happened: leave both ends to the disk.
            (Some(_), _, _) if is_other_sort => {}
            (Some(child), _, Some((dir, name))) => self.on_moved(child, dir, name),
            (Some(child), Some((dir, name)), None) => self.on_moved_out(dir, child, name),
            (None, _, Some((dir, name))) => self.on_moved_in(dir, name, is_dir),
            _ => {}
        }
        if is_other_sort || is_exchange {
            for (dir, name) in [source, target].into_iter().flatten() {
                self.look_again(dir, name);
            }
        }
        if let Some((dir, name)) = target {
            self.records.arrivals.note(dir, name);
        }
    }

    /// Leaves one end of a move to the disk.
    fn look_again(&mut self, dir: NodeId, name: &[u8]) {
        if self.world.mirror.contains(dir) {
            self.look(dir, name, Cause::Notified);
        }
    }

    /// An entry was moved to where the mirror can follow it.
    ///
    /// The move is believed unless the mirror says that it cannot have happened as it is now: the target
    /// lies below the entry, or the entry that the mirror has at the target may be the one that moved, or the
    /// entry is a directory that was opened too late to be the one that moved, and is not there. Then both ends are
    /// looked at. A move that is believed is verified at both ends later, as
    /// [`Undecided::Arrival`].
    fn on_moved(&mut self, child: NodeId, target: NodeId, to_name: &[u8]) {
        let may_be_another = self.may_move_another(child);
        let is_seen = match may_be_another && self.moves_what_is_below(child) {
            true => self.is_seen_at(child, target, to_name),
            false => None,
        };
        if self.world.mirror.is_within(target, child) || is_seen == Some(false) {
            // The mirror is not as it was when this happened: leave both ends to the disk.
            if let Some(source) = self.world.mirror.parent(child) {
                let name = self.world.mirror.name(child).to_vec();
                self.look_again(source, &name);
            }
            self.look_again(target, to_name);
            return;
        }
        let victim = self
            .world
            .mirror
            .child(target, to_name)
            .filter(|&victim| victim != child);
        let mut seen_early = false;
        if let Some(victim) = victim {
            if !self.may_believe_move(child, victim, target, to_name) {
                if let Some(source) = self.world.mirror.parent(child) {
                    let name = self.world.mirror.name(child).to_vec();
                    self.on_moved_out(source, child, &name);
                }
                self.look_again(target, to_name);
                // Whatever it was, something was put under that name.
                if let Some(newcomer) = self.world.mirror.child(target, to_name)
                    && self.world.mirror.kind(newcomer) == FileType::File
                {
                    self.world.modified(newcomer, Cause::Notified);
                }
                return;
            }
            seen_early = self.world.mirror.inode(victim).is_some()
                && self.world.mirror.inode(victim) == self.world.mirror.inode(child);
        }
        if let Some(source) = self.world.mirror.parent(child) {
            self.pending.defer(
                self.time,
                Undecided::Arrival {
                    inode: self.world.mirror.inode(child),
                    dir: target,
                    name: to_name.into(),
                    from: (source, self.world.mirror.name(child).into()),
                },
            );
        }
        if may_be_another && is_seen.is_none() {
            self.world.mirror.mistrust(child);
        }
        self.relocate(child, target, to_name, Cause::Notified);
        if seen_early && self.world.mirror.contains(child) {
            if self.world.mirror.is_dir(child) {
                if self.world.mirror.identity(child).is_some() {
                    // A listing has found it there before, and what else that found is lost.
                    self.work.queue_stale(&mut self.world.mirror, child);
                }
            } else {
                self.world.modified(child, Cause::Notified);
            }
        }
    }

    /// Whether the entry of the mirror is what the record says was moved over another one. An entry
    /// that was never seen may be what a listing has found at the target already; and while records
    /// are missing, another entry may have had the name.
    fn may_believe_move(
        &mut self,
        child: NodeId,
        victim: NodeId,
        target: NodeId,
        to_name: &[u8],
    ) -> bool {
        let is_phantom = self.is_phantom(child) && !self.is_phantom(victim);
        let is_stale = self.resyncs.are_running() || self.world.mirror.has_vanished(child);
        if !is_phantom && !is_stale {
            return true;
        }
        self.counters.stats += 1;
        match self.directories.stat(&self.world.mirror, target, to_name) {
            Ok(stat) if self.world.mirror.inode(child).is_none() => {
                stat.inode != self.world.mirror.inode(victim)
                    && (stat.kind == FileType::Dir) == self.world.mirror.is_dir(child)
            }
            Ok(stat) => stat.inode == self.world.mirror.inode(child),
            Err(_) => true,
        }
    }

    /// Whether a record that moves the entry may be about another one, which had the name when the record was made:
    /// the entry was identified after that, or records are missing from before, or the two were exchanged.
    fn may_move_another(&self, child: NodeId) -> bool {
        let mirror = &self.world.mirror;
        self.pending.early.has(child)
            || self.resyncs.are_running()
            || self.records.queue.overflow_ahead()
            || mirror.has_vanished(child)
            || mirror.parent(child).is_some_and(|dir| {
                self.records
                    .arrivals
                    .may_be_exchange(dir, mirror.name(child))
            })
    }

    /// Whether the records of what is below the entry are found by the entry: it is a directory with a watch, and
    /// not its path that names them.
    fn moves_what_is_below(&self, child: NodeId) -> bool {
        self.world.mirror.identity(child).is_some() && !self.directories.kernel.names_paths()
    }

    /// Whether the directory is at the place that a record says it was moved to; `None` if the disk cannot be
    /// asked now.
    fn is_seen_at(&mut self, child: NodeId, target: NodeId, to_name: &[u8]) -> Option<bool> {
        self.counters.stats += 1;
        match self.directories.stat(&self.world.mirror, target, to_name) {
            Ok(stat) => Some(self.world.mirror.identity(child) == Some(stat.identity())),
            Err(error) if error.is_absence() => Some(false),
            Err(_) => None,
        }
    }

    /// An entry that records speak of but that was never seen on disk.
    fn is_phantom(&self, id: NodeId) -> bool {
        (self.world.mirror.is_doubted(id) && self.world.mirror.inode(id).is_none())
            || (self.world.mirror.is_withheld(id) && self.world.mirror.identity(id).is_none())
    }

    /// Something came to this name from where it was not watched: the second half of a move alone. What is
    /// there now decides what it was. If that cannot be seen any more, the record's word is taken for it,
    /// and the entry stays in doubt.
    pub(super) fn on_moved_in(&mut self, dir: NodeId, name: &[u8], is_dir: bool) {
        self.counters.stats += 1;
        match self.directories.stat(&self.world.mirror, dir, name) {
            Ok(stat) => {
                let (child, before) = (
                    self.world.mirror.child(dir, name),
                    self.world.outlets.changes(),
                );
                self.reconcile(dir, name, Seen::from(&stat), Cause::Notified);
                if let Some(child) = child {
                    self.world.report_anew(dir, name, child, before);
                }
            }
            Err(_) => {
                let kind = if is_dir {
                    FileType::Dir
                } else {
                    FileType::File
                };
                match self.world.mirror.child(dir, name) {
                    Some(old) if !is_dir && !self.world.mirror.is_dir(old) => {
                        // What came is another file, of which only the name is known.
                        let kind = self.world.mirror.kind(old);
                        self.world.mirror.identify(old, kind, None, None);
                        self.world.mirror.reappear(old);
                        self.pending.doubt(&mut self.world.mirror, self.time, old);
                        self.world.modified(old, Cause::Notified);
                    }
                    old => {
                        if let Some(old) = old {
                            self.remove(old, Cause::Notified, Report::Removed);
                        }
                        self.introduce_unseen(dir, name, kind, Cause::Notified);
                    }
                }
            }
        }
    }

    /// What had this name went to where it is not watched. If the two were exchanged, what was there
    /// has the name now, and the record of that came first.
    pub(super) fn on_moved_out(&mut self, dir: NodeId, child: NodeId, name: &[u8]) {
        self.counters.stats += 1;
        match self.directories.stat(&self.world.mirror, dir, name) {
            Ok(stat) => {
                if self.is_phantom(child) {
                    // What was never seen cannot be distinguished from what is there.
                    self.remove(child, Cause::Notified, Report::Removed);
                }
                let before = self.world.outlets.changes();
                self.reconcile(dir, name, Seen::from(&stat), Cause::Notified);
                self.world.report_anew(dir, name, child, before);
            }
            Err(OpenError::Fault(fault)) if fault.kind.is_absence() => {
                self.remove(child, Cause::Notified, Report::Removed);
            }
            Err(_) => self.pending.doubt(&mut self.world.mirror, self.time, child),
        }
    }
}
