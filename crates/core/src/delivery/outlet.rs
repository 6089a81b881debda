//! Outlets: the engine's end of each consumer's feed.
//!
//! An outlet turns what happens to the mirror into numbered changes. As long as the consumer has
//! room, each change is written out when it happens. Once the room is used up the outlet keeps a
//! [`Fold`] instead, and delivers the difference when there is room again. An outlet whose delivery is
//! [settled](Delivery::Settled) always folds, and delivers when its owner flushes it.
//!
//! The engine reports each change of the mirror here, some before and some after it is made, as the methods
//! say. A change costs nothing if no consumer is there.

use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::fold::{At, Fold, StepKind};
use crate::coverage::{Coverage, CoverageState, Gap};
use crate::event::{Cause, Change, ChangeKind, Event, Resync, ResyncPhase, ResyncReason};
use crate::log;
use crate::mirror::path::path_of;
use crate::mirror::{Mirror, NodeId};
use crate::path::to_path;

/// The id of an outlet, unique within its engine.
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

/// How many changes are written out of a fold at once. In between, the kernel's queue is drained.
const FLUSH: usize = 2048;

/// The outlet of one consumer.
#[derive(Debug)]
struct Outlet {
    id: OutletId,
    /// How many events the consumer takes before the outlet starts folding.
    room: usize,
    delivery: Delivery,
    /// What the consumer can take.
    events: Vec<Event>,
    /// What the consumer does not know yet; `None` while it knows all that is in `events` and before.
    fold: Option<Fold>,
    /// Resyncs whose beginning was delivered.
    begun: Vec<PathBuf>,
    /// Notes that are delivered behind the fold.
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

    /// Delivers an event.
    fn push(&mut self, event: Event) {
        self.room = self.room.saturating_sub(1);
        self.events.push(event);
    }

    /// Delivers an event that is no change, behind all changes so far.
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

    /// Drops what waits to be delivered of the coverage of a path.
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
    /// The number of the last change that was delivered or counted.
    seq: u64,
    /// Changes of the mirror that consumers learn of, at once or later.
    changes: u64,
}

impl Outlets {
    /// Opens an outlet for a consumer that has room for `room` events. Its tree is the mirror's at this moment.
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

    /// Closes an outlet and drops what it holds.
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

    /// How often the mirror changed in a way that consumers learn of.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Counts a change and gives it a number.
    fn count(&mut self) {
        self.seq += 1;
        self.changes += 1;
    }

    /// The outlet of this id, unless it is closed.
    fn outlet(&mut self, id: OutletId) -> Option<&mut Outlet> {
        self.outlets.iter_mut().find(|outlet| outlet.id == id)
    }

    /// Sets how many events the consumer can take, those included that wait for it.
    pub(crate) fn set_room(&mut self, id: OutletId, room: usize) {
        if let Some(outlet) = self.outlet(id) {
            outlet.room = room.saturating_sub(outlet.events.len());
        }
    }

    /// Takes the events that were delivered.
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

    /// Delivers what is folded, as far as there is room and at most [`FLUSH`] changes at a time.
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

    /// An entry came into being.
    pub(crate) fn created(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        self.each(mirror, id, cause, || ChangeKind::Created, Fold::created);
    }

    /// An entry belongs to what a root begins with. It is delivered only to consumers that do not know the
    /// directory that it is in yet.
    pub(crate) fn found(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        let folds = self
            .outlets
            .iter_mut()
            .filter_map(|outlet| outlet.fold.as_mut());
        folds.for_each(|fold| fold.found(mirror, id, cause));
    }

    /// The content of an entry changed.
    pub(crate) fn modified(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        self.each(mirror, id, cause, || ChangeKind::Modified, Fold::modified);
    }

    /// The metadata of an entry changed.
    pub(crate) fn metadata(&mut self, mirror: &mut Mirror, id: NodeId, cause: Cause) {
        self.each(mirror, id, cause, || ChangeKind::Metadata, Fold::metadata);
    }

    /// Delivers one change to consumers that have room, and notes it in the folds of the others.
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

    /// An entry and all below it, `subtree`, are about to be removed. Delivers one change for the entry, or none
    /// if a move onto its place implies it.
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

    /// An entry has moved from the path that [`Outlets::moving`] returned. Folds know already.
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

    /// Everything in a directory except what has one of the names goes unreported.
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

    /// The tree with this path is no longer watched; it may be gone already.
    pub(crate) fn forget_path(&mut self, mirror: &mut Mirror, path: &[u8]) {
        let folds = self
            .outlets
            .iter_mut()
            .filter_map(|outlet| outlet.fold.as_mut());
        folds.for_each(|fold| fold.forget_path(mirror, path));
    }

    /// A tree goes unreported: its root is no longer watched.
    pub(crate) fn forget(&mut self, mirror: &mut Mirror, top: NodeId) {
        let folds = self
            .outlets
            .iter_mut()
            .filter_map(|outlet| outlet.fold.as_mut());
        folds.for_each(|fold| fold.forget(mirror, top));
    }

    /// Delivers that a comparison begins, except to consumers that are behind.
    pub(crate) fn resync_begins(&mut self, path: PathBuf, reason: ResyncReason) {
        log::resync_begins(&path, reason);
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

    /// Delivers that a comparison is complete to those that know of its beginning.
    pub(crate) fn resync_ends(&mut self, path: &Path, reason: ResyncReason) {
        log::resync_ends(path, reason);
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

    /// Drops what waits to be delivered of the coverage of a path that is gone.
    pub(crate) fn forget_coverage(&mut self, path: &Path) {
        for outlet in &mut self.outlets {
            outlet.forget_coverage(path);
        }
    }

    /// Delivers how a part of the tree is watched from now on.
    pub(crate) fn coverage(&mut self, path: PathBuf, state: CoverageState, gap: Option<Gap>) {
        log::coverage(&path, state, gap);
        for outlet in &mut self.outlets {
            outlet.note(Event::Coverage(Coverage {
                path: path.clone(),
                state,
                gap,
            }));
        }
    }
}

/// The change of an entry, by its path in the mirror at this moment.
fn describe(mirror: &Mirror, id: NodeId, seq: u64, kind: ChangeKind, cause: Cause) -> Change {
    Change {
        seq,
        kind,
        path: path_of(mirror, id),
        file_type: mirror.kind(id),
        cause,
    }
}
