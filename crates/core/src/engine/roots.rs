//! Roots: adding and removing them, and noticing that one has left its name or is back.
//!
//! A root is a name, whoever has it. Its directory cannot be relied on to report its own end: a
//! shell that stands in it keeps it alive. So the parent of every root is watched for the root's
//! name, and the directories above for being renamed. A root that is gone is looked for at short
//! intervals, the only time an engine without polled directories wakes by itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Engine;
use crate::change::{Cause, FileType, ResyncReason};
use crate::coverage::{Gap, State};
use crate::filter::OuterRules;
use crate::kernel::{Fault, FaultKind, Identity, Kernel, Purpose, Watch, Watched};
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
    dir: PathBuf,
    only: Option<Vec<u8>>,
    recursive: bool,
    /// The directory in the mirror; `None` while it is gone or joined.
    pub(super) node: Option<NodeId>,
    /// Another root covers this one; nothing of the mirror is its own.
    pub(super) is_joined: bool,
    /// When to look for it, while it is gone.
    next_check: Option<Moment>,
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
    /// beginning and is not reported.
    pub fn add_root(&mut self, spec: RootSpec) -> Result<RootId, Fault> {
        let dir = self.kernel.open_root(&spec.dir)?;
        let identity = self.kernel.identity(&dir)?;
        drop(dir);
        if self.roots.is_empty() {
            self.complete = self.kernel.clock();
        }
        let id = RootId(self.next_root);
        self.next_root += 1;
        let is_joined = spec.only.is_none() && self.is_covered(&spec.dir, identity, spec.recursive);
        self.roots.push(Root {
            id,
            dir: spec.dir,
            only: spec.only,
            recursive: spec.recursive,
            node: None,
            is_joined,
            next_check: None,
        });
        if !is_joined {
            self.arming = true;
            self.guard_root(id);
            let node = self.plant(id);
            self.filter.set_outer(node, spec.outer);
        }
        Ok(id)
    }

    /// Whether all roots are armed. Call [`Engine::step`] until they are.
    pub fn is_armed(&mut self) -> bool {
        if self.arming && self.work.is_empty() {
            self.arming = false;
        }
        !self.arming
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
        let Some(top) = root.node else { return };
        let joined: BTreeSet<RootId> = self
            .roots
            .iter()
            .filter(|other| other.is_joined)
            .map(|other| other.id)
            .collect();
        for other in joined {
            self.separate(other, &root.dir, top);
        }
        if self.mirror.contains(top) && self.mirror.has(top, Mark::ROOT) {
            let subtree = self.mirror.subtree(top);
            self.outlets.forget(&mut self.mirror, &subtree);
            self.remove(top, Cause::Scanned, false, false);
        }
    }

    /// Gives a joined root back a tree of its own, out of the tree of a root that is removed.
    fn separate(&mut self, id: RootId, outer: &Path, outer_top: NodeId) {
        let Some(root) = self.roots.iter().find(|root| root.id == id) else {
            return;
        };
        let Ok(below) = root.dir.strip_prefix(outer) else {
            return;
        };
        let dir = root.dir.clone();
        let mut node = Some(outer_top);
        for name in below {
            let name = to_bytes(Path::new(name));
            node = node.and_then(|node| self.mirror.child(node, &name));
        }
        let node = node.filter(|&node| self.mirror.is_dir(node));
        if let Some(node) = node.filter(|&node| node != outer_top) {
            self.mirror.uproot(node, &to_bytes(&dir));
            self.mirror.set(node, Mark::ROOT);
        }
        if let Some(root) = self.roots.iter_mut().find(|root| root.id == id) {
            root.is_joined = false;
            root.node = node;
            root.next_check = node.is_none().then_some(Moment::ZERO);
        }
        if node == Some(outer_top) {
            // The same directory under the same name: it only changes hands.
            self.mirror.clear(outer_top, Mark::ROOT);
            self.mirror.set(outer_top, Mark::ROOT);
        }
        self.guard_root(id);
    }

    fn is_covered(&self, dir: &Path, identity: Identity, recursive: bool) -> bool {
        self.roots.iter().any(|root| {
            let is_inside = dir.starts_with(&root.dir)
                && root.only.is_none()
                && root.node.is_some()
                && (root.recursive || (dir == root.dir && !recursive));
            is_inside
                && self
                    .find(dir)
                    .is_some_and(|node| self.mirror.identity(node) == Some(identity))
        })
    }

    /// Makes the top of a root's tree and queues it.
    fn plant(&mut self, id: RootId) -> NodeId {
        let at = self
            .roots
            .iter()
            .position(|root| root.id == id)
            .unwrap_or_default();
        let name = to_bytes(&self.roots[at].dir);
        let node = self.mirror.insert(None, &name, FileType::Dir, 0);
        self.mirror.set(node, Mark::ROOT);
        if let Some(only) = &self.roots[at].only {
            self.only.entry(node).or_default().insert(only.clone());
        }
        self.roots[at].node = Some(node);
        self.roots[at].next_check = None;
        self.queue(node);
        node
    }

    /// Watches the directories above a root. What cannot be watched there is done without.
    pub(super) fn guard_root(&mut self, id: RootId) {
        let Some(root) = self.roots.iter().find(|root| root.id == id) else {
            return;
        };
        if root.is_joined {
            return;
        }
        let dir = root.dir.clone();
        for (level, above) in dir.ancestors().skip(1).enumerate() {
            let purpose = if level == 0 {
                Purpose::Guard
            } else {
                Purpose::Ancestor
            };
            let Ok(handle) = self.kernel.open_root(above) else {
                continue;
            };
            if let Ok(Watched::New(watch) | Watched::Known(watch)) =
                self.kernel.watch(&handle, purpose)
            {
                self.watches.guard(watch, id);
            }
        }
    }

    /// Looks at the roots that a record about a directory above them may concern.
    pub(super) fn check_guarded(&mut self, watch: Watch, name: Option<&[u8]>) {
        for id in self.watches.guarded(watch) {
            let Some(root) = self.roots.iter().find(|root| root.id == id) else {
                continue;
            };
            let own_name = root.dir.file_name().map(|own| to_bytes(Path::new(own)));
            if name.is_none() || own_name.as_deref() == name {
                self.check_root(id);
            }
        }
    }

    /// Compares the directory that has the root's name now with the one in the mirror.
    pub(super) fn check_root(&mut self, id: RootId) {
        let Some(root) = self.roots.iter().find(|root| root.id == id) else {
            return;
        };
        if root.is_joined {
            return;
        }
        let (dir, node) = (root.dir.clone(), root.node);
        let found = self
            .kernel
            .open_root(&dir)
            .and_then(|dir| self.kernel.identity(&dir));
        match (found, node) {
            (Ok(identity), Some(node)) if self.mirror.identity(node) == Some(identity) => {}
            (Ok(_), Some(node)) if self.mirror.identity(node).is_none() => {}
            (Ok(_), Some(node)) => {
                self.root_gone(id, node);
                self.root_returns(id);
            }
            (Ok(_), None) => self.root_returns(id),
            (
                Err(Fault {
                    kind: FaultKind::NotFound | FaultKind::NotDirectory,
                    ..
                }),
                Some(node),
            ) => {
                self.root_gone(id, node);
            }
            // Whoever may not look cannot tell; the directory keeps reporting as long as it lives.
            (Err(_), _) => {}
        }
    }

    /// Checks the root that this is the top of.
    pub(super) fn check_root_node(&mut self, node: NodeId) {
        let id = self
            .roots
            .iter()
            .find(|root| root.node == Some(node))
            .map(|root| root.id);
        if let Some(id) = id {
            self.check_root(id);
        }
    }

    fn root_gone(&mut self, id: RootId, node: NodeId) {
        let Some(root) = self.roots.iter_mut().find(|root| root.id == id) else {
            return;
        };
        root.node = None;
        root.next_check = Some(Moment::ZERO);
        let path = root.told_path();
        if self.only.contains_key(&node) {
            let children: Vec<NodeId> = self.mirror.children(node).collect();
            for child in children {
                self.remove(child, Cause::Notified, true, false);
            }
            self.remove(node, Cause::Notified, false, false);
        } else {
            self.remove(node, Cause::Notified, true, false);
        }
        self.outlets
            .coverage(path, State::Lost, Some(Gap::RootGone));
    }

    fn root_returns(&mut self, id: RootId) {
        let node = self.plant(id);
        let Some(root) = self.roots.iter().find(|root| root.id == id) else {
            return;
        };
        let path = root.told_path();
        if root.only.is_none() {
            self.outlets.created(&mut self.mirror, node, Cause::Scanned);
        }
        self.outlets.coverage(path, State::Live, None);
        self.resync(node, ResyncReason::RootReturned);
        self.guard_root(id);
    }

    /// The top of a root's tree is about to go, or went into another tree.
    pub(super) fn root_left(&mut self, node: NodeId) {
        for root in self.roots.iter_mut().filter(|root| root.node == Some(node)) {
            root.node = None;
            root.next_check = Some(Moment::ZERO);
        }
    }

    /// The tree of a root became a part of another root's tree.
    pub(super) fn root_joined(&mut self, node: NodeId) {
        for root in self.roots.iter_mut().filter(|root| root.node == Some(node)) {
            root.node = None;
            root.is_joined = true;
            root.next_check = None;
        }
    }

    pub(super) fn look_for_roots(&mut self, now: Moment) {
        let interval = self.pace.root;
        let due: Vec<RootId> = self
            .roots
            .iter()
            .filter(|root| root.next_check.is_some_and(|check| check <= now))
            .map(|root| root.id)
            .collect();
        for id in due {
            if let Some(root) = self.roots.iter_mut().find(|root| root.id == id) {
                root.next_check = Some(now + interval);
            }
            self.check_root(id);
        }
    }

    pub(super) fn next_root_check(&self) -> Option<Moment> {
        self.roots.iter().filter_map(|root| root.next_check).min()
    }

    pub(super) fn is_recursive_root(&self, node: NodeId) -> bool {
        self.roots
            .iter()
            .any(|root| root.node == Some(node) && root.recursive)
    }

    /// Whether the directory is a root that consumers know as an entry.
    pub(super) fn is_told_root(&self, node: NodeId) -> bool {
        self.mirror.has(node, Mark::ROOT) && !self.only.contains_key(&node)
    }
}
