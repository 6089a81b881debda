//! Folds: the backlog of a consumer that does not keep up, as a difference of states.
//!
//! A consumer has seen some version of the tree; the mirror is at a later one. Keeping every change
//! between the two costs memory without bound. A fold keeps, for each entry that differs, only
//! where the consumer still sees it: what is created and removed meanwhile leaves nothing, and a
//! thousand writes leave one bit. So a fold is never larger than the two versions together.
//!
//! [`Fold::step`] delivers the difference change by change, in the order that `delivery/plan.rs` decides. Where
//! two entries are in each other's way, one is delivered as removed and created: the one case in which a move
//! is not delivered as such.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};

use crate::entry::FileType;
use crate::event::Cause;
use crate::mirror::{Mirror, NodeId};

/// A parent and a name; without a parent, the top of a tree and its path.
pub(crate) type At<'a> = (Option<NodeId>, &'a [u8]);

/// Where the consumer sees an entry.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Place {
    pub(super) parent: Option<NodeId>,
    pub(super) name: Box<[u8]>,
}

/// An entry in which consumer and mirror may differ.
#[derive(Debug)]
pub(super) struct Touched {
    /// `None` if the consumer does not know of the entry.
    pub(super) seen: Option<Place>,
    /// The type when the entry was first touched, which is the one that the consumer knows.
    pub(super) kind: FileType,
    /// Whether the mirror still has the entry. Its id is pinned as long as it is touched.
    pub(super) alive: bool,
    /// Its content changed.
    pub(super) modified: bool,
    /// Its metadata changed.
    pub(super) metadata: bool,
    /// How the last of its changes became known.
    pub(super) cause: Cause,
}

/// One change of the difference; paths are written out, as consumer and mirror differ in them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    pub(crate) path: Vec<u8>,
    pub(crate) file_type: FileType,
    pub(crate) cause: Cause,
}

/// What a [`Step`] does: as [`ChangeKind`](crate::event::ChangeKind), with paths as bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StepKind {
    Created,
    Modified,
    Metadata,
    Removed,
    Moved { from: Vec<u8> },
}

/// The difference between the tree that a consumer sees and the mirror.
///
/// Invariant: of an entry that consumers know and that is not in `touched`, the consumer sees the parent, the
/// name and the type that the mirror has. Ids in `touched` are pinned, so none is reused meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    /// The entries that differ.
    pub(super) touched: HashMap<NodeId, Touched>,
    /// Which touched entry is where in the consumer's tree: by parent, then by name.
    pub(super) places: HashMap<Option<NodeId>, HashMap<Box<[u8]>, NodeId>>,
    /// Entries still to be delivered, last first. May name entries that are resolved meanwhile.
    pub(super) plan: VecDeque<NodeId>,
    /// Changes that are decided and not delivered yet, last first.
    pub(super) ready: Vec<Step>,
}

impl Fold {
    /// Whether consumer and mirror agree.
    pub(crate) fn is_empty(&self) -> bool {
        self.touched.is_empty() && self.ready.is_empty()
    }

    /// An entry came into being.
    pub(crate) fn created(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        mirror.pin(id);
        let kind = mirror.kind(id);
        let fresh = Touched {
            seen: None,
            kind,
            alive: true,
            modified: false,
            metadata: false,
            cause,
        };
        self.touched.insert(id, fresh);
    }

    /// An entry came into being that the consumer finds by itself, unless it is below one that the consumer
    /// does not know yet.
    pub(crate) fn found(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        let above = mirror.parent(id).and_then(|dir| self.touched.get(&dir));
        if above.is_some_and(|dir| dir.seen.is_none()) {
            self.created(mirror, id, cause);
        }
    }

    /// The content of an entry changed.
    pub(crate) fn modified(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        let touched = self.touch(mirror, id, cause);
        touched.modified = true;
    }

    /// The metadata of an entry changed.
    pub(crate) fn metadata(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        let touched = self.touch(mirror, id, cause);
        touched.metadata = true;
    }

    /// An entry is about to get another parent or name.
    pub(crate) fn moving(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        self.touch(mirror, id, cause);
    }

    /// An entry, without anything below it, is about to be removed.
    pub(crate) fn removing(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        let touched = self.touch(mirror, id, cause);
        touched.alive = false;
        if touched.seen.is_none() {
            self.resolve(mirror, id);
        }
    }

    /// What the consumer sees at one place is at another one from now on, which has the same path.
    pub(crate) fn replant(&mut self, mirror: &mut Mirror, from: At<'_>, to: At<'_>) {
        let [from, to] = [from, to].map(|(parent, name)| Place {
            parent,
            name: name.into(),
        });
        let Some(id) = self.occupant(&from).filter(|_| from != to) else {
            return;
        };
        self.leave(&from);
        if let Some(other) = self.occupant(&to) {
            self.leave(&to);
            let touched = self.touched.get_mut(&other).expect("it has a place");
            touched.seen = None;
            if !touched.alive {
                self.resolve(mirror, other);
            }
        }
        let places = self.places.entry(to.parent).or_default();
        places.insert(to.name.clone(), id);
        if let Some(touched) = self.touched.get_mut(&id) {
            touched.seen = Some(to);
        }
    }

    /// What the consumer sees at a path below the top of a tree is the top of another one from now on.
    pub(crate) fn uproot(
        &mut self,
        mirror: &mut Mirror,
        top: At<'_>,
        below: &[Vec<u8>],
        path: &[u8],
    ) {
        let (node, dir) = top;
        let mut at = None;
        let mut seen = self.seen_at(mirror, (None, dir)).or(node);
        for name in below {
            let Some(dir) = seen else { return };
            at = Some((dir, name));
            seen = self.seen_at(mirror, (Some(dir), name));
        }
        if let Some((dir, name)) = at {
            self.replant(mirror, (Some(dir), name), (None, path));
        }
    }

