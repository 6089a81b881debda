//! What is started and stopped again and again leaves nothing behind.
//!
//! One test alone in its binary: it counts what the whole process holds.

#[path = "it/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use everwatch::Watcher;
use support::held::{held, resident_kibibytes};
use support::{eventually, memory, structure, synced};

/// More with EVERWATCH_SOAK=1: the full count takes longer than a test should.
fn rounds(full: usize, usual: usize) -> usize {
    if std::env::var_os("EVERWATCH_SOAK").is_some() {
        full
    } else {
        usual
    }
}

fn start_and_stop(root: &Path) {
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    watcher.watch(root).expect("watched");
    fs::write(root.join("f"), "x").expect("written");
    assert!(feed.next().is_some());
}

fn watch_and_unwatch(watcher: &Watcher, root: &Path) {
    let root = watcher.watch(root).expect("watched");
    watcher.unwatch(root).expect("unwatched");
}

/// Runs `cycle` often and compares what is held before, after a warm-up, and at the end.
fn assert_leaves_nothing(what: &str, rounds: usize, mut cycle: impl FnMut()) {
    cycle();
    let before = held();
    for _ in 0..rounds / 4 {
        cycle();
    }
    let warm = resident_kibibytes();
    for _ in 0..rounds {
        cycle();
    }
    // The last thread may still be on its way out of the kernel's list, and the engine may have had
    // a directory open when the baseline was taken.
    eventually(&format!("{what}: {before:?} again"), || {
        held().is_within(before)
    });
    let grown = resident_kibibytes().saturating_sub(warm);
    assert!(
        grown < 1024,
        "{what}: {grown} KiB more after {rounds} rounds"
    );
}

#[test]
fn cycles_leave_nothing_behind() {
    let dir = memory();
    fs::create_dir_all(dir.path().join("a/b")).expect("directories");
    assert_leaves_nothing("start and stop", rounds(10_000, 2_000), || {
        start_and_stop(dir.path())
    });

    let tree = memory();
    for at in 0..60 {
        let sub = tree.path().join(format!("{}/{at}", at % 6));
        fs::create_dir_all(&sub).expect("directories");
        fs::write(sub.join("file with a name of some length"), "").expect("a file");
    }
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    watcher.sync().expect("the barrier is passed");
    let before = watcher.counters();
    let cycle = || watch_and_unwatch(&watcher, tree.path());
    assert_leaves_nothing("watch and unwatch", rounds(1_000, 1_000), cycle);
    watcher.sync().expect("the barrier is passed");
    let after = watcher.counters();
    assert_eq!(
        (after.entries, after.watches),
        (before.entries, before.watches)
    );

    watcher.watch(tree.path()).expect("watched");
    fs::write(tree.path().join("0/0/new"), "").expect("a file");
    let seen = structure(tree.path(), &synced(&watcher, &mut feed));
    assert_eq!(seen, ["created 0/0/new"]);
    drop(feed);

    assert_leaves_nothing("feeds", rounds(10_000, 2_000), || {
        let mut feed = watcher.feed().expect("a feed");
        fs::write(tree.path().join("0/0/new"), "x").expect("written");
        assert!(feed.next().is_some());
    });
    assert_leaves_nothing("snapshots", rounds(10_000, 1_000), || {
        let snapshot = watcher.snapshot().expect("a snapshot");
        assert_eq!(snapshot.entries.len(), 6 + 60 + 60 + 1);
    });
    assert_leaves_nothing("files that come and go", rounds(10_000, 2_000), || {
        let path = tree.path().join("0/6/a directory that comes and goes");
        fs::create_dir_all(path.join("below")).expect("directories");
        fs::remove_dir_all(&path).expect("removed");
    });
    watcher.sync().expect("the barrier is passed");
    assert_eq!(watcher.counters().entries, 1 + 6 + 60 + 60 + 1);
}
