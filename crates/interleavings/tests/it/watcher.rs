//! Watchers and feeds: waiting, lagging, awaiting and closing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};

use everwatch_interleavings::{ChangeKind, Disk, Error, ErrorKind, Event, Feed, Options, Watcher};
use futures_core::Stream;
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;

use crate::{ROOT, explore};

fn armed(options: Options) -> (Disk, Watcher, Feed) {
    let disk = Disk::plugged_in();
    let watcher = options.build().expect("a watcher");
    watcher.watch(ROOT).expect("watched");
    let feed = watcher.feed().expect("a feed");
    (disk, watcher, feed)
}

fn name(event: &Event) -> String {
    let change = event.change().expect("nothing but changes");
    let path = change.path.strip_prefix(ROOT).expect("below the root");
    let sign = match change.kind {
        ChangeKind::Created => '+',
        ChangeKind::Removed => '-',
        _ => '~',
    };
    format!("{sign}{}", path.display())
}

fn is_closed<T>(result: Result<T, Error>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::Closed)
}

#[test]
fn a_consumer_that_waits_gets_each_event_once_and_in_order() {
    explore(|| {
        let (disk, watcher, feed) = armed(Options::new());
        let consumer = thread::spawn(move || feed.map(|event| name(&event)).collect::<Vec<_>>());
        disk.create("a");
        disk.create("b");
        disk.remove("a");
        watcher.finish();
        let seen = consumer.join().expect("the consumer ends");
        assert_eq!(seen.first().map(String::as_str), Some("+a"));
        assert_eq!(seen, ["+a", "+b", "-a"]);
    });
}

#[test]
fn a_consumer_behind_a_full_queue_gets_the_difference() {
    explore(|| {
        let (disk, watcher, feed) = armed(Options::new().capacity(1));
        let consumer = thread::spawn(move || {
            let mut files = std::collections::BTreeSet::new();
            for event in feed {
                let line = name(&event);
                let (sign, file) = line.split_at(1);
                match sign {
                    "+" => assert!(files.insert(file.to_owned()), "{file} was there"),
                    "-" => assert!(files.remove(file), "{file} was not there"),
                    _ => assert!(files.contains(file), "{file} was not there"),
                }
            }
            files
        });
        for file in ["a", "b", "c"] {
            disk.create(file);
        }
        disk.remove("b");
        watcher.finish();
        let files = consumer.join().expect("the consumer ends");
        assert_eq!(files.into_iter().collect::<Vec<_>>(), ["a", "c"]);
    });
}

#[test]
fn a_consumer_that_waits_behind_a_full_queue_is_woken_without_a_barrier() {
    explore(|| {
        let (disk, watcher, mut feed) = armed(Options::new().capacity(1));
        let writer = thread::spawn(move || {
            for file in ["a", "b", "c"] {
                disk.create(file);
            }
        });
        for _ in 0..3 {
            feed.next().expect("three files, three events");
        }
        writer.join().expect("the writer ends");
        watcher.close();
    });
}

#[test]
fn asking_without_waiting_ends_also_behind_a_fold_that_comes_to_nothing() {
    explore(|| {
        let (disk, watcher, mut feed) = armed(Options::new().capacity(1));
        let writer = thread::spawn(move || {
            disk.create("a");
            disk.create("b");
            disk.remove("b");
        });
        for _ in 0..4 {
            feed.try_next().expect("the feed is open");
        }
        writer.join().expect("the writer ends");
        watcher.sync().expect("the barrier is passed");
        while feed.try_next().expect("the feed is open").is_some() {}
        watcher.close();
    });
}

#[test]
fn what_happened_before_the_barrier_is_behind_it_on_each_thread() {
    explore(|| {
        let (disk, watcher, _feed) = armed(Options::new());
        let watcher = Arc::new(watcher);
        let threads = ["a", "b"].map(|file| {
            let (disk, watcher) = (disk.clone(), Arc::clone(&watcher));
            thread::spawn(move || {
                let mut feed = watcher.feed().expect("a feed");
                disk.create(file);
                watcher.sync().expect("the barrier is passed");
                let mut seen = Vec::new();
                while let Some(event) = feed.try_next().expect("the feed is open") {
                    seen.push(name(&event));
                }
                assert!(seen.contains(&format!("+{file}")), "{seen:?}");
            })
        });
        for thread in threads {
            thread.join().expect("the thread ends");
        }
    });
}

