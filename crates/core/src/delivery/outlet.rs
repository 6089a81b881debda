//! Outlets: the engine's end of each consumer's feed.
//!
//! An outlet turns what happens to the mirror into numbered changes. As long as the consumer has
//! room, each change is written out when it happens. Once the room is used up the outlet keeps a
//! [`Fold`] instead, and hands out the difference when there is room again. An outlet that settles
//! folds always, and hands out when its owner says that all is quiet.

use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::fold::{At, Fold, StepKind};
use crate::coverage::{Coverage, CoverageState, Gap};
use crate::event::{Cause, Change, ChangeKind, Event, Resync, ResyncPhase, ResyncReason};
use crate::mirror::path::path_of;
use crate::mirror::{Mirror, NodeId};
use crate::path::to_path;

/// Names an outlet of an engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OutletId(u32);

/// When an outlet delivers what happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// At once, as long as the consumer has room.
    Prompt,
    /// When [`Engine::flush`](crate::Engine::flush) is called, which the owner does when the tree has been
    /// quiet for a while. Until then the outlet folds.
    Settled,
}

/// Whether consumers learn that an entry goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Report {
    /// By a change of its own.
    Removed,
    /// By the move that takes its place; only folds need to know.
    ImpliedByMove,
    /// Not at all: it leaves what is watched.
    Silent,
}

/// Changes written out of a fold in one go. In between the kernel's queue is drained.
const FLUSH: usize = 2048;

#[derive(Debug)]
struct Outlet {
    id: OutletId,
    /// How many events the consumer takes before the outlet starts folding.
    room: usize,
    delivery: Delivery,
    events: Vec<Event>,
    fold: Option<Fold>,
    /// Resyncs whose beginning was told.
    begun: Vec<PathBuf>,
    /// Notes that wait for the fold to be told.
    notes: Vec<Event>,
    /// How often the outlet had to start folding.
    folds: u64,
}

impl Outlet {
    /// Starts folding if there is no room. The consumer's tree is the mirror's at this moment.
    fn fold(&mut self) -> Option<&mut Fold> {
        if self.fold.is_none() && (self.delivery == Delivery::Settled || self.room == 0) {
            self.fold = Some(Fold::default());
            self.folds += u64::from(self.delivery == Delivery::Prompt);
        }
        self.fold.as_mut()
    }

    fn push(&mut self, event: Event) {
        self.room = self.room.saturating_sub(1);
        self.events.push(event);
    }

    fn note(&mut self, event: Event) {
        if self.fold().is_none() {
            self.push(event);
            return;
        }
        if let Event::Coverage(coverage) = &event {
            self.forget_coverage(&coverage.path);
        }
        self.notes.push(event);
    }

    fn forget_coverage(&mut self, path: &Path) {
        self.notes
            .retain(|note| !matches!(note, Event::Coverage(other) if other.path == path));
    }
}

/// All outlets of an engine and the numbering they share.
#[derive(Debug, Default)]
pub(crate) struct Outlets {
    outlets: Vec<Outlet>,
    next_id: u32,
    seq: u64,
    /// Changes of the mirror that consumers learn of, at once or later.
    changes: u64,
}

impl Outlets {
    pub(crate) fn open(&mut self, room: usize, delivery: Delivery) -> OutletId {
        let id = OutletId(self.next_id);
        self.next_id += 1;
        self.outlets.push(Outlet {
            id,
            room,
            delivery,
            events: Vec::new(),
            fold: None,
            begun: Vec::new(),
            notes: Vec::new(),
            folds: 0,
        });
        id
    }

    pub(crate) fn close(&mut self, id: OutletId, mirror: &mut Mirror) {
        if let Some(at) = self.outlets.iter().position(|outlet| outlet.id == id)
            && let Some(fold) = self.outlets.swap_remove(at).fold
        {
            fold.discard(mirror);
        }
    }

    /// The number of the last change.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// A change happens: counts and numbers it.
    fn count(&mut self) {
        self.seq += 1;
        self.changes += 1;
    }

    fn outlet(&mut self, id: OutletId) -> Option<&mut Outlet> {
        self.outlets.iter_mut().find(|outlet| outlet.id == id)
    }

