//! `sync` returns when all that happened before it was called is delivered, and leaves no trace.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use everwatch::{Backend, ChangeKind, Options};

use crate::support::{
    Load, PATIENCE, Replica, armed, changes, differences, eventually, memory, structure, synced,
    temp, waiting, walk, writers,
};

#[test]
fn what_four_threads_did_before_the_barrier_is_delivered() {
    let dir = temp();
    let root = dir.path();
    let (watcher, mut feed) = armed(root);
    let mut replica = Replica::default();
    for round in 0..20 {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    let own = root.join(format!("t{thread}"));
                    writers::create_dir_all(&own.join("a/b")).expect("directories");
                    for at in 0..50 {
                        let path = own.join(format!("a/b/{round}-{at}"));
                        fs::write(&path, "x").expect("a file");
                        match at % 3 {
                            0 => writers::rename(&path, &own.join(format!("m{round}-{at}"))),
                            1 => writers::remove_file(&path),
                            _ => Ok(()),
                        }
                        .expect("moved or removed");
                    }
                    writers::rename(&own.join("a"), &own.join(format!("a{round}"))).expect("moved");
                });
            }
        });
        replica.apply_all(&synced(&watcher, &mut feed));
        assert_eq!(
            differences(&replica.tree, &walk(root)),
            [""; 0],
            "round {round}"
        );
    }
}

#[test]
fn a_change_on_the_line_before_the_barrier_is_delivered_a_thousand_times() {
    let dir = temp();
    let root = dir.path();
    for at in 0..10 {
        fs::create_dir_all(root.join(format!("d{at}/e"))).expect("directories");
    }
    let (watcher, mut feed) = armed(root);
    let mut late = Vec::new();
    for round in 0..250 {
        let at = root.join(format!("d{}/e", round % 10));
        let (file, other) = (at.join("f"), at.join("g"));
        let mut is_late = |what: &str, path: &Path| {
            let seen = synced(&watcher, &mut feed);
            if !changes(&seen).any(|change| change.path == path) {
                late.push(format!("{what} in round {round}"));
            }
        };
        fs::write(&file, "").expect("a file");
        is_late("created", &file);
        fs::write(&file, "x").expect("written");
        is_late("written", &file);
        fs::rename(&file, &other).expect("moved");
        is_late("moved", &other);
        fs::remove_file(&other).expect("removed");
        is_late("removed", &other);
    }
    assert_eq!(late, [""; 0], "{} were late", late.len());
}

#[test]
fn the_last_of_many_writes_is_delivered_behind_the_barrier() {
    let dir = temp();
    let files: Vec<fs::File> = ["a", "b"]
        .map(|name| fs::File::create(dir.path().join(name)).expect("a file"))
        .into();
    let last = dir.path().join("last");
    fs::write(&last, "").expect("a file");
    let mut written = fs::File::options()
        .append(true)
        .open(&last)
        .expect("a file");
    let (watcher, mut feed) = armed(dir.path());
    let mut late = Vec::new();
    for round in 0..50 {
        // Neighbours that are the same are one for the kernel, so they alternate.
        for at in 0..2_000 {
            (&files[at % 2]).write_all(b"x").expect("written");
        }
        written.write_all(b"x").expect("written");
        let seen = synced(&watcher, &mut feed);
        if !changes(&seen).any(|change| change.path == last) {
            late.push(round);
        }
    }
    assert_eq!(late, [0; 0]);
}

#[test]
fn each_thread_finds_its_own_change_behind_its_own_barrier() {
    let dir = temp();
    let root = dir.path();
    let (watcher, _) = armed(root);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let watcher = &watcher;
            scope.spawn(move || {
                let mut feed = watcher.feed().expect("a feed");
                for round in 0..100 {
                    let path = root.join(format!("{thread}-{round}"));
                    fs::write(&path, "").expect("a file");
                    let seen = synced(watcher, &mut feed);
                    assert!(
                        changes(&seen).any(|change| change.path == path),
                        "thread {thread}, round {round}"
                    );
                }
            });
        }
    });
}

/// Every path below `root` and `root` itself, with all that a write would change.
fn fingerprint(root: &Path) -> Vec<(PathBuf, Vec<i128>)> {
    let mut paths: Vec<PathBuf> = walk(root).iter().map(|(path, _)| path).collect();
    paths.push(root.to_owned());
    let told = |path: PathBuf| {
        let metadata = fs::symlink_metadata(&path).expect("the entry is there");
        (path, told_by(&metadata))
    };
    paths.into_iter().map(told).collect()
}

#[cfg(unix)]
fn told_by(metadata: &fs::Metadata) -> Vec<i128> {
    use std::os::unix::fs::MetadataExt;
    let numbers = [metadata.ino(), metadata.nlink()].map(i128::from);
    let times = [
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ];
    numbers.into_iter().chain(times.map(i128::from)).collect()
}

#[cfg(windows)]
fn told_by(metadata: &fs::Metadata) -> Vec<i128> {
    use std::os::windows::fs::MetadataExt;
    let told = [
        metadata.file_size(),
        metadata.creation_time(),
        metadata.last_write_time(),
        u64::from(metadata.file_attributes()),
    ];
    told.map(i128::from).into()
}

