//! Nested roots: which tree of the mirror serves which root.
//!
//! Consumers have one tree of paths, however many roots there are: `removed` drops all below a path,
//! and `moved` takes it along, also what belongs to another root. So no two trees of the mirror may
//! show one path, and a directory must not be known in one tree as an entry and in another as the top.
//!
//! Hence a root whose path lies in what the tree of another root shows is *nested* there: it has no
//! tree, no guard and no state of its own. The tree of its *outer* root is followed deeper or shows more
//! entries for its sake. Whether it does is a question of paths, so it does not change with what is on
//! disk, and a nested root whose directory goes and comes back needs no attention.
//!
//! What the outer tree cannot show keeps a tree of its own: what lies behind a symbolic link, is
//! hidden by a rule, or is in a directory that cannot be listed. When the outer tree comes to show it
//! after all, it absorbs the inner tree ([`Engine::absorb`]). When something above the inner tree goes or
//! moves, the inner one is reported as gone first, and looked for again ([`Engine::clear_below`]).
//!
//! An outer root that is removed leaves its tree to those nested in it; see `redistribute`.

use std::ffi::OsStr;
use std::path::Path;

use super::Engine;
use super::root_table::{Root, RootId};
use super::world::Report;
use crate::coverage::{CoverageState, Gap};
use crate::entry::{FileType, Identity};
use crate::event::Cause;
use crate::kernel::Kernel;
use crate::mirror::NodeId;
use crate::path::{to_bytes, to_path};
use crate::time::Moment;

/// What the tree of one root shows at the path of another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shown {
    /// The directory.
    Directory,
    /// Nothing at present; what comes there will be shown.
    Nothing,
    /// Nothing ever, or something else.
    Hidden,
}

/// Whether finding an outer root may list directories and look at entries on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lookup {
    /// Go by the mirror alone.
    Mirror,
    /// Take in directories on the way that no record has named yet, and report them: a root of its own
    /// would take them in silently.
    Disk,
}

impl<K: Kernel> Engine<K> {
    /// The root in whose tree the root belongs, if there is one. The outermost comes first: an inner tree
    /// that shows no more than single entries may, with this root, have to be absorbed itself.
    pub(super) fn find_outer(&mut self, id: RootId, lookup: Lookup) -> Option<RootId> {
        let mut outers: Vec<(usize, RootId)> = self
            .roots
            .iter()
            .filter(|outer| outer.id != id && outer.node.is_some())
            .map(|outer| (outer.dir.components().count(), outer.id))
            .collect();
        outers.sort_unstable();
        outers.into_iter().map(|(_, outer)| outer).find(|&outer| {
            self.roots.is_reached(outer, id) && self.shown_in(outer, id, lookup) != Shown::Hidden
        })
    }