    pub(crate) fn set_room(&mut self, id: OutletId, room: usize) {
        if let Some(outlet) = self.outlet(id) {
            outlet.room = room.saturating_sub(outlet.events.len());
        }
    }

    pub(crate) fn take(&mut self, id: OutletId) -> Vec<Event> {
        self.outlet(id)
            .map(|outlet| std::mem::take(&mut outlet.events))
            .unwrap_or_default()
    }

    /// Whether changes wait in a fold, and how often there had to be one.
    pub(crate) fn folded(&self, id: OutletId) -> (bool, u64) {
        self.outlets
            .iter()
            .find(|outlet| outlet.id == id)
            .map_or((false, 0), |outlet| {
                let waits = outlet.fold.as_ref().is_some_and(|fold| !fold.is_empty());
                (waits || !outlet.notes.is_empty(), outlet.folds)
            })
    }

    /// Hands out what is folded, as far as there is room, and not too much at a time.
    pub(crate) fn flush(&mut self, id: OutletId, mirror: &mut Mirror) {
        let Outlets { outlets, seq, .. } = self;
        let Some(outlet) = outlets.iter_mut().find(|outlet| outlet.id == id) else {
            return;
        };
        let mut left = FLUSH;
        while outlet.room > 0
            && left > 0
            && let Some(step) = outlet.fold.as_mut().and_then(|fold| fold.step(mirror))
        {
            left -= 1;
            *seq += 1;
            let kind = match step.kind {
                StepKind::Created => ChangeKind::Created,
                StepKind::Modified => ChangeKind::Modified,
                StepKind::Metadata => ChangeKind::Metadata,
                StepKind::Removed => ChangeKind::Removed,
                StepKind::Moved { from } => ChangeKind::Moved {
                    from: to_path(from),
                },
            };
            outlet.push(Event::Change(Change {
                seq: *seq,
                kind,
                path: to_path(step.path),
                file_type: step.file_type,
                cause: step.cause,
            }));
        }
        if outlet.fold.as_ref().is_some_and(Fold::is_empty) {
            outlet.fold = None;
            for note in std::mem::take(&mut outlet.notes) {
                outlet.push(note);
            }
        }
    }

    pub(crate) fn created(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        self.each(mirror, id, cause, || ChangeKind::Created, Fold::created);
    }

    /// An entry belongs to what a root begins with. Consumers are not told, as a rule.
    pub(crate) fn found(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        let folds = self
            .outlets
            .iter_mut()
            .filter_map(|outlet| outlet.fold.as_mut());
        folds.for_each(|fold| fold.found(mirror, id, cause));
    }

    pub(crate) fn modified(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        self.each(mirror, id, cause, || ChangeKind::Modified, Fold::modified);
    }

    pub(crate) fn metadata(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        self.each(mirror, id, cause, || ChangeKind::Metadata, Fold::metadata);
    }

    fn each(
        &mut self,
        mirror: &mut Mirror,
        id: NodeId,
        cause: Cause,
        kind: impl Fn() -> ChangeKind,
        note: impl Fn(&mut Fold, &mut Mirror, NodeId, Cause),
    ) {
        self.count();
        for outlet in &mut self.outlets {
            match outlet.fold() {
                Some(fold) => note(fold, mirror, id, cause),
                None => {
                    let change = describe(mirror, id, self.seq, kind(), cause);
                    outlet.push(Event::Change(change));
                }
            }
        }
    }

    /// An entry and all below it are about to be removed. Tells only of the entry, and not even of
    /// that if a move onto its place says so already.
    pub(crate) fn removing(
        &mut self,
        mirror: &mut Mirror,
        id: NodeId,
        subtree: &[NodeId],
        cause: Cause,
        report: Report,
    ) {
        if report == Report::Silent {
            return;
        }
        self.count();
        for outlet in &mut self.outlets {
            match outlet.fold() {
                Some(fold) => {
                    for &id in subtree.iter().rev() {
                        if !mirror.is_withheld(id) {
                            fold.removing(mirror, id, cause);
                        }
                    }
                }
                None if report == Report::ImpliedByMove => {}
                None => {
                    let change = describe(mirror, id, self.seq, ChangeKind::Removed, cause);
                    outlet.push(Event::Change(change));
                }
            }
        }
    }

