//! Which watch reports on what.
//!
//! Nearly always one watch belongs to one directory of the mirror, and there are as many of them
//! as directories, so that case is one small table. A directory that is visible under two names
//! (bind mounts, roots spelled in two ways) and the guards of roots live in a second table.

use hashbrown::HashMap;

use super::RootId;
use crate::kernel::Watch;
use crate::mirror::NodeId;

#[derive(Debug, Default)]
pub(super) struct Watches {
    first: HashMap<Watch, NodeId>,
    further: HashMap<Watch, Vec<NodeId>>,
    guards: HashMap<Watch, Vec<RootId>>,
}

impl Watches {
    pub(super) fn bind(&mut self, watch: Watch, node: NodeId) {
        match self.first.get(&watch) {
            None => {
                self.first.insert(watch, node);
            }
            Some(&first) if first == node => {}
            Some(_) => {
                let further = self.further.entry(watch).or_default();
                if !further.contains(&node) {
                    further.push(node);
                }
            }
        }
    }

    /// Returns whether nobody needs the watch any more.
    pub(super) fn unbind(&mut self, watch: Watch, node: NodeId) -> bool {
        if self.first.get(&watch) == Some(&node) {
            self.first.remove(&watch);
            if let Some(further) = self.further.get_mut(&watch)
                && let Some(next) = further.pop()
            {
                self.first.insert(watch, next);
            }
        } else if let Some(further) = self.further.get_mut(&watch) {
            further.retain(|&other| other != node);
        }
        if self.further.get(&watch).is_some_and(Vec::is_empty) {
            self.further.remove(&watch);
        }
        !self.first.contains_key(&watch) && !self.guards.contains_key(&watch)
    }

    pub(super) fn guard(&mut self, watch: Watch, root: RootId) {
        let guards = self.guards.entry(watch).or_default();
        if !guards.contains(&root) {
            guards.push(root);
        }
    }

    /// Returns the watches that nobody needs any more.
    pub(super) fn unguard(&mut self, root: RootId) -> Vec<Watch> {
        let mut unneeded = Vec::new();
        let first = &self.first;
        self.guards.retain(|watch, roots| {
            roots.retain(|&other| other != root);
            if roots.is_empty() && !first.contains_key(watch) {
                unneeded.push(*watch);
            }
            !roots.is_empty()
        });
        unneeded
    }

    pub(super) fn first(&self, watch: Watch) -> Option<NodeId> {
        self.first.get(&watch).copied()
    }

    /// The directories that the watch reports on. Their number is one in all but odd cases.
    pub(super) fn nodes(&self, watch: Watch) -> Vec<NodeId> {
        let further = self.further.get(&watch).into_iter().flatten();
        self.first
            .get(&watch)
            .into_iter()
            .chain(further)
            .copied()
            .collect()
    }

    pub(super) fn guarded(&self, watch: Watch) -> Vec<RootId> {
        self.guards.get(&watch).cloned().unwrap_or_default()
    }

    pub(super) fn has_guards(&self) -> bool {
        !self.guards.is_empty()
    }

    /// The kernel ended the watch.
    pub(super) fn remove(&mut self, watch: Watch) {
        self.first.remove(&watch);
        self.further.remove(&watch);
        self.guards.remove(&watch);
    }

    pub(super) fn len(&self) -> usize {
        self.first.len()
            + self
                .guards
                .keys()
                .filter(|&watch| !self.first.contains_key(watch))
                .count()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.first.capacity() * 8 / 7 * (size_of::<(Watch, NodeId)>() + 1)
    }
}
