//! Roots: what callers asked to watch, and which trees of the mirror serve it.
//!
//! A root inside another one, under the same path, is covered by it: it is *joined* and has no tree
//! of its own, so that nothing is reported twice. If the outer root comes later, the inner tree is
//! grafted into the outer one; if it goes, the inner one gets its tree back.

use std::path::{Path, PathBuf};

use super::Engine;
use crate::change::{Cause, FileType};
use crate::filter::OuterRules;
use crate::kernel::{Fault, Identity, Kernel};
use crate::mirror::{Mark, NodeId};
use crate::path::{to_bytes, to_path};
use crate::record::Moment;

/// Names a root of an engine. Never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RootId(u32);

/// What to watch.
#[derive(Debug)]
pub struct RootSpec {
    /// Absolute path of a directory, as changes are to be reported below it.
    pub dir: PathBuf,
    /// Watch only the entry of this name in the directory.
    pub only: Option<Vec<u8>>,
    /// Watch all below as well, not only the directory's own entries.
    pub recursive: bool,
    /// Ignore rules of directories above.
    pub outer: Vec<OuterRules>,
}

#[derive(Debug)]
pub(super) struct Root {
    pub(super) id: RootId,
    pub(super) dir: PathBuf,
    pub(super) only: Option<Vec<u8>>,
    /// What the caller wants.
    recursive: bool,
    /// What the tree has, for the sake of this root or of one that is joined to it.
    is_deep: bool,
    outer: Vec<OuterRules>,
    /// The directory in the mirror; `None` while it is gone or joined.
    pub(super) node: Option<NodeId>,
    /// The directory in the mirror while a root for a single entry is gone.
    pub(super) resting: Option<NodeId>,
    /// Another root covers this one; nothing of the mirror is its own.
    pub(super) is_joined: bool,
    /// When to look for it, while it is gone.
    pub(super) next_check: Option<Moment>,
}

impl Root {
    /// The path that the caller asked to watch.
    pub(super) fn told_path(&self) -> PathBuf {
        match &self.only {
            Some(name) => self.dir.join(to_path(name.clone())),
            None => self.dir.clone(),
        }
    }
}

impl<K: Kernel> Engine<K> {
    /// Adds a root. It is armed once [`Engine::is_armed`] says so; what is found until then is its
    /// beginning and is not reported. Call it only when [`Engine::can_arm`].
    pub fn add_root(&mut self, spec: RootSpec) -> Result<RootId, Fault> {
        let dir = self.kernel.open_root(&spec.dir)?;
        let identity = self.kernel.identity(&dir)?;
        drop(dir);
        if self.roots.is_empty() {
            self.complete = self.kernel.clock();
        }
        let id = RootId(self.next_root);
        self.next_root += 1;
        self.reveal(&spec.dir);
        let is_joined = self.join(&spec, identity);
        let (is_whole, dir_path) = (spec.only.is_none(), spec.dir.clone());
        self.roots.push(Root {
            id,
            dir: spec.dir,
            only: spec.only,
            recursive: spec.recursive,
            is_deep: spec.recursive,
            outer: spec.outer,
            node: None,
            resting: None,
            is_joined,
            next_check: None,
        });
        if !is_joined {
            self.arming = true;
            if is_whole {
                self.graft_single_entries(&dir_path, identity);
            }
            self.arming_top = self.plant(id);
            self.guard_root(id);
        }
        Ok(id)
    }

    /// Whether a root can be added now: what is being listed for others is done.
    pub fn can_arm(&self) -> bool {
        self.work.is_empty() && !self.arming
    }

    /// Whether all roots are armed. Call [`Engine::step`] until they are.
    pub fn is_armed(&mut self) -> bool {
        if self.arming && self.work.is_empty() {
            self.arming = false;
            self.arming_top = None;
        }
        !self.arming
    }

    /// The path of each root, as the caller gave it.
    pub fn root_paths(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.roots.iter().map(Root::told_path)
    }

    /// Takes in directories on the way to `dir` that a root above it has not heard of yet, and tells
    /// of them: as a root of their own they would be taken in silently.
    fn reveal(&mut self, dir: &Path) {
        let above: Vec<(NodeId, PathBuf)> = self
            .roots
            .iter()
            .filter(|root| root.is_deep && root.only.is_none())
            .filter_map(|root| Some((root.node?, dir.strip_prefix(&root.dir).ok()?.to_owned())))
            .collect();
        for (top, below) in above {
            let mut at = Some(top);
            for name in &below {
                let name = to_bytes(Path::new(name));
                let Some(dir) = at.filter(|&dir| self.mirror.contains(dir)) else {
                    break;
                };
                if self.mirror.child(dir, &name).is_none() && !self.is_hidden(dir, &name, true) {
                    self.look(dir, &name, Cause::Scanned);
                    while let Some(node) = self.work.pop() {
                        self.adopt(node);
                    }
                }
                at = self.mirror.child(dir, &name);
            }
        }
    }

