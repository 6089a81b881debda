//! The judge on feeds from which something was taken, and on feeds in which moves were mixed up.

use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::judge::{Comparison, Facts, Judge};
use super::outcome::Guarantee;
use crate::{Cause, Change, ChangeKind, Event, FileType, ResyncPhase};

/// The feed of a real watcher for a few operations, with the disk before and after them and what they moved.
struct Recording {
    root: PathBuf,
    before: Disk,
    after: Disk,
    events: Vec<Event>,
    facts: Facts,
}

impl Recording {
    fn make(directory: &Path) -> Recording {
        let root = directory.to_owned();
        let roots = std::slice::from_ref(&root);
        let path = |name: &str| root.join(name);
        for name in ["a", "b", "written", "removed"] {
            std::fs::write(path(name), format!("old {name}")).expect("a file");
        }
        std::fs::create_dir(path("directory")).expect("a directory");
        let watcher = crate::Watcher::new().expect("a watcher");
        watcher.watch(&root).expect("watched");
        let mut feed = watcher.feed().expect("a feed");
        let before = Disk::walk(roots).expect("a walk");
        std::fs::create_dir(path("new")).expect("a directory");
        std::fs::write(path("written"), "new").expect("written");
        std::fs::remove_file(path("removed")).expect("removed");
        let moves = [("a", "directory/a"), ("b", "B2")];
        let moves = moves.map(|(from, to)| (path(from), path(to)));
        for (from, to) in &moves {
            std::fs::rename(from, to).expect("renamed");
        }
        watcher.sync().expect("synced");
        let mut events = Vec::new();
        while let Some(event) = feed.try_next().expect("the feed goes on") {
            events.push(event);
        }
        Recording {
            before,
            after: Disk::walk(roots).expect("a walk"),
            events,
            facts: Facts {
                moves: Some(moves.into()),
                ..Facts::default()
            },
            root,
        }
    }

    /// What the judge finds if these are the events.
    fn judge(&self, events: &[Event]) -> Comparison {
        let mut judge = Judge::of(std::slice::from_ref(&self.root), &self.before);
        for event in events {
            judge.take(event);
        }
        judge.compare(&self.after, &self.facts)
    }
}

/// The guarantees that a comparison finds broken, in a phase about convergence.
fn broken(comparison: &Comparison) -> Vec<Guarantee> {
    let charges = comparison.charges(Guarantee::Convergence);
    let failed = charges.into_iter().filter(|(_, failures)| *failures > 0);
    failed.map(|(guarantee, _)| guarantee).collect()
}

fn of_kind(event: &Event, kind: &str) -> bool {
    event
        .change()
        .is_some_and(|change| change.kind.as_str() == kind)
}

#[test]
fn a_feed_from_which_one_event_was_taken_breaks_convergence_or_identity() {
    let directory = tempfile::tempdir().expect("a directory");
    let recording = Recording::make(directory.path());
    let whole = recording.judge(&recording.events);
    assert_eq!(whole, Comparison::default());
    let mut kinds = std::collections::BTreeSet::new();
    for at in 0..recording.events.len() {
        let mut events = recording.events.clone();
        let taken = events.remove(at);
        let kind = taken.change().map_or("none", |change| change.kind.as_str());
        // A write can be reported more often than it was made.
        let is_alone = events.iter().all(|event| !of_kind(event, kind));
        let is_needed = ["created", "removed", "moved"].contains(&kind) || is_alone;
        if kind != "none" && kind != "metadata" && is_needed {
            kinds.insert(kind);
            let found = recording.judge(&events);
            assert!(!broken(&found).is_empty(), "without {taken}: {found:?}");
        }
    }
    assert!(kinds.len() >= 3, "{kinds:?}");
}

#[test]
fn a_write_that_is_not_reported_breaks_convergence() {
    let directory = tempfile::tempdir().expect("a directory");
    let recording = Recording::make(directory.path());
    let mut events = recording.events.clone();
    events.retain(|event| !of_kind(event, "modified"));
    assert_eq!(broken(&recording.judge(&events)), [Guarantee::Convergence]);
}

#[test]
fn two_moves_whose_halves_are_mixed_up_break_identity() {
    let directory = tempfile::tempdir().expect("a directory");
    let recording = Recording::make(directory.path());
    let mut events = recording.events.clone();
    let paths = ["a", "b"].map(|name| directory.path().join(name));
    for event in &mut events {
        if let Event::Change(change) = event
            && let ChangeKind::Moved { from } = &mut change.kind
        {
            *from = paths[usize::from(*from == paths[0])].clone();
        }
    }
    let found = recording.judge(&events);
    assert_eq!(broken(&found), [Guarantee::Identity], "{found:?}");
    // The contents alone show it, without a list of the moves.
    let without = Recording {
        facts: Facts::default(),
        ..recording
    };
    assert_eq!(broken(&without.judge(&events)), [Guarantee::Identity]);
}

#[test]
fn a_move_in_two_halves_breaks_identity() {
    let directory = tempfile::tempdir().expect("a directory");
    let recording = Recording::make(directory.path());
    let mut events = Vec::new();
    for event in &recording.events {
        match event.change().map(|change| (change, &change.kind)) {
            Some((change, ChangeKind::Moved { from })) => {
                for (kind, path) in [
                    (ChangeKind::Removed, from),
                    (ChangeKind::Created, &change.path),
                ] {
                    let (seq, cause) = (change.seq, Cause::Notified);
                    let half = Change::new(seq, kind, path, change.file_type, cause);
                    events.push(Event::Change(half));
                }
            }
            _ => events.push(event.clone()),
        }
    }
    assert_eq!(broken(&recording.judge(&events)), [Guarantee::Identity]);
}

#[test]
fn lost_records_without_a_resync_break_the_guarantee_of_overflows() {
    let root = PathBuf::from("/root");
    let disk = Disk::default();
    let facts = Facts {
        has_overflowed: true,
        ..Facts::default()
    };
    let judged = |phases: &[ResyncPhase]| {
        let mut judge = Judge::of(std::slice::from_ref(&root), &disk);
        for &phase in phases {
            judge.note_resync(phase);
        }
        judge.compare(&disk, &facts).charges(Guarantee::Overflow)[0]
    };
    let (begin, end) = (ResyncPhase::Begin, ResyncPhase::End);
    assert_eq!(judged(&[begin, end]), (Guarantee::Overflow, 0));
    assert_eq!(judged(&[begin]), (Guarantee::Overflow, 1));
    assert_eq!(judged(&[]), (Guarantee::Overflow, 1));
}

#[test]
fn what_is_reported_though_nothing_happened_to_it_is_found() {
    let root = PathBuf::from("/root");
    let disk = Disk::default();
    let mut judge = Judge::of(std::slice::from_ref(&root), &disk);
    let old = root.join("old");
    for kind in [ChangeKind::Created, ChangeKind::Removed] {
        let change = Change::new(1, kind, &old, FileType::File, Cause::Scanned);
        judge.take(&Event::Change(change));
    }
    let facts = Facts {
        untouched: Some(old),
        ..Facts::default()
    };
    let found = judge.compare(&disk, &facts);
    assert_eq!(found.needless, 2);
    assert_eq!(broken(&found), [Guarantee::Convergence]);
}
