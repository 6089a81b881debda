//! Records: the queue of those that have come, and what each of them means.
//!
//! A record is believed if it fits the mirror. One that does not fit makes the engine look at the
//! name on disk: what is there now may be newer than the record, but then newer records follow.

use super::Engine;
use super::arrivals::Arrivals;
use super::recent_looks::RecentLooks;
use super::reconcile::Seen;
use super::world::Report;
use crate::entry::{FileType, Stat, Watch};
use crate::event::Cause;
use crate::kernel::Kernel;
use crate::mirror::NodeId;
use crate::queue::RecordQueue;
use crate::record::{Action, Described};
use crate::time::Moment;

/// The records that have come and are not applied.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) queue: RecordQueue,
    /// The name of the record in hand; its memory is reused.
    name: Vec<u8>,
    pub(super) arrivals: Arrivals,
    pub(super) looks: RecentLooks,
}

impl<K: Kernel> Engine<K> {
    /// Applies the oldest record. Returns false if there is none that can be applied yet.
    ///
    /// The first half of a move waits until its second half has come, or until
    /// [`Pace::pairing`](super::Pace::pairing) has passed without one: then it is given up as a pair and
    /// applied as a removal of what may be elsewhere.
    pub(super) fn apply_front(&mut self, now: Moment) -> bool {
        let Some(record) = self.records.queue.front() else {
            return false;
        };
        if self.records.queue.front_is_spent() {
            self.records.queue.pop();
            return true;
        }
        let (watch, action, is_dir) = (record.watch, record.action, record.is_dir);
        let described = record.described;
        let mut name = std::mem::take(&mut self.records.name);
        name.clear();
        name.extend_from_slice(record.name);
        if action == Action::MovedFrom {
            let partner = self
                .records
                .queue
                .partner_of_front()
                .map(|(at, partner)| (at, partner.watch, partner.name.to_vec()));
            match partner {
                Some((at, to, to_name)) => {
                    self.records.queue.spend(at);
                    self.counters.records += 2;
                    self.apply_move(watch, &name, to, &to_name, is_dir);
                }
                // Its other half may be among the lost records: the resync sees where it went.
                None if self.records.queue.overflow_ahead() => {}
                None if self
                    .records
                    .queue
                    .front_is_single(now, self.time.pace.pairing) =>
                {
                    self.counters.records += 1;
                    self.apply_one(watch, action, is_dir, described, &name);
                }
                None => {
                    self.records.name = name;
                    return false;
                }
            }
        } else {
            self.counters.records += 1;
            self.apply_one(watch, action, is_dir, described, &name);
        }
        self.records.name = name;
        self.records.queue.pop();
        true
    }

    /// Applies a move of which both halves have come.
    fn apply_move(&mut self, from: Watch, name: &[u8], to: Watch, to_name: &[u8], is_dir: bool) {
        if !self.is_record_name(name) || !self.is_record_name(to_name) {
            self.on_overflow();
            return;
        }
        if self.coverage.watches.has_guards() {
            self.check_guarded(from, Some((name, Action::MovedFrom)));
            self.check_guarded(to, Some((to_name, Action::MovedTo)));
        }
        if self.directories.kernel.names_paths() {
            return self.apply_move_below(from, name, to, to_name);
        }
        let sources = self.coverage.watches.nodes(from);
        let targets = self.coverage.watches.nodes(to);
        for at in 0..sources.len().max(targets.len()) {
            let source = sources.get(at).map(|&dir| (dir, name));
            let target = targets.get(at).map(|&dir| (dir, to_name));
            self.apply_move_between(source, target, is_dir);
        }
    }

    /// Checks the roots that a record may concern: one about an entry of a directory above them or, without
    /// one, about the watched directory itself. The path of a root may lead through other directories now,
    /// also if it leads to the same one.
    fn check_guarded(&mut self, watch: Watch, entry: Option<(&[u8], Action)>) {
        let roots = match entry {
            Some((name, _)) => {
                let folds = self.directories.kernel.names_paths();
                self.coverage.watches.guarded_entry(watch, name, folds)
            }
            None => self.coverage.watches.guarded(watch),
        };
        let is_path_kept =
            entry.is_some_and(|(_, action)| matches!(action, Action::Modified | Action::Metadata));
        for id in roots {
            if !is_path_kept {
                self.guard_root(id);
            }
            self.check_root(id);
        }
        if entry.is_none() {
            for node in self.coverage.watches.nodes(watch) {
                self.check_top(node);
            }
        }
    }

