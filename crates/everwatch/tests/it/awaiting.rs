//! Feeds that are awaited instead of blocked on.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;

use everwatch::{EventStream, Feed};
use futures_lite::StreamExt;
use futures_lite::future::block_on;

use crate::support::{armed, eventually, structure, synced, temp};

#[test]
fn events_that_are_awaited_come_in_order_and_then_the_end() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let task = std::thread::spawn(move || {
        block_on(async {
            let mut events = Vec::new();
            while let Some(event) = feed.next_async().await {
                events.push(event);
            }
            events
        })
    });
    fs::create_dir(dir.path().join("a")).expect("a directory");
    fs::create_dir(dir.path().join("b")).expect("a directory");
    watcher.finish();
    let events = task.join().expect("the task ends");
    assert_eq!(structure(dir.path(), &events), ["created a/", "created b/"]);
}

#[test]
fn a_future_that_is_dropped_takes_no_event_with_it() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    {
        let mut next = pin!(feed.next_async());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(next.as_mut().poll(&mut context), Poll::Pending);
        fs::create_dir(dir.path().join("a")).expect("a directory");
        watcher.sync().expect("the barrier is passed");
    }
    let event = block_on(feed.next_async()).expect("the feed goes on");
    assert_eq!(structure(dir.path(), &[event]), ["created a/"]);
}

#[test]
fn a_feed_goes_on_as_a_stream_and_the_stream_as_a_feed() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    for name in ["a", "b", "c"] {
        fs::create_dir(dir.path().join(name)).expect("a directory");
    }
    watcher.finish();
    let first = feed.try_next().expect("the feed is open");
    let mut events: Vec<_> = first.into_iter().collect();
    let mut stream: EventStream = feed.into_stream();
    events.extend(block_on(stream.next()));
    events.extend(stream.into_feed());
    assert_eq!(
        structure(dir.path(), &events),
        ["created a/", "created b/", "created c/"]
    );
}

#[test]
fn feeds_their_streams_and_their_futures_can_be_spawned() {
    fn spawned<T: Send + 'static>(_: T) {}
    let dir = temp();
    let feed = || -> Feed { armed(dir.path()).1 };
    spawned(feed());
    spawned(feed().into_stream());
    let mut owned = feed();
    spawned(async move { owned.next_async().await });
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
