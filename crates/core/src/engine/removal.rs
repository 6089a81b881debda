//! Who gets the tree of a root that is removed.
//!
//! Its guests are watched as before, so consumers see no difference: each gets the part of the tree
//! that it stands for as a tree of its own, or becomes the guest of another one. What is left goes.

use std::path::Path;

use super::Engine;
use super::roots::{Root, RootId};
use crate::change::{Cause, FileType};
use crate::kernel::Kernel;
use crate::mirror::{Mark, NodeId};
use crate::path::to_bytes;
use crate::record::Moment;

impl<K: Kernel> Engine<K> {
    /// Hands on the tree of a root that was removed.
    pub(super) fn inherit(&mut self, gone: Root) {
        let former = gone.host.unwrap_or(gone.id);
        let (mut node, mut resting, mut next_check) = (gone.node, gone.resting, gone.next_check);
        let mut dir = gone.dir;
        let mut members: Vec<(usize, RootId)> = Vec::new();
        for root in &mut self.roots {
            if root.id == former {
                (node, resting, next_check) = (
                    root.node.take(),
                    root.resting.take(),
                    root.next_check.take(),
                );
                dir.clone_from(&root.dir);
            }
            if root.id == former || root.host == Some(former) {
                root.host = None;
                members.push((root.dir.components().count(), root.id));
            }
        }
        members.sort_unstable();
        let mut hosts: Vec<RootId> = Vec::new();
        for &(_, id) in &members {
            let host = hosts
                .iter()
                .copied()
                .find(|&host| self.is_reached(host, id));
            match (host, self.root_mut(id)) {
                (Some(host), Some(root)) => root.host = Some(host),
                _ => hosts.push(id),
            }
            if host.is_some() {
                self.unguard(id);
            }
        }
        // The innermost first: they leave the trees that are around them.
        for &id in hosts.iter().rev() {
            let Some(root) = self.root(id) else { continue };
            if root.dir == dir {
                let (node, resting) = (node.take(), resting.take());
                if let Some(root) = self.root_mut(id) {
                    (root.node, root.resting) = (node, resting);
                    root.next_check = next_check.take();
                }
                continue;
            }
            let (path, outer) = (root.dir.clone(), root.outer.clone());
            let root_is_single = root.only.is_some();
            let Ok(below) = path.strip_prefix(&dir) else {
                continue;
            };
            let bytes = to_bytes(&path);
            let top = node.and_then(|top| self.find_below(top, below));
            if let Some(node) = node.filter(|_| top.is_none()) {
                self.take_leave(node, below);
            }
            let names: Vec<Vec<u8>> = below.iter().map(|part| to_bytes(Path::new(part))).collect();
            let from = to_bytes(&dir);
            self.outlets
                .uproot(&mut self.mirror, (node, &from), &names, &bytes);
            let top = match top {
                Some(dir) if root_is_single => Some(self.plant_single(id, dir, &bytes)),
                Some(top) => {
                    self.replant(top, None, &bytes);
                    Some(top)
                }
                None => None,
            };
            if let Some(top) = top {
                self.filter.set_outer(top, outer);
            }
            if let Some(root) = self.root_mut(id) {
                root.node = top;
                root.next_check = top.is_none().then_some(Moment::ZERO);
            }
        }
        for top in [node, resting].into_iter().flatten() {
            self.drop_tree(top);
        }
        if hosts
            .iter()
            .all(|&id| self.root(id).is_none_or(|root| root.dir != dir))
        {
            self.outlets.forget_path(&mut self.mirror, &to_bytes(&dir));
        }
        for id in hosts {
            self.settle_tree(id);
            self.guard_root(id);
        }
    }

    /// Makes the tree of a root for single entries out of a directory, which may stay in another tree.
    fn plant_single(&mut self, id: RootId, dir: NodeId, path: &[u8]) -> NodeId {
        let top = self.mirror.insert(None, path, FileType::Dir, 0);
        self.mirror.set(top, Mark::ROOT);
        let path = self.root(id).map(|root| root.dir.clone());
        let names: Vec<Vec<u8>> = self
            .roots
            .iter()
            .filter(|root| root.id == id || root.host == Some(id))
            .filter(|root| Some(&root.dir) == path.as_ref())
            .filter_map(|root| root.only.clone())
            .collect();
        for name in names {
            self.outlets
                .replant(&mut self.mirror, (Some(dir), &name), (Some(top), &name));
            if let Some(child) = self.mirror.child(dir, &name) {
                self.mirror.relocate(child, top, &name);
            }
        }
        self.queue(top);
        top
    }

    /// A root gets a tree of its own, and its directory is not there. If something else is, consumers
    /// are told that it goes: it is not what the root stands for.
    fn take_leave(&mut self, top: NodeId, below: &Path) {
        let (Some(above), Some(name)) = (below.parent(), below.file_name()) else {
            return;
        };
        let above = self.find_below(top, above);
        let other = above.and_then(|above| self.mirror.child(above, &to_bytes(Path::new(name))));
        if let Some(other) = other {
            self.remove(other, Cause::Scanned, true, false);
        }
    }
}
