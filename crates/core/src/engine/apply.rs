//! Applying records.
//!
//! A record is believed if it fits the mirror. One that does not fit makes the engine look at the
//! name on disk: what is there now may be newer than the record, but then newer records follow.

use super::Engine;
use super::aside::Oddity;
use super::handles::OpenError;
use super::look::Seen;
use crate::change::{Cause, FileType};
use crate::filter::RULES_FILE;
use crate::kernel::{Kernel, Watch};
use crate::mirror::{Mark, NodeId};
use crate::record::{Action, Moment};

/// How many moves may come between the two halves of an exchange.
const RECENT_ARRIVALS: usize = 32;

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
                    self.apply_one(watch, action, is_dir, &name);
                }
                None => {
                    self.name = name;
                    return false;
                }
            }
        } else {
            self.counters.records += 1;
            self.apply_one(watch, action, is_dir, &name);
        }
        self.name = name;
        self.backlog.pop();
        true
    }

    fn apply_one(&mut self, watch: Watch, action: Action, is_dir: bool, name: &[u8]) {
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
            _ if !is_entry_name(name) => self.on_overflow(),
            _ => {
                if self.watches.has_guards() {
                    self.check_guarded(watch, Some(name));
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

    fn apply_named(&mut self, dir: NodeId, action: Action, is_dir: bool, name: &[u8]) {
        if !self.mirror.contains(dir) {
            return;
        }
        self.note_rules(dir, name);
        if self.is_hidden(dir, name, is_dir) {
            // The mirror may have it nevertheless: it came with a directory from elsewhere.
            if matches!(action, Action::Removed | Action::MovedFrom)
                && let Some(child) = self.mirror.child(dir, name)
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
            (Action::Removed, Some(child)) => self.remove(child, Cause::Notified, true, false),
            (Action::MovedFrom, Some(child)) => self.on_moved_out(dir, child, name),
            (Action::Removed | Action::MovedFrom, None) => {}
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

    fn apply_move(&mut self, from: Watch, name: &[u8], to: Watch, to_name: &[u8], is_dir: bool) {
        if !is_entry_name(name) || !is_entry_name(to_name) {
            self.on_overflow();
            return;
        }
        if self.watches.has_guards() {
            self.check_guarded(from, Some(name));
            self.check_guarded(to, Some(to_name));
        }
        let sources = self.watches.nodes(from);
        let targets = self.watches.nodes(to);
        for dir in &sources {
            self.note_rules(*dir, name);
        }
        for dir in &targets {
            self.note_rules(*dir, to_name);
        }
        for at in 0..sources.len().max(targets.len()) {
            let alive = |id: &&NodeId| self.mirror.contains(**id);
            let source = sources.get(at).filter(alive).copied();
            let target = targets
                .get(at)
                .filter(alive)
                .copied()
                .filter(|&target| !self.is_hidden(target, to_name, is_dir));
            let child = source.and_then(|source| self.mirror.child(source, name));
            let is_other_sort = child.is_some_and(|child| self.mirror.is_dir(child) != is_dir);
            match (child, target) {
                // The mirror is not as it was when this happened: leave both ends to the disk.
                (Some(_), _) if is_other_sort => {}
                (Some(child), Some(target)) => self.on_moved(child, target, to_name),
                (Some(child), None) => {
                    if let Some(source) = source {
                        self.on_moved_out(source, child, name);
                    }
                }
                (None, Some(target)) => self.on_moved_in(target, to_name, is_dir),
                (None, None) => {}
            }
            let is_doubtful =
                is_other_sort || source.is_some_and(|source| self.may_be_exchange(source, name));
            if is_doubtful {
                for (dir, name) in [(source, name), (target, to_name)] {
                    if let Some(dir) = dir.filter(|&dir| self.mirror.contains(dir)) {
                        self.look(dir, name, Cause::Notified);
                    }
                }
            }
            if let Some(target) = target {
                self.note_arrival(target, to_name);
            }
        }
    }

    fn on_moved(&mut self, child: NodeId, target: NodeId, to_name: &[u8]) {
        if self.mirror.is_within(target, child) {
            // The mirror is not as it was when this happened: leave both ends to the disk.
            if let Some(source) = self.mirror.parent(child) {
                let name = self.mirror.name(child).to_vec();
                self.look(source, &name, Cause::Notified);
            }
            if self.mirror.contains(target) {
                self.look(target, to_name, Cause::Notified);
            }
            return;
        }
        let victim = self
            .mirror
            .child(target, to_name)
            .filter(|&victim| victim != child);
        let mut seen_early = false;
        if let Some(victim) = victim {
            if !self.may_believe_move(child, victim, target, to_name) {
                if let Some(source) = self.mirror.parent(child) {
                    let name = self.mirror.name(child).to_vec();
                    self.on_moved_out(source, child, &name);
                }
                if self.mirror.contains(target) {
                    self.look(target, to_name, Cause::Notified);
                }
                // Whatever it was, something was put under that name.
                if let Some(newcomer) = self.mirror.child(target, to_name)
                    && self.mirror.kind(newcomer) == FileType::File
                {
                    self.outlets
                        .modified(&mut self.mirror, newcomer, Cause::Notified);
                }
                return;
            }
            seen_early = self.mirror.inode(victim) != 0
                && self.mirror.inode(victim) == self.mirror.inode(child);
        }
        if let Some(source) = self.mirror.parent(child) {
            self.put_aside(Oddity::Arrival {
                inode: self.mirror.inode(child),
                dir: target,
                name: to_name.into(),
                from: (source, self.mirror.name(child).into()),
            });
        }
        self.relocate(child, target, to_name, Cause::Notified);
        if seen_early && self.mirror.contains(child) {
            if self.mirror.is_dir(child) {
                if self.mirror.identity(child).is_some() {
                    // A listing has found it there before, and what else that found is lost.
                    self.mirror.set(child, Mark::STALE);
                    self.queue(child);
                }
            } else {
                self.outlets
                    .modified(&mut self.mirror, child, Cause::Notified);
            }
        }
    }

    /// Whether the entry of the mirror is what the record says was moved over another one. An entry
    /// that nobody ever saw may be what a listing has found at the target already; and while records
    /// are missing, another entry may have had the name.
    fn may_believe_move(
        &mut self,
        child: NodeId,
        victim: NodeId,
        target: NodeId,
        to_name: &[u8],
    ) -> bool {
        let is_phantom = self.is_phantom(child) && !self.is_phantom(victim);
        let is_stale = !self.resyncs.is_empty() || self.mirror.has(child, Mark::VANISHED);
        if !is_phantom && !is_stale {
            return true;
        }
        self.counters.stats += 1;
        match self.stat(target, to_name) {
            Ok(stat) if self.mirror.inode(child) == 0 => {
                stat.inode != self.mirror.inode(victim)
                    && (stat.kind == FileType::Dir) == self.mirror.is_dir(child)
            }
            Ok(stat) => stat.inode == self.mirror.inode(child),
            Err(_) => true,
        }
    }

    /// An entry that records speak of but that was never seen on disk.
    fn is_phantom(&self, id: NodeId) -> bool {
        (self.mirror.has(id, Mark::UNVERIFIED) && self.mirror.inode(id) == 0)
            || (self.mirror.has(id, Mark::UNANNOUNCED) && self.mirror.identity(id).is_none())
    }

    /// Something came to this name from where it was not watched.
    fn on_moved_in(&mut self, dir: NodeId, name: &[u8], is_dir: bool) {
        self.counters.stats += 1;
        match self.stat(dir, name) {
            Ok(stat) => {
                let (child, before) = (self.mirror.child(dir, name), self.outlets.changes());
                self.reconcile(dir, name, Seen::from(&stat), Cause::Notified);
                if let Some(child) = child {
                    self.report_anew(dir, name, child, before);
                }
            }
            Err(_) => {
                let kind = if is_dir {
                    FileType::Dir
                } else {
                    FileType::File
                };
                match self.mirror.child(dir, name) {
                    Some(old) if !is_dir && !self.mirror.is_dir(old) => {
                        // What came is another file, of which only the name is known.
                        let kind = self.mirror.kind(old);
                        self.mirror.identify(old, kind, 0, 0);
                        self.doubt(old);
                        self.outlets
                            .modified(&mut self.mirror, old, Cause::Notified);
                    }
                    old => {
                        if let Some(old) = old {
                            self.remove(old, Cause::Notified, true, false);
                        }
                        if is_dir {
                            self.introduce_dir(dir, name, 0, Cause::Notified);
                        } else {
                            self.introduce_unverified(dir, name, kind, Cause::Notified);
                        }
                    }
                }
            }
        }
    }

    /// What had this name went to where it is not watched. If the two were exchanged, what was there
    /// has the name now, and the record of that came first.
    fn on_moved_out(&mut self, dir: NodeId, child: NodeId, name: &[u8]) {
        self.counters.stats += 1;
        match self.stat(dir, name) {
            Ok(stat) => {
                if self.is_phantom(child) {
                    // What was never seen cannot be told from what is there.
                    self.remove(child, Cause::Notified, true, false);
                }
                let before = self.outlets.changes();
                self.reconcile(dir, name, Seen::from(&stat), Cause::Notified);
                self.report_anew(dir, name, child, before);
            }
            Err(OpenError::Fault(fault)) if fault.kind.is_absence() => {
                self.remove(child, Cause::Notified, true, false);
            }
            Err(_) => self.doubt(child),
        }
    }

    /// A file left its name, or came to it, and is found there as it was before: it was away for a
    /// moment, where writes left no record, or was taken for its successor. `before` counts the
    /// changes that were told until then.
    fn report_anew(&mut self, dir: NodeId, name: &[u8], child: NodeId, before: u64) {
        if self.outlets.changes() == before
            && self.mirror.child(dir, name) == Some(child)
            && self.mirror.kind(child) == FileType::File
        {
            self.outlets
                .modified(&mut self.mirror, child, Cause::Notified);
        }
    }

    /// Notes that something was moved to this name.
    fn note_arrival(&mut self, dir: NodeId, name: &[u8]) {
        let mut arrival = if self.recent_arrivals.len() == RECENT_ARRIVALS {
            self.recent_arrivals
                .pop_front()
                .unwrap_or((dir, Vec::new()))
        } else {
            (dir, Vec::new())
        };
        arrival.0 = dir;
        arrival.1.clear();
        arrival.1.extend_from_slice(name);
        self.recent_arrivals.push_back(arrival);
    }

    /// `rename` with `RENAME_EXCHANGE` leaves the same records as a move and the move back, and
    /// means something else: that something left a name does not mean that nothing is there, if
    /// something was moved there shortly before.
    fn may_be_exchange(&self, dir: NodeId, name: &[u8]) -> bool {
        self.recent_arrivals
            .iter()
            .any(|recent| recent.0 == dir && recent.1 == name)
    }

    fn on_watch_ended(&mut self, watch: Watch) {
        let nodes = self.watches.nodes(watch);
        let guarded = self.watches.guarded(watch, None);
        self.watches.remove(watch);
        for dir in nodes {
            if self.mirror.contains(dir) && self.mirror.watch(dir) == Some(watch) {
                self.mirror.set_watch(dir, None);
                self.queue(dir);
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
    fn note_rules(&mut self, dir: NodeId, name: &[u8]) {
        if self.filter.reads_rules() && name == RULES_FILE && self.mirror.contains(dir) {
            self.rules_changed(dir);
        }
    }
}

/// Whether an entry of a directory can have this name.
fn is_entry_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')
}
