//! Reading a feed: with a time limit, on several threads, and when it is full.

use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use everwatch::Options;

use crate::support::{PATIENCE, Replica, armed, structure, temp, waiting, walk};

// requirement: S2.5
#[test]
fn waiting_with_a_time_is_never_over_early() {
    let dir = temp();
    let (_watcher, mut feed) = armed(dir.path());
    for micros in [0, 1, 300, 999, 1_000, 1_001, 5_500, 20_000] {
        let timeout = Duration::from_micros(micros);
        let begin = Instant::now();
        assert_eq!(feed.next_timeout(timeout).expect("the feed is open"), None);
        let took = begin.elapsed();
        assert!(took >= timeout, "{took:?} instead of {timeout:?}");
        assert!(
            took < timeout + Duration::from_secs(2),
            "{took:?} instead of {timeout:?}"
        );
    }
}

// requirement: S2.5
#[test]
fn waiting_with_a_time_ends_with_the_next_event() {
    let dir = temp();
    let (_watcher, mut feed) = armed(dir.path());
    let path = dir.path().join("f");
    let begin = Instant::now();
    fs::write(&path, "").expect("a file");
    let event = feed.next_timeout(PATIENCE).expect("the feed is open");
    assert!(event.is_some_and(|event| event.change().is_some_and(|change| change.path == path)));
    assert!(begin.elapsed() < PATIENCE);
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