    /// Applies a record that stands alone.
    fn apply_one(
        &mut self,
        watch: Watch,
        action: Action,
        is_dir: bool,
        described: Option<Described>,
        name: &[u8],
    ) {
        match action {
            Action::Overflow => self.on_overflow(),
            Action::WatchEnded => self.on_watch_ended(watch),
            Action::DirectoryRemoved | Action::DirectoryMoved | Action::Unmounted => {
                self.check_guarded(watch, None);
            }
            _ if name.is_empty() => {
                for dir in self.coverage.watches.nodes(watch) {
                    if action == Action::Metadata
                        && self.world.mirror.contains(dir)
                        && self.visibility.is_reported_root(&self.world.mirror, dir)
                    {
                        self.world.metadata(dir, Cause::Notified);
                    }
                    if action == Action::Metadata && self.world.mirror.contains(dir) {
                        self.on_permissions(dir);
                    }
                }
            }
            // No kernel reports such names. If one does, what it meant to say is lost.
            _ if !self.is_record_name(name) => self.on_overflow(),
            _ => {
                if self.coverage.watches.has_guards() {
                    self.check_guarded(watch, Some((name, action)));
                }
                if self.directories.kernel.names_paths() {
                    return self.apply_below(watch, action, described, name);
                }
                let Some(first) = self.coverage.watches.first(watch) else {
                    return;
                };
                self.apply_named(first, action, is_dir, name);
                for dir in self
                    .coverage
                    .watches
                    .nodes(watch)
                    .into_iter()
                    .filter(|&dir| dir != first)
                {
                    self.apply_named(dir, action, is_dir, name);
                }
            }
        }
    }

    /// Applies a record about an entry of a directory.
    ///
    /// | record | the mirror has the name | the mirror lacks it |
    /// |---|---|---|
    /// | created | no news, unless it is of the other sort or in doubt: look | add it, after a look at what it is |
    /// | removed | remove it, unless it is of the other sort: look | no news |
    /// | departed, first half of a move alone | it may be found elsewhere: see `depart`, `on_moved_out` | no news |
    /// | second half of a move alone | look: something came here | look |
    /// | modified, metadata | report it | look: its creation is still to come, or was lost |
    pub(super) fn apply_named(&mut self, dir: NodeId, action: Action, is_dir: bool, name: &[u8]) {
        if !self.world.mirror.contains(dir) {
            return;
        }
        self.note_rules(dir, name);
        if self.visibility.hides(&self.world.mirror, dir, name, is_dir) {
            // The mirror may have it nevertheless: it came with a directory from elsewhere. What is of
            // another sort is another entry, which is not hidden.
            if matches!(
                action,
                Action::Removed | Action::Departed | Action::MovedFrom
            ) && let Some(child) = self.world.mirror.child(dir, name)
            {
                match self.world.mirror.is_dir(child) == is_dir {
                    true => self.remove(child, Cause::Notified, Report::Removed),
                    false => self.look(dir, name, Cause::Notified),
                }
            }
            return;
        }
        let child = self.world.mirror.child(dir, name);
        let mirror = &self.world.mirror;
        if action == Action::Created
            && let Some(child) = child
            && mirror.is_dir(child) == is_dir
            && (mirror.has_vanished(child) || mirror.is_doubted(child))
        {
            // That one was about to go. What came may look like it: numbers are reused.
            return self.on_moved_in(dir, name, is_dir);
        }
        let does_not_fit = match (action, child) {
            // What was created is not what the mirror has.
            (Action::Created, Some(child)) => {
                mirror.is_dir(child) != is_dir
                    || self.coverage.gaps.block_above(mirror, dir).is_some()
            }
            // What is gone was here before what the mirror has, which was seen early.
            (Action::Removed, Some(child)) => mirror.is_dir(child) != is_dir,
            // Its creation is still to come, or was lost.
            (Action::Modified | Action::Metadata, None) => true,
            _ => false,
        };
        if does_not_fit {
            return self.look(dir, name, Cause::Notified);
        }
        match (action, child) {
            (Action::Created, None) => self.on_created(dir, name, is_dir),
            (Action::Removed, Some(child)) => self.remove(child, Cause::Notified, Report::Removed),
            (Action::Departed, Some(child)) => self.depart(child),
            (Action::MovedFrom, Some(child)) => self.on_moved_out(dir, child, name),
            (Action::Removed | Action::Departed | Action::MovedFrom, None) => {}
            (Action::MovedTo, _) => {
                self.on_moved_in(dir, name, is_dir);
                self.records.arrivals.note(dir, name);
            }
            (Action::Modified | Action::Metadata, Some(child)) => {
                self.on_touched(dir, child, name, action);
            }
            _ => {}
        }
    }

