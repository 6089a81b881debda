//! Noticing that a root has left its name, or is back.
//!
//! A root is a name, whoever has it. Its directory cannot be relied on to report its own end: a
//! shell that stands in it keeps it alive. So the parent of every root is watched for the root's
//! name, and the directories above for being renamed. A root that is gone is looked for at short
//! intervals, the only time an engine without polled directories wakes by itself.

use std::path::Path;

use super::{Engine, RootId};
use crate::change::{Cause, ResyncReason};
use crate::coverage::{Gap, State};
use crate::kernel::{Fault, FaultKind, Kernel, Purpose, Watch, Watched};
use crate::mirror::NodeId;
use crate::path::to_bytes;
use crate::record::Moment;

impl<K: Kernel> Engine<K> {
    /// Watches the directories above a root. What cannot be watched there is done without: the
    /// root's own watch still says when it is renamed, or removed for good.
    pub(super) fn guard_root(&mut self, id: RootId) {
        let Some(root) = self.root(id).filter(|root| !root.is_joined) else {
            return;
        };
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
            if self.kernel.gap_of_volume(&handle).is_some() {
                continue;
            }
            if let Ok(Watched::New(watch) | Watched::Known(watch)) =
                self.kernel.watch(&handle, purpose)
            {
                self.watches.guard(watch, id);
            }
        }
    }

    /// Looks at the roots that a record about a directory above them, or their own, may concern.
    pub(super) fn check_guarded(&mut self, watch: Watch, name: Option<&[u8]>) {
        for id in self.watches.guarded(watch) {
            let Some(root) = self.root(id) else { continue };
            let own_name = root.dir.file_name().map(|own| to_bytes(Path::new(own)));
            if name.is_none() || own_name.as_deref() == name {
                self.check_root(id);
            }
        }
        if name.is_none() {
            for node in self.watches.nodes(watch) {
                self.check_root_node(node);
            }
        }
    }

    /// Compares the directory that has the root's name now with the one in the mirror.
    pub(super) fn check_root(&mut self, id: RootId) {
        let Some(root) = self.root(id).filter(|root| !root.is_joined) else {
            return;
        };
        let (dir, node) = (root.dir.clone(), root.node);
        let found = self
            .kernel
            .open_root(&dir)
            .and_then(|dir| self.kernel.identity(&dir));
        match (found, node) {
            (Ok(identity), Some(node)) => match self.mirror.identity(node) {
                Some(known) if known != identity => {
                    self.root_gone(id, node);
                    self.root_returns(id);
                }
                _ => {}
            },
            (Ok(_), None) => self.root_returns(id),
            (
                Err(Fault {
                    kind: FaultKind::NotFound | FaultKind::NotDirectory,
                    ..
                }),
                Some(node),
            ) => self.root_gone(id, node),
            // Whoever may not look cannot tell; the directory reports as long as it lives.
            (Err(_), _) => {}
        }
    }

    /// Checks the root that this is the top of.
    pub(super) fn check_root_node(&mut self, node: NodeId) {
        let root = self.roots.iter().find(|root| root.node == Some(node));
        if let Some(id) = root.map(|root| root.id) {
            self.check_root(id);
        }
    }

    fn root_gone(&mut self, id: RootId, node: NodeId) {
        let Some(root) = self.root_mut(id) else {
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
        let Some(node) = self.plant(id) else { return };
        let Some(root) = self.root(id) else { return };
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
        for root in &mut self.roots {
            if root.node == Some(node) {
                root.node = None;
                root.next_check = Some(Moment::ZERO);
            }
        }
    }

    pub(super) fn look_for_roots(&mut self) {
        let next = self.now.saturating_add(self.pace.root);
        let mut due = Vec::new();
        for root in &mut self.roots {
            if root.next_check.is_some_and(|check| check <= self.now) {
                root.next_check = Some(next);
                due.push(root.id);
            }
        }
        for id in due {
            self.check_root(id);
        }
    }

    pub(super) fn next_root_check(&self) -> Option<Moment> {
        self.roots.iter().filter_map(|root| root.next_check).min()
    }
}
