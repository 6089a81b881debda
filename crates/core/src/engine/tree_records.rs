//! Records of kernels that watch whole trees.
//!
//! Such a record names an entry by the path that led to it when it was made, and mostly does not say what the
//! entry is. All records of a tree come in the order in which things happened, so when one is in hand
//! the mirror has the tree as it was then, and the path is looked up there. Two things need care:
//!
//! - The mirror may be ahead: a listing or a look has shown something of which records are still to
//!   come. A name that leads nowhere belongs to a directory that waits to be listed, or was found
//!   elsewhere. What is found elsewhere by inference is compared again once the records that may have
//!   named it otherwise are applied (`Undecided::Shifted`).
//! - A move to another directory comes as a removal and a creation. What is gone waits for as long
//!   as the second half of a move would, and is recognised by its identity where it came to
//!   (`Undecided::Departed`).

use super::Engine;
use super::reconcile::Seen;
use super::world::Report;
use crate::entry::{Birth, FileType, Watch};
use crate::event::Cause;
use crate::kernel::Kernel;
use crate::mirror::NodeId;
use crate::record::{Action, Described};

/// A name in a directory of the mirror.
type NamedPlace = (NodeId, Vec<u8>);

/// Where a path of a record leads.
struct Found {
    /// None if it leads nowhere at present; several if a short name in it may be that of several
    /// entries.
    places: Vec<NamedPlace>,
    /// No name in it is short.
    is_certain: bool,
}

impl Found {
    /// The place, where there can be only one.
    fn place(mut self) -> Option<NamedPlace> {
        self.places.pop()
    }
}

/// What a record says of the entry at a place.
#[derive(Clone, Copy)]
enum Said {
    /// It may be there, or elsewhere: a name in the path may be a short one.
    Perhaps,
    /// It is listed under this name.
    Named,
    /// The same, and what it is.
    Described(Described),
}

impl Said {
    /// What it is, if the record says so.
    fn described(self) -> Option<Described> {
        match self {
            Said::Described(described) => Some(described),
            Said::Perhaps | Said::Named => None,
        }
    }
}

impl<K: Kernel> Engine<K> {
    /// Applies a record that names a path.
    pub(super) fn apply_below(
        &mut self,
        watch: Watch,
        action: Action,
        described: Option<Described>,
        path: &[u8],
    ) {
        let goes = matches!(action, Action::Departed | Action::MovedFrom);
        for top in self.coverage.watches.nodes(watch) {
            let found = self.find_named(top, path);
            let said = match described {
                _ if !found.is_certain => Said::Perhaps,
                None => Said::Named,
                Some(described) => Said::Described(described),
            };
            for (dir, name) in found.places {
                if goes && !found.is_certain {
                    self.may_have_departed(dir, &name);
                } else {
                    self.apply_at(dir, &name, action, said);
                }
            }
        }
    }

    /// Applies a move from one path to another.
    pub(super) fn apply_move_below(&mut self, from: Watch, path: &[u8], to: Watch, to_path: &[u8]) {
        let sources = self.coverage.watches.nodes(from);
        let targets = self.coverage.watches.nodes(to);
        for at in 0..sources.len().max(targets.len()) {
            let (source, target) = (sources.get(at), targets.get(at));
            let source = source.map(|&top| self.find_named(top, path));
            let target = target.map(|&top| self.find_named(top, to_path));
            let found = [&source, &target].into_iter().flatten();
            if !found.into_iter().all(|found| found.is_certain) {
                for (dir, name) in source.into_iter().flat_map(|found| found.places) {
                    self.may_have_departed(dir, &name);
                }
                for (dir, name) in target.into_iter().flat_map(|found| found.places) {
                    self.apply_at(dir, &name, Action::MovedTo, Said::Perhaps);
                }
                continue;
            }
            let source = source.and_then(Found::place);
            let target = target.and_then(Found::place);
            let child = source
                .as_ref()
                .filter(|(dir, _)| self.world.mirror.contains(*dir))
                .and_then(|(dir, name)| self.world.mirror.child(*dir, name));
            match (child, source, target) {
                (Some(child), Some(source), Some(target)) => {
                    let is_dir = self.world.mirror.is_dir(child);
                    self.apply_move_between(
                        Some((source.0, &source.1)),
                        Some((target.0, &target.1)),
                        is_dir,
                    );
                }
                // Where it went is hidden, or to be listed: then it is recognised there.
                (Some(_), Some((dir, name)), None) => {
                    self.apply_at(dir, &name, Action::MovedFrom, Said::Named);
                }
                // A look may have shown the move before.
                (None, source, target) => {
                    for (place, action) in [(source, Action::MovedFrom), (target, Action::MovedTo)]
                    {
                        if let Some((dir, name)) = place {
                            self.apply_at(dir, &name, action, Said::Named);
                        }
                    }
                }
                (Some(_), None, _) => {}
            }
        }
    }

