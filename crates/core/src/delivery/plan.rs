//! The plan of a fold: in which order a difference is delivered, change by change.
//!
//! Moves come first, parents before children, then what is new, then what is gone. An entry is placed only after
//! its parents are. What stands in its way is placed first, or removed if the two are in each other's way.
//! Each step leaves the fold true, so a consumer may stop after any of them and the mirror may change between
//! two; then the plan is made again from what is left.

use hashbrown::{HashMap, HashSet};

use super::fold::{Fold, Place, Step, StepKind};
use crate::entry::FileType;
use crate::mirror::{Mirror, NodeId};

impl Fold {
    /// The next change towards the mirror, or `None` if the consumer's tree is the mirror's.
    pub(crate) fn step(&mut self, mirror: &mut Mirror) -> Option<Step> {
        loop {
            if let Some(step) = self.ready.pop() {
                return Some(step);
            }
            if self.plan.is_empty() {
                self.make_plan(mirror);
            }
            let id = self.plan.pop_back()?;
            let mut steps = Vec::new();
            match self.touched.get(&id).map(|touched| touched.alive) {
                Some(true) => self.place(mirror, id, &mut Vec::new(), &mut steps),
                Some(false) => self.drop_topmost(mirror, id, &mut steps),
                None => {}
            }
            steps.reverse();
            self.ready = steps;
        }
    }

    /// Entries that are gone and lie at or below the path of something of another tree that is about to come, to
    /// move or to go. The consumer would find the path taken, or move or drop them along, so they are removed
    /// first. A tree is known by the path of its top: one that is back is the same tree.
    fn strays(&self, mirror: &Mirror) -> HashSet<NodeId> {
        let mut tops: HashMap<NodeId, NodeId> = HashMap::new();
        let mut trees: HashSet<NodeId> = HashSet::new();
        for (&id, touched) in &self.touched {
            if touched.seen.is_some() {
                trees.insert(self.seen_top(mirror, id, &mut tops));
            }
            if touched.alive {
                trees.insert(mirror.top(id));
            }
        }
        if trees.len() < 2 {
            return HashSet::new();
        }
        let mut trees_at: HashMap<Vec<u8>, Vec<Vec<u8>>> = HashMap::new();
        for (&id, touched) in &self.touched {
            if touched.seen.is_some() {
                let trees = trees_at.entry(self.seen_path(mirror, id)).or_default();
                trees.push(self.seen_path(mirror, tops[&id]));
            }
            if touched.alive {
                let mut path = Vec::new();
                mirror.write_path(id, &mut path);
                let trees = trees_at.entry(path).or_default();
                trees.push(mirror.name(mirror.top(id)).to_vec());
            }
        }
        let is_stray = |id: NodeId| {
            let path = self.seen_path(mirror, id);
            let tree = self.seen_path(mirror, tops[&id]);
            let ends = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
            let mut ends = ends.map(|(end, _)| end).chain([path.len()]);
            ends.any(|end| {
                let trees = trees_at.get(&path[..end]);
                trees.is_some_and(|trees| trees.iter().any(|other| *other != tree))
            })
        };
        let gone = self.touched.iter().filter(|(_, touched)| !touched.alive);
        let gone = gone.filter(|(_, touched)| touched.seen.is_some());
        gone.map(|(&id, _)| id).filter(|&id| is_stray(id)).collect()
    }

    /// The top of the tree in which the consumer sees an entry. `known` has those that were found before.
    fn seen_top(&self, mirror: &Mirror, id: NodeId, known: &mut HashMap<NodeId, NodeId>) -> NodeId {
        let mut way = vec![id];
        let mut at = id;
        let top = loop {
            if let Some(&top) = known.get(&at) {
                break top;
            }
            match self.seen_parent(mirror, at) {
                Some(parent) => at = parent,
                None => break at,
            }
            way.push(at);
        };
        known.extend(way.into_iter().map(|id| (id, top)));
        top
    }

    /// Sorts all that differs by what comes first. Entries that are resolved meanwhile are skipped later.
    fn make_plan(&mut self, mirror: &Mirror) {
        let strays = self.strays(mirror);
        let mut keyed: Vec<_> = self
            .touched
            .iter()
            .map(|(&id, touched)| {
                let rank = match (touched.alive, &touched.seen) {
                    _ if strays.contains(&id) => 0,
                    (true, Some(_)) => 1,
                    (true, None) => 2,
                    (false, _) => 3,
                };
                let depth = if touched.alive {
                    std::iter::successors(Some(id), |&id| mirror.parent(id)).count()
                } else {
                    0
                };
                (rank, depth, id)
            })
            .collect();
        keyed.sort_unstable();
        self.plan = keyed.into_iter().rev().map(|(_, _, id)| id).collect();
    }

    /// Brings an entry, and first its parents, to where the mirror has them.
    fn place(
        &mut self,
        mirror: &mut Mirror,
        id: NodeId,
        underway: &mut Vec<NodeId>,
        steps: &mut Vec<Step>,
    ) {
        let mut chain: Vec<NodeId> =
            std::iter::successors(Some(id), |&id| mirror.parent(id)).collect();
        // Below what is not in its place yet nothing can be placed.
        if chain.iter().any(|id| underway.contains(id)) {
            return;
        }
        while let Some(id) = chain.pop() {
            if self.touched.contains_key(&id) {
                underway.push(id);
                self.place_one(mirror, id, underway, steps);
                underway.pop();
            }
        }
    }

