//! The judge: events in, verdicts out. It reads no disk and starts no watcher, so that tests can give it feeds
//! from which an event was taken, or in which two moves were mixed up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{ChangeKind, Event, Misfit, ResyncPhase, ResyncReason, Tree, printable};

use super::disk::Disk;
use super::outcome::Guarantee;

/// What the judge notes of an entry. It moves with the entry.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Mark {
    /// The content at the last comparison, unless the entry is newer.
    seen: Option<u64>,
    /// Reported as created or modified since then.
    is_reported: bool,
    /// Moved since then.
    has_moved: bool,
}

/// What a phase did, as far as the walk cannot show it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Facts {
    /// The moves, each of which is one change: `None` where moves may be folded into others.
    pub(crate) moves: Option<Vec<(PathBuf, PathBuf)>>,
    /// A directory below which nothing happened: no entry may be reported as come or gone. `modified` may come more
    /// often than a file was written, of young files for example.
    pub(crate) untouched: Option<PathBuf>,
    /// The kernel lost records: a resync has to be reported from its beginning to its end.
    pub(crate) has_overflowed: bool,
}

/// The difference between what the feed says and what there is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Comparison {
    pub(crate) missing: u64,
    pub(crate) ghosts: u64,
    pub(crate) wrong_kinds: u64,
    pub(crate) unreported: u64,
    /// Events that do not fit the tree.
    pub(crate) misfits: u64,
    /// Events about what did not change.
    pub(crate) needless: u64,
    /// Moves with an end that belongs to another file, moves in two halves, moves that nothing made.
    pub(crate) wrong_moves: u64,
    /// Resyncs after lost records that are not reported, or have no end.
    pub(crate) lost_resyncs: u64,
    /// Sentences about the first differences.
    pub(crate) notes: Vec<String>,
}

impl Comparison {
    /// Differences of the tree alone: what G1 forbids, and other guarantees in their own phases.
    pub(crate) fn of_tree(&self) -> u64 {
        self.missing + self.ghosts + self.wrong_kinds + self.unreported + self.misfits
    }

    /// The failures by the guarantee that they break. `about` is the one that the phase is about.
    pub(crate) fn charges(&self, about: Guarantee) -> [(Guarantee, u64); 2] {
        [
            (about, self.of_tree() + self.needless + self.lost_resyncs),
            (Guarantee::Identity, self.wrong_moves),
        ]
    }

    fn note(&mut self, what: &str, path: &Path) {
        if self.notes.len() < 5 {
            self.notes.push(format!("{what}: {}", printable(path)));
        }
    }
}

/// A tree that is fed by events alone, and what else they say.
#[derive(Debug)]
pub(crate) struct Judge {
    /// The watched paths, which are no entries of the tree.
    roots: Vec<PathBuf>,
    tree: Tree<Mark>,
    misfits: Vec<Misfit>,
    moves: Vec<(PathBuf, PathBuf)>,
    /// The paths of all changes.
    touched: Vec<PathBuf>,
    /// Those that say of an entry that it came or went.
    came_or_went: Vec<PathBuf>,
    resyncs_begun: u64,
    resyncs_ended: u64,
    pub(crate) events: u64,
}

impl Judge {
    /// A judge who knows the disk as it is.
    pub(crate) fn of(roots: &[PathBuf], disk: &Disk) -> Judge {
        let mut judge = Judge {
            roots: roots.to_vec(),
            tree: Tree::default(),
            misfits: Vec::new(),
            moves: Vec::new(),
            touched: Vec::new(),
            came_or_went: Vec::new(),
            resyncs_begun: 0,
            resyncs_ended: 0,
            events: 0,
        };
        judge.begin(disk);
        judge
    }

    /// Begins a phase: what is on disk is known, and nothing is reported yet.
    pub(crate) fn begin(&mut self, disk: &Disk) {
        self.tree = Tree::default();
        for (path, entry) in &disk.entries {
            self.tree.insert(path, entry.file_type);
            if let Some(mark) = self.tree.value_mut(path) {
                mark.seen = entry.content;
            }
        }
        self.misfits.clear();
        self.moves.clear();
        self.touched.clear();
        self.came_or_went.clear();
        self.resyncs_begun = 0;
        self.resyncs_ended = 0;
    }