    /// Whether an existing root covers the new one, which may make that reach deeper.
    fn join(&mut self, spec: &RootSpec, identity: Identity) -> bool {
        let owner = self.roots.iter().position(|root| {
            let Some(top) = root.node else { return false };
            let Ok(below) = spec.dir.strip_prefix(&root.dir) else {
                return false;
            };
            if spec.dir == root.dir {
                return root.only.is_none() || root.only == spec.only;
            }
            let known = self
                .find_below(top, below)
                .map(|node| self.mirror.identity(node));
            root.only.is_none()
                && root.is_deep
                && known.is_some_and(|known| known.is_none_or(|known| known == identity))
        });
        let Some(owner) = owner else { return false };
        if spec.recursive && spec.only.is_none() && !self.roots[owner].is_deep {
            self.roots[owner].is_deep = true;
            self.arming = true;
            if let Some(top) = self.roots[owner].node {
                self.queue_unlisted(top);
            }
        }
        true
    }

    /// Queues the directories in `dir` that were never listed.
    fn queue_unlisted(&mut self, dir: NodeId) {
        let children: Vec<NodeId> = self
            .mirror
            .children(dir)
            .filter(|&child| self.mirror.is_dir(child) && self.mirror.identity(child).is_none())
            .collect();
        for child in children {
            self.queue(child);
        }
    }

    /// Removes a root. Nothing is reported of it any more, not even that it is gone.
    pub fn remove_root(&mut self, id: RootId) {
        let Some(at) = self.roots.iter().position(|root| root.id == id) else {
            return;
        };
        let root = self.roots.remove(at);
        for watch in self.watches.unguard(id) {
            self.kernel.unwatch(watch);
        }
        if root.is_joined {
            if let Some(owner) = self.roots.iter().find(|other| other.dir == root.dir) {
                self.settle_depth(owner.id);
            }
            return;
        }
        if let Some(resting) = root.resting {
            self.drop_tree(resting);
        }
        let Some(top) = root.node else { return };
        let mut heirs: Vec<RootId> = self
            .roots
            .iter()
            .filter(|other| other.is_joined && other.dir.starts_with(&root.dir))
            .map(|other| other.id)
            .collect();
        heirs.sort_by_key(|&heir| self.root(heir).map(|heir| heir.dir.components().count()));
        let mut served: Vec<PathBuf> = Vec::new();
        for heir in heirs {
            let Some(dir) = self.root(heir).map(|heir| heir.dir.clone()) else {
                continue;
            };
            if !served.iter().any(|outer| dir.starts_with(outer)) {
                self.separate(heir, &root.dir, top);
                if self.root(heir).is_some_and(|heir| heir.is_deep) {
                    served.push(dir);
                }
            }
        }
        if let Some(owner) = self.roots.iter().find(|other| other.node == Some(top)) {
            self.settle_depth(owner.id);
        } else {
            self.drop_tree(top);
        }
    }

    pub(super) fn root(&self, id: RootId) -> Option<&Root> {
        self.roots.iter().find(|root| root.id == id)
    }

    pub(super) fn root_mut(&mut self, id: RootId) -> Option<&mut Root> {
        self.roots.iter_mut().find(|root| root.id == id)
    }

    fn drop_tree(&mut self, top: NodeId) {
        self.outlets.forget(&mut self.mirror, top);
        self.remove(top, Cause::Scanned, false, false);
    }

    /// Makes the tree of a root reach as deep as this root and those joined to it want.
    fn settle_depth(&mut self, id: RootId) {
        let Some((dir, node)) = self.root(id).map(|root| (root.dir.clone(), root.node)) else {
            return;
        };
        let is_deep = self
            .roots
            .iter()
            .any(|other| other.dir == dir && other.only.is_none() && other.recursive);
        let Some(root) = self.root_mut(id) else {
            return;
        };
        let was_deep = std::mem::replace(&mut root.is_deep, is_deep);
        if let Some(top) = node.filter(|_| was_deep && !is_deep) {
            let below: Vec<NodeId> = self
                .mirror
                .children(top)
                .filter(|&child| self.mirror.is_dir(child))
                .collect();
            for dir in below {
                let children: Vec<NodeId> = self.mirror.children(dir).collect();
                for child in children {
                    self.drop_tree(child);
                }
                self.unwatch(dir);
                self.drop_gap(dir);
                self.mirror.clear_identity(dir);
            }
        }
    }

