//! S2 of REQUIREMENTS.md, as far as it shows at the watcher. Portable: the same on every system.

mod common;

use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{PATIENCE, armed, temp, until};
use everwatch::ErrorKind;

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

// requirement: S2.6
#[test]
fn whoever_waits_sees_that_the_watcher_was_closed_by_another_thread() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let (begun, has_begun) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        until(&mut feed, "the file", |event| event.change().is_some());
        begun.send(()).expect("the test waits");
        loop {
            if let Err(error) = feed.next_timeout(PATIENCE) {
                return error.kind();
            }
        }
    });
    fs::write(dir.path().join("f"), "").expect("a file");
    has_begun.recv().expect("the reader reads");
    std::thread::spawn(move || watcher.close())
        .join()
        .expect("it is closed");
    assert_eq!(reader.join().expect("the reader ends"), ErrorKind::Closed);
}
