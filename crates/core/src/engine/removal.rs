//! Removal: how entries, directories and trees leave the mirror, and what goes with them.
//!
//! A tree is followed to any depth, or shows the entries of its top only, or some of them; below its
//! top it is followed where a nested root wants it. That is the *scope* of the tree. It follows from
//! the paths of the roots, so it is asked for when it matters and not written into the mirror. What
//! leaves the scope because no root wants it goes silently. What moves out of it is reported as
//! removed.

use hashbrown::HashSet;

use super::Engine;
use super::root_table::{Root, RootId};
use super::world::Report;
use crate::event::Cause;
use crate::kernel::Kernel;
use crate::mirror::NodeId;

impl<K: Kernel> Engine<K> {
    /// Removes an entry and all below it from the mirror. One change reports all of it; an entry that
    /// consumers do not know goes silently.
    pub(super) fn remove(&mut self, id: NodeId, cause: Cause, report: Report) {
        if report != Report::Silent && self.is_known(id) {
            self.clear_below(id);
        }
        self.remove_alone(id, cause, report);
    }

    /// The same where no tree of another root is left below the entry's path.
    pub(super) fn remove_alone(&mut self, id: NodeId, cause: Cause, report: Report) {
        let report = match self.is_known(id) {
            true => report,
            false => Report::Silent,
        };
        let subtree = self.world.mirror.subtree(id);
        self.world.removing(id, &subtree, cause, report);
        for &id in subtree.iter().rev() {
            self.release(id);
            self.world.mirror.remove(id);
        }
    }

    /// Whether consumers know of the entry.
    fn is_known(&self, id: NodeId) -> bool {
        !self.world.mirror.is_withheld(id) && !self.roots.is_beginning(&self.world.mirror, id)
    }

    /// Gives up what the engine holds for an entry that is about to go.
    fn release(&mut self, id: NodeId) {
        if self.world.mirror.is_dir(id) {
            self.coverage
                .watches
                .release(&mut self.world.mirror, &mut self.directories.kernel, id);
            self.directories.close(id);
            self.visibility.forget(id);
            self.coverage
                .drop_gap(&mut self.world, &mut self.resyncs, id);
            if self.world.mirror.is_root(id) {
                self.roots.top_left(id);
            }
        }
        self.coverage.stamps.remove(id);
    }

    /// Removes a tree of which no root is left.
    pub(super) fn drop_tree(&mut self, top: NodeId) {
        self.world.forget(top);
        self.remove(top, Cause::Scanned, Report::Silent);
    }

    /// Drops all in a directory but what has one of the names.
    fn drop_others(&mut self, dir: NodeId, keep: &HashSet<Vec<u8>>) {
        self.world.forget_others(dir, keep);
        let children: Vec<NodeId> = self.world.mirror.children(dir).collect();
        for child in children {
            if !keep.contains(self.world.mirror.name(child)) {
                self.remove(child, Cause::Scanned, Report::Silent);
            }
        }
    }

    /// Makes the tree of a root show what the root and those nested in it want. Nothing is reported: a
    /// consumer of a root knows what it began with, and what no root wants is of no interest.
    pub(super) fn update_scope(&mut self, outer: RootId) {
        let Some(root) = self.roots.get(outer) else {
            return;
        };
        let (node, was_deep) = (root.node, root.is_deep);
        let place = node.or(root.resting);
        let members: Vec<&Root> = self
            .roots
            .iter()
            .filter(|other| other.dir == root.dir)
            .filter(|other| other.id == outer || other.outer == Some(outer))
            .collect();
        let is_deep = members
            .iter()
            .any(|member| member.only.is_none() && member.recursive);
        let only: Option<HashSet<Vec<u8>>> =
            members.iter().map(|member| member.only.clone()).collect();
        if let Some(root) = self.roots.get_mut(outer) {
            root.is_deep = is_deep;
        }
        let Some(place) = place else { return };
        let is_news = self.visibility.show_only(place, only.clone());
        if node.is_some() && is_news {
            if let Some(only) = &only {
                self.drop_others(place, only);
            }
            self.work.queue(&mut self.world.mirror, place);
        }
        if let Some(top) = node.filter(|_| !(was_deep && is_deep)) {
            self.apply_scope(top, Report::Silent);
        }
    }

    /// Makes the watched part of the tree below `top` match the scope: queues what has to be listed and
    /// is not, and drops what is listed and must not be. `report` says what consumers learn of the
    /// latter.
    pub(super) fn apply_scope(&mut self, top: NodeId, report: Report) {
        let mut dirs = vec![top];
        while let Some(dir) = dirs.pop() {
            let is_listed = self.world.mirror.identity(dir).is_some();
            let reaches = self.roots.reaches(&self.world.mirror, dir);
            if reaches {
                // The top of a new tree may have children before it is listed: those of an old tree.
                let children = self.world.mirror.children(dir);
                dirs.extend(children.filter(|&child| self.world.mirror.is_dir(child)));
            }
            match (reaches, is_listed) {
                (true, true) => {}
                (true, false) => self.work.queue(&mut self.world.mirror, dir),
                (false, true) => self.drop_below(dir, report),
                (false, false) => self
                    .coverage
                    .drop_gap(&mut self.world, &mut self.resyncs, dir),
            }
        }
    }

    /// Drops what is below a directory that is not listed any more.
    fn drop_below(&mut self, dir: NodeId, report: Report) {
        if report == Report::Silent {
            self.drop_others(dir, &HashSet::new());
        } else {
            let children: Vec<NodeId> = self.world.mirror.children(dir).collect();
            for child in children {
                self.remove(child, Cause::Scanned, report);
            }
        }
        self.coverage
            .watches
            .release(&mut self.world.mirror, &mut self.directories.kernel, dir);
        self.coverage
            .drop_gap(&mut self.world, &mut self.resyncs, dir);
        self.directories.close(dir);
        self.world.mirror.clear_identity(dir);
    }
}