#[test]
fn nothing_is_written_into_the_tree() {
    for backend in [Backend::Auto, Backend::Poll] {
        let dir = temp();
        fs::create_dir_all(dir.path().join("a/b")).expect("directories");
        fs::write(dir.path().join("a/b/f"), "x").expect("a file");
        let before = fingerprint(dir.path());
        let options = Options::new().backend(backend);
        #[cfg(feature = "globs")]
        let options = options.gitignore(true);
        let watcher = options.build().expect("a watcher");
        watcher.watch(dir.path()).expect("watched");
        let snapshot = watcher.snapshot().expect("a snapshot");
        for _ in 0..10 {
            watcher.sync().expect("the barrier is passed");
        }
        watcher.close();
        drop(snapshot);
        assert_eq!(fingerprint(dir.path()), before, "{backend:?}");
    }
}

#[test]
fn many_threads_at_the_barrier_all_pass_it() {
    let dir = temp();
    let (watcher, _feed) = armed(dir.path());
    let passed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..20 {
                    watcher.sync().expect("the barrier is passed");
                    passed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 64 * 20);
}

#[test]
fn a_consumer_that_does_not_read_does_not_hold_up_the_barrier() {
    let dir = temp();
    let watcher = Options::new().capacity(4).build().expect("a watcher");
    watcher.watch(dir.path()).expect("watched");
    let mut stalled = watcher.feed().expect("a feed");
    let mut reading = watcher.feed().expect("a feed");
    for round in 0..20 {
        let path = dir.path().join(format!("f{round}"));
        fs::write(&path, "").expect("a file");
        let seen = structure(dir.path(), &synced(&watcher, &mut reading));
        assert_eq!(seen, [format!("created f{round}")]);
    }
    assert_eq!(structure(dir.path(), &waiting(&mut stalled)).len(), 20);
}

#[test]
fn the_barrier_is_passed_while_others_never_stop_changing_the_tree() {
    let dir = memory();
    let root = dir.path();
    let (watcher, mut feed) = armed(root);
    let (own, begin) = (root.to_owned(), Instant::now());
    let load = Load::new(2, move |writer, _| {
        // The writers rest in the end, so that a barrier that waits for them fails this test.
        if begin.elapsed() < PATIENCE {
            let path = own.join(format!("busy{writer}"));
            writers::write(&path, "x").expect("a file");
            writers::remove_file(&path).expect("removed");
        }
    });
    let mut slowest = Duration::ZERO;
    for round in 0..20 {
        let path = root.join(format!("f{round}"));
        fs::write(&path, "").expect("a file");
        let asked = Instant::now();
        let seen = synced(&watcher, &mut feed);
        slowest = slowest.max(asked.elapsed());
        assert!(
            changes(&seen).any(|change| change.path == path),
            "round {round}"
        );
    }
    drop(load);
    // A barrier that waits for the writers takes as long as they write.
    let most = PATIENCE * 3 / 4;
    assert!(slowest < most, "a barrier took {slowest:?}");
}

#[test]
fn every_write_before_the_barrier_is_reported_as_modified() {
    let dir = temp();
    for at in 0..50 {
        fs::write(dir.path().join(format!("f{at}")), "0").expect("a file");
    }
    let (watcher, mut feed) = armed(dir.path());
    for round in 0..20 {
        let written: BTreeSet<PathBuf> = (round..50)
            .step_by(7)
            .map(|at| dir.path().join(format!("f{at}")))
            .collect();
        for path in &written {
            fs::write(path, round.to_string()).expect("written");
        }
        let events = synced(&watcher, &mut feed);
        let seen: BTreeSet<PathBuf> = changes(&events)
            .filter(|change| change.kind == ChangeKind::Modified)
            .map(|change| change.path.clone())
            .collect();
        assert_eq!(seen, written, "round {round}");
    }
}

#[test]
fn what_is_polled_is_listed_before_the_barrier_is_passed() {
    let dir = temp();
    let watcher = Options::new()
        .backend(Backend::Poll)
        .poll_interval(Duration::from_secs(3600))
        .build()
        .expect("a watcher");
    watcher.watch(dir.path()).expect("watched");
    let mut feed = watcher.feed().expect("a feed");
    watcher.sync().expect("the barrier is passed");
    for round in 0..20 {
        let path = dir.path().join(format!("f{round}"));
        fs::write(&path, "").expect("a file");
        let seen = structure(dir.path(), &synced(&watcher, &mut feed));
        assert_eq!(seen, [format!("created f{round}")]);
    }
}

#[test]
fn a_barrier_during_a_poll_waits_for_one_that_began_later() {
    let dir = memory();
    let dirs: Vec<PathBuf> = (0..1500)
        .map(|at| dir.path().join(format!("d{at}")))
        .collect();
    for dir in &dirs {
        fs::create_dir(dir).expect("a directory");
    }
    let watcher = Options::new()
        .backend(Backend::Poll)
        .poll_interval(Duration::ZERO)
        .build()
        .expect("a watcher");
    watcher.watch(dir.path()).expect("watched");
    let mut feed = watcher.feed().expect("a feed");
    let watcher = Arc::new(watcher);
    let busy = Arc::clone(&watcher);
    let load = Load::new(1, move |_, _| busy.sync().expect("the barrier is passed"));
    for round in 0..20 {
        // A poll is under way: some directories are listed already, others are not yet.
        let before = watcher.counters().listings;
        eventually("a poll", || watcher.counters().listings > before + 300);
        let written: BTreeSet<PathBuf> = dirs
            .iter()
            .step_by(75)
            .map(|dir| dir.join(round.to_string()))
            .collect();
        for path in &written {
            fs::write(path, "").expect("a file");
        }
        let events = synced(&watcher, &mut feed);
        let seen: BTreeSet<PathBuf> = changes(&events).map(|change| change.path.clone()).collect();
        assert!(
            written.is_subset(&seen),
            "round {round}: a change was not behind the barrier"
        );
    }
    drop(load);
}
