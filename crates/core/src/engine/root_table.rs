//! The table of roots: what callers asked to watch, and what follows from their paths alone.
//!
//! A root is a path, and a wish for what is below it: all, its own entries, or one of them. Its tree
//! in the mirror is its own, or a part of the tree of another root, its *outer* root; see `nested`.

use std::path::{Path, PathBuf};

use crate::ignore::AncestorIgnores;
use crate::mirror::path::path_of;
use crate::mirror::{Mirror, NodeId};
use crate::path::to_path;
use crate::time::Moment;

/// Names a root of an engine. Ids are never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RootId(u32);

/// What to watch.
#[derive(Debug)]
pub struct RootSpec {
    /// Absolute path of a directory, as changes are reported below it.
    pub dir: PathBuf,
    /// Watch only the entry of this name in the directory.
    pub only: Option<Vec<u8>>,
    /// Watch all below as well, not only the directory's own entries.
    pub recursive: bool,
    /// Ignore rules of directories above.
    pub outer: Vec<AncestorIgnores>,
}

/// A root and its tree.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) id: RootId,
    pub(super) dir: PathBuf,
    pub(super) only: Option<Vec<u8>>,
    /// What the caller wants.
    pub(super) recursive: bool,
    pub(super) rules: Vec<AncestorIgnores>,
    /// The root in whose tree this one is; `None` if it has a tree of its own. A outer has none.
    pub(super) outer: Option<RootId>,
    /// The tree is followed to any depth, for the sake of this root or of a nested one with the same
    /// path.
    pub(super) is_deep: bool,
    /// The top of its tree; `None` while the directory is gone, or the root is nested.
    pub(super) node: Option<NodeId>,
    /// The top of its tree while that is gone, if consumers do not know it as an entry.
    pub(super) resting: Option<NodeId>,
    /// When to look for it, while it is gone.
    pub(super) next_check: Option<Moment>,
}

impl Root {
    /// The path that the caller asked to watch.
    pub(super) fn asked_path(&self) -> PathBuf {
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
            Some(_) => path == self.asked_path(),
            None => path == self.dir || path.parent().is_some_and(|dir| self.follows(dir)),
        }
    }
}

/// All roots, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Roots {
    all: Vec<Root>,
    next_id: u32,
    /// The root that is being armed: what is found of it is its beginning, not a change.
    arming: Option<RootId>,
    /// The step in which all of that root was listed.
    listed: Option<u64>,
}

impl Roots {
    /// The root with this id, unless it was removed.
    pub(super) fn get(&self, id: RootId) -> Option<&Root> {
        self.all.iter().find(|root| root.id == id)
    }

    /// The same, to change it.
    pub(super) fn get_mut(&mut self, id: RootId) -> Option<&mut Root> {
        self.all.iter_mut().find(|root| root.id == id)
    }