    /// Applies a record about a place that was found in the mirror.
    fn apply_at(&mut self, dir: NodeId, name: &[u8], action: Action, said: Said) {
        if !self.world.mirror.contains(dir) {
            return;
        }
        let child = self.world.mirror.child(dir, name);
        let is_modified = matches!(action, Action::Modified | Action::Metadata);
        // A look that was ahead of the record has not said what the entry replaced.
        let was_seen =
            self.is_seen(child) && child.is_some_and(|child| !self.pending.early.has(child));
        let is_other = is_modified
            && child.is_some_and(|child| self.has_changed_kind(dir, child, name, said.described()));
        if is_other || matches!(action, Action::Created | Action::MovedTo) {
            self.note_rules(dir, name);
        }
        if !is_other {
            self.apply_known(dir, name, action, child, said);
        }
        if is_modified
            && !was_seen
            && self.directories.kernel.replaces_in_any_case()
            && self.world.mirror.contains(dir)
        {
            self.pending
                .doubt_other_cases(&mut self.world.mirror, self.time, dir, name);
        }
    }

    /// Whether the mirror has an entry and has not lost sight of it.
    fn is_seen(&self, child: Option<NodeId>) -> bool {
        let mirror = &self.world.mirror;
        child.is_some_and(|child| !mirror.has_vanished(child) && !mirror.is_doubted(child))
    }

    /// The same, once it is known that the name has the entry that the mirror has there.
    fn apply_known(
        &mut self,
        dir: NodeId,
        name: &[u8],
        action: Action,
        child: Option<NodeId>,
        said: Said,
    ) {
        let is_dir = child.is_some_and(|child| self.world.mirror.is_dir(child));
        match (action, child) {
            (Action::Created | Action::MovedTo, _) => {
                match said {
                    Said::Described(entry) if child.is_none() && action == Action::Created => {
                        self.believe(dir, name, entry)
                    }
                    _ => self.arrive(dir, name, action == Action::MovedTo, said),
                }
                self.records.arrivals.note(dir, name);
            }
            // A directory is modified whenever its entries change; these have records of their own.
            (Action::Modified | Action::Metadata, Some(child)) if is_dir => {
                self.resyncs.retry_unreadable(
                    &mut self.coverage.gaps,
                    &self.visibility,
                    &mut self.world,
                    &mut self.work,
                    child,
                );
            }
            (action, child) => {
                let action = match action {
                    Action::MovedFrom if child.is_some() => Action::Departed,
                    action => action,
                };
                self.apply_named(dir, action, is_dir, name);
            }
        }
    }

    /// Looks at an entry that a record says was modified, if it may be another one by now. Returns whether it is, or is of
    /// another kind: then that was reported just now.
    fn has_changed_kind(
        &mut self,
        dir: NodeId,
        child: NodeId,
        name: &[u8],
        described: Option<Described>,
    ) -> bool {
        let (kind, mirror) = (self.world.mirror.kind(child), &self.world.mirror);
        if !self.may_be_another(child, described)
            || self
                .visibility
                .hides(mirror, dir, name, kind == FileType::Dir)
        {
            return false;
        }
        self.look(dir, name, Cause::Notified);
        self.note_look(dir, name);
        self.world.mirror.child(dir, name) != Some(child) || self.world.mirror.kind(child) != kind
    }

    /// Whether an entry that was modified may be of another kind than the mirror has it, or another entry: its
    /// record says so, or does not say what it is and came after the last look. A directory with entries
    /// cannot become a link.
    fn may_be_another(&self, child: NodeId, described: Option<Described>) -> bool {
        let mirror = &self.world.mirror;
        if !self.directories.kernel.modifies_kinds() || mirror.is_withheld(child) {
            return false;
        }
        if let Some(Described { kind, inode }) = described {
            return mirror.kind(child) != kind || mirror.inode(child) != Some(inode);
        }
        let serial = self.records.queue.popped();
        mirror.children(child).all(|id| mirror.has_vanished(id))
            && !self.records.looks.cover(child, serial)
    }

    /// Notes that the entry of this name was looked at just now.
    fn note_look(&mut self, dir: NodeId, name: &[u8]) {
        if let Some(child) = self.world.mirror.child(dir, name) {
            let end = self.records.queue.end();
            self.records.looks.note(child, end);
        }
    }

    /// Takes a new entry for what its record says it is, which saves a look. The mirror has nothing under
    /// the name.
    ///
    /// The entry may be another one by now, of another kind, or gone: then a later record says so.
    fn believe(&mut self, dir: NodeId, name: &[u8], described: Described) {
        let seen = Seen::listed(described.kind, Some(described.inode), Birth::Unique);
        self.reconcile(dir, name, seen, Cause::Notified);
        if let Some(child) = self.world.mirror.child(dir, name) {
            self.records.looks.forget(child);
            self.pending.early.described(child);
        }
        self.coverage.note_unlisted(&self.world.mirror, dir, name);
    }

