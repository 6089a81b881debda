//! Noticing that a root has left its name, or is back.
//!
//! A root is a name, whoever has it. Its directory cannot be relied on to report its own end: a
//! shell that stands in it keeps it alive. So the parent of every root is watched for the root's
//! name, and the directories above, and symbolic links on the way, for being renamed or replaced.
//!
//! A root that is gone is looked for at short intervals. Apart from polling that is the only time an
//! engine wakes by itself, and where a part of the way may not be watched.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::watches::Guard;
use super::{Engine, RootId};
use crate::change::{Cause, ResyncReason};
use crate::coverage::{Gap, State};
use crate::kernel::{Fault, FaultKind, Kernel, Purpose, Watch, Watched};
use crate::mirror::{Mark, NodeId};
use crate::path::to_bytes;
use crate::record::Moment;

/// As many roots whose way cannot be watched are looked at in each poll interval.
const CROWD: usize = 50;

/// Symbolic links that are followed on the way to a root, as many as Linux follows.
const MOST_LINKS: usize = 40;

/// A directory on the way to a root, and the entry in it that has to stay.
type Stop = (PathBuf, Option<Box<[u8]>>);

impl<K: Kernel> Engine<K> {
    /// Watches the way to a root: each directory in which a part of its path is looked up. Where
    /// that cannot be done, the root is looked at from time to time instead.
    pub(super) fn guard_root(&mut self, id: RootId) {
        let Some(root) = self.root(id).filter(|root| root.host.is_none()) else {
            return;
        };
        let dir = root.dir.clone();
        for watch in self.watches.unguard(id) {
            self.kernel.unwatch(watch);
        }
        let (mut is_whole, mut is_stable) = (true, true);
        for (above, name) in self.way_to(&dir).0 {
            let purpose = match name {
                Some(_) => Purpose::Guard,
                None => Purpose::Ancestor,
            };
            match self.guard(&above, purpose) {
                Ok(Watched::New(watch) | Watched::Known(watch) | Watched::Above(watch)) => {
                    self.watches.guard(watch, Guard { root: id, name });
                }
                Err(fault) => {
                    is_whole = false;
                    is_stable &= !fault.kind.is_absence();
                }
            }
        }
        is_whole &= self.guard_rules(id);
        // Only now: what is written from here on is reported.
        if let Some(node) = self.root(id).and_then(|root| root.node) {
            self.read_outer_rules(node);
        }
        // To look at hundreds of roots takes long where a look goes over a network, so it is rarer then.
        let crowd = 1 + u32::try_from(self.roots.len() / CROWD).unwrap_or(u32::MAX);
        // A part of the way that went meanwhile has most likely taken the root with it.
        let pause = if is_stable {
            self.pace.poll.saturating_mul(crowd)
        } else {
            Duration::ZERO
        };
        let next_check = self.now.checked_add(pause).filter(|_| !is_whole);
        if let Some(root) = self.root_mut(id)
            && root.node.is_some()
        {
            root.next_check = next_check;
        }
    }

    /// Watches a directory on the way to a root.
    pub(super) fn guard(&mut self, dir: &Path, purpose: Purpose) -> Result<Watched, Fault> {
        let handle = self.kernel.open_root(dir)?;
        match self.kernel.gap_of_volume(&handle) {
            None => self.kernel.watch(&handle, purpose),
            Some(_) => Err(Fault {
                kind: FaultKind::Unsupported,
                code: 0,
            }),
        }
    }