    /// What the consumer sees at a place.
    fn seen_at(&self, mirror: &Mirror, (parent, name): At<'_>) -> Option<NodeId> {
        let place = Place {
            parent,
            name: name.into(),
        };
        let untouched = || {
            let is_alive = |dir: &NodeId| self.touched.get(dir).is_none_or(|dir| dir.alive);
            let child = mirror.child(parent.filter(is_alive)?, name)?;
            (!self.touched.contains_key(&child)).then_some(child)
        };
        self.occupant(&place).or_else(untouched)
    }

    /// The consumer no longer cares for the tree with this path, which may be gone already.
    pub(crate) fn forget_path(&mut self, mirror: &mut Mirror, path: &[u8]) {
        let place = Place {
            parent: None,
            name: path.into(),
        };
        if let Some(id) = self.occupant(&place) {
            self.forget_seen(mirror, id);
        }
    }

    /// Makes sure that the fold knows where the consumer sees the entry.
    pub(super) fn touch(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) -> &mut Touched {
        if !self.touched.contains_key(&id) {
            mirror.pin(id);
            let place = Place {
                parent: mirror.parent(id),
                name: mirror.name(id).into(),
            };
            self.places
                .entry(place.parent)
                .or_default()
                .insert(place.name.clone(), id);
            let touched = Touched {
                seen: Some(place),
                kind: mirror.kind(id),
                alive: true,
                modified: false,
                metadata: false,
                cause,
            };
            self.touched.insert(id, touched);
        }
        let touched = self.touched.get_mut(&id).expect("just inserted");
        touched.cause = cause;
        touched
    }

    /// The consumer now sees the entry as the mirror has it.
    pub(super) fn resolve(&mut self, mirror: &mut Mirror, id: NodeId) {
        if let Some(touched) = self.touched.remove(&id) {
            if let Some(place) = touched.seen {
                self.leave(&place);
            }
            mirror.unpin(id);
        }
    }

    /// The consumer no longer sees a touched entry at this place.
    pub(super) fn leave(&mut self, place: &Place) {
        if let Some(names) = self.places.get_mut(&place.parent) {
            names.remove(&place.name);
            if names.is_empty() {
                self.places.remove(&place.parent);
            }
        }
    }

    /// The touched entry that the consumer sees at this place.
    pub(super) fn occupant(&self, place: &Place) -> Option<NodeId> {
        self.places.get(&place.parent)?.get(&place.name).copied()
    }

    /// The entry and all that the consumer sees below it.
    pub(super) fn seen_subtree(&self, mirror: &Mirror, top: NodeId) -> Vec<NodeId> {
        let mut all = vec![top];
        let mut next = 0;
        while let Some(&id) = all.get(next) {
            next += 1;
            if let Some(names) = self.places.get(&Some(id)) {
                // A map has no order, and the same history must be delivered in the same way.
                let start = all.len();
                all.extend(names.values());
                all[start..].sort_unstable();
            }
            let is_alive = self.touched.get(&id).is_none_or(|touched| touched.alive);
            if is_alive {
                let untouched = |child: &NodeId| {
                    !self.touched.contains_key(child) && !mirror.is_withheld(*child)
                };
                all.extend(mirror.children(id).filter(untouched));
            }
        }
        all
    }

    /// The tree at `top` is about to go unreported: the consumer no longer cares for it. What the consumer sees
    /// there but is elsewhere now is new to it; what it sees elsewhere and is there now is gone for it.
    pub(crate) fn forget(&mut self, mirror: &mut Mirror, top: NodeId) {
        self.forget_seen(mirror, top);
        for id in mirror.subtree(top) {
            if !self.touched.contains_key(&id) && mirror.is_withheld(id) {
                continue;
            }
            // What was not touched came with something that the consumer sees elsewhere.
            let touched = self.touch(mirror, id, Cause::Scanned);
            touched.alive = false;
            if touched.seen.is_none() {
                self.resolve(mirror, id);
            }
        }
    }

    /// Everything in a directory except what has one of the names is about to go unreported.
    pub(crate) fn forget_others(
        &mut self,
        mirror: &mut Mirror,
        dir: NodeId,
        keep: &HashSet<Vec<u8>>,
    ) {
        let seen = self.places.get(&Some(dir)).into_iter().flatten();
        let mut seen: Vec<NodeId> = seen
            .filter(|(name, _)| !keep.contains(&***name))
            .map(|(_, &id)| id)
            .collect();
        seen.sort_unstable();
        for id in seen {
            self.forget_seen(mirror, id);
        }
        let children: Vec<NodeId> = mirror.children(dir).collect();
        for child in children {
            if !keep.contains(mirror.name(child)) {
                self.forget(mirror, child);
            }
        }
    }

    /// The consumer no longer sees anything at or below `top`.
    pub(super) fn forget_seen(&mut self, mirror: &mut Mirror, top: NodeId) {
        let mut forgotten = HashSet::new();
        for id in self.seen_subtree(mirror, top) {
            if !forgotten.insert(id) {
                continue;
            }
            if self.touched.get(&id).is_some_and(|touched| !touched.alive) {
                self.resolve(mirror, id);
                continue;
            }
            let touched = self.touch(mirror, id, Cause::Scanned);
            if let Some(place) = touched.seen.take() {
                self.leave(&place);
            }
            self.plan.push_front(id);
        }
    }

    /// Ends the fold and delivers nothing of what is left.
    pub(crate) fn discard(mut self, mirror: &mut Mirror) {
        let mut touched: Vec<NodeId> = self.touched.keys().copied().collect();
        touched.sort_unstable();
        for id in touched {
            self.resolve(mirror, id);
        }
    }
}