    /// Brings one entry, whose parents are in place, to where the mirror has it, and reports what changed.
    fn place_one(
        &mut self,
        mirror: &mut Mirror,
        id: NodeId,
        underway: &mut Vec<NodeId>,
        steps: &mut Vec<Step>,
    ) {
        let target = Place {
            parent: mirror.parent(id),
            name: mirror.name(id).into(),
        };
        let occupant = self.occupant(&target).filter(|&other| other != id);
        let mut replaced = None;
        if let Some(other) = occupant {
            replaced = self.vacate(mirror, other, id, underway, steps);
        }
        let Some(touched) = self.touched.get(&id) else {
            return;
        };
        let (cause, metadata) = (touched.cause, touched.metadata);
        let is_known = touched.seen.is_some();
        let stays = touched.seen.as_ref() == Some(&target);
        let file_type = mirror.kind(id);
        let modified = touched.modified || touched.kind != file_type;
        let mut path = Vec::new();
        mirror.write_path(id, &mut path);
        let mut report = |kind: StepKind, path: &[u8]| {
            steps.push(Step {
                kind,
                path: path.to_vec(),
                file_type,
                cause,
            });
        };
        if !is_known {
            match replaced {
                Some(kind) if kind == file_type => report(StepKind::Modified, &path),
                _ => report(StepKind::Created, &path),
            }
        } else {
            if !stays {
                let from = self.seen_path(mirror, id);
                // A tree that was joined to another has the same paths in it.
                if from != path {
                    report(StepKind::Moved { from }, &path);
                }
            }
            if modified {
                report(StepKind::Modified, &path);
            } else if metadata {
                report(StepKind::Metadata, &path);
            }
        }
        self.resolve(mirror, id);
    }

    /// Frees the place that `other` has in the consumer's tree for `newcomer`. Returns the kind of
    /// `other` if the newcomer can simply take its place: a file for a file.
    fn vacate(
        &mut self,
        mirror: &mut Mirror,
        other: NodeId,
        newcomer: NodeId,
        underway: &mut Vec<NodeId>,
        steps: &mut Vec<Step>,
    ) -> Option<FileType> {
        let (alive, kind) = match self.touched.get(&other) {
            Some(touched) => (touched.alive, touched.kind),
            None => return None,
        };
        if alive {
            if !underway.contains(&other) {
                self.place(mirror, other, underway, steps);
            }
        } else if kind == FileType::Dir {
            for id in self.seen_subtree(mirror, other) {
                let is_alive = self.touched.get(&id).is_some_and(|touched| touched.alive);
                if is_alive && !underway.contains(&id) {
                    self.place(mirror, id, underway, steps);
                }
            }
        }
        let touched = self.touched.get(&other)?;
        let place = Place {
            parent: mirror.parent(newcomer),
            name: mirror.name(newcomer).into(),
        };
        let still_there = touched.seen.as_ref() == Some(&place);
        if !still_there {
            return None;
        }
        if !alive && kind != FileType::Dir {
            let newcomer_kind = mirror.kind(newcomer);
            let is_move = self
                .touched
                .get(&newcomer)
                .is_some_and(|new| new.seen.is_some());
            if is_move || newcomer_kind == kind {
                self.resolve(mirror, other);
                return Some(kind);
            }
        }
        self.drop_seen(mirror, other, steps);
        None
    }

    /// Reports that a removed entry is gone, or the topmost removed one that it was in.
    fn drop_topmost(&mut self, mirror: &mut Mirror, id: NodeId, steps: &mut Vec<Step>) {
        let mut top = id;
        let mut above = Some(id);
        while let Some(id) = above {
            if self.touched.get(&id).is_some_and(|touched| !touched.alive) {
                top = id;
            }
            above = self.seen_parent(mirror, id);
        }
        self.drop_seen(mirror, top, steps);
    }

    /// Reports that what the consumer sees at and below `top` is gone. What the mirror still has of
    /// it is new to the consumer from then on.
    fn drop_seen(&mut self, mirror: &mut Mirror, top: NodeId, steps: &mut Vec<Step>) {
        let path = self.seen_path(mirror, top);
        let Some(touched) = self.touched.get(&top) else {
            return;
        };
        let step = Step {
            kind: StepKind::Removed,
            path,
            file_type: touched.kind,
            cause: touched.cause,
        };
        steps.push(step);
        self.forget_seen(mirror, top);
    }

    /// The directory in which the consumer sees an entry.
    fn seen_parent(&self, mirror: &Mirror, id: NodeId) -> Option<NodeId> {
        match self.touched.get(&id) {
            Some(touched) => touched.seen.as_ref().and_then(|place| place.parent),
            None => mirror.parent(id),
        }
    }

    /// The path at which the consumer sees an entry.
    fn seen_path(&self, mirror: &Mirror, id: NodeId) -> Vec<u8> {
        let mut path = Vec::new();
        let mut names: Vec<&[u8]> = Vec::new();
        let mut above = Some(id);
        while let Some(id) = above {
            let seen = self
                .touched
                .get(&id)
                .and_then(|touched| touched.seen.as_ref());
            names.push(seen.map_or_else(|| mirror.name(id), |place| &place.name));
            above = self.seen_parent(mirror, id);
        }
        for name in names.into_iter().rev() {
            if !path.is_empty() && !path.ends_with(b"/") {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        path
    }
}
