//! Calls of many threads: each gets its own answer, and roots are added and removed in any order.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use everwatch::{ErrorKind, Watcher};

use crate::support::{PATIENCE, armed, changes, structure, synced, temp, until, waiting};

/// What is there already may take no longer.
const PROMPT: Duration = Duration::from_millis(200);

fn prompt<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    let took = begin.elapsed();
    assert!(took < PROMPT, "{what} took {took:?}");
    result
}

// requirement: S0.6
#[test]
fn a_caller_that_blocks_after_watching_starves_nobody() {
    let dir = temp();
    let watcher = Arc::new(Watcher::new().expect("a watcher"));
    let mut feed = watcher.feed().expect("a feed");
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().expect("nobody else has it");
    let (armed, is_armed) = mpsc::channel();
    let caller = {
        let (watcher, lock, path) = (
            Arc::clone(&watcher),
            Arc::clone(&lock),
            dir.path().to_owned(),
        );
        std::thread::spawn(move || {
            watcher.watch(path).expect("watched");
            armed.send(()).expect("the test waits");
            // For as long as the test runs, and in no alertable way.
            drop(lock.lock());
        })
    };
    is_armed.recv_timeout(PATIENCE).expect("armed");
    for round in 0..100 {
        let path = dir.path().join(format!("f{round}"));
        fs::write(&path, "").expect("a file");
        until(&mut feed, "the file", |event| {
            event.change().is_some_and(|change| change.path == path)
        });
    }
    assert!(!caller.is_finished());
    drop(held);
    caller.join().expect("the caller goes on");
}

// requirement: S0.8
#[test]
fn roots_that_32_threads_add_and_remove_have_each_their_own_number() {
    const THREADS: usize = 32;
    const ROUNDS: usize = 10;
    let watcher = Watcher::new().expect("a watcher");
    let dir = temp();
    let given = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (watcher, given, path) = (&watcher, &given, dir.path().join(thread.to_string()));
            fs::create_dir(&path).expect("a directory");
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let root = watcher.watch(&path).expect("watched");
                    assert_eq!(watcher.root_path(root).expect("it is watched"), path);
                    watcher.unwatch(root).expect("unwatched");
                    assert!(given.lock().expect("whole").insert(root), "{root:?} again");
                }
            });
        }
    });
    assert_eq!(given.lock().expect("whole").len(), THREADS * ROUNDS);
}

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

// requirement: S0.9
#[test]
fn a_root_that_is_no_longer_watched_has_no_path() {
    let (dir, other) = (temp(), temp());
    let watcher = Watcher::new().expect("a watcher");
    let root = watcher.watch(dir.path()).expect("watched");
    watcher.watch(other.path()).expect("watched");
    watcher.unwatch(root).expect("unwatched");
    assert_eq!(watcher.roots().expect("the roots"), [other.path()]);
    let error = watcher.root_path(root).expect_err("it is not watched");
    assert_eq!(error.kind(), ErrorKind::UnknownRoot);
}

// requirement: S0.11
#[test]
fn an_unknown_root_is_said_to_be_unknown_at_once() {
    let dir = temp();
    let (watcher, other) = (
        Watcher::new().expect("a watcher"),
        Watcher::new().expect("a watcher"),
    );
    watcher.watch(dir.path()).expect("watched");
    let foreign = other.watch(dir.path()).expect("watched");
    let error = prompt("asking", || watcher.root_path(foreign)).expect_err("it is another's");
    assert_eq!(error.kind(), ErrorKind::UnknownRoot);
    assert_eq!(
        other.root_path(foreign).expect("it is watched there"),
        dir.path()
    );
}

// requirement: S0.13
#[test]
fn unwatching_twice_or_what_another_watches_does_nothing() {
    let (dir, gone) = (temp(), temp());
    let (watcher, mut feed) = armed(dir.path());
    let other = Watcher::new().expect("a watcher");
    let root = watcher.watch(gone.path()).expect("watched");
    let foreign: Vec<_> = (0..4)
        .map(|_| other.watch(dir.path()).expect("watched"))
        .collect();
    watcher.unwatch(root).expect("unwatched");
    watcher.unwatch(root).expect("nothing to do");
    for root in foreign {
        watcher.unwatch(root).expect("nothing to do");
    }
    assert_eq!(watcher.roots().expect("the roots"), [dir.path()]);
    waiting(&mut feed);
    fs::write(dir.path().join("f"), "").expect("a file");
    assert_eq!(
        structure(dir.path(), &synced(&watcher, &mut feed)),
        ["created f"]
    );
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

// requirement: S2.3
#[test]
fn a_root_can_be_removed_and_made_again_as_soon_as_it_is_unwatched() {
    let dir = temp();
    let root = dir.path().join("root");
    for round in 0..20 {
        fs::create_dir(&root).expect("a directory");
        let (watcher, _feed) = armed(dir.path());
        let watched = watcher.watch(&root).expect("watched");
        watcher.unwatch(watched).expect("unwatched");
        fs::remove_dir(&root).expect("nobody holds it");
        fs::create_dir(&root).expect("nobody holds its name");
        watcher.close();
        fs::remove_dir(&root).unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
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
