//! S0 of REQUIREMENTS.md, as far as it shows at the watcher. Portable: the same on every system.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant, SystemTime};

use common::{PATIENCE, armed, eventually, structure, synced, temp, until, waiting};
use everwatch::{Backend, CoverageState, ErrorKind, Event, Feed, Gap, Options, Watcher};

/// What is there already may take no longer.
const PROMPT: Duration = Duration::from_millis(200);

fn prompt<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    let took = begin.elapsed();
    assert!(took < PROMPT, "{what} took {took:?}");
    result
}

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

/// Remembers that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

// requirement: S0.9
#[test]
fn closing_ends_all_of_64_reads_that_wait() {
    let dir = temp();
    let watcher = Watcher::new().expect("a watcher");
    watcher.watch(dir.path()).expect("watched");
    let together = Arc::new(Barrier::new(33));
    let readers: Vec<_> = (0..32)
        .map(|at| {
            let mut feed = watcher.feed().expect("a feed");
            let together = Arc::clone(&together);
            std::thread::spawn(move || {
                together.wait();
                match at % 2 {
                    0 => assert_eq!(feed.next(), None),
                    _ => {
                        let error = feed.next_timeout(PATIENCE).expect_err("it is closed");
                        assert_eq!(error.kind(), ErrorKind::Closed);
                    }
                }
            })
        })
        .collect();
    let woken: Vec<Arc<Woken>> = (0..32).map(|_| Arc::default()).collect();
    let mut awaited: Vec<Feed> = woken
        .iter()
        .map(|_| watcher.feed().expect("a feed"))
        .collect();
    let poll = |feed: &mut Feed, woken: &Arc<Woken>| {
        let waker = Waker::from(Arc::clone(woken));
        let mut future = Box::pin(feed.next_async());
        future.as_mut().poll(&mut Context::from_waker(&waker))
    };
    for (feed, woken) in awaited.iter_mut().zip(&woken) {
        assert_eq!(poll(feed, woken), Poll::Pending);
    }
    together.wait();
    prompt("close", || watcher.close());
    for reader in readers {
        reader.join().expect("the reader returned what it should");
    }
    for (feed, woken) in awaited.iter_mut().zip(&woken) {
        eventually("a wake-up", || woken.0.load(Ordering::SeqCst));
        assert_eq!(poll(feed, woken), Poll::Ready(None));
    }
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

// requirement: S0.11
#[test]
fn reading_what_is_closed_says_so_at_once() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    watcher.close();
    for _ in 0..3 {
        let error = prompt("reading", || feed.next_timeout(PATIENCE)).expect_err("closed");
        assert_eq!(error.kind(), ErrorKind::Closed);
    }
}

// requirement: S0.13
#[test]
fn closing_twice_and_from_many_threads_does_nothing_more() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                watcher.close();
                watcher.close();
            });
        }
    });
    assert_eq!(feed.next(), None);
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

/// Names the directory that the child of the next test watches, and where it says so.
const CHILD: &str = "EVERWATCH_TEST_LEAVES";

// requirement: S0.14
#[test]
fn a_process_ends_when_its_main_returns_although_a_watcher_is_live() {
    if let Some(place) = std::env::var_os(CHILD).map(PathBuf::from) {
        let (watcher, feed) = armed(&place.join("tree"));
        std::thread::spawn(move || feed.count());
        std::mem::forget(watcher);
        fs::write(place.join("armed"), "").expect("a mark");
        return;
    }
    let place = temp();
    fs::create_dir(place.path().join("tree")).expect("a directory");
    let mut child = Command::new(std::env::current_exe().expect("the path of this binary"))
        .args([
            "--exact",
            "a_process_ends_when_its_main_returns_although_a_watcher_is_live",
        ])
        .env(CHILD, place.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("this binary runs");
    eventually("the child watches", || place.path().join("armed").exists());
    let status = end_of(&mut child, Duration::from_secs(1));
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

/// Waits for a child to end, and kills it if it does not in time.
fn end_of(child: &mut Child, time: Duration) -> Option<ExitStatus> {
    let begin = Instant::now();
    while begin.elapsed() < time {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("the child is ours");
    child.wait().expect("the child is ours");
    None
}
