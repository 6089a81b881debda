//! Which tree of the mirror serves which root.
//!
//! Consumers have one tree of paths, whatever the roots are: `removed` drops all below a path, and
//! `moved` takes it along, also what belongs to another root. So no two trees of the mirror may show
//! one path, and a directory may not be known in one tree as an entry and in another as the top.
//! Hence a root whose path lies in what the tree of another root shows is a *guest* there: it has no
//! tree, no guard and no state of its own, only the host's tree is followed deeper or shows more
//! entries for its sake. Whether it does is a question of paths, so it does not change with what is on
//! disk, and a guest whose directory goes and comes back needs nobody to notice.
//!
//! What the host's tree cannot show keeps a tree of its own: what lies behind a symbolic link, is
//! hidden by a rule, or is in a directory that cannot be listed. When the host's tree comes to show it
//! after all, the trees meet and become one ([`Engine::meet`]); when something above it goes or moves,
//! it is told as gone first, and looked for again ([`Engine::clear_below`]).
//!
//! A host that is removed leaves its tree to its guests, each of which becomes a host or the guest of
//! another one ([`Engine::inherit`]).

use std::ffi::OsStr;
use std::path::Path;

use super::Engine;
use super::roots::{Root, RootId};
use crate::change::{Cause, FileType};
use crate::coverage::{Gap, State};
use crate::kernel::{Identity, Kernel};
use crate::mirror::{Mark, NodeId};
use crate::outlet::path_of;
use crate::path::to_bytes;
use crate::record::Moment;

/// Where the way to a root leads, in the tree of another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// To a directory.
    Leads,
    /// To nothing, at present; what comes there will be shown.
    Ends,
    /// To where the tree shows nothing, or something else.
    Hidden,
}

impl<K: Kernel> Engine<K> {
    /// The root in whose tree the root is to be, if there is one. For `may_look` see [`Engine::way`].
    pub(super) fn find_host(&mut self, id: RootId, may_look: bool) -> Option<RootId> {
        let hosts: Vec<RootId> = self
            .roots
            .iter()
            .filter(|host| host.id != id && host.node.is_some())
            .map(|host| host.id)
            .collect();
        hosts
            .into_iter()
            .find(|&host| self.is_reached(host, id) && self.way(host, id, may_look) != Way::Hidden)
    }

    /// Whether consumers know nothing but single entries of the root's directory, for the sake of it or
    /// of its guests.
    fn is_single(&self, root: &Root) -> bool {
        let is_same = |other: &&Root| other.host == Some(root.id) && other.dir == root.dir;
        let mut guests = self.roots.iter().filter(is_same);
        root.only.is_some() && guests.all(|guest| guest.only.is_some())
    }

    /// Whether consumers know the root as what is at this path, or below it.
    fn is_below(&self, root: &Root, path: &Path) -> bool {
        match self.is_single(root) {
            true => root.told_path().starts_with(path),
            false => root.dir.starts_with(path),
        }
    }

    /// Whether the tree of `host` has a place for the root, going by their paths.
    pub(super) fn is_reached(&self, host: RootId, id: RootId) -> bool {
        let (Some(host), Some(root)) = (self.root(host), self.root(id)) else {
            return false;
        };
        if root.dir == host.dir {
            return true;
        }
        let mut members = self
            .roots
            .iter()
            .filter(|other| other.id != id && (other.id == host.id || other.host == Some(host.id)));
        root.dir.starts_with(&host.dir)
            && members.any(|member| match self.is_single(root) {
                true => member.follows(&root.dir),
                false => member.covers(&root.dir),
            })
    }

    /// Whether the tree of `host` shows the directory of the root. With `may_look` it takes in
    /// directories on the way that no record has told of yet, and tells of them: as a root of their
    /// own they would be taken in silently.
    fn way(&mut self, host: RootId, id: RootId, may_look: bool) -> Way {
        let (Some(host), Some(root)) = (self.root(host), self.root(id)) else {
            return Way::Hidden;
        };
        let (Some(top), Ok(below)) = (host.node, root.dir.strip_prefix(&host.dir)) else {
            return Way::Hidden;
        };
        let (mut path, only) = (host.dir.clone(), root.only.clone());
        let below: Vec<_> = below.iter().map(OsStr::to_owned).collect();
        let mut at = top;
        for part in below {
            path.push(&part);
            let name = to_bytes(Path::new(&part));
            if may_look {
                self.adopt(at);
            }
            let is_shown = self.mirror.contains(at)
                && self.gap(at) != Some(Gap::PseudoMount)
                && !self.is_hidden(at, &name, true)
                && self.kernel.read_link(&path).is_none();
            if !is_shown {
                return Way::Hidden;
            }
            let is_dir = |child: &NodeId| self.mirror.is_dir(*child);
            if may_look && self.mirror.child(at, &name).filter(is_dir).is_none() {
                self.look(at, &name, Cause::Scanned);
            }
            if !self.mirror.contains(at) {
                return Way::Hidden;
            }
            match self.mirror.child(at, &name) {
                Some(child) if self.mirror.is_dir(child) => at = child,
                _ if self.gap(at) == Some(Gap::Unreadable) => return Way::Hidden,
                _ => return Way::Ends,
            }
        }
        let is_hidden = self.gap(at) == Some(Gap::PseudoMount)
            || only.is_some_and(|only| self.is_hidden(at, &only, false));
        if is_hidden { Way::Hidden } else { Way::Leads }
    }