    /// The roots in the order in which they were added.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Root> {
        self.all.iter()
    }

    /// The same, to change them.
    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Root> {
        self.all.iter_mut()
    }

    /// Number of roots.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is no root.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The ids of all roots, to go through them while they change.
    pub(super) fn ids(&self) -> Vec<RootId> {
        self.all.iter().map(|root| root.id).collect()
    }

    /// Adds a root that has no tree yet.
    pub(super) fn add(&mut self, spec: RootSpec) -> RootId {
        let id = RootId(self.next_id);
        self.next_id += 1;
        self.all.push(Root {
            id,
            dir: spec.dir,
            only: spec.only,
            recursive: spec.recursive,
            rules: spec.outer,
            outer: None,
            is_deep: false,
            node: None,
            resting: None,
            next_check: None,
        });
        id
    }

    /// Takes a root out of the table, with what it knows of its tree.
    pub(super) fn remove(&mut self, id: RootId) -> Option<Root> {
        let at = self.all.iter().position(|root| root.id == id)?;
        Some(self.all.remove(at))
    }

    /// Begins to arm a root: see [`Roots::is_beginning`].
    pub(super) fn begin_arming(&mut self, id: RootId) {
        self.arming = Some(id);
        self.listed = None;
    }

    /// All of the root that is being armed is listed. It is armed with the step after that, whose drain has the records of
    /// what happened meanwhile.
    pub(super) fn end_arming(&mut self, step: u64) {
        if self.arming.is_some() && *self.listed.get_or_insert(step) < step {
            self.arming = None;
        }
    }

    /// Whether a root is being armed.
    pub(super) fn is_arming(&self) -> bool {
        self.arming.is_some()
    }

    /// The root whose tree has this top.
    pub(super) fn of_top(&self, top: NodeId) -> Option<&Root> {
        self.all.iter().find(|root| root.node == Some(top))
    }

    /// Notes that the top of a root's tree is about to go, or went into another tree.
    pub(super) fn top_left(&mut self, top: NodeId) {
        for root in &mut self.all {
            if root.node == Some(top) {
                root.node = None;
                root.next_check = Some(Moment::ZERO);
            }
        }
    }

    /// Looks for the root at the next opportunity.
    pub(super) fn check_soon(&mut self, id: RootId) {
        if let Some(root) = self.get_mut(id) {
            root.next_check = Some(Moment::ZERO);
        }
    }

    /// Looks at the roots that are looked at from time to time in the next step.
    pub(super) fn hasten_checks(&mut self) {
        for root in &mut self.all {
            root.next_check = root.next_check.map(|_| Moment::ZERO);
        }
    }

    /// When the first of the roots that are looked for has to be looked for.
    pub(super) fn next_check(&self) -> Option<Moment> {
        self.all.iter().filter_map(|root| root.next_check).min()
    }

    /// Whether the entry belongs to nothing but the root that is being armed: the caller who asked for
    /// that finds the entry in it, and it is not reported.
    pub(super) fn is_beginning(&self, mirror: &Mirror, id: NodeId) -> bool {
        let Some(new) = self.arming.and_then(|new| self.get(new)) else {
            return false;
        };
        if self.all.len() == 1 {
            return true;
        }
        let is_own = new.node.is_some_and(|top| mirror.is_within(id, top));
        let mut others = self.all.iter().filter(|root| root.id != new.id);
        let is_apart =
            |other: &Root| !other.dir.starts_with(&new.dir) && !new.dir.starts_with(&other.dir);
        if new.outer.is_none() && others.clone().all(is_apart) {
            return is_own;
        }
        let path = path_of(mirror, id);
        // What has a tree of its own inside another root is what that one cannot show, unless that is
        // missing: then consumers know that all of it is gone.
        let shows = |other: &Root| {
            other.covers(&path)
                && (!is_own || other.dir.starts_with(&new.dir) || self.is_missing(other))
        };
        new.covers(&path) && !others.any(shows)
    }

    /// Whether the tree that the root is in has no top at present.
    fn is_missing(&self, root: &Root) -> bool {
        let owner = match root.outer {
            Some(outer) => self.get(outer),
            None => Some(root),
        };
        owner.is_none_or(|owner| owner.node.is_none())
    }

    /// Whether consumers know nothing but single entries of the root's directory, for the sake of it or
    /// of those nested in it.
    pub(super) fn is_single(&self, root: &Root) -> bool {
        let is_same = |other: &&Root| other.outer == Some(root.id) && other.dir == root.dir;
        let mut nested = self.all.iter().filter(is_same);
        root.only.is_some() && nested.all(|nested| nested.only.is_some())
    }

    /// Whether consumers know the root as what is at this path, or below it.
    pub(super) fn is_below(&self, root: &Root, path: &Path) -> bool {
        match self.is_single(root) {
            true => root.asked_path().starts_with(path),
            false => root.dir.starts_with(path),
        }
    }

    /// Whether the tree of `outer` has a place for the root, going by their paths.
    pub(super) fn is_reached(&self, outer: RootId, id: RootId) -> bool {
        let (Some(outer), Some(root)) = (self.get(outer), self.get(id)) else {
            return false;
        };
        if root.dir == outer.dir {
            return true;
        }
        let mut members = self.all.iter().filter(|other| {
            other.id != id && (other.id == outer.id || other.outer == Some(outer.id))
        });
        root.dir.starts_with(&outer.dir)
            && members.any(|member| match self.is_single(root) {
                true => member.follows(&root.dir),
                false => member.covers(&root.dir),
            })
    }

    /// The directory of a root in the tree of its outer root.
    fn place(&self, mirror: &Mirror, root: &Root, outer: RootId) -> Option<NodeId> {
        let outer = self.get(outer)?;
        mirror.find_below(outer.node?, root.dir.strip_prefix(&outer.dir).ok()?)
    }

    /// The directory of a root in the tree of `outer`.
    pub(super) fn place_in(&self, mirror: &Mirror, id: RootId, outer: RootId) -> Option<NodeId> {
        self.place(mirror, self.get(id)?, outer)
    }

    /// The directory of a root, if it is there.
    pub(super) fn node_of(&self, mirror: &Mirror, root: &Root) -> Option<NodeId> {
        match root.outer {
            // What consumers do not know yet is not there yet.
            Some(outer) => self
                .place(mirror, root, outer)
                .filter(|&node| !mirror.is_withheld(node)),
            None => root.node,
        }
    }

    /// Whether all directories of the tree that `id` is in are listed.
    pub(super) fn is_deep(&self, mirror: &Mirror, id: NodeId) -> bool {
        self.of_top(mirror.top(id)).is_some_and(|root| root.is_deep)
    }

    /// Whether the directory is listed.
    pub(super) fn reaches(&self, mirror: &Mirror, dir: NodeId) -> bool {
        let top = mirror.top(dir);
        let Some(root) = self.of_top(top) else {
            return false;
        };
        if root.is_deep || dir == top {
            return true;
        }
        let path = path_of(mirror, dir);
        let is_wanted = |other: &Root| match other.outer {
            Some(outer) => outer == root.id && other.follows(&path),
            // Another tree, which takes this place once it is listed.
            None => !self.is_single(other) && other.dir == path,
        };
        self.all.iter().any(is_wanted)
    }
}
