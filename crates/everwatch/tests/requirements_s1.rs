//! S1 of REQUIREMENTS.md, as far as it shows at the watcher. Portable: the same on every system.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;

use common::{armed, changes, eventually, memory, structure, synced, temp, until, waiting};
use everwatch::{ChangeKind, CoverageState, Event, Watcher};

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

/// Remembers on which threads it was woken, and how often.
#[derive(Default)]
struct Wakings(Mutex<(BTreeSet<String>, usize)>);

impl Wake for Wakings {
    fn wake(self: Arc<Self>) {
        let mut wakings = self.0.lock().expect("whole");
        wakings.0.insert(spelled(std::thread::current().id()));
        wakings.1 += 1;
    }
}

fn spelled(thread: ThreadId) -> String {
    format!("{thread:?}")
}

// requirement: S1.4
#[test]
fn whoever_awaits_a_feed_is_woken_on_one_thread_that_is_not_a_callers() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let wakings: Arc<Wakings> = Arc::default();
    let waker = Waker::from(Arc::clone(&wakings));
    for round in 0..50 {
        let before = wakings.0.lock().expect("whole").1;
        let next = Box::pin(feed.next_async())
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        assert_eq!(next, Poll::Pending, "round {round}");
        fs::create_dir(dir.path().join(format!("d{round}"))).expect("a directory");
        eventually("a wake-up", || wakings.0.lock().expect("whole").1 > before);
        assert!(!synced(&watcher, &mut feed).is_empty());
    }
    let wakings = wakings.0.lock().expect("whole");
    assert_eq!(wakings.0.len(), 1, "{:?}", wakings.0);
    assert!(!wakings.0.contains(&spelled(std::thread::current().id())));
}

/// `path` from the working directory, by way of the top they share.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().expect("a working directory");
    let names = |path: &Path| {
        let names = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_)));
        names
            .map(|part| PathBuf::from(part.as_os_str()))
            .collect::<Vec<_>>()
    };
    let up = names(&here)
        .iter()
        .map(|_| PathBuf::from(".."))
        .collect::<PathBuf>();
    up.join(names(path).iter().collect::<PathBuf>())
}

// requirement: S1.6
#[test]
fn a_relative_path_is_reported_as_an_absolute_one() {
    let dir = temp();
    let (watcher, mut feed) = armed(&relative(dir.path()));
    assert_eq!(watcher.roots().expect("the roots"), [dir.path()]);
    fs::write(dir.path().join("f"), "").expect("a file");
    assert_eq!(
        structure(dir.path(), &synced(&watcher, &mut feed)),
        ["created f"]
    );
}

// requirement: S1.6, S3.13
#[test]
fn dots_and_separators_at_the_end_are_no_part_of_the_path() {
    let dir = temp();
    fs::create_dir_all(dir.path().join("a/b")).expect("directories");
    let name = dir.path().join("a");
    let name = name.to_str().expect("a name in Unicode");
    let separator = std::path::MAIN_SEPARATOR;
    for spelling in [
        format!("{name}{separator}"),
        format!("{name}{separator}{separator}"),
        format!("{name}{separator}."),
        format!("{name}{separator}.{separator}b{separator}.."),
        format!("{name}/"),
    ] {
        let (watcher, mut feed) = armed(Path::new(&spelling));
        assert_eq!(
            watcher.roots().expect("the roots"),
            [Path::new(name)],
            "{spelling}"
        );
        fs::write(dir.path().join("a/f"), "").expect("a file");
        let seen = structure(Path::new(name), &synced(&watcher, &mut feed));
        assert_eq!(seen, ["created f"], "{spelling}");
        drop(watcher);
        fs::remove_file(dir.path().join("a/f")).expect("removed");
    }
}

// requirement: S1.6
#[test]
fn paths_of_four_hundred_characters_are_watched_and_reported() {
    let dir = temp();
    let mut deep = dir.path().to_owned();
    while deep.as_os_str().len() < 400 {
        deep.push("a name of some length");
    }
    fs::create_dir_all(&deep).expect("directories");
    for root in [dir.path(), &deep] {
        let (watcher, mut feed) = armed(root);
        let path = deep.join("f");
        fs::write(&path, "").expect("a file");
        let events = synced(&watcher, &mut feed);
        let seen: Vec<&Path> = changes(&events)
            .filter(|change| change.kind == ChangeKind::Created)
            .map(|change| change.path.as_path())
            .collect();
        assert_eq!(seen, [path.as_path()]);
        drop(watcher);
        fs::remove_file(&path).expect("removed");
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

// requirement: S1.14
#[test]
fn what_was_queued_is_not_delivered_after_close() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    for at in 0..100 {
        fs::write(dir.path().join(format!("f{at}")), "").expect("a file");
    }
    watcher.sync().expect("the barrier is passed");
    assert!(feed.next().is_some());
    watcher.close();
    assert_eq!(feed.next(), None);
    assert!(feed.try_next().is_err());
}

/// No system has a file of such a name; some have more that are impossible.
fn impossible(dir: &Path) -> Vec<PathBuf> {
    let names: &[&str] = if cfg!(windows) {
        &["a\0b", "a*b", "a?b", "a|b", "a<b", "a>b", "a\"b"]
    } else {
        &["a\0b"]
    };
    let mut paths: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
    paths.push(PathBuf::new());
    paths
}

// requirement: S1.18, S0 bug f
#[test]
fn impossible_paths_are_refused_by_name_and_harm_nothing_else() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    for path in impossible(dir.path()) {
        let error = watcher.watch(&path).expect_err("it is impossible");
        assert_eq!(error.path(), Some(path.as_path()), "{error}");
        assert_eq!(error.operation(), "watch");
    }
    let missing = dir.path().join("missing");
    assert!(watcher.watch(&missing).is_err());
    assert_eq!(watcher.roots().expect("the roots"), [dir.path()]);
    assert_eq!(waiting(&mut feed), []);
    fs::write(dir.path().join("f"), "").expect("a file");
    until(&mut feed, "the file", |event| event.change().is_some());
}
