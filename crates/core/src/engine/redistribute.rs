//! Redistribution: who gets the tree of a root that is removed.
//!
//! The roots nested in it are watched as before, so consumers see no difference: each gets the part of
//! the tree that it stands for as a tree of its own, or is nested in another one. What is left goes.

use std::path::{Path, PathBuf};

use super::Engine;
use super::root_table::{Root, RootId};
use super::world::Report;
use crate::entry::FileType;
use crate::event::Cause;
use crate::kernel::Kernel;
use crate::mirror::NodeId;
use crate::path::to_bytes;
use crate::time::Moment;

impl<K: Kernel> Engine<K> {
    /// Hands on the tree of a root that was removed.
    ///
    /// The roots that were nested in one tree are its members. Those among them that no other member can
    /// show become outer roots, and the others are nested in them. An outer root with the path of the tree
    /// keeps it whole; every other one takes its part out, the innermost first, because a part is taken out
    /// of what is around it. Folds of consumers follow, so that nothing is reported.
    pub(super) fn redistribute(&mut self, gone: Root) {
        let former = gone.outer.unwrap_or(gone.id);
        let (mut node, mut resting, mut next_check) = (gone.node, gone.resting, gone.next_check);
        let mut dir = gone.dir;
        let mut members: Vec<(usize, RootId)> = Vec::new();
        for root in self.roots.iter_mut() {
            if root.id == former {
                (node, resting, next_check) = (
                    root.node.take(),
                    root.resting.take(),
                    root.next_check.take(),
                );
                dir.clone_from(&root.dir);
            }
            if root.id == former || root.outer == Some(former) {
                root.outer = None;
                members.push((root.dir.components().count(), root.id));
            }
        }
        members.sort_unstable();
        // By depth: a root can only be nested in one whose path is shorter, or the same.
        let mut outers: Vec<RootId> = Vec::new();
        for &(_, id) in &members {
            let outer = outers
                .iter()
                .copied()
                .find(|&outer| self.roots.is_reached(outer, id));
            match (outer, self.roots.get_mut(id)) {
                (Some(outer), Some(root)) => root.outer = Some(outer),
                _ => outers.push(id),
            }
            if outer.is_some() {
                self.coverage
                    .watches
                    .unguard(&mut self.directories.kernel, id);
            }
        }
        // The innermost first: they leave the trees that are around them.
        for &id in outers.iter().rev() {
            let Some(root) = self.roots.get(id) else {
                continue;
            };
            if root.dir == dir {
                let (node, resting) = (node.take(), resting.take());
                if let Some(root) = self.roots.get_mut(id) {
                    (root.node, root.resting) = (node, resting);
                    root.next_check = next_check.take();
                }
                continue;
            }
            let (path, rules) = (root.dir.clone(), root.rules.clone());
            let root_is_single = self.roots.is_single(root);
            let Ok(below) = path.strip_prefix(&dir) else {
                continue;
            };
            let bytes = to_bytes(&path);
            // Its directory in the tree that is handed on, if that is there.
            let top = node.and_then(|top| self.world.mirror.find_below(top, below));
            if let Some(node) = node.filter(|_| top.is_none() && !root_is_single) {
                self.drop_stand_in(node, below);
            }
            self.uproot((node, &dir), &path);
            let top = match top {
                Some(dir) if root_is_single => Some(self.plant_single(id, dir, &bytes)),
                Some(top) => {
                    self.replant(top, None, &bytes);
                    Some(top)
                }
                None => None,
            };
            if let Some(top) = top {
                self.visibility.filter.set_outer(top, rules);
            }
            if let Some(root) = self.roots.get_mut(id) {
                root.node = top;
                root.next_check = top.is_none().then_some(Moment::ZERO);
            }
        }
        if let Some(top) = node {
            // Nor is what the tree shows where roots that are not in it, and not there, would be. Consumers
            // keep what they see there until its removal was delivered.
            let absent: Vec<PathBuf> = self
                .roots
                .iter()
                .filter(|root| root.outer.is_none() && root.node.is_none())
                // Of a root for one entry, consumers know that entry and not its directory.
                .filter(|root| !self.roots.is_single(root))
                .filter(|root| root.dir.starts_with(&dir))
                .map(|root| root.dir.clone())
                .collect();
            for path in absent {
                if let Ok(below) = path.strip_prefix(&dir) {
                    self.drop_stand_in(top, below);
                }
                self.uproot((Some(top), &dir), &path);
            }
        }
        // What is left belongs to no root.
        for top in [node, resting].into_iter().flatten() {
            self.drop_tree(top);
        }
        if outers
            .iter()
            .all(|&id| self.roots.get(id).is_none_or(|root| root.dir != dir))
        {
            self.world.forget_path(&to_bytes(&dir));
        }
        for id in outers {
            self.update_scope(id);
            // What the guards of the root that was removed have reported is left behind with them.
            self.guard_and_check(id);
        }
    }

    /// Lets consumers with changes to come see what is at a path, below the top of a tree that is handed on, as
    /// a tree of its own.
    fn uproot(&mut self, (top, dir): (Option<NodeId>, &Path), path: &Path) {
        if let Ok(below) = path.strip_prefix(dir) {
            let names: Vec<Vec<u8>> = below.iter().map(|part| to_bytes(Path::new(part))).collect();
            let (dir, path) = (to_bytes(dir), to_bytes(path));
            self.world.uproot((top, &dir), &names, &path);
        }
    }

    /// Makes the tree of a root for single entries out of a directory, which may stay in another tree:
    /// the entries move to the new top, and the directory is listed again.
    fn plant_single(&mut self, id: RootId, dir: NodeId, path: &[u8]) -> NodeId {
        let top = self.world.mirror.insert(None, path, FileType::Dir, None);
        self.world.mirror.make_root(top);
        let path = self.roots.get(id).map(|root| root.dir.clone());
        let names: Vec<Vec<u8>> = self
            .roots
            .iter()
            .filter(|root| root.id == id || root.outer == Some(id))
            .filter(|root| Some(&root.dir) == path.as_ref())
            .filter_map(|root| root.only.clone())
            .collect();
        for name in names {
            self.world.replant((Some(dir), &name), (Some(top), &name));
            if let Some(child) = self.world.mirror.child(dir, &name) {
                self.world.mirror.relocate(child, top, &name);
            }
        }
        self.work.queue(&mut self.world.mirror, top);
        top
    }

    /// Removes what is at the path of a root that gets a tree of its own and whose directory is not there:
    /// it is not what the root stands for.
    fn drop_stand_in(&mut self, top: NodeId, below: &Path) {
        let (Some(above), Some(name)) = (below.parent(), below.file_name()) else {
            return;
        };
        let above = self.world.mirror.find_below(top, above);
        let other =
            above.and_then(|above| self.world.mirror.child(above, &to_bytes(Path::new(name))));
        if let Some(other) = other {
            self.remove(other, Cause::Scanned, Report::Removed);
        }
    }
}