    /// Gives a joined root a tree of its own, out of the tree of a root that is removed.
    fn separate(&mut self, id: RootId, outer: &Path, outer_top: NodeId) {
        let Some(root) = self.root(id) else { return };
        let Ok(below) = root.dir.strip_prefix(outer) else {
            return;
        };
        let (dir, is_whole) = (root.dir.clone(), root.only.is_none());
        let node = self.find_below(outer_top, below).filter(|_| is_whole);
        if let Some(node) = node.filter(|&node| node != outer_top) {
            let place = self.mirror.parent(node).map(|parent| {
                (
                    parent,
                    self.mirror.name(node).to_vec(),
                    self.mirror.inode(node),
                )
            });
            self.mirror.uproot(node, &to_bytes(&dir));
            self.mirror.set(node, Mark::ROOT);
            if let Some((parent, name, inode)) = place {
                self.mirror
                    .insert(Some(parent), &name, FileType::Dir, inode);
            }
        }
        if let Some(root) = self.root_mut(id) {
            root.is_joined = false;
            root.node = node;
            root.is_deep = true;
            root.next_check = node.is_none().then_some(Moment::ZERO);
        }
        self.settle_depth(id);
        self.guard_root(id);
    }

    /// Makes the top of a root's tree and queues it.
    pub(super) fn plant(&mut self, id: RootId) -> Option<NodeId> {
        let root = self.roots.iter_mut().find(|root| root.id == id)?;
        if let Some(node) = root.resting.take() {
            root.node = Some(node);
            root.next_check = None;
            self.queue(node);
            return Some(node);
        }
        let node = self
            .mirror
            .insert(None, &to_bytes(&root.dir), FileType::Dir, 0);
        self.mirror.set(node, Mark::ROOT);
        if let Some(only) = &root.only {
            self.only.entry(node).or_default().insert(only.clone());
        }
        self.filter.set_outer(node, root.outer.clone());
        root.node = Some(node);
        root.next_check = None;
        self.queue(node);
        Some(node)
    }

    /// Joins the tree of an inner root into that of the outer root that has just reached it.
    pub(super) fn graft(&mut self, id: NodeId, identity: Identity) -> bool {
        if self.roots.len() < 2 {
            return false;
        }
        let path = crate::outlet::path_of(&self.mirror, id);
        self.graft_single_entries(&path, identity);
        let inner = self.roots.iter_mut().find(|root| {
            root.only.is_none()
                && root.dir == path
                && root.node.is_some_and(|node| {
                    let known = self.mirror.identity(node);
                    node != id && known.is_none_or(|known| known == identity)
                })
        });
        let (Some(inner), Some(dir)) = (inner, self.mirror.parent(id)) else {
            return false;
        };
        let Some(node) = inner.node.take() else {
            return false;
        };
        inner.is_joined = true;
        let inner = inner.id;
        debug_assert!(self.mirror.first_child(id).is_none());
        let name = self.mirror.name(id).to_vec();
        self.remove(id, Cause::Scanned, false, true);
        self.mirror.clear(node, Mark::ROOT);
        self.mirror.relocate(node, dir, &name);
        for watch in self.watches.unguard(inner) {
            self.kernel.unwatch(watch);
        }
        self.queue_unlisted(node);
        true
    }

    /// Roots for single entries of a directory that an outer root has just reached are joined to it.
    fn graft_single_entries(&mut self, path: &Path, identity: Identity) {
        let inner: Vec<RootId> = self
            .roots
            .iter()
            .filter(|root| {
                root.only.is_some()
                    && root.dir == path
                    && root
                        .node
                        .is_some_and(|node| self.mirror.identity(node) == Some(identity))
            })
            .map(|root| root.id)
            .collect();
        for id in inner {
            let node = self.root_mut(id).and_then(|root| {
                root.is_joined = true;
                root.node.take()
            });
            if let Some(node) = node {
                self.drop_tree(node);
            }
            for watch in self.watches.unguard(id) {
                self.kernel.unwatch(watch);
            }
        }
    }

    pub(super) fn is_recursive_root(&self, node: NodeId) -> bool {
        self.roots
            .iter()
            .any(|root| root.node == Some(node) && root.is_deep)
    }

    /// Whether the directory is a root that consumers know as an entry.
    pub(super) fn is_told_root(&self, node: NodeId) -> bool {
        self.mirror.has(node, Mark::ROOT) && !self.only.contains_key(&node)
    }
}