    /// A root that is gone may come back where the tree of another one shows it.
    pub(super) fn take_shelter(&mut self, id: RootId) {
        if let Some(host) = self.find_host(id, false) {
            self.be_guest(id, host);
            if let Some(root) = self.root_mut(id) {
                root.next_check = Some(Moment::ZERO);
            }
        }
    }

    /// A guest that was told as gone may be there again.
    pub(super) fn check_guest(&mut self, id: RootId) {
        let Some(root) = self.root(id) else { return };
        if self.node_of(root).is_some() {
            let path = root.told_path();
            if let Some(root) = self.root_mut(id) {
                root.next_check = None;
            }
            self.outlets.coverage(path, State::Live, None);
        }
    }

    /// An entry comes to a path that may be a root's. If the root has another tree, that is not there
    /// any more; if it is a guest and the entry a symbolic link, the root is what that leads to.
    pub(super) fn make_way(&mut self, id: NodeId) {
        if self.roots.len() < 2 {
            return;
        }
        let path = path_of(&self.mirror, id);
        let is_link = self.mirror.kind(id) == FileType::Symlink;
        let is_here = |root: &&Root| match self.is_single(root) {
            true => root.told_path() == path,
            false => root.dir == path,
        };
        let others: Vec<(RootId, NodeId)> = self
            .roots
            .iter()
            .filter(is_here)
            .filter_map(|root| Some((root.id, root.node?)))
            .filter(|&(_, node)| !self.mirror.is_within(id, node))
            .collect();
        for root in self.roots.iter_mut().filter(|_| is_link) {
            if root.host.is_some() && root.dir.starts_with(&path) {
                root.host = None;
                root.next_check = Some(Moment::ZERO);
            }
        }
        for (root, node) in others {
            match is_link {
                true => self.check_root(root),
                false => self.root_gone(root, node),
            }
        }
    }

    /// Makes a root, and its guests, guests of `host`.
    pub(super) fn be_guest(&mut self, id: RootId, host: RootId) {
        self.hand_over(id, host);
        let mut resting = None;
        for root in &mut self.roots {
            if root.id == id {
                resting = root.resting.take();
                root.next_check = None;
            }
            if root.id == id || root.host == Some(id) {
                root.host = Some(host);
            }
        }
        if let Some(resting) = resting {
            self.drop_tree(resting);
        }
        self.unguard(id);
        self.settle_tree(host);
    }

    /// What consumers see of a root that is gone is to be found in the tree of `host` from now on.
    fn hand_over(&mut self, id: RootId, host: RootId) {
        let (Some(root), Some(host)) = (self.root(id), self.root(host)) else {
            return;
        };
        let (Some(top), Ok(below)) = (host.node, root.dir.strip_prefix(&host.dir)) else {
            return;
        };
        if let Some(resting) = root.resting {
            let names = self.only.get(&resting).into_iter().flatten().cloned();
            let (names, dir): (Vec<_>, _) = (names.collect(), self.find_below(top, below));
            for name in names.iter().filter(|_| dir.is_some()) {
                self.outlets
                    .replant(&mut self.mirror, (Some(resting), name), (dir, name));
            }
        } else if let (Some(above), Some(name)) = (below.parent(), below.file_name())
            && let Some(above) = self.find_below(top, above)
        {
            let (path, name) = (to_bytes(&root.dir), to_bytes(Path::new(name)));
            self.outlets
                .replant(&mut self.mirror, (None, &path), (Some(above), &name));
        }
    }

