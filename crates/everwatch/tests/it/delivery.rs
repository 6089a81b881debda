//! Delivery: every change after the watch is armed, in the order in which it happened.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use everwatch::{ChangeKind, CoverageState, Event, FileType, Watcher};

use crate::support::{Replica, armed, changes, memory, structure, synced, temp, until, walk};

// requirement: S1.1
#[test]
fn a_file_created_on_the_line_behind_watch_is_reported_every_time() {
    let dir = memory();
    for round in 0..1_000 {
        let mut feed = everwatch::watch(dir.path()).expect("a feed");
        let path = dir.path().join(format!("f{round}"));
        fs::write(&path, "").expect("a file");
        let event = feed.next().expect("the feed goes on");
        let change = event.change().expect("a change");
        assert_eq!(
            (&change.kind, &change.path),
            (&ChangeKind::Created, &path),
            "round {round}"
        );
        drop(feed);
        fs::remove_file(&path).expect("removed");
    }
}

// requirement: S1.3
#[test]
fn that_a_root_is_live_is_told_once_however_often_the_read_is_armed_again() {
    let dir = temp();
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    watcher.watch(dir.path()).expect("watched");
    let mut told = 0;
    for round in 0..200 {
        fs::write(dir.path().join(format!("f{round}")), "x").expect("a file");
        let events = synced(&watcher, &mut feed);
        told += events
            .iter()
            .filter(
                |event| matches!(event, Event::Coverage(part) if part.state == CoverageState::Live),
            )
            .count();
    }
    assert!(told <= 1, "told {told} times");
    let coverage = watcher.coverage().expect("the coverage");
    let states: Vec<CoverageState> = coverage.iter().map(|part| part.state).collect();
    assert_eq!(states, [CoverageState::Live]);
}

// requirement: S1.4
#[test]
fn changes_come_in_the_order_in_which_each_writer_made_them() {
    const WRITERS: usize = 4;
    const FILES: usize = 150;
    let dir = temp();
    let homes: Vec<PathBuf> = (0..WRITERS)
        .map(|writer| dir.path().join(format!("w{writer}")))
        .collect();
    for home in &homes {
        fs::create_dir(home).expect("a directory");
    }
    let (watcher, mut feed) = armed(dir.path());
    std::thread::scope(|scope| {
        for home in &homes {
            scope.spawn(move || {
                for at in 0..FILES {
                    fs::write(home.join(format!("{at:04}")), "").expect("a file");
                }
            });
        }
    });
    let events = synced(&watcher, &mut feed);
    let mut last = 0;
    let mut seen: BTreeMap<&Path, Vec<&Path>> = BTreeMap::new();
    for change in changes(&events) {
        assert!(change.seq > last, "{} after {last}", change.seq);
        last = change.seq;
        if change.kind == ChangeKind::Created {
            let home = change.path.parent().expect("below the root");
            seen.entry(home).or_default().push(&change.path);
        }
    }
    for home in &homes {
        let seen = &seen[home.as_path()];
        assert!(
            seen.is_sorted(),
            "{} in this order: {seen:?}",
            home.display()
        );
        assert_eq!(seen.len(), FILES, "{}", home.display());
    }
}

// requirement: S1.8
#[test]
fn directories_that_come_later_are_watched_with_what_they_bring() {
    let dir = temp();
    let elsewhere = temp();
    fs::create_dir_all(elsewhere.path().join("tree/c")).expect("directories");
    fs::write(elsewhere.path().join("tree/c/f"), "").expect("a file");
    let (watcher, mut feed) = armed(dir.path());
    fs::create_dir_all(dir.path().join("a/b")).expect("directories");
    fs::write(dir.path().join("a/b/f"), "").expect("a file");
    fs::rename(elsewhere.path().join("tree"), dir.path().join("tree")).expect("moved");
    let mut seen = structure(dir.path(), &synced(&watcher, &mut feed));
    seen.sort();
    let all = ["a/", "a/b/", "a/b/f", "tree/", "tree/c/", "tree/c/f"];
    assert_eq!(seen, all.map(|path| format!("created {path}")));
    fs::write(dir.path().join("tree/c/later"), "").expect("a file");
    let seen = structure(dir.path(), &synced(&watcher, &mut feed));
    assert_eq!(seen, ["created tree/c/later"]);
}

