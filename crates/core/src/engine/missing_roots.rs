//! Missing roots: whether the directory of a root is there, has gone, or is back.
//!
//! A root that is gone is looked for at short intervals. Apart from polling that is the only time an
//! engine wakes by itself, and where a part of the path may not be watched (see `guards`).

use super::Engine;
use super::nested::Lookup;
use super::root_table::RootId;
use super::world::Report;
use crate::coverage::{CoverageState, Gap};
use crate::entry::FileType;
use crate::event::{Cause, ResyncReason};
use crate::fault::FaultKind;
use crate::kernel::Kernel;
use crate::mirror::NodeId;
use crate::path::to_bytes;
use crate::time::Moment;

impl<K: Kernel> Engine<K> {
    /// Compares the directory that has the root's name now with the one in the mirror.
    ///
    /// | at the path | in the mirror | then |
    /// |---|---|---|
    /// | another directory | a tree | the root is gone, and back |
    /// | the same directory | a tree | its rules are read again; if it has neither a watch nor a gap, it is listed |
    /// | a directory | nothing | the root is back |
    /// | nothing | a tree | the root is gone |
    /// | EACCES | any | nothing: the watch itself reports removal |
    /// | another failure | any | it is tried again soon |
    pub(super) fn check_root(&mut self, id: RootId) {
        let Some(root) = self.roots.get(id) else {
            return;
        };
        if root.outer.is_some() {
            return self.check_nested(id);
        }
        let (dir, node) = (root.dir.clone(), root.node);
        let found = self
            .directories
            .kernel
            .open_root(&dir)
            .and_then(|dir| self.directories.kernel.identity(&dir));
        match (found, node) {
            (Ok(identity), Some(node)) => match self.world.mirror.identity(node) {
                Some(known) if known != identity => {
                    self.root_gone(id, node);
                    self.root_returns(id);
                }
                // Never listed, or, on a file system that uses inode numbers again and knows no
                // birth times, perhaps another directory than the one that was watched.
                known
                    if known.is_none()
                        || (self.world.mirror.watch(node).is_none()
                            && self.coverage.gaps.get(node).is_none()) =>
                {
                    self.work.queue_stale(&mut self.world.mirror, node);
                    self.read_ancestor_rules(node);
                }
                _ => {
                    self.read_ancestor_rules(node);
                    if self.directories.kernel.names_paths() {
                        // Only the directory above reports its own permissions.
                        self.coverage.gaps.retry_unreadable(
                            &mut self.world.mirror,
                            &mut self.work,
                            node,
                        );
                    }
                }
            },
            (Ok(_), None) => self.root_returns(id),
            (Err(fault), Some(node)) if fault.kind.is_absence() => self.root_gone(id, node),
            // EACCES proves nothing; the watch itself reports removal.
            (Err(fault), _) if fault.kind == FaultKind::Denied => {}
            (Err(_), _) => {
                let soon = self.time.now.saturating_add(self.time.pace.root);
                if let Some(root) = self.roots.get_mut(id) {
                    root.next_check = Some(soon);
                }
            }
        }
    }

    /// Checks the root that this is the top of.
    pub(super) fn check_top(&mut self, node: NodeId) {
        if let Some(id) = self.roots.of_top(node).map(|root| root.id) {
            self.check_root(id);
        }
    }

    /// Reports a root as gone, with all below it, and looks for it again.
    ///
    /// The directory of a root for single entries was never reported as an entry. It stays in the mirror,
    /// without children, as the place where a consumer's folds keep what they have of it.
    pub(super) fn root_gone(&mut self, id: RootId, node: NodeId) {
        let tops: Vec<NodeId> = match self.visibility.is_partial(node) {
            true => self.world.mirror.children(node).collect(),
            false => vec![node],
        };
        for top in tops {
            self.clear_below(top);
        }
        self.stray_gone(id, node);
    }

    /// The same where no tree of another root is left below its path.
    pub(super) fn stray_gone(&mut self, id: RootId, node: NodeId) {
        let Some(root) = self.roots.get_mut(id) else {
            return;
        };
        root.node = None;
        root.next_check = Some(Moment::ZERO);
        let path = root.asked_path();
        if self.visibility.is_partial(node) {
            let children: Vec<NodeId> = self.world.mirror.children(node).collect();
            for child in children {
                self.remove_alone(child, Cause::Notified, Report::Removed);
            }
            // Consumers never knew the directory, so what they saw in it keeps hanging on it.
            self.coverage.watches.release(
                &mut self.world.mirror,
                &mut self.directories.kernel,
                node,
            );
            self.directories.close(node);
            self.coverage
                .drop_gap(&mut self.world, &mut self.resyncs, node);
            self.world.mirror.clear_identity(node);
            if let Some(root) = self.roots.get_mut(id) {
                root.resting = Some(node);
            }
        } else {
            self.remove_alone(node, Cause::Notified, Report::Removed);
        }
        self.world
            .outlets
            .coverage(path, CoverageState::Lost, Some(Gap::RootGone));
        self.attach_if_shown(id);
    }

    /// Reports a root as back: its directory was found again. What is below is found by a resync, so
    /// that consumers get one difference, not a stream of creations without an end.
    fn root_returns(&mut self, id: RootId) {
        let Some(root) = self.roots.get(id) else {
            return;
        };
        let path = root.asked_path();
        if let Some(outer) = self.find_outer(id, Lookup::Disk) {
            self.attach(id, outer);
            self.world.outlets.coverage(path, CoverageState::Live, None);
            return;
        }
        let Some(node) = self.plant(id) else { return };
        if self.visibility.is_reported_root(&self.world.mirror, node) {
            self.world.created(node, Cause::Scanned);
        }
        self.world.outlets.coverage(path, CoverageState::Live, None);
        self.resyncs.begin(
            &mut self.world,
            &mut self.work,
            node,
            ResyncReason::RootReturned,
        );
        self.guard_root(id);
    }

    /// Makes the top of a root's tree and queues it. Returns nothing if the root was removed.
    pub(super) fn plant(&mut self, id: RootId) -> Option<NodeId> {
        let root = self.roots.get_mut(id)?;
        root.next_check = None;
        let node = match root.resting.take() {
            Some(node) => node,
            None => {
                let node =
                    self.world
                        .mirror
                        .insert(None, &to_bytes(&root.dir), FileType::Dir, None);
                self.world.mirror.make_root(node);
                self.visibility.filter.set_outer(node, root.rules.clone());
                node
            }
        };
        root.node = Some(node);
        self.work.queue(&mut self.world.mirror, node);
        self.update_scope(id);
        Some(node)
    }

    /// Looks for the roots for which it is time.
    pub(super) fn look_for_roots(&mut self) {
        let soon = self.time.now.saturating_add(self.time.pace.root);
        let mut due = Vec::new();
        for root in self.roots.iter_mut() {
            if root.next_check.is_some_and(|check| check <= self.time.now) {
                root.next_check = Some(soon);
                due.push((root.id, root.node.is_some()));
            }
        }
        for (id, is_here) in due {
            // What happens between the two is seen by one of them.
            if is_here {
                self.guard_root(id);
            }
            self.check_root(id);
        }
    }
}
