//! S3 of REQUIREMENTS.md, as far as it shows at the watcher. Portable: the same on every system.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use common::{Replica, armed, changes, structure, synced, temp, until, waiting, walk};
use everwatch::{ErrorKind, Options, Watcher};

// requirement: S3.5
#[test]
fn commands_of_16_threads_are_answered_when_they_are_done() {
    let dir = temp();
    let watcher = Watcher::new().expect("a watcher");
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (watcher, home) = (&watcher, dir.path().join(thread.to_string()));
            fs::create_dir(&home).expect("a directory");
            scope.spawn(move || {
                for round in 0..5 {
                    let missing = watcher.watch(home.join("missing"));
                    assert_eq!(
                        missing.expect_err("nothing is there").kind(),
                        ErrorKind::NotFound
                    );
                    let mut feed = watcher.feed().expect("a feed");
                    let root = watcher.watch(&home).expect("watched");
                    let path = home.join(round.to_string());
                    fs::write(&path, "").expect("a file");
                    until(&mut feed, "the thread's own file", |event| {
                        event.change().is_some_and(|change| change.path == path)
                    });
                    watcher.unwatch(root).expect("unwatched");
                    waiting(&mut feed);
                    fs::remove_file(&path).expect("removed");
                    watcher.sync().expect("the barrier is passed");
                    let late = waiting(&mut feed);
                    assert!(
                        changes(&late).all(|change| !change.path.starts_with(&home)),
                        "{late:?}"
                    );
                }
            });
        }
    });
    assert!(watcher.roots().expect("the roots").is_empty());
}

// requirement: S3 bug 5
#[test]
fn after_the_last_root_is_removed_others_can_be_added() {
    let dir = temp();
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    for round in 0..20 {
        let root = watcher.watch(dir.path()).expect("watched");
        fs::write(dir.path().join(format!("f{round}")), "").expect("a file");
        let seen = structure(dir.path(), &synced(&watcher, &mut feed));
        assert_eq!(seen, [format!("created f{round}")]);
        watcher.unwatch(root).expect("unwatched");
        assert!(watcher.roots().expect("the roots").is_empty());
        waiting(&mut feed);
    }
}

// requirement: S3 bug 6, S3 bug 9
#[test]
fn a_root_that_fails_says_so_and_one_given_twice_is_watched_until_both_are_removed() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let error = watcher
        .watch(dir.path().join("missing"))
        .expect_err("nothing is there");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let again = watcher.watch(dir.path()).expect("watched");
    fs::write(dir.path().join("f"), "").expect("a file");
    assert_eq!(
        structure(dir.path(), &synced(&watcher, &mut feed)),
        ["created f"]
    );
    watcher.unwatch(again).expect("unwatched");
    fs::write(dir.path().join("g"), "").expect("a file");
    assert_eq!(
        structure(dir.path(), &synced(&watcher, &mut feed)),
        ["created g"]
    );
}

// requirement: S3.11, S3 bug 8
#[test]
fn a_feed_that_is_full_says_so_and_misses_nothing() {
    let dir = temp();
    let watcher = Options::new().capacity(4).build().expect("a watcher");
    watcher.watch(dir.path()).expect("watched");
    let mut feed = watcher.feed().expect("a feed");
    let mut replica = Replica::default();
    assert_eq!(feed.folds(), 0);
    for round in 1..=5 {
        for at in 0..50 {
            fs::write(dir.path().join(format!("{round}-{at}")), "").expect("a file");
        }
        fs::remove_file(dir.path().join(format!("{round}-7"))).expect("removed");
        watcher.sync().expect("the barrier is passed");
        assert!(
            feed.folds() >= round,
            "{} folds in round {round}",
            feed.folds()
        );
        replica.apply_all(&waiting(&mut feed));
        assert!(replica.misfits.is_empty(), "{:?}", replica.misfits);
        assert_eq!(replica.tree, walk(dir.path()));
    }
}

// requirement: S3.11
#[test]
fn the_items_of_a_feed_are_taken_on_several_threads_once_each() {
    let dir = temp();
    let (watcher, feed) = armed(dir.path());
    let feed = std::sync::Mutex::new(feed);
    let (taken, all) = mpsc::channel();
    std::thread::scope(|scope| {
        for at in 0..200 {
            fs::create_dir(dir.path().join(format!("d{at}"))).expect("a directory");
        }
        watcher.sync().expect("the barrier is passed");
        for _ in 0..4 {
            let (feed, taken) = (&feed, taken.clone());
            scope.spawn(move || {
                while let Some(event) = feed.lock().expect("whole").try_next().expect("open") {
                    taken.send(event).expect("the test waits");
                }
            });
        }
        drop(taken);
    });
    let mut seen = structure(dir.path(), &all.iter().collect::<Vec<_>>());
    seen.sort();
    let mut expected: Vec<String> = (0..200).map(|at| format!("created d{at}/")).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

/// Other ways to write `path`, all of which end in the same absolute one.
fn spellings(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().expect("it has a name");
    let mut spellings = vec![
        path.to_owned(),
        path.join("."),
        path.join("inner").join(".."),
        path.join("..").join(name),
    ];
    if cfg!(windows) {
        let slashes = path.to_str().expect("a name in Unicode").replace('\\', "/");
        spellings.push(slashes.into());
    }
    spellings
}

// requirement: S3 bug 7
#[test]
fn spellings_of_one_directory_are_watched_once_until_all_are_removed() {
    let dir = temp();
    fs::create_dir(dir.path().join("inner")).expect("a directory");
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    let spellings = spellings(dir.path());
    let mut roots = Vec::new();
    for spelling in &spellings {
        let root = watcher.watch(spelling).expect("watched");
        let told = watcher.root_path(root).expect("it is watched");
        assert_eq!(told, dir.path(), "{}", spelling.display());
        roots.push(root);
    }
    waiting(&mut feed);
    for (round, root) in roots.into_iter().enumerate() {
        fs::write(dir.path().join(format!("f{round}")), "").expect("a file");
        let seen = structure(dir.path(), &synced(&watcher, &mut feed));
        assert_eq!(seen, [format!("created f{round}")]);
        watcher.unwatch(root).expect("unwatched");
    }
    waiting(&mut feed);
    fs::write(dir.path().join("late"), "").expect("a file");
    assert_eq!(synced(&watcher, &mut feed), []);
}

// requirement: S3 bug 7 (wine)
/// On Windows names that differ in case are one name: two roots of one directory, each told by its own
/// spelling.
#[test]
#[cfg(windows)]
fn a_spelling_in_another_case_is_watched_until_it_is_removed_itself() {
    let dir = temp();
    let path = dir.path().join("Some Name");
    fs::create_dir(&path).expect("a directory");
    let other = dir.path().join("sOME nAME");
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    let first = watcher.watch(&path).expect("watched");
    watcher.watch(&other).expect("watched");
    waiting(&mut feed);
    watcher.unwatch(first).expect("unwatched");
    waiting(&mut feed);
    fs::create_dir(path.join("d")).expect("a directory");
    let seen = structure(&other, &synced(&watcher, &mut feed));
    assert_eq!(seen, ["created d/"]);
}