#[test]
fn nothing_is_delivered_once_close_returned_and_all_callers_return() {
    explore(|| {
        let (disk, watcher, mut feed) = armed(Options::new());
        let mut other = watcher.feed().expect("a feed");
        let watcher = Arc::new(watcher);
        let was_closed = Arc::new(AtomicBool::new(false));
        let consumer = {
            let was_closed = Arc::clone(&was_closed);
            thread::spawn(move || {
                loop {
                    let is_late = was_closed.load(Ordering::SeqCst);
                    match feed.next() {
                        Some(_) => assert!(!is_late, "delivered after close"),
                        None => return,
                    }
                }
            })
        };
        let asker = {
            let watcher = Arc::clone(&watcher);
            thread::spawn(move || {
                while watcher.sync().is_ok() {}
                assert!(is_closed(watcher.snapshot()));
            })
        };
        disk.create("a");
        let closers = [0, 1].map(|_| {
            let (watcher, was_closed) = (Arc::clone(&watcher), Arc::clone(&was_closed));
            thread::spawn(move || {
                watcher.close();
                was_closed.store(true, Ordering::SeqCst);
            })
        });
        for thread in closers {
            thread.join().expect("close returns");
        }
        assert!(is_closed(other.try_next()));
        disk.create("b");
        consumer.join().expect("the consumer ends");
        asker.join().expect("the asker ends");
    });
}

// requirement: S1.3 (interleavings)
#[test]
fn watching_has_one_answer_while_the_watcher_is_closed() {
    explore(|| {
        let (disk, watcher, feed) = armed(Options::new());
        let watcher = Arc::new(watcher);
        let asker = {
            let watcher = Arc::clone(&watcher);
            thread::spawn(move || {
                let result = watcher.watch(ROOT).and_then(|root| watcher.unwatch(root));
                assert!(result.is_ok() || is_closed(result));
            })
        };
        let dropper = thread::spawn(move || drop(feed));
        disk.create("a");
        watcher.close();
        asker.join().expect("the asker ends");
        dropper.join().expect("the feed is dropped");
        assert!(is_closed(watcher.feed()));
    });
}

#[test]
fn finishing_twice_while_closing_ends_for_all() {
    explore(|| {
        let (disk, watcher, feed) = armed(Options::new());
        let watcher = Arc::new(watcher);
        disk.create("a");
        let consumer = thread::spawn(move || feed.count());
        let threads = [true, true, false].map(|finishes| {
            let watcher = Arc::clone(&watcher);
            thread::spawn(move || {
                if finishes {
                    watcher.finish()
                } else {
                    watcher.close()
                }
            })
        });
        for thread in threads {
            thread.join().expect("the thread ends");
        }
        assert!(consumer.join().expect("the consumer ends") <= 1);
    });
}

#[test]
fn dropping_the_watcher_ends_a_consumer_that_waits() {
    explore(|| {
        let (disk, watcher, feed) = armed(Options::new());
        let consumer = thread::spawn(move || feed.count());
        disk.create("a");
        drop(watcher);
        assert!(consumer.join().expect("the consumer ends") <= 1);
    });
}

#[test]
fn a_feed_that_owns_its_watcher_ends_it_when_it_is_dropped() {
    explore(|| {
        let disk = Disk::plugged_in();
        let feed = Options::new().watch([ROOT]).expect("a feed");
        let mut other = feed.watcher().expect("its own").feed().expect("a feed");
        let waiter = thread::spawn(move || {
            let count = other.by_ref().count();
            assert!(is_closed(other.try_next()));
            count
        });
        disk.create("a");
        drop(feed);
        disk.create("b");
        assert!(waiter.join().expect("the waiter ends") <= 1);
    });
}