    /// Something came to be under this name. `is_moved` says that it was elsewhere before.
    fn arrive(&mut self, dir: NodeId, name: &[u8], is_moved: bool, said: Said) {
        self.counters.stats += 1;
        let seen = match said {
            Said::Perhaps => self.directories.stat(&self.world.mirror, dir, name),
            Said::Named | Said::Described(_) => {
                self.directories
                    .stat_arrived(&mut self.world.mirror, dir, name)
            }
        };
        match seen {
            Ok(stat) => {
                let is_dir = stat.kind == FileType::Dir;
                if self.visibility.hides(&self.world.mirror, dir, name, is_dir) {
                    if let Some(child) = self.world.mirror.child(dir, name) {
                        self.remove(child, Cause::Notified, Report::Removed);
                    }
                    return;
                }
                let before = self.world.outlets.changes();
                let child = self.world.mirror.child(dir, name);
                // Otherwise a listing has shown it before its record came.
                let is_news =
                    is_moved || child.is_some_and(|child| self.world.mirror.has_vanished(child));
                self.reconcile(dir, name, Seen::from(&stat), Cause::Notified);
                if let Some(child) = child {
                    if is_news {
                        self.world.report_anew(dir, name, child, before);
                    }
                    let is_here = self.world.mirror.child(dir, name) == Some(child);
                    if is_here && is_dir && !self.directories.kernel.keeps_moved() {
                        self.coverage.lose_watch_above(
                            &mut self.world.mirror,
                            &mut self.directories.kernel,
                            &mut self.work,
                            child,
                        );
                    }
                }
                self.note_look(dir, name);
                self.coverage.note_unlisted(&self.world.mirror, dir, name);
            }
            Err(error) => match self.world.mirror.child(dir, name) {
                Some(child) => {
                    // The entry that departed from the name has a successor, of which only the name is
                    // known.
                    if self.world.mirror.reappear(child) {
                        if self.world.mirror.is_dir(child) {
                            self.world.mirror.mistrust(child);
                        } else {
                            let kind = self.world.mirror.kind(child);
                            self.world.mirror.identify(child, kind, None, None);
                            self.world.modified(child, Cause::Notified);
                        }
                    }
                    self.pending.doubt(&mut self.world.mirror, self.time, child);
                    self.work
                        .compare_again(&self.roots, &mut self.world.mirror, child);
                }
                // Gone again, and a record says whereto.
                None if error.is_absence() => {}
                None => self.work.queue(&mut self.world.mirror, dir),
            },
        }
    }

    /// The entry is gone from its name; in a moment it may be found under another one.
    pub(super) fn depart(&mut self, id: NodeId) {
        let is_known = self.world.mirror.inode(id).is_some() && !self.world.mirror.is_withheld(id);
        if !is_known || self.roots.is_beginning(&self.world.mirror, id) {
            self.remove(id, Cause::Notified, Report::Removed);
        } else {
            self.pending.depart(&mut self.world.mirror, self.time, id);
        }
    }

    /// The entry of this name may be the one that is gone: only the disk knows. If it is there, it may
    /// have been away.
    fn may_have_departed(&mut self, dir: NodeId, name: &[u8]) {
        let Some(child) = self.world.mirror.child(dir, name) else {
            return;
        };
        self.note_rules(dir, name);
        self.counters.stats += 1;
        match self.directories.stat(&self.world.mirror, dir, name) {
            Ok(stat) => {
                let before = self.world.outlets.changes();
                self.reconcile(dir, name, Seen::from(&stat), Cause::Notified);
                self.world.report_anew(dir, name, child, before);
                self.work
                    .compare_again(&self.roots, &mut self.world.mirror, child);
            }
            Err(error) if error.is_absence() => self.depart(child),
            Err(_) => {
                self.pending.doubt(&mut self.world.mirror, self.time, child);
                self.work
                    .compare_again(&self.roots, &mut self.world.mirror, child);
            }
        }
    }

    /// Where a path below `top` leads in the mirror.
    fn find_named(&mut self, top: NodeId, path: &[u8]) -> Found {
        let (mut dirs, mut is_certain) = (vec![top], true);
        let mut names = path.split(|&byte| byte == b'/').peekable();
        while let Some(name) = names.next() {
            let mut places = Vec::new();
            for dir in dirs.drain(..) {
                // What is not listed yet will be.
                if self.world.mirror.contains(dir) && self.world.mirror.identity(dir).is_some() {
                    is_certain &= !self.is_short(dir, name);
                    let owners = self.owners(dir, name).into_iter();
                    places.extend(owners.map(|name| (dir, name)));
                }
            }
            if names.peek().is_none() {
                return Found { places, is_certain };
            }
            for (dir, name) in places {
                match self.world.mirror.child(dir, &name) {
                    Some(child) if self.world.mirror.is_dir(child) => dirs.push(child),
                    _ if self.roots.reaches(&self.world.mirror, dir) => {
                        self.look(dir, &name, Cause::Notified)
                    }
                    _ => {}
                }
            }
        }
        Found {
            places: Vec::new(),
            is_certain,
        }
    }
}