    /// Compares a directory whose ignore rules a record names.
    pub(super) fn note_rules(&mut self, dir: NodeId, name: &[u8]) {
        self.resyncs.note_rules(
            &self.visibility.filter,
            &mut self.world,
            &mut self.work,
            dir,
            name,
        );
    }

    /// A record says that an entry came into being which the mirror does not have.
    fn on_created(&mut self, dir: NodeId, name: &[u8], is_dir: bool) {
        let kind = match is_dir {
            true => FileType::Dir,
            false => FileType::File,
        };
        let seen = match kind {
            FileType::Dir => None,
            _ => self.stat_of_file(dir, name),
        };
        match seen {
            Some(stat) => self.introduce(dir, name, Seen::from(&stat), Cause::Notified),
            // Gone or replaced already; a later record says so.
            None => self.introduce_unseen(dir, name, kind, Cause::Notified),
        }
    }

    /// What a look shows at the name of a file. `None` if it shows none, or a directory.
    fn stat_of_file(&mut self, dir: NodeId, name: &[u8]) -> Option<Stat> {
        self.counters.stats += 1;
        let stat = self
            .directories
            .stat_arrived(&mut self.world.mirror, dir, name)
            .ok()?;
        (stat.kind != FileType::Dir).then_some(stat)
    }

    /// A record says that the content or the metadata of an entry changed.
    fn on_touched(&mut self, dir: NodeId, child: NodeId, name: &[u8], action: Action) {
        if self.world.mirror.is_doubted(child) || self.world.mirror.has_vanished(child) {
            self.look(dir, name, Cause::Notified);
        }
        let Some(child) = self.world.mirror.child(dir, name) else {
            return;
        };
        if self.world.mirror.is_withheld(child) {
            return;
        }
        if action == Action::Modified {
            self.world.modified(child, Cause::Notified);
            self.report_other_names(child);
        } else {
            self.world.metadata(child, Cause::Notified);
            if self.world.mirror.is_dir(child) {
                self.on_permissions(child);
            }
        }
    }

    /// The permissions of a directory may have changed: tries again what could not be read in it.
    fn on_permissions(&mut self, dir: NodeId) {
        self.resyncs.retry_unreadable(
            &mut self.coverage.gaps,
            &self.visibility,
            &mut self.world,
            &mut self.work,
            dir,
        );
    }

    /// Reports a write under the other names of the same file as well: the kernel reports it under the
    /// name that the writer used, and all names have the same content.
    fn report_other_names(&mut self, id: NodeId) {
        let is_file = self.world.mirror.kind(id) == FileType::File;
        let Some(inode) = self.world.mirror.inode(id).filter(|_| is_file) else {
            return;
        };
        let device = self.world.mirror.device_of(id);
        for other in self.world.mirror.by_inode(inode) {
            if other != id
                && self.world.mirror.kind(other) == FileType::File
                && !self.world.mirror.has_vanished(other)
                && self.world.mirror.device_of(other) == device
            {
                self.world.modified(other, Cause::Notified);
            }
        }
    }

    /// The kernel ended a watch: the directory was removed, its file system unmounted, or the read failed. The
    /// directories that it reported on are scanned again, which finds out; so are the roots that it guarded.
    fn on_watch_ended(&mut self, watch: Watch) {
        let nodes = self.coverage.watches.nodes(watch);
        let guarded = self.coverage.watches.guarded(watch);
        self.coverage.watches.remove(watch);
        for dir in nodes {
            if self.world.mirror.contains(dir) && self.world.mirror.watch(dir) == Some(watch) {
                self.world.mirror.set_watch(dir, None);
                self.work.queue(&mut self.world.mirror, dir);
                if self.directories.kernel.names_paths() {
                    self.coverage.lose_watch_above(
                        &mut self.world.mirror,
                        &mut self.directories.kernel,
                        &mut self.work,
                        dir,
                    );
                }
            }
        }
        for root in guarded {
            self.guard_and_check(root);
        }
    }

    /// Whether the kernel's records can have this name.
    pub(super) fn is_record_name(&self, name: &[u8]) -> bool {
        if self.directories.kernel.names_paths() {
            return name.split(|&byte| byte == b'/').all(is_entry_name);
        }
        is_entry_name(name)
    }
}

/// Whether an entry of a directory can have this name.
fn is_entry_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}