    /// Takes the next event of the feed.
    pub(crate) fn take(&mut self, event: &Event) {
        self.events += 1;
        if let Event::Resync(resync) = event
            && resync.reason == ResyncReason::Overflow
        {
            self.note_resync(resync.phase);
        }
        let Some(change) = event.change() else { return };
        self.touched.push(change.path.clone());
        if !matches!(change.kind, ChangeKind::Modified | ChangeKind::Metadata) {
            self.came_or_went.push(change.path.clone());
        }
        if self.roots.contains(&change.path) {
            // A root that goes takes its entries with it. It is no entry itself.
            if change.kind == ChangeKind::Removed {
                self.tree.remove(&change.path);
            }
            return;
        }
        if let Err(misfit) = self.tree.apply(event) {
            self.misfits.push(misfit);
            return;
        }
        let Some(mark) = self.tree.value_mut(&change.path) else {
            return;
        };
        match &change.kind {
            ChangeKind::Created => {
                *mark = Mark {
                    is_reported: true,
                    ..Mark::default()
                };
            }
            ChangeKind::Modified => mark.is_reported = true,
            ChangeKind::Moved { from } => {
                mark.has_moved = true;
                self.moves.push((from.clone(), change.path.clone()));
            }
            _ => {}
        }
    }

    /// Notes one end of a comparison after lost records.
    pub(crate) fn note_resync(&mut self, phase: ResyncPhase) {
        match phase {
            ResyncPhase::Begin => self.resyncs_begun += 1,
            ResyncPhase::End => self.resyncs_ended += 1,
        }
    }

    /// Whether an event about `path` has come in this phase.
    pub(crate) fn has_reported(&self, path: &Path) -> bool {
        self.touched.iter().rev().any(|touched| touched == path)
    }

    /// Compares what the feed says with the disk and the facts.
    pub(crate) fn compare(&self, disk: &Disk, facts: &Facts) -> Comparison {
        let mut found = Comparison::default();
        for (path, entry) in &disk.entries {
            let Some(known) = self.tree.get(path) else {
                found.missing += 1;
                found.note("on disk, and not in the feed's tree", path);
                continue;
            };
            if known.file_type != entry.file_type {
                found.wrong_kinds += 1;
                found.note("of another kind on disk", path);
            } else if entry.content.is_some()
                && known.value.seen != entry.content
                && !known.value.is_reported
            {
                if known.value.has_moved {
                    found.wrong_moves += 1;
                    found.note("reported as moved, and another file is there", path);
                } else {
                    found.unreported += 1;
                    found.note("written, and not reported", path);
                }
            }
        }
        for (path, _) in self.tree.iter() {
            if !disk.entries.contains_key(&path) && !self.roots.contains(&path) {
                found.ghosts += 1;
                found.note("in the feed's tree, and not on disk", &path);
            }
        }
        for misfit in &self.misfits {
            found.misfits += 1;
            found.note("an event that does not fit the tree", misfit.path());
        }
        if let Some(untouched) = &facts.untouched {
            for path in &self.came_or_went {
                if path.starts_with(untouched) {
                    found.needless += 1;
                    found.note("reported, and nothing happened to it", path);
                }
            }
        }
        if let Some(moves) = &facts.moves {
            self.compare_moves(moves, &mut found);
        }
        if facts.has_overflowed && (self.resyncs_begun == 0 || self.resyncs_ended == 0) {
            found.lost_resyncs += 1;
            found.notes.push(
                "the kernel lost records, and no comparison was reported from begin to end"
                    .to_owned(),
            );
        }
        found
    }

    /// Compares the moves as multisets: renames in two directories may come in either order.
    fn compare_moves(&self, moves: &[(PathBuf, PathBuf)], found: &mut Comparison) {
        let mut balance = BTreeMap::<_, i64>::new();
        for each in moves {
            *balance.entry(each).or_default() += 1;
        }
        for each in &self.moves {
            *balance.entry(each).or_default() -= 1;
        }
        for ((_, to), difference) in balance {
            if difference > 0 {
                found.wrong_moves += difference.unsigned_abs();
                found.note("moved, and not reported as one move", to);
            } else if difference < 0 {
                found.wrong_moves += difference.unsigned_abs();
                found.note("reported as moved from where it was not", to);
            }
        }
    }
}
