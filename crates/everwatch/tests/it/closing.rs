//! Stopping: in bounded time, from anywhere, and for good.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use everwatch::{ErrorKind, Event, Feed, Options, Watcher};

use crate::support::{
    Load, PATIENCE, Replica, armed, capabilities, differences, eventually, memory, structure, temp,
    waiting, walk, writers,
};

/// `close` has to be back by then, whatever goes on. What goes on here is heavy, and where each call goes
/// through one other process, that is busy; `models.rs` has the idle case.
fn promptly() -> Duration {
    match capabilities::calls_are_slow() {
        true => Duration::from_secs(2),
        false => Duration::from_millis(200),
    }
}

/// Threads that change the tree below `root`.
fn load_on(root: &Path, threads: usize) -> Load {
    let root = root.to_owned();
    Load::new(threads, move |thread, round| {
        let dir = root.join(format!("load{thread}/d{}", round % 50));
        writers::create_dir_all(&dir.join("x/y")).expect("directories");
        writers::write(&dir.join("x/y/f"), "x").expect("a file");
        writers::rename(&dir.join("x"), &dir.join("z")).expect("moved");
        writers::remove_dir_all(&dir).expect("removed");
    })
}

fn prompt<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    let took = begin.elapsed();
    assert!(took < promptly(), "{what} took {took:?}");
    result
}

fn assert_is_closed(feed: &mut Feed) {
    assert_eq!(
        feed.try_next().expect_err("nothing is delivered").kind(),
        ErrorKind::Closed
    );
    assert_eq!(feed.next(), None);
    let begin = Instant::now();
    let error = feed
        .next_timeout(PATIENCE)
        .expect_err("nothing is delivered");
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(
        begin.elapsed() < PATIENCE / 2,
        "there is nothing to wait for"
    );
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(
        pin!(feed.next_async()).poll(&mut context),
        Poll::Ready(None)
    );
}

#[test]
fn close_under_load_is_prompt_from_eight_threads_at_once() {
    let dir = memory();
    let load = load_on(dir.path(), 4);
    for round in 0..10 {
        let (watcher, mut feed) = armed(dir.path());
        feed.next().expect("the load is seen");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| prompt(&format!("close in round {round}"), || watcher.close()));
            }
        });
        assert_is_closed(&mut feed);
    }
    drop(load);
}

#[test]
fn close_inside_a_loop_over_the_feed_is_prompt_and_ends_the_loop() {
    let dir = temp();
    let load = load_on(dir.path(), 2);
    let (watcher, mut feed) = armed(dir.path());
    let mut after = 0;
    let mut is_closed = false;
    for _event in &mut feed {
        after += usize::from(is_closed);
        if !is_closed {
            is_closed = true;
            prompt("close", || watcher.close());
        }
    }
    assert_eq!(after, 0, "events were delivered after close");
    assert_is_closed(&mut feed);
    drop(load);
}

#[test]
fn what_was_queued_already_is_not_delivered_after_close() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let mut untouched = watcher.feed().expect("a feed");
    for at in 0..100 {
        fs::write(dir.path().join(format!("f{at}")), "").expect("a file");
    }
    watcher.sync().expect("the barrier is passed");
    feed.try_next()
        .expect("the feed is open")
        .expect("an event");
    watcher.close();
    assert_is_closed(&mut feed);
    assert_is_closed(&mut untouched);
}

#[test]
fn every_call_on_a_closed_watcher_says_that_it_is_closed() {
    let dir = temp();
    let (watcher, _feed) = armed(dir.path());
    let root = watcher.watch(dir.path()).expect("watched");
    watcher.close();
    watcher.close();
    let errors = [
        watcher.sync().expect_err("closed"),
        watcher.watch(dir.path()).expect_err("closed"),
        watcher.unwatch(root).expect_err("closed"),
        watcher.feed().expect_err("closed"),
        watcher.snapshot().expect_err("closed"),
        watcher.coverage().expect_err("closed"),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        assert!(
            error
                .to_string()
                .ends_with("the watcher is closed; make a new one"),
            "{error}"
        );
    }
    watcher.finish();
}

#[test]
fn dropping_the_watcher_ends_its_feeds() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    fs::write(dir.path().join("a"), "").expect("a file");
    watcher.sync().expect("the barrier is passed");
    prompt("drop", || drop(watcher));
    assert_is_closed(&mut feed);
}

#[test]
fn dropping_a_feed_that_owns_its_watcher_under_load_is_prompt() {
    let dir = memory();
    let load = load_on(dir.path(), 4);
    for _ in 0..10 {
        let mut feed = everwatch::watch(dir.path()).expect("a feed");
        feed.next().expect("the load is seen");
        prompt("drop", || drop(feed));
    }
    drop(load);
}

