//! Bugs of the originals that REQUIREMENTS.md lists, as far as they would show at the watcher.
//! Portable: the same on every system.

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Replica, armed, changes, structure, synced, temp, until, waiting, walk};
use everwatch::{ChangeKind, FileType, Watcher};

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

// requirement: S1 bug 7
#[test]
fn a_root_can_be_renamed_and_removed_by_others() {
    let dir = temp();
    let (root, other) = (dir.path().join("root"), dir.path().join("other"));
    fs::create_dir(&root).expect("a directory");
    let watcher = Watcher::new().expect("a watcher");
    watcher.watch(&root).expect("watched");
    fs::rename(&root, &other).expect("nobody minds");
    fs::rename(&other, &root).expect("nobody minds");
    fs::remove_dir(&root).expect("nobody minds");
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

// requirement: S1 bug 13
#[test]
fn a_root_covers_what_is_below_it_and_not_what_begins_like_it() {
    let dir = temp();
    for name in ["child", "childX", "x", "x/child"] {
        fs::create_dir(dir.path().join(name)).expect("a directory");
    }
    let root = dir.path().join("child");
    let (watcher, mut feed) = armed(&root);
    for name in ["childX", "x/child"] {
        fs::write(dir.path().join(name).join("f"), "").expect("a file");
    }
    assert_eq!(synced(&watcher, &mut feed), []);
    fs::write(root.join("f"), "").expect("a file");
    assert_eq!(
        structure(&root, &synced(&watcher, &mut feed)),
        ["created f"]
    );
}

// requirement: S1 bug 15
#[test]
fn a_watcher_all_of_whose_roots_failed_can_be_closed() {
    let dir = temp();
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    for _ in 0..10 {
        assert!(watcher.watch(dir.path().join("missing")).is_err());
    }
    assert_eq!(waiting(&mut feed), []);
    watcher.close();
    assert_eq!(feed.next(), None);
}