#[test]
fn a_feed_that_is_dropped_disturbs_no_other_one() {
    explore(|| {
        let (disk, watcher, feed) = armed(Options::new().capacity(1));
        let mut other = watcher.feed().expect("a feed");
        let dropper = thread::spawn(move || drop(feed));
        let waiter = thread::spawn(move || [other.next(), other.next()]);
        disk.create("a");
        disk.create("b");
        let seen = waiter.join().expect("the waiter ends");
        assert!(seen.iter().all(Option::is_some), "{seen:?}");
        dropper.join().expect("the feed is dropped");
    });
}

/// A task that sleeps until it is woken.
#[derive(Default)]
struct Sleeper {
    is_woken: Mutex<bool>,
    woken: Condvar,
    /// Closed by the wake-up itself, if there is one.
    victim: Mutex<Option<Arc<Watcher>>>,
}

impl Wake for Sleeper {
    fn wake(self: std::sync::Arc<Self>) {
        let victim = self.victim.lock().expect("not poisoned").take();
        if let Some(watcher) = victim {
            watcher.close();
        }
        *self.is_woken.lock().expect("not poisoned") = true;
        self.woken.notify_all();
    }
}

impl Sleeper {
    fn sleep(&self) {
        let mut is_woken = self.is_woken.lock().expect("not poisoned");
        while !*is_woken {
            is_woken = self.woken.wait(is_woken).expect("not poisoned");
        }
        *is_woken = false;
    }

    /// Runs the stream to its end.
    fn run(self: &std::sync::Arc<Sleeper>, feed: Feed) -> usize {
        let waker = Waker::from(std::sync::Arc::clone(self));
        let mut feed = feed.into_stream();
        let mut count = 0;
        loop {
            match Pin::new(&mut feed).poll_next(&mut Context::from_waker(&waker)) {
                Poll::Ready(Some(_)) => count += 1,
                Poll::Ready(None) => return count,
                Poll::Pending => self.sleep(),
            }
        }
    }
}

#[test]
fn a_task_that_awaits_the_feed_is_woken_for_each_event_and_for_the_end() {
    explore(|| {
        let (disk, watcher, feed) = armed(Options::new().capacity(1));
        let sleeper = std::sync::Arc::new(Sleeper::default());
        let task = thread::spawn(move || sleeper.run(feed));
        disk.create("a");
        disk.create("b");
        disk.create("c");
        watcher.finish();
        assert_eq!(task.join().expect("the task ends"), 3);
    });
}

#[test]
fn a_task_whose_waker_closes_the_watcher_ends() {
    explore(|| {
        let (disk, watcher, feed) = armed(Options::new());
        let sleeper = std::sync::Arc::new(Sleeper::default());
        let watcher = Arc::new(watcher);
        *sleeper.victim.lock().expect("not poisoned") = Some(Arc::clone(&watcher));
        let task = thread::spawn(move || sleeper.run(feed));
        disk.create("a");
        let asker = {
            let watcher = Arc::clone(&watcher);
            thread::spawn(move || watcher.sync())
        };
        disk.create("b");
        // Whether the barrier was passed before the end is a matter of luck; that it returns is not.
        let _ = asker.join().expect("sync returns");
        // The task may have found both files without waiting, and then it was not woken.
        watcher.close();
        task.join().expect("the task ends");
    });
}

#[test]
fn the_last_waker_is_woken_if_a_future_is_dropped_while_it_waits() {
    explore(|| {
        let (disk, watcher, mut feed) = armed(Options::new());
        let (first, second) = (Sleeper::default(), Sleeper::default());
        let (first, second) = (std::sync::Arc::new(first), std::sync::Arc::new(second));
        let writer = thread::spawn(move || disk.create("a"));
        let polled = {
            let waker = Waker::from(first);
            let next = std::pin::pin!(feed.next_async());
            next.poll(&mut Context::from_waker(&waker))
        };
        if polled.is_pending() {
            let waker = Waker::from(std::sync::Arc::clone(&second));
            let mut next = std::pin::pin!(feed.next_async());
            while next
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
            {
                second.sleep();
            }
        }
        writer.join().expect("the writer ends");
        watcher.close();
    });
}
