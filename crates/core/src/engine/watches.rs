//! The table of watches, and what each of them reports on.
//!
//! Nearly always one watch belongs to one directory of the mirror, so there is one for each
//! directory, and that case is one small table. A directory that is visible under two names
//! (bind mounts, roots spelled in two ways) and the guards of roots live in a second table.

use hashbrown::HashMap;

use super::root_table::{RootId, Roots};
use crate::entry::Watch;
use crate::kernel::Kernel;
use crate::mirror::{Mirror, NodeId};

/// What a watch above a root is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Guard {
    pub(super) root: RootId,
    /// The entry that the way to the root leads over; `None` for the directory itself.
    pub(super) name: Option<Box<[u8]>>,
}

#[derive(Debug, Default)]
pub(super) struct Watches {
    first: HashMap<Watch, NodeId>,
    further: HashMap<Watch, Vec<NodeId>>,
    guards: HashMap<Watch, Vec<Guard>>,
}

impl Watches {
    /// Notes that a watch reports on a directory. A watch may report on several: on one directory under two
    /// names.
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

    /// Unbinds a directory. Returns whether neither a directory nor a root needs the watch any more.
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

    /// Gives up the watch of a directory, if it has one and no other directory or root needs it.
    pub(super) fn release<K: Kernel>(&mut self, mirror: &mut Mirror, kernel: &mut K, id: NodeId) {
        if let Some(watch) = mirror.watch(id) {
            mirror.set_watch(id, None);
            if self.unbind(watch, id) {
                kernel.unwatch(watch);
            }
        }
    }

    /// Whether the tree that `other` is in shows the directory, too, under another path: what comes to
    /// it has another place there.
    pub(super) fn is_shown_beside(
        &self,
        roots: &Roots,
        mirror: &mut Mirror,
        dir: NodeId,
        other: NodeId,
    ) -> bool {
        let top = mirror.top(other);
        if roots.len() < 2 || mirror.top(dir) == top {
            return false;
        }
        let identity = mirror.identity(dir);
        let twins = match (mirror.watch(dir), identity) {
            (Some(watch), _) => self.nodes(watch),
            (None, Some(identity)) => identity
                .inode
                .map_or_else(Vec::new, |inode| mirror.by_inode(inode)),
            (None, None) => Vec::new(),
        };
        twins
            .into_iter()
            .any(|twin| twin != dir && mirror.identity(twin) == identity && mirror.top(twin) == top)
    }

    /// Gives up the guards of a root, and the watches that nothing else needs.
    pub(super) fn unguard<K: Kernel>(&mut self, kernel: &mut K, root: RootId) {
        self.set_guards(kernel, root, Vec::new());
    }

    /// Makes these the guards of a root, and gives up the watches that nothing needs any more.
    pub(super) fn set_guards<K: Kernel>(
        &mut self,
        kernel: &mut K,
        root: RootId,
        wanted: Vec<(Watch, Guard)>,
    ) {
        for (watch, guard) in &wanted {
            let guards = self.guards.entry(*watch).or_default();
            if !guards.contains(guard) {
                guards.push(guard.clone());
            }
        }
        let mut unneeded = Vec::new();
        let first = &self.first;
        self.guards.retain(|watch, guards| {
            let is_wanted = |guard: &Guard| {
                let mut wanted = wanted.iter();
                guard.root != root || wanted.any(|(on, wanted)| on == watch && wanted == guard)
            };
            guards.retain(is_wanted);
            if guards.is_empty() && !first.contains_key(watch) {
                unneeded.push(*watch);
            }
            !guards.is_empty()
        });
        unneeded.sort_unstable();
        for watch in unneeded {
            kernel.unwatch(watch);
        }
    }

    /// The directory that the watch was bound to first.
    pub(super) fn first(&self, watch: Watch) -> Option<NodeId> {
        self.first.get(&watch).copied()
    }

    /// Whether the watch reports on the directory: it is its own, or that of the top of its tree.
    pub(super) fn cover(&self, mirror: &mut Mirror, watch: Watch, id: NodeId) -> bool {
        let is_first = |node| self.first.get(&watch) == Some(&node);
        if is_first(id) {
            return true;
        }
        let top = mirror.top(id);
        let further = self.further.get(&watch).into_iter().flatten();
        is_first(top) || further.into_iter().any(|&node| node == id || node == top)
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

    /// The roots that are concerned if the directory itself is moved or no longer watched.
    pub(super) fn guarded(&self, watch: Watch) -> Vec<RootId> {
        self.guarded_if(watch, |_| true)
    }

    /// The roots that are concerned if the entry of that name changes. With `folds` names are the same
    /// that some file system takes for the same, or may.
    pub(super) fn guarded_entry(&self, watch: Watch, name: &[u8], folds: bool) -> Vec<RootId> {
        self.guarded_if(watch, |guard| {
            let own = guard.name.as_deref();
            own == Some(name) || (folds && own.is_some_and(|own| may_be_same(own, name)))
        })
    }

    /// The roots of the guards that `is_meant` accepts, each once.
    fn guarded_if(&self, watch: Watch, is_meant: impl Fn(&Guard) -> bool) -> Vec<RootId> {
        let guards = self.guards.get(&watch).into_iter().flatten();
        let mut roots: Vec<RootId> = guards
            .filter(|guard| is_meant(guard))
            .map(|guard| guard.root)
            .collect();
        roots.dedup();
        roots
    }

    /// Whether the watch guards a root.
    pub(super) fn is_guard(&self, watch: Watch) -> bool {
        self.guards.contains_key(&watch)
    }

    /// Whether any watch guards a root.
    pub(super) fn has_guards(&self) -> bool {
        !self.guards.is_empty()
    }

    /// The kernel ended the watch.
    pub(super) fn remove(&mut self, watch: Watch) {
        self.first.remove(&watch);
        self.further.remove(&watch);
        self.guards.remove(&watch);
    }

    /// Number of watches held.
    pub(super) fn len(&self) -> usize {
        self.first.len()
            + self
                .guards
                .keys()
                .filter(|&watch| !self.first.contains_key(watch))
                .count()
    }

    /// Bytes on the heap, as allocated, of what grows with the tree.
    pub(super) fn heap_bytes(&self) -> usize {
        self.first.capacity() * 8 / 7 * (size_of::<(Watch, NodeId)>() + 1)
    }
}

/// Whether a name may stand for the entry where case does not matter and long names have short ones.
pub(super) fn may_be_same(own: &[u8], name: &[u8]) -> bool {
    let are_foreign = !own.is_ascii() && !name.is_ascii();
    are_foreign || own.eq_ignore_ascii_case(name) || name.contains(&b'~')
}