#[test]
fn close_while_a_large_tree_is_being_armed_is_prompt() {
    let dir = memory();
    for at in 0..3_000 {
        fs::create_dir_all(dir.path().join(format!("{}/{at}", at % 50))).expect("directories");
    }
    for round in 0..10 {
        let watcher = Watcher::new().expect("a watcher");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| watcher.watch(dir.path()));
            std::thread::sleep(Duration::from_millis(round));
            prompt("close", || watcher.close());
            if let Err(error) = waiter.join().expect("watch returned") {
                assert_eq!(error.kind(), ErrorKind::Closed);
            }
        });
    }
}

#[test]
fn every_waiter_returns_when_the_watcher_is_closed() {
    let dir = temp();
    let load = load_on(dir.path(), 1);
    let watcher = Arc::new(Watcher::new().expect("a watcher"));
    watcher.watch(dir.path()).expect("watched");
    let other = temp();
    let (done, is_done) = mpsc::channel();
    for waiter in 0..64 {
        let (watcher, done, path) = (Arc::clone(&watcher), done.clone(), other.path().to_owned());
        let mut feed = watcher.feed().expect("a feed");
        std::thread::spawn(move || {
            match waiter % 8 {
                0 => while feed.next().is_some() {},
                1 => while watcher.sync().is_ok() {},
                2 => while feed.next_timeout(Duration::MAX).is_ok() {},
                3 => while watcher.snapshot().is_ok() {},
                4 => {
                    while watcher
                        .watch(&path)
                        .and_then(|root| watcher.unwatch(root))
                        .is_ok()
                    {}
                }
                5 => while watcher.coverage().is_ok() {},
                6 => while watcher.feed().is_ok() {},
                _ => futures_lite::future::block_on(async {
                    while feed.next_async().await.is_some() {}
                }),
            }
            done.send(waiter).expect("the test waits");
        });
    }
    std::thread::sleep(Duration::from_millis(50));
    prompt("close", || watcher.close());
    let mut left: Vec<i32> = (0..64).collect();
    while !left.is_empty() {
        match is_done.recv_timeout(PATIENCE) {
            Ok(waiter) => left.retain(|&other| other != waiter),
            Err(_) => panic!("these waiters still wait: {left:?}"),
        }
    }
    drop(load);
}

/// Wakes by closing the watcher, and remembers that it did.
struct Closer {
    watcher: Mutex<Option<Arc<Watcher>>>,
    woken: AtomicUsize,
}

impl Wake for Closer {
    fn wake(self: Arc<Self>) {
        let watcher = self.watcher.lock().expect("not poisoned").take();
        if let Some(watcher) = watcher {
            watcher.close();
        }
        self.woken.fetch_add(1, Ordering::Release);
    }
}

#[test]
fn a_waker_may_close_the_watcher() {
    for _ in 0..50 {
        let dir = temp();
        let watcher = Arc::new(Watcher::new().expect("a watcher"));
        watcher.watch(dir.path()).expect("watched");
        let mut feed = watcher.feed().expect("a feed");
        let closer = Arc::new(Closer {
            watcher: Mutex::new(Some(watcher)),
            woken: AtomicUsize::new(0),
        });
        let waker = Waker::from(Arc::clone(&closer));
        let poll = pin!(feed.next_async()).poll(&mut Context::from_waker(&waker));
        assert_eq!(poll, Poll::Pending);
        fs::write(dir.path().join("a"), "").expect("a file");
        eventually("the waker was called", || {
            closer.woken.load(Ordering::Acquire) > 0
        });
        assert_is_closed(&mut feed);
    }
}

/// Wakes by asking the watcher for something.
struct Asker(Arc<Watcher>, AtomicUsize);

impl Wake for Asker {
    fn wake(self: Arc<Self>) {
        // Whether the answer is an error is the watcher's choice; that there is one is not.
        let _ = self.0.sync();
        self.1.fetch_add(1, Ordering::Release);
    }
}

#[test]
fn a_waker_that_asks_the_watcher_for_a_barrier_gets_an_answer() {
    let dir = temp();
    let watcher = Arc::new(Watcher::new().expect("a watcher"));
    watcher.watch(dir.path()).expect("watched");
    let mut feed = watcher.feed().expect("a feed");
    let asker = Arc::new(Asker(watcher, AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&asker));
    let poll = pin!(feed.next_async()).poll(&mut Context::from_waker(&waker));
    assert_eq!(poll, Poll::Pending);
    fs::write(dir.path().join("a"), "").expect("a file");
    let begin = Instant::now();
    while asker.1.load(Ordering::Acquire) == 0 {
        if begin.elapsed() > PATIENCE / 4 {
            // The engine's thread waits for itself; dropping the watcher would wait as well.
            std::mem::forget((feed, asker));
            panic!("the barrier was never answered");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn close_wakes_a_task_that_waits_for_the_feed() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Release);
        }
    }
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let poll = pin!(feed.next_async()).poll(&mut Context::from_waker(&waker));
    assert_eq!(poll, Poll::Pending);
    watcher.close();
    assert_eq!(count.0.load(Ordering::Acquire), 1);
}

