//! The backend in use: asked for, chosen, or polling, and said so. Nothing is written into the tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use everwatch::{Backend, CoverageState, ErrorKind, Event, Gap, Options};

use crate::support::{armed, synced, temp, until};

// requirement: S0.1
#[test]
fn a_mechanism_that_was_asked_for_is_in_use_or_an_error() {
    let mut refused = Vec::new();
    for backend in [Backend::Inotify, Backend::Windows, Backend::Poll] {
        match Options::new().backend(backend).build() {
            Ok(watcher) => assert_eq!(watcher.backend(), backend),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
                refused.push(backend);
            }
        }
    }
    let foreign = if cfg!(windows) {
        Backend::Inotify
    } else {
        Backend::Windows
    };
    assert_eq!(refused, [foreign]);
}

// requirement: S0.1
#[test]
fn a_watcher_says_which_mechanism_it_chose_and_that_it_is_not_polling() {
    let dir = temp();
    let (watcher, _feed) = armed(dir.path());
    let own = if cfg!(windows) {
        Backend::Windows
    } else {
        Backend::Inotify
    };
    assert_eq!(watcher.backend(), own);
    let coverage = watcher.coverage().expect("the coverage");
    let told: Vec<_> = coverage.iter().map(|part| (part.state, part.gap)).collect();
    assert_eq!(told, [(CoverageState::Live, None)]);
}

// requirement: S0.1
#[test]
fn what_is_polled_is_said_to_be_polled_with_the_reason() {
    let dir = temp();
    let watcher = Options::new()
        .backend(Backend::Poll)
        .build()
        .expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    watcher.watch(dir.path()).expect("watched");
    until(&mut feed, "the news that it is polled", |event| {
        matches!(event, Event::Coverage(part)
            if part.path == dir.path() && part.state == CoverageState::Polled && part.gap == Some(Gap::Chosen))
    });
    let coverage = watcher.coverage().expect("the coverage");
    let told: Vec<_> = coverage.iter().map(|part| (part.state, part.gap)).collect();
    assert_eq!(told, [(CoverageState::Polled, Some(Gap::Chosen))]);
}

/// Whatever would change if somebody wrote: names, sizes, contents and times.
fn fingerprint(root: &Path) -> BTreeMap<PathBuf, (u64, SystemTime, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::metadata(&path).expect("it is there");
        let mut content = Vec::new();
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).expect("a directory is listed");
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            content = fs::read(&path).expect("a file is read");
        }
        let changed = metadata.modified().expect("a time");
        // What a system says of the size of a directory is its own business.
        let size = if metadata.is_dir() { 0 } else { metadata.len() };
        seen.insert(path, (size, changed, content));
    }
    seen
}

// requirement: S0.4
#[test]
fn nothing_is_written_into_the_tree_to_start_wake_or_stop_a_watcher() {
    for backend in [Backend::Auto, Backend::Poll] {
        let dir = temp();
        fs::create_dir_all(dir.path().join("a/b")).expect("directories");
        fs::write(dir.path().join("a/b/f"), "x").expect("a file");
        let (witness, mut seen) = armed(dir.path());
        let before = fingerprint(dir.path());
        let watcher = Options::new().backend(backend).build().expect("a watcher");
        let root = watcher.watch(dir.path()).expect("watched");
        let mut snapshot = watcher.snapshot().expect("a snapshot");
        for _ in 0..10 {
            watcher.sync().expect("the barrier is passed");
            snapshot
                .feed
                .next_timeout(Duration::from_millis(1))
                .expect("the feed is open");
        }
        watcher.unwatch(root).expect("unwatched");
        watcher.watch(dir.path()).expect("watched");
        watcher.close();
        assert_eq!(fingerprint(dir.path()), before, "{backend:?}");
        assert_eq!(synced(&witness, &mut seen), [], "{backend:?}");
    }
}