    /// The directories that the system goes through to reach `dir`, through symbolic links as well,
    /// and the entry that has to stay what it is: a link, or the root itself. Of the others it is
    /// enough to know that they are not moved. With it comes the path without links.
    pub(super) fn way_to(&mut self, dir: &Path) -> (Vec<Stop>, PathBuf) {
        let mut way = Vec::new();
        let mut at = PathBuf::new();
        let mut rest: Vec<OsString> = dir.iter().rev().map(OsString::from).collect();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            let next = at.join(&part);
            let link = match links {
                MOST_LINKS.. => None,
                _ => self.kernel.read_link(&next),
            };
            let name = (link.is_some() || rest.is_empty())
                .then(|| to_bytes(Path::new(&part)).into_boxed_slice());
            // A drive alone is no directory, but whichever the process is in on it.
            if next != at && at.has_root() {
                way.push((at.clone(), name));
            }
            match link {
                Some(target) => {
                    links += 1;
                    rest.extend(target.iter().rev().map(OsString::from));
                }
                None if part == ".." => {
                    at.pop();
                }
                None => at = next,
            }
        }
        (way, at)
    }

    /// Looks at the roots that a record about a directory above them, or their own, may concern.
    pub(super) fn check_guarded(&mut self, watch: Watch, name: Option<&[u8]>) {
        let roots = match name {
            Some(name) => {
                let folds = self.kernel.names_paths();
                self.watches.guarded_entry(watch, name, folds)
            }
            None => self.watches.guarded(watch),
        };
        for id in roots {
            self.check_root(id);
        }
        if name.is_none() {
            for node in self.watches.nodes(watch) {
                self.check_root_node(node);
            }
        }
    }

    /// Compares the directory that has the root's name now with the one in the mirror.
    pub(super) fn check_root(&mut self, id: RootId) {
        let Some(root) = self.root(id) else { return };
        if root.host.is_some() {
            return self.check_guest(id);
        }
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
                // Never listed, or, on a file system that uses inode numbers again and knows no
                // birth times, perhaps another directory than the one that was watched.
                known
                    if known.is_none()
                        || (self.mirror.watch(node).is_none() && self.gap(node).is_none()) =>
                {
                    self.mirror.set(node, Mark::STALE);
                    self.queue(node);
                    self.read_outer_rules(node);
                }
                _ => {
                    self.read_outer_rules(node);
                    if self.kernel.names_paths() {
                        // Of its own rights only the directory above tells.
                        self.retry_unreadable(node);
                    }
                }
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
            (
                Err(Fault {
                    kind: FaultKind::Denied,
                    ..
                }),
                _,
            ) => {}
            (Err(_), _) => {
                let soon = self.now.saturating_add(self.pace.root);
                if let Some(root) = self.root_mut(id) {
                    root.next_check = Some(soon);
                }
            }
        }
    }

    /// Checks the root that this is the top of.
    pub(super) fn check_root_node(&mut self, node: NodeId) {
        let root = self.roots.iter().find(|root| root.node == Some(node));
        if let Some(id) = root.map(|root| root.id) {
            self.check_root(id);
        }
    }

    pub(super) fn root_gone(&mut self, id: RootId, node: NodeId) {
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
            // Consumers never knew the directory, so what they saw in it keeps hanging on it.
            self.unwatch(node);
            self.close_handle(node);
            self.drop_gap(node);
            self.mirror.clear_identity(node);
            if let Some(root) = self.root_mut(id) {
                root.resting = Some(node);
            }
        } else {
            self.remove(node, Cause::Notified, true, false);
        }
        self.outlets
            .coverage(path, State::Lost, Some(Gap::RootGone));
        self.take_shelter(id);
    }

    fn root_returns(&mut self, id: RootId) {
        let Some(root) = self.root(id) else { return };
        let path = root.told_path();
        if let Some(host) = self.find_host(id, true) {
            self.be_guest(id, host);
            self.outlets.coverage(path, State::Live, None);
            return;
        }
        let Some(node) = self.plant(id) else { return };
        if self.is_told_root(node) {
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
        let soon = self.now.saturating_add(self.pace.root);
        let mut due = Vec::new();
        for root in &mut self.roots {
            if root.next_check.is_some_and(|check| check <= self.now) {
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

    pub(super) fn next_root_check(&self) -> Option<Moment> {
        self.roots.iter().filter_map(|root| root.next_check).min()
    }
}