    /// What the tree of `outer` shows at the path of the root's directory.
    ///
    /// Goes down from the top, name by name. A name that is hidden, a symbolic link on disk, or a directory
    /// that cannot be listed ends the walk: the tree will not show the root. A name that is not there, or
    /// not a directory, ends it as well, but the tree will show what comes there.
    fn shown_in(&mut self, outer: RootId, id: RootId, lookup: Lookup) -> Shown {
        let (Some(outer), Some(root)) = (self.roots.get(outer), self.roots.get(id)) else {
            return Shown::Hidden;
        };
        let (Some(top), Ok(below)) = (outer.node, root.dir.strip_prefix(&outer.dir)) else {
            return Shown::Hidden;
        };
        let only = root.only.clone().filter(|_| self.roots.is_single(root));
        let mut path = outer.dir.clone();
        let below: Vec<_> = below.iter().map(OsStr::to_owned).collect();
        let mut at = top;
        let mut place: Option<(NodeId, Vec<u8>)> = None;
        for part in below {
            path.push(&part);
            let name = to_bytes(Path::new(&part));
            if lookup == Lookup::Disk {
                self.scan(at);
                if !self.world.mirror.contains(at)
                    && let Some((dir, name)) = &place
                    && let Some(known) = self.world.mirror.child(*dir, name)
                    && self.world.mirror.is_dir(known)
                {
                    // It was a directory that the mirror had elsewhere, and stands here now.
                    at = known;
                    self.scan(at);
                }
            }
            let is_shown = self.world.mirror.contains(at)
                && self.coverage.gaps.get(at) != Some(Gap::PseudoMount)
                && !self.visibility.hides(&self.world.mirror, at, &name, true)
                && self.directories.kernel.read_link(&path).is_none();
            if !is_shown {
                return Shown::Hidden;
            }
            let is_dir = |child: &NodeId| self.world.mirror.is_dir(*child);
            if lookup == Lookup::Disk && self.world.mirror.child(at, &name).filter(is_dir).is_none()
            {
                self.look(at, &name, Cause::Scanned);
            }
            if !self.world.mirror.contains(at) {
                return Shown::Hidden;
            }
            match self.world.mirror.child(at, &name) {
                Some(child) if self.world.mirror.is_dir(child) => {
                    place = Some((at, name));
                    at = child;
                }
                _ if self.coverage.gaps.get(at) == Some(Gap::Unreadable) => return Shown::Hidden,
                _ => return Shown::Nothing,
            }
        }
        // A tree that shows other single entries of the directory will show this one as well.
        let is_whole = !self.visibility.is_partial(at);
        let is_hidden = self.coverage.gaps.get(at) == Some(Gap::PseudoMount)
            || only
                .filter(|_| is_whole)
                .is_some_and(|only| self.visibility.hides(&self.world.mirror, at, &only, false));
        if is_hidden {
            Shown::Hidden
        } else {
            Shown::Directory
        }
    }

    /// Nests a root that is gone in the tree that shows it when it comes back, if there is one.
    pub(super) fn attach_if_shown(&mut self, id: RootId) {
        if let Some(outer) = self.find_outer(id, Lookup::Mirror) {
            self.attach(id, outer);
            self.roots.check_soon(id);
        }
    }

    /// Reports a nested root that was reported as gone, if it is there again.
    pub(super) fn check_nested(&mut self, id: RootId) {
        let Some(root) = self.roots.get(id) else {
            return;
        };
        if root.next_check.is_some() && self.roots.node_of(&self.world.mirror, root).is_some() {
            let path = root.asked_path();
            if let Some(root) = self.roots.get_mut(id) {
                root.next_check = None;
            }
            self.world.outlets.coverage(path, CoverageState::Live, None);
        }
    }

    /// Makes way for an entry at a path that may be a root's. If the root has another tree, that is not
    /// there any more. If the root is nested and the entry a symbolic link, the root is what the link
    /// leads to.
    pub(super) fn yield_path(&mut self, id: NodeId) {
        if self.roots.len() < 2 {
            return;
        }
        let path = self.world.path(id);
        let kind = self.world.mirror.kind(id);
        let is_link = kind == FileType::Symlink;
        let is_here = |root: &&Root| match (kind, self.roots.is_single(root)) {
            (FileType::Dir, true) => root.asked_path() == path,
            (FileType::Dir, false) => root.dir == path,
            // Below what is no directory there is nothing.
            _ => self.roots.is_below(root, &path),
        };
        let is_apart = |root: &Root| {
            root.node
                .is_some_and(|top| !self.world.mirror.is_within(id, top))
        };
        let is_taken = self.roots.iter().filter(is_here).any(is_apart);
        for root in self.roots.iter_mut().filter(|_| is_link) {
            if root.outer.is_some() && root.dir.starts_with(&path) {
                root.outer = None;
                root.next_check = Some(Moment::ZERO);
            }
        }
        if !is_taken {
            return;
        }
        for (root, top) in self.strays(&path, &[id]) {
            match is_link {
                true => self.check_root(root),
                false => self.stray_gone(root, top),
            }
        }
    }