    /// An entry is about to move. Returns its path for [`Outlets::moved`].
    pub(crate) fn moving(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) -> PathBuf {
        for outlet in &mut self.outlets {
            if let Some(fold) = outlet.fold() {
                fold.moving(mirror, id, cause);
            }
        }
        path_of(mirror, id)
    }

    pub(crate) fn moved(&mut self, mirror: &Mirror, id: NodeId, from: &Path, cause: Cause) {
        self.count();
        for outlet in self
            .outlets
            .iter_mut()
            .filter(|outlet| outlet.fold.is_none())
        {
            let kind = ChangeKind::Moved {
                from: from.to_owned(),
            };
            let change = describe(mirror, id, self.seq, kind, cause);
            outlet.push(Event::Change(change));
        }
    }

    /// What consumers see at one place is at another one from now on, which has the same path.
    pub(crate) fn replant(&mut self, mirror: &mut Mirror, from: At<'_>, to: At<'_>) {
        let folds = self
            .outlets
            .iter_mut()
            .filter_map(|outlet| outlet.fold.as_mut());
        folds.for_each(|fold| fold.replant(mirror, from, to));
    }

    /// What consumers see at a path below the top of a tree is the top of another one from now on.
    pub(crate) fn uproot(
        &mut self,
        mirror: &mut Mirror,
        top: At<'_>,
        below: &[Vec<u8>],
        path: &[u8],
    ) {
        let folds = self
            .outlets
            .iter_mut()
            .filter_map(|outlet| outlet.fold.as_mut());
        folds.for_each(|fold| fold.uproot(mirror, top, below, path));
    }

    /// All in a directory but what has one of the names goes without a word.
    pub(crate) fn forget_others(
        &mut self,
        mirror: &mut Mirror,
        dir: NodeId,
        keep: &HashSet<Vec<u8>>,
    ) {
        let folds = self
            .outlets
            .iter_mut()
            .filter_map(|outlet| outlet.fold.as_mut());
        folds.for_each(|fold| fold.forget_others(mirror, dir, keep));
    }

    /// The tree with this path is no longer watched, whatever became of it.
    pub(crate) fn forget_path(&mut self, mirror: &mut Mirror, path: &[u8]) {
        let folds = self
            .outlets
            .iter_mut()
            .filter_map(|outlet| outlet.fold.as_mut());
        folds.for_each(|fold| fold.forget_path(mirror, path));
    }

    /// A tree goes without a word: its root is no longer watched.
    pub(crate) fn forget(&mut self, mirror: &mut Mirror, top: NodeId) {
        let folds = self
            .outlets
            .iter_mut()
            .filter_map(|outlet| outlet.fold.as_mut());
        folds.for_each(|fold| fold.forget(mirror, top));
    }

    pub(crate) fn resync_begins(&mut self, path: PathBuf, reason: ResyncReason) {
        for outlet in &mut self.outlets {
            if outlet.fold().is_none() {
                outlet.begun.push(path.clone());
                outlet.push(Event::Resync(Resync {
                    path: path.clone(),
                    reason,
                    phase: ResyncPhase::Begin,
                }));
            }
        }
    }

    pub(crate) fn resync_ends(&mut self, path: &Path, reason: ResyncReason) {
        for outlet in &mut self.outlets {
            if let Some(at) = outlet.begun.iter().position(|begun| begun == path) {
                outlet.begun.swap_remove(at);
                outlet.note(Event::Resync(Resync {
                    path: path.to_owned(),
                    reason,
                    phase: ResyncPhase::End,
                }));
            }
        }
    }

    /// Drops what waits to be told of the coverage of a path that is no more.
    pub(crate) fn forget_coverage(&mut self, path: &Path) {
        for outlet in &mut self.outlets {
            outlet.forget_coverage(path);
        }
    }

    pub(crate) fn coverage(&mut self, path: PathBuf, state: CoverageState, gap: Option<Gap>) {
        for outlet in &mut self.outlets {
            outlet.note(Event::Coverage(Coverage {
                path: path.clone(),
                state,
                gap,
            }));
        }
    }
}

fn describe(mirror: &Mirror, id: NodeId, seq: u64, kind: ChangeKind, cause: Cause) -> Change {
    Change {
        seq,
        kind,
        path: path_of(mirror, id),
        file_type: mirror.kind(id),
        cause,
    }
}
