//! Roots: what callers asked to watch.
//!
//! A root is a path, and a wish for what is below it: all, its own entries, or one of them. Which
//! tree of the mirror serves it is decided in `trees`; whether its directory is there, in `presence`.

use std::path::{Path, PathBuf};

use super::Engine;
use crate::change::{Cause, FileType};
use crate::filter::OuterRules;
use crate::kernel::{Fault, Kernel};
use crate::mirror::{Mark, NodeId};
use crate::outlet::path_of;
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
    pub(super) recursive: bool,
    pub(super) outer: Vec<OuterRules>,
    /// The root in whose tree this one is; `None` if it has a tree of its own. A host has none.
    pub(super) host: Option<RootId>,
    /// The tree is followed to any depth, for the sake of this root or of a guest with the same path.
    pub(super) is_deep: bool,
    /// The top of its tree; `None` while the directory is gone, or the root is a guest.
    pub(super) node: Option<NodeId>,
    /// The top of its tree while that is gone, if consumers do not know it as an entry.
    pub(super) resting: Option<NodeId>,
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

    /// Whether it wants the entries of the directory at this path.
    pub(super) fn follows(&self, dir: &Path) -> bool {
        self.only.is_none() && (dir == self.dir || (self.recursive && dir.starts_with(&self.dir)))
    }

    /// Whether it wants the entry at this path.
    pub(super) fn covers(&self, path: &Path) -> bool {
        match self.only {
            Some(_) => path == self.told_path(),
            None => path == self.dir || path.parent().is_some_and(|dir| self.follows(dir)),
        }
    }
}

impl<K: Kernel> Engine<K> {
    /// Adds a root. It is armed once [`Engine::is_armed`] says so; what is found until then and was
    /// not in another root already is its beginning and is not reported. Call it only when
    /// [`Engine::can_arm`].
    pub fn add_root(&mut self, spec: RootSpec) -> Result<RootId, Fault> {
        let dir = self.kernel.open_root(&spec.dir)?;
        self.kernel.identity(&dir)?;
        drop(dir);
        if self.roots.is_empty() {
            self.complete = self.kernel.clock();
        }
        // One that is back without being noticed yet is the host, or has what becomes a guest.
        let missing: Vec<RootId> = self
            .roots
            .iter()
            .filter(|root| root.host.is_none() && root.node.is_none())
            .filter(|root| spec.dir.starts_with(&root.dir))
            .map(|root| root.id)
            .collect();
        for root in missing {
            self.check_root(root);
        }
        let id = RootId(self.next_root);
        self.next_root += 1;
        self.roots.push(Root {
            id,
            dir: spec.dir,
            only: spec.only,
            recursive: spec.recursive,
            outer: spec.outer,
            host: None,
            is_deep: false,
            node: None,
            resting: None,
            next_check: None,
        });
        let host = self.find_host(id, true);
        self.arming = Some(id);
        match host {
            Some(host) => self.be_guest(id, host),
            None => {
                let top = self.plant(id);
                // Consumers were told that it is gone, for the sake of another root.
                if let Some(top) = top.filter(|&top| self.is_told_root(top))
                    && !self.is_beginning(top)
                {
                    self.outlets.created(&mut self.mirror, top, Cause::Scanned);
                }
                self.guard_root(id);
            }
        }
        self.take_in(host.unwrap_or(id));
        Ok(id)
    }

    /// Whether a root can be added now: what is being listed for others is done.
    pub fn can_arm(&self) -> bool {
        self.work.is_empty() && self.arming.is_none()
    }

    /// Whether all roots are armed. Call [`Engine::step`] until they are.
    pub fn is_armed(&mut self) -> bool {
        if self.work.is_empty() {
            self.arming = None;
        }
        self.arming.is_none()
    }

    /// The path of each root, as the caller gave it.
    pub fn root_paths(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.roots.iter().map(Root::told_path)
    }

    /// The path of a root, as the caller gave it; `None` if there is no such root, or no longer.
    pub fn root_path(&self, id: RootId) -> Option<PathBuf> {
        self.root(id).map(Root::told_path)
    }

    /// Whether the entry belongs to nothing but the root that is being armed: whoever asked for that
    /// finds the entry in it, and consumers are not told.
    pub(super) fn is_beginning(&self, id: NodeId) -> bool {
        let Some(new) = self.arming.and_then(|new| self.root(new)) else {
            return false;
        };
        if self.roots.len() == 1 {
            return true;
        }
        let is_own = new.node.is_some_and(|top| self.mirror.is_within(id, top));
        let mut others = self.roots.iter().filter(|root| root.id != new.id);
        let is_apart =
            |other: &Root| !other.dir.starts_with(&new.dir) && !new.dir.starts_with(&other.dir);
        if new.host.is_none() && others.clone().all(is_apart) {
            return is_own;
        }
        let path = path_of(&self.mirror, id);
        // What has a tree of its own inside another root is what that one cannot show.
        let shows =
            |other: &Root| other.covers(&path) && (!is_own || other.dir.starts_with(&new.dir));
        new.covers(&path) && !others.any(shows)
    }

    /// Removes a root. Nothing is reported of it any more, not even that it is gone.
    pub fn remove_root(&mut self, id: RootId) {
        let Some(at) = self.roots.iter().position(|root| root.id == id) else {
            return;
        };
        let root = self.roots.remove(at);
        self.unguard(id);
        self.inherit(root);
    }

    /// Makes the top of a root's tree and queues it.
    pub(super) fn plant(&mut self, id: RootId) -> Option<NodeId> {
        let root = self.roots.iter_mut().find(|root| root.id == id)?;
        root.next_check = None;
        let node = match root.resting.take() {
            Some(node) => node,
            None => {
                let node = self
                    .mirror
                    .insert(None, &to_bytes(&root.dir), FileType::Dir, 0);
                self.mirror.set(node, Mark::ROOT);
                self.filter.set_outer(node, root.outer.clone());
                node
            }
        };
        root.node = Some(node);
        self.queue(node);
        self.settle_tree(id);
        Some(node)
    }

    pub(super) fn unguard(&mut self, id: RootId) {
        for watch in self.watches.unguard(id) {
            self.kernel.unwatch(watch);
        }
    }

    pub(super) fn root(&self, id: RootId) -> Option<&Root> {
        self.roots.iter().find(|root| root.id == id)
    }

    pub(super) fn root_mut(&mut self, id: RootId) -> Option<&mut Root> {
        self.roots.iter_mut().find(|root| root.id == id)
    }

    /// Whether the directory is a root that consumers know as an entry.
    pub(super) fn is_told_root(&self, node: NodeId) -> bool {
        self.mirror.has(node, Mark::ROOT) && !self.only.contains_key(&node)
    }
}