    /// Nests a root, with those nested in it, in `outer`.
    pub(super) fn attach(&mut self, id: RootId, outer: RootId) {
        self.transfer_reports(id, outer);
        let mut resting = None;
        for root in self.roots.iter_mut() {
            if root.id == id {
                resting = root.resting.take();
                root.next_check = None;
            }
            if root.id == id || root.outer == Some(id) {
                root.outer = Some(outer);
            }
        }
        if let Some(resting) = resting {
            self.drop_tree(resting);
        }
        self.coverage
            .watches
            .unguard(&mut self.directories.kernel, id);
        self.update_scope(outer);
    }

    /// Moves what consumers see of a root that is gone into the tree of `outer`.
    fn transfer_reports(&mut self, id: RootId, outer: RootId) {
        let (Some(root), Some(outer)) = (self.roots.get(id), self.roots.get(outer)) else {
            return;
        };
        let (Some(top), Ok(below)) = (outer.node, root.dir.strip_prefix(&outer.dir)) else {
            return;
        };
        if let Some(resting) = root.resting {
            let names = self.visibility.shown_names(resting);
            let dir = self.world.mirror.find_below(top, below);
            for name in names.iter().filter(|_| dir.is_some()) {
                self.world.replant((Some(resting), name), (dir, name));
            }
        } else if let (Some(above), Some(name)) = (below.parent(), below.file_name())
            && let Some(above) = self.world.mirror.find_below(top, above)
        {
            let (path, name) = (to_bytes(&root.dir), to_bytes(Path::new(name)));
            self.world.replant((None, &path), (Some(above), &name));
        }
    }

    /// Absorbs the trees that lie where the tree of `outer` shows what is there.
    pub(super) fn absorb_inner(&mut self, outer: RootId) {
        let mut inner: Vec<(usize, RootId)> = self
            .roots
            .iter()
            .filter(|root| root.id != outer && root.outer.is_none())
            .map(|root| (root.dir.components().count(), root.id))
            .collect();
        inner.sort_unstable();
        for (_, id) in inner {
            if !self.roots.is_reached(outer, id) {
                continue;
            }
            match self.shown_in(outer, id, Lookup::Disk) {
                Shown::Directory | Shown::Nothing
                    if self.roots.get(id).is_some_and(|root| root.node.is_none()) =>
                {
                    self.attach(id, outer);
                }
                Shown::Directory => {
                    if let Some(place) = self.roots.place_in(&self.world.mirror, id, outer) {
                        self.scan(place);
                    }
                }
                Shown::Nothing | Shown::Hidden => {}
            }
        }
    }

    /// Puts the tree of another root in the place of a directory that is about to be listed for the first
    /// time, if that is its top. Returns whether it was.
    pub(super) fn absorb(&mut self, id: NodeId, identity: Identity) -> bool {
        let (Some(dir), true) = (self.world.mirror.parent(id), self.roots.len() > 1) else {
            return false;
        };
        let top = self.world.mirror.top(id);
        let Some(outer) = self.roots.of_top(top) else {
            return false;
        };
        let (outer, path) = (outer.id, self.world.path(id));
        let is_here = |root: &&Root| {
            root.outer.is_none()
                && root.id != outer
                && root.dir == path
                && self.roots.is_reached(outer, root.id)
        };
        let Some((inner, node)) = self
            .roots
            .iter()
            .find(is_here)
            .map(|root| (root.id, root.node))
        else {
            return false;
        };
        let known = node.and_then(|node| self.world.mirror.identity(node));
        let Some(node) = node.filter(|_| known.is_none_or(|known| known == identity)) else {
            if let Some(node) = node {
                self.root_gone(inner, node);
            }
            self.attach(inner, outer);
            let path = self.roots.get(inner).map(Root::asked_path).unwrap_or(path);
            self.world.outlets.coverage(path, CoverageState::Live, None);
            return false;
        };
        let name = self.world.mirror.name(id).to_vec();
        let was_whole = !self.visibility.show_all(node);
        self.drop_tree(id);
        self.replant(node, Some(dir), &name);
        if let Some(root) = self.roots.get_mut(inner) {
            root.node = None;
        }
        self.attach(inner, outer);
        if !was_whole && !self.roots.is_beginning(&self.world.mirror, node) {
            self.world.created(node, Cause::Scanned);
        }
        if self.visibility.filter.is_active() {
            self.world.mirror.mark_stale(node);
        }
        if !was_whole || self.visibility.filter.is_active() {
            self.work.queue(&mut self.world.mirror, node);
        }
        self.apply_scope(node, Report::Silent);
        true
    }

