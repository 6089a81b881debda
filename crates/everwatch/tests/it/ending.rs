//! The end of a watcher: readers return, calls fail, and the process can end.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use everwatch::{ErrorKind, Feed, Watcher};

use crate::support::{PATIENCE, armed, eventually, temp, until, waiting};

/// What is there already may take no longer.
const PROMPT: Duration = Duration::from_millis(200);

fn prompt<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    let took = begin.elapsed();
    assert!(took < PROMPT, "{what} took {took:?}");
    result
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
            "ending::a_process_ends_when_its_main_returns_although_a_watcher_is_live",
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
