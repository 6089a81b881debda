//! How far the tree of a root reaches, and which of its entries it shows.
//!
//! A tree is followed to any depth, or shows the entries of its top only, or some of them; below its
//! top it is followed where a guest wants it. All of that follows from the paths of the roots, so it is
//! asked for when it matters and not written into the mirror. What no root wants any more is dropped
//! without a word, and what moves to where it is not wanted is told as removed.

use hashbrown::HashSet;

use super::Engine;
use super::roots::{Root, RootId};
use crate::change::Cause;
use crate::kernel::Kernel;
use crate::mirror::NodeId;
use crate::outlet::path_of;

impl<K: Kernel> Engine<K> {
    /// Makes the tree of a root show what the root and its guests want, without a word: whoever is
    /// told of a root knows what it began with, and what nobody wants is of no interest.
    pub(super) fn settle_tree(&mut self, host: RootId) {
        let Some(root) = self.root(host) else { return };
        let (node, was_deep) = (root.node, root.is_deep);
        let place = node.or(root.resting);
        let members: Vec<&Root> = self
            .roots
            .iter()
            .filter(|other| other.dir == root.dir)
            .filter(|other| other.id == host || other.host == Some(host))
            .collect();
        let is_deep = members
            .iter()
            .any(|member| member.only.is_none() && member.recursive);
        let only: Option<HashSet<Vec<u8>>> =
            members.iter().map(|member| member.only.clone()).collect();
        if let Some(root) = self.root_mut(host) {
            root.is_deep = is_deep;
        }
        let Some(place) = place else { return };
        let before = match only.clone() {
            Some(only) => self.only.insert(place, only),
            None => self.only.remove(&place),
        };
        if node.is_some() && only != before {
            if let Some(only) = &only {
                self.drop_others(place, only);
            }
            self.queue(place);
        }
        if let Some(top) = node.filter(|_| !(was_deep && is_deep)) {
            self.fit(top, false);
        }
    }

    pub(super) fn drop_tree(&mut self, top: NodeId) {
        self.outlets.forget(&mut self.mirror, top);
        self.remove(top, Cause::Scanned, false, false);
    }

    /// Drops all in a directory but what has one of the names.
    fn drop_others(&mut self, dir: NodeId, keep: &HashSet<Vec<u8>>) {
        self.outlets.forget_others(&mut self.mirror, dir, keep);
        let children: Vec<NodeId> = self.mirror.children(dir).collect();
        for child in children {
            if !keep.contains(self.mirror.name(child)) {
                self.remove(child, Cause::Scanned, false, false);
            }
        }
    }

    pub(super) fn top(&self, id: NodeId) -> NodeId {
        let mut top = id;
        while let Some(parent) = self.mirror.parent(top) {
            top = parent;
        }
        top
    }

    /// Whether all directories of the tree that `id` is in are listed.
    pub(super) fn is_deep(&self, id: NodeId) -> bool {
        let top = self.top(id);
        self.roots
            .iter()
            .any(|root| root.node == Some(top) && root.is_deep)
    }

    /// Whether the directory is listed.
    pub(super) fn reaches(&self, dir: NodeId) -> bool {
        let top = self.top(dir);
        let Some(root) = self.roots.iter().find(|root| root.node == Some(top)) else {
            return false;
        };
        if root.is_deep || dir == top {
            return true;
        }
        let path = path_of(&self.mirror, dir);
        let is_wanted = |other: &Root| match other.host {
            Some(host) => host == root.id && other.follows(&path),
            // Another tree, which is to take this place.
            None => other.only.is_none() && other.dir == path,
        };
        self.roots.iter().any(is_wanted)
    }

    /// Takes in what is to be listed at and below `top` and is not, and forgets what is and is not to
    /// be. `told` says whether consumers learn of what is forgotten.
    pub(super) fn fit(&mut self, top: NodeId, told: bool) {
        let mut dirs = vec![top];
        while let Some(dir) = dirs.pop() {
            let is_listed = self.mirror.identity(dir).is_some();
            match (self.reaches(dir), is_listed) {
                (true, true) => {
                    let children = self.mirror.children(dir);
                    dirs.extend(children.filter(|&child| self.mirror.is_dir(child)));
                }
                (true, false) => self.queue(dir),
                (false, true) => self.uncover(dir, told),
                (false, false) => self.drop_gap(dir),
            }
        }
    }

    /// Forgets what is below a directory that is not listed any more.
    fn uncover(&mut self, dir: NodeId, told: bool) {
        if told {
            let children: Vec<NodeId> = self.mirror.children(dir).collect();
            for child in children {
                self.remove(child, Cause::Scanned, true, false);
            }
        } else {
            self.drop_others(dir, &HashSet::new());
        }
        self.unwatch(dir);
        self.drop_gap(dir);
        self.close_handle(dir);
        self.mirror.clear_identity(dir);
    }

    /// Whether the tree that `other` is in shows the directory, too, under another path: what comes to
    /// it has another place there.
    pub(super) fn is_shown_beside(&mut self, dir: NodeId, other: NodeId) -> bool {
        let top = self.top(other);
        if self.roots.len() < 2 || self.top(dir) == top {
            return false;
        }
        let twins = match (self.mirror.watch(dir), self.mirror.identity(dir)) {
            (Some(watch), _) => self.watches.nodes(watch),
            (None, Some(identity)) => self.mirror.by_inode(identity.inode),
            (None, None) => Vec::new(),
        };
        let identity = self.mirror.identity(dir);
        twins.into_iter().any(|twin| {
            twin != dir && self.mirror.identity(twin) == identity && self.top(twin) == top
        })
    }
}