    /// Makes the top of a tree an entry, or an entry the top of a tree. Its path stays the same, so
    /// nothing is reported; only folds, which know entries by their places, follow.
    pub(super) fn replant(&mut self, node: NodeId, dir: Option<NodeId>, name: &[u8]) {
        let from = (
            self.world.mirror.parent(node),
            self.world.mirror.name(node).to_vec(),
        );
        let from = (from.0, &*from.1);
        self.world.replant(from, (dir, name));
        let is_absorbed = dir.is_some();
        match dir {
            Some(dir) => {
                self.world.mirror.make_entry(node);
                self.world.mirror.relocate(node, dir, name);
            }
            None => {
                self.world.mirror.uproot(node, name);
                self.world.mirror.make_root(node);
                // From here on its path says whether it is there, and not the directory that it was in.
                if self.world.mirror.reappear(node) {
                    self.work.queue_stale(&mut self.world.mirror, node);
                }
            }
        }
        let kernel = &self.directories.kernel;
        if kernel.names_paths() && (kernel.hands_over() || !is_absorbed) {
            // One watch reports on all of a tree: its records have an order, and paths from one top.
            self.coverage.lose_watch_above(
                &mut self.world.mirror,
                &mut self.directories.kernel,
                &mut self.work,
                node,
            );
        }
    }

    /// Reports the trees below an entry's path as gone, but its own, before the entry goes or moves:
    /// consumers apply that to all below its path. The trees are looked for again.
    pub(super) fn clear_below(&mut self, id: NodeId) {
        if self.roots.len() < 2 {
            return;
        }
        let path = self.world.path(id);
        for (root, top) in self.strays(&path, &[id]) {
            self.stray_gone(root, top);
        }
    }

    /// Reports the trees at and below a path as gone before an entry moves there from elsewhere: consumers
    /// drop all that is there.
    pub(super) fn clear_target(&mut self, id: NodeId, dir: NodeId, name: &[u8]) {
        if self.roots.len() < 2 {
            return;
        }
        let path = self.world.path(dir).join(to_path(name.to_vec()));
        for (root, top) in self.strays(&path, &[id, dir]) {
            self.stray_gone(root, top);
        }
    }

    /// The roots whose trees lie at or below a path and apart from these entries, the innermost first.
    fn strays(&self, path: &Path, entries: &[NodeId]) -> Vec<(RootId, NodeId)> {
        let mirror = &self.world.mirror;
        let are_apart = |top| {
            let mut entries = entries.iter();
            entries.all(|&id| !mirror.is_within(id, top) && !mirror.is_within(top, id))
        };
        let mut strays: Vec<(usize, RootId, NodeId)> = self
            .roots
            .iter()
            .filter(|root| self.roots.is_below(root, path))
            .filter_map(|root| Some((root.dir.components().count(), root.id, root.node?)))
            .filter(|&(_, _, top)| are_apart(top))
            .collect();
        strays.sort_unstable_by(|one, other| other.cmp(one));
        let strays = strays.into_iter();
        strays.map(|(_, root, top)| (root, top)).collect()
    }
}