    /// Trees that lie where the tree of `host` shows what is there become a part of it.
    pub(super) fn take_in(&mut self, host: RootId) {
        let mut inner: Vec<(usize, RootId)> = self
            .roots
            .iter()
            .filter(|root| root.id != host && root.host.is_none())
            .map(|root| (root.dir.components().count(), root.id))
            .collect();
        inner.sort_unstable();
        for (_, id) in inner {
            if !self.is_reached(host, id) {
                continue;
            }
            match self.way(host, id, true) {
                Way::Leads | Way::Ends if self.root(id).is_some_and(|root| root.node.is_none()) => {
                    self.be_guest(id, host);
                }
                Way::Leads => {
                    if let Some(place) = self.place(id, host) {
                        self.adopt(place);
                    }
                }
                Way::Ends | Way::Hidden => {}
            }
        }
    }

    /// The directory of a root in the tree of `host`.
    fn place(&self, id: RootId, host: RootId) -> Option<NodeId> {
        let (root, host) = (self.root(id)?, self.root(host)?);
        self.find_below(host.node?, root.dir.strip_prefix(&host.dir).ok()?)
    }

    /// The directory of a root, if it is there.
    pub(super) fn node_of(&self, root: &Root) -> Option<NodeId> {
        match root.host {
            Some(host) => self.place(root.id, host),
            None => root.node,
        }
    }

    /// A directory that is about to be listed for the first time may be the top of another tree. That
    /// takes its place then, and this returns true.
    pub(super) fn meet(&mut self, id: NodeId, identity: Identity) -> bool {
        let (Some(dir), true) = (self.mirror.parent(id), self.roots.len() > 1) else {
            return false;
        };
        let top = self.top(id);
        let Some(host) = self.roots.iter().find(|root| root.node == Some(top)) else {
            return false;
        };
        let (host, path) = (host.id, path_of(&self.mirror, id));
        let is_here = |root: &&Root| {
            root.host.is_none()
                && root.id != host
                && root.dir == path
                && self.is_reached(host, root.id)
        };
        let Some((inner, node)) = self
            .roots
            .iter()
            .find(is_here)
            .map(|root| (root.id, root.node))
        else {
            return false;
        };
        let known = node.and_then(|node| self.mirror.identity(node));
        let Some(node) = node.filter(|_| known.is_none_or(|known| known == identity)) else {
            if let Some(node) = node {
                self.root_gone(inner, node);
            }
            self.be_guest(inner, host);
            let path = self.root(inner).map(Root::told_path).unwrap_or(path);
            self.outlets.coverage(path, State::Live, None);
            return false;
        };
        let name = self.mirror.name(id).to_vec();
        let was_whole = self.only.remove(&node).is_none();
        self.drop_tree(id);
        self.replant(node, Some(dir), &name);
        if let Some(root) = self.root_mut(inner) {
            root.node = None;
        }
        self.be_guest(inner, host);
        if !was_whole && !self.is_beginning(node) {
            self.outlets.created(&mut self.mirror, node, Cause::Scanned);
        }
        if self.filter.is_active() {
            self.mirror.set(node, Mark::STALE);
        }
        if !was_whole || self.filter.is_active() {
            self.queue(node);
        }
        self.fit(node, false);
        true
    }

    /// Makes the top of a tree an entry, or an entry the top of a tree. Its path stays the same.
    pub(super) fn replant(&mut self, node: NodeId, dir: Option<NodeId>, name: &[u8]) {
        let from = (self.mirror.parent(node), self.mirror.name(node).to_vec());
        let from = (from.0, &*from.1);
        self.outlets.replant(&mut self.mirror, from, (dir, name));
        match dir {
            Some(dir) => {
                self.mirror.clear(node, Mark::ROOT);
                self.mirror.relocate(node, dir, name);
            }
            None => {
                self.mirror.uproot(node, name);
                self.mirror.set(node, Mark::ROOT);
                if self.kernel.names_paths() {
                    self.lose_watch_above(node);
                }
            }
        }
    }

    /// Something goes, or moves, and consumers apply that to all below its path. Trees that are there
    /// and do not take part in it are told as gone before, and looked for again.
    pub(super) fn clear_below(&mut self, id: NodeId) {
        if self.roots.len() < 2 {
            return;
        }
        let path = path_of(&self.mirror, id);
        let strays: Vec<(RootId, NodeId)> = self
            .roots
            .iter()
            .filter(|root| self.is_below(root, &path))
            .filter_map(|root| Some((root.id, root.node?)))
            .filter(|&(_, top)| !self.mirror.is_within(id, top) && !self.mirror.is_within(top, id))
            .collect();
        for (root, top) in strays {
            self.root_gone(root, top);
        }
    }
}
