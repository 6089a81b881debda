//! Applying records.
//!
//! A record is believed if it fits the mirror. One that does not fit makes the engine look at the
//! name on disk: what is there now may be newer than the record, but then newer records follow.

use super::Engine;
use super::reconcile::Seen;
use crate::change::{Cause, FileType};
use crate::filter::RULES_FILE;
use crate::kernel::{Kernel, Watch};
use crate::mirror::{Mark, NodeId};
use crate::record::{Action, Described, Moment};

impl<K: Kernel> Engine<K> {
    /// Applies the oldest record. Returns false if there is none that can be applied yet.
    pub(super) fn apply_front(&mut self, now: Moment) -> bool {
        let Some(record) = self.backlog.front() else {
            return false;
        };
        if self.backlog.front_is_spent() {
            self.backlog.pop();
            return true;
        }
        let (watch, action, is_dir) = (record.watch, record.action, record.is_dir);
        let described = record.described;
        let mut name = std::mem::take(&mut self.name);
        name.clear();
        name.extend_from_slice(record.name);
        if action == Action::MovedFrom {
            let partner = self
                .backlog
                .partner_of_front()
                .map(|(at, partner)| (at, partner.watch, partner.name.to_vec()));
            match partner {
                Some((at, to, to_name)) => {
                    self.backlog.spend(at);
                    self.counters.records += 2;
                    self.apply_move(watch, &name, to, &to_name, is_dir);
                }
                // Its other half may be among the lost records: the resync sees where it went.
                None if self.backlog.overflow_ahead() => {}
                None if self.backlog.front_is_single(now, self.pace.pairing) => {
                    self.counters.records += 1;
                    self.apply_one(watch, action, is_dir, described, &name);
                }
                None => {
                    self.name = name;
                    return false;
                }
            }
        } else {
            self.counters.records += 1;
            self.apply_one(watch, action, is_dir, described, &name);
        }
        self.name = name;
        self.backlog.pop();
        true
    }

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
                for dir in self.watches.nodes(watch) {
                    if action == Action::Metadata
                        && self.mirror.contains(dir)
                        && self.is_told_root(dir)
                    {
                        self.outlets
                            .metadata(&mut self.mirror, dir, Cause::Notified);
                    }
                    if action == Action::Metadata && self.mirror.contains(dir) {
                        self.retry_unreadable(dir);
                    }
                }
            }
            // No kernel reports such names. If one does, what it meant to say is lost.
            _ if !self.is_record_name(name) => self.on_overflow(),
            _ => {
                if self.watches.has_guards() {
                    self.check_guarded(watch, Some(name));
                }
                if self.kernel.names_paths() {
                    return self.apply_below(watch, action, described, name);
                }
                let Some(first) = self.watches.first(watch) else {
                    return;
                };
                self.apply_named(first, action, is_dir, name);
                for dir in self
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

    pub(super) fn apply_named(&mut self, dir: NodeId, action: Action, is_dir: bool, name: &[u8]) {
        if !self.mirror.contains(dir) {
            return;
        }
        self.note_rules(dir, name);
        if self.is_hidden(dir, name, is_dir) {
            // The mirror may have it nevertheless: it came with a directory from elsewhere.
            if matches!(
                action,
                Action::Removed | Action::Departed | Action::MovedFrom
            ) && let Some(child) = self.mirror.child(dir, name)
            {
                self.remove(child, Cause::Notified, true, false);
            }
            return;
        }
        let child = self.mirror.child(dir, name);
        match (action, child) {
            (Action::Created, None) => self.on_created(dir, name, is_dir),
            (Action::Created, Some(child))
                if self.mirror.is_dir(child) != is_dir
                    || self.mirror.has(child, Mark::VANISHED)
                    || self.mirror.has(child, Mark::UNVERIFIED)
                    || self.block_above(dir).is_some() =>
            {
                self.look(dir, name, Cause::Notified);
            }
            // What is gone was here before what the mirror has, which was seen early.
            (Action::Removed, Some(child)) if self.mirror.is_dir(child) != is_dir => {
                self.look(dir, name, Cause::Notified);
            }
            (Action::Removed, Some(child)) => self.remove(child, Cause::Notified, true, false),
            (Action::Departed, Some(child)) => self.depart(child),
            (Action::MovedFrom, Some(child)) => self.on_moved_out(dir, child, name),
            (Action::Removed | Action::Departed | Action::MovedFrom, None) => {}
            (Action::MovedTo, _) => {
                self.on_moved_in(dir, name, is_dir);
                self.note_arrival(dir, name);
            }
            (Action::Modified | Action::Metadata, None) => self.look(dir, name, Cause::Notified),
            (Action::Modified | Action::Metadata, Some(child)) => {
                self.on_touched(dir, child, name, action);
            }
            _ => {}
        }
    }

    /// A record says that an entry came into being which the mirror does not have.
    fn on_created(&mut self, dir: NodeId, name: &[u8], is_dir: bool) {
        if is_dir {
            self.introduce_dir(dir, name, 0, Cause::Notified);
            return;
        }
        self.counters.stats += 1;
        match self.stat(dir, name) {
            Ok(stat) if stat.kind != FileType::Dir => {
                self.introduce(dir, name, Seen::from(&stat), Cause::Notified);
            }
            // Gone or replaced already; a later record says so.
            _ => self.introduce_unverified(dir, name, FileType::File, Cause::Notified),
        }
    }

    fn on_touched(&mut self, dir: NodeId, child: NodeId, name: &[u8], action: Action) {
        if self.mirror.has(child, Mark::UNVERIFIED) || self.mirror.has(child, Mark::VANISHED) {
            self.look(dir, name, Cause::Notified);
        }
        let Some(child) = self.mirror.child(dir, name) else {
            return;
        };
        if self.mirror.has(child, Mark::UNANNOUNCED) {
            return;
        }
        if action == Action::Modified {
            self.outlets
                .modified(&mut self.mirror, child, Cause::Notified);
            self.tell_other_names(child);
        } else {
            self.outlets
                .metadata(&mut self.mirror, child, Cause::Notified);
            if self.mirror.is_dir(child) {
                self.retry_unreadable(child);
            }
        }
    }

    /// The kernel reports a write under the name that the writer used. Other names of the same file
    /// have the same content.
    fn tell_other_names(&mut self, id: NodeId) {
        if self.mirror.kind(id) != FileType::File || self.mirror.inode(id) == 0 {
            return;
        }
        let device = self.device_of(id);
        for other in self.mirror.by_inode(self.mirror.inode(id)) {
            if other != id
                && self.mirror.kind(other) == FileType::File
                && !self.mirror.has(other, Mark::VANISHED)
                && self.device_of(other) == device
            {
                self.outlets
                    .modified(&mut self.mirror, other, Cause::Notified);
            }
        }
    }

    pub(super) fn device_of(&self, id: NodeId) -> Option<u64> {
        let parent = self.mirror.parent(id)?;
        self.mirror.identity(parent).map(|identity| identity.device)
    }

    fn on_watch_ended(&mut self, watch: Watch) {
        let nodes = self.watches.nodes(watch);
        let guarded = self.watches.guarded(watch);
        self.watches.remove(watch);
        for dir in nodes {
            if self.mirror.contains(dir) && self.mirror.watch(dir) == Some(watch) {
                self.mirror.set_watch(dir, None);
                self.queue(dir);
                if self.kernel.names_paths() {
                    self.lose_watch_above(dir);
                }
            }
        }
        for root in guarded {
            self.check_root(root);
            self.guard_root(root);
        }
    }

    /// Looks at a name and brings the mirror in line with what is there.
    pub(super) fn look(&mut self, dir: NodeId, name: &[u8], cause: Cause) {
        self.counters.stats += 1;
        match self.stat(dir, name) {
            Ok(stat) => {
                if !self.is_hidden(dir, name, stat.kind == FileType::Dir) {
                    self.reconcile(dir, name, Seen::from(&stat), cause);
                    self.note_unlisted(dir, name);
                }
            }
            // What the mirror has is not there now, or what is there cannot be seen now. A record
            // may be under way that says what became of it.
            Err(error) => match self.mirror.child(dir, name) {
                Some(child) => self.doubt(child),
                None if error.is_absence() => {}
                // Whatever is there may have no record to come.
                None => self.queue(dir),
            },
        }
    }

    /// Reloads a directory's ignore rules when a record names their file.
    pub(super) fn note_rules(&mut self, dir: NodeId, name: &[u8]) {
        if self.filter.reads_rules() && name == RULES_FILE && self.mirror.contains(dir) {
            self.rules_changed(dir);
        }
    }
}

impl<K: Kernel> Engine<K> {
    /// Whether the kernel's records can have this name.
    pub(super) fn is_record_name(&self, name: &[u8]) -> bool {
        if self.kernel.names_paths() {
            return name.split(|&byte| byte == b'/').all(is_entry_name);
        }
        is_entry_name(name)
    }
}

/// Whether an entry of a directory can have this name.
fn is_entry_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}