// requirement: S0 bug a
#[test]
fn what_happens_between_two_reads_is_reported() {
    let dir = temp();
    let (_watcher, mut feed) = armed(dir.path());
    // Each file comes while the records of the one before are read, or just after.
    for round in 0..300 {
        let path = dir.path().join(format!("f{round}"));
        fs::write(&path, "").expect("a file");
        let created = until(&mut feed, "the file", |event| {
            event.change().is_some_and(|change| change.path == path)
        });
        let others = changes(&created)
            .filter(|change| change.kind == ChangeKind::Created && change.path != path);
        assert_eq!(others.count(), 0, "round {round}");
    }
}

// requirement: S0 bug e
#[test]
fn a_burst_is_taken_in_without_loss() {
    const DIRS: usize = 10;
    const FILES: usize = 200;
    let dir = temp();
    for at in 0..DIRS {
        fs::create_dir(dir.path().join(format!("d{at}"))).expect("a directory");
    }
    let mut replica = Replica::of(walk(dir.path()));
    let (watcher, mut feed) = armed(dir.path());
    for at in 0..DIRS * FILES {
        let path = dir.path().join(format!("d{}/f{at}", at % DIRS));
        fs::write(path, "").expect("a file");
    }
    let begin = Instant::now();
    replica.apply_all(&synced(&watcher, &mut feed));
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    assert!(replica.misfits.is_empty(), "{:?}", replica.misfits);
    assert_eq!(replica.tree, walk(dir.path()));
}

// requirement: S1 bug 5, S1 bug 6
#[test]
fn what_was_a_directory_is_a_file_when_a_file_has_its_name() {
    let dir = temp();
    fs::create_dir_all(dir.path().join("a/b/c")).expect("directories");
    let (watcher, mut feed) = armed(dir.path());
    let deep = dir.path().join("a/b/c");
    for round in 0..20 {
        fs::remove_dir(&deep).expect("removed");
        let gone = synced(&watcher, &mut feed);
        assert_eq!(
            kinds_at(&gone, &deep, &ChangeKind::Removed),
            [FileType::Dir],
            "round {round}"
        );
        fs::write(&deep, "").expect("a file");
        fs::remove_file(&deep).expect("removed");
        fs::write(&deep, "").expect("a file");
        synced(&watcher, &mut feed);
        fs::remove_file(&deep).expect("removed");
        let gone = synced(&watcher, &mut feed);
        assert_eq!(
            kinds_at(&gone, &deep, &ChangeKind::Removed),
            [FileType::File],
            "round {round}"
        );
        fs::create_dir(&deep).expect("a directory");
        synced(&watcher, &mut feed);
    }
    assert_eq!(
        watcher.counters().entries,
        4,
        "the root and three directories"
    );
}

fn kinds_at(events: &[everwatch::Event], path: &Path, kind: &ChangeKind) -> Vec<FileType> {
    changes(events)
        .filter(|change| change.path == path && change.kind == *kind)
        .map(|change| change.file_type)
        .collect()
}

// requirement: S1 bug 12
#[test]
fn what_is_known_below_a_directory_is_renamed_with_it() {
    let dir = temp();
    fs::create_dir_all(dir.path().join("a/b")).expect("directories");
    fs::write(dir.path().join("a/b/f"), "").expect("a file");
    let mut replica = Replica::of(walk(dir.path()));
    let (watcher, mut feed) = armed(dir.path());
    fs::rename(dir.path().join("a"), dir.path().join("z")).expect("renamed");
    replica.apply_all(&synced(&watcher, &mut feed));
    fs::remove_file(dir.path().join("z/b/f")).expect("removed");
    fs::remove_dir(dir.path().join("z/b")).expect("removed");
    let events = synced(&watcher, &mut feed);
    replica.apply_all(&events);
    assert_eq!(
        structure(dir.path(), &events),
        ["removed z/b/f", "removed z/b/"]
    );
    assert!(replica.misfits.is_empty(), "{:?}", replica.misfits);
    assert_eq!(replica.tree, walk(dir.path()));
}