#[test]
fn finish_delivers_what_happened_before_and_ends_the_feed() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    for at in 0..500 {
        fs::write(dir.path().join(format!("f{at}")), "").expect("a file");
    }
    watcher.finish();
    let events: Vec<Event> = feed.by_ref().collect();
    let expected: Vec<String> = (0..500).map(|at| format!("created f{at}")).collect();
    assert_eq!(structure(dir.path(), &events), expected);
    assert_eq!(feed.next(), None);
    assert_eq!(
        watcher.sync().expect_err("it is over").kind(),
        ErrorKind::Closed
    );
}

#[test]
fn finish_delivers_to_a_consumer_that_stalled_and_to_one_that_waits_for_quiet() {
    for options in [
        Options::new().capacity(2),
        Options::new().settle(Duration::from_secs(3600)),
    ] {
        let dir = temp();
        let watcher = options.build().expect("a watcher");
        watcher.watch(dir.path()).expect("watched");
        let mut feed = watcher.feed().expect("a feed");
        for at in 0..50 {
            fs::create_dir_all(dir.path().join(format!("d{at}/e"))).expect("directories");
        }
        watcher.finish();
        let mut replica = Replica::default();
        replica.apply_all(&feed.by_ref().collect::<Vec<_>>());
        assert_eq!(differences(&replica.tree, &walk(dir.path())), [""; 0]);
    }
}

#[test]
fn finish_under_load_ends() {
    let dir = memory();
    let load = load_on(dir.path(), 3);
    let (watcher, _feed) = armed(dir.path());
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        watcher.finish();
        done.send(()).expect("the test waits");
    });
    let result = is_done.recv_timeout(PATIENCE / 2);
    drop(load);
    assert!(
        result.is_ok(),
        "finish waits for a moment of quiet that does not come"
    );
}

#[test]
fn close_during_finish_is_prompt() {
    let dir = memory();
    let load = load_on(dir.path(), 3);
    for _ in 0..5 {
        let (watcher, mut feed) = armed(dir.path());
        std::thread::scope(|scope| {
            scope.spawn(|| watcher.finish());
            std::thread::sleep(Duration::from_millis(5));
            prompt("close", || watcher.close());
        });
        assert_is_closed(&mut feed);
    }
    drop(load);
}

#[test]
fn close_after_finish_drops_what_is_still_queued() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    for at in 0..10 {
        fs::write(dir.path().join(format!("f{at}")), "").expect("a file");
    }
    watcher.finish();
    feed.try_next()
        .expect("the feed is open")
        .expect("an event");
    watcher.close();
    assert_is_closed(&mut feed);
}

#[test]
fn close_after_finish_drops_what_no_consumer_has_taken() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let mut stream = watcher.feed().expect("a feed");
    fs::write(dir.path().join("a"), "").expect("a file");
    watcher.finish();
    watcher.close();
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(
        pin!(stream.next_async()).poll(&mut context),
        Poll::Ready(None)
    );
    assert_is_closed(&mut feed);
}

#[test]
fn finish_on_two_threads_returns_on_both() {
    let dir = temp();
    for _ in 0..50 {
        let (watcher, mut feed) = armed(dir.path());
        fs::write(dir.path().join("a"), "x").expect("a file");
        std::thread::scope(|scope| {
            scope.spawn(|| watcher.finish());
            scope.spawn(|| watcher.finish());
        });
        assert_ne!(waiting_until_end(&mut feed), 0);
    }
}

fn waiting_until_end(feed: &mut Feed) -> usize {
    feed.count()
}

#[test]
fn nothing_of_a_root_is_reported_once_it_is_unwatched() {
    let (dir, other) = (temp(), temp());
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    watcher.watch(other.path()).expect("watched");
    for round in 0..50 {
        let root = watcher.watch(dir.path()).expect("watched");
        fs::write(dir.path().join(format!("f{round}")), "").expect("a file");
        watcher.unwatch(root).expect("unwatched");
        waiting(&mut feed);
        fs::write(dir.path().join(format!("f{round}")), "x").expect("written");
        fs::create_dir(dir.path().join(format!("d{round}"))).expect("a directory");
        watcher.sync().expect("the barrier is passed");
        assert_eq!(waiting(&mut feed), [], "round {round}");
    }
    assert_eq!(watcher.counters().entries, 1);
}

#[test]
fn a_process_exits_while_a_watcher_is_live() {
    if std::env::var_os("EVERWATCH_TEST_EXIT").is_some() {
        let dir = std::env::temp_dir();
        let (watcher, feed) = armed(&dir);
        std::thread::spawn(move || feed.count());
        std::mem::forget(watcher);
        std::process::exit(7);
    }
    let place = temp();
    let mut child = Command::new(std::env::current_exe().expect("the path of this binary"))
        .args([
            "--exact",
            "closing::a_process_exits_while_a_watcher_is_live",
            "--test-threads=1",
        ])
        .env("EVERWATCH_TEST_EXIT", "1")
        .env("TMPDIR", place.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("this binary runs");
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill().expect("the child is ours");
            panic!("the process did not exit");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(7));
}
