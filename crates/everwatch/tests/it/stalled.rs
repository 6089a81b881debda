//! Consumers that do not keep up, that ask without waiting, and that want quiet.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use everwatch::{ErrorKind, Feed, Options, Watcher};

use crate::support::{
    PATIENCE, Replica, armed, changes, differences, eventually, lines, memory, structure, synced,
    temp, waiting, walk, writers,
};

/// A watcher of `root` and a feed that folds after `capacity` events.
fn narrow(root: &Path, capacity: usize) -> (Watcher, Feed) {
    let watcher = Options::new()
        .capacity(capacity)
        .build()
        .expect("a watcher");
    watcher.watch(root).expect("watched");
    let feed = watcher.feed().expect("a feed");
    (watcher, feed)
}

/// Runs `work` on another thread and fails if it does not end.
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    is_done
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("did not end: {what}"))
}

#[test]
fn a_consumer_that_stalled_through_a_churn_gets_the_difference_and_nothing_else() {
    let dir = memory();
    let root = dir.path();
    for at in 0..20 {
        fs::write(root.join(format!("old{at}")), "").expect("a file");
    }
    let (watcher, mut feed) = narrow(root, 8);
    let mut replica = Replica::of(walk(root));
    for round in 0..300 {
        let sub = root.join(format!("d{}", round % 5));
        fs::create_dir_all(sub.join("a/b")).expect("directories");
        fs::write(sub.join("a/b/f"), round.to_string()).expect("a file");
        if round % 3 == 0 {
            fs::rename(sub.join("a"), root.join(format!("kept{round}"))).expect("moved");
        }
        fs::remove_dir_all(&sub).expect("removed");
        if round % 50 == 0 {
            watcher.sync().expect("the barrier is passed");
        }
    }
    for at in 0..20 {
        fs::remove_file(root.join(format!("old{at}"))).expect("removed");
    }
    let events = synced(&watcher, &mut feed);
    replica.apply_all(&events);
    assert_eq!(differences(&replica.tree, &walk(root)), [""; 0]);
    assert_eq!(replica.misfits, [""; 0]);
    let most = 8 + 20 + 100 * 4;
    assert!(
        events.len() <= most,
        "{} events for a difference of {most}",
        events.len()
    );
}

#[test]
fn what_came_and_went_while_the_consumer_stalled_leaves_nothing() {
    let dir = temp();
    let (watcher, mut feed) = narrow(dir.path(), 2);
    for name in ["a", "b"] {
        fs::write(dir.path().join(name), "").expect("a file");
    }
    watcher.sync().expect("the barrier is passed");
    for round in 0..100 {
        let path = dir.path().join(format!("t{round}"));
        fs::create_dir_all(path.join("x")).expect("directories");
        fs::remove_dir_all(&path).expect("removed");
    }
    watcher.sync().expect("the barrier is passed");
    let seen = in_time("reading without waiting", move || waiting(&mut feed));
    assert_eq!(lines(dir.path(), &seen), ["created a", "created b"]);
}

#[test]
fn asking_without_waiting_returns_when_the_difference_turns_out_to_be_empty() {
    let dir = temp();
    fs::write(dir.path().join("x"), "").expect("a file");
    let (watcher, mut feed) = narrow(dir.path(), 1);
    fs::write(dir.path().join("a"), "").expect("a file");
    watcher.sync().expect("the barrier is passed");
    fs::rename(dir.path().join("x"), dir.path().join("y")).expect("moved");
    fs::rename(dir.path().join("y"), dir.path().join("x")).expect("moved back");
    watcher.sync().expect("the barrier is passed");
    let seen = in_time("reading without waiting", move || waiting(&mut feed));
    assert_eq!(lines(dir.path(), &seen), ["created a"]);
}

#[test]
fn a_file_written_while_the_consumer_stalled_is_modified() {
    let dir = temp();
    for name in ["a", "b", "c"] {
        fs::write(dir.path().join(name), "").expect("a file");
    }
    let (watcher, mut feed) = narrow(dir.path(), 1);
    for name in ["a", "b", "c"] {
        for round in 0..10 {
            fs::write(dir.path().join(name), round.to_string()).expect("written");
        }
    }
    let mut seen = lines(dir.path(), &synced(&watcher, &mut feed));
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["modified a", "modified b", "modified c"]);
}

#[test]
fn a_directory_moved_while_the_consumer_stalled_is_still_one_move() {
    let dir = temp();
    fs::create_dir_all(dir.path().join("d/e")).expect("directories");
    fs::write(dir.path().join("d/e/f"), "").expect("a file");
    let (watcher, mut feed) = narrow(dir.path(), 1);
    fs::write(dir.path().join("a"), "").expect("a file");
    watcher.sync().expect("the barrier is passed");
    fs::rename(dir.path().join("d"), dir.path().join("x")).expect("moved");
    fs::rename(dir.path().join("x"), dir.path().join("y")).expect("moved");
    assert_eq!(
        lines(dir.path(), &synced(&watcher, &mut feed)),
        ["created a", "moved d/ -> y/"]
    );
}

#[test]
fn a_stalled_feed_does_not_disturb_another_one() {
    let dir = temp();
    let (watcher, mut stalled) = narrow(dir.path(), 4);
    let mut reading = watcher.feed().expect("a feed");
    let mut late = None;
    for round in 0..200 {
        fs::write(dir.path().join(format!("f{round}")), "").expect("a file");
        let seen = structure(dir.path(), &synced(&watcher, &mut reading));
        assert_eq!(seen, [format!("created f{round}")]);
        if round == 99 {
            late = Some(watcher.feed().expect("a feed"));
        }
    }
    assert_eq!(structure(dir.path(), &waiting(&mut stalled)).len(), 200);
    let mut late = late.expect("opened in the middle");
    assert_eq!(structure(dir.path(), &waiting(&mut late)).len(), 100);
}

#[test]
fn a_dropped_feed_leaves_the_others_alone() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    for round in 0..50 {
        let other = watcher.feed().expect("a feed");
        fs::write(dir.path().join(format!("f{round}")), "").expect("a file");
        drop(other);
        let seen = structure(dir.path(), &synced(&watcher, &mut feed));
        assert_eq!(seen, [format!("created f{round}")]);
    }
}

#[test]
fn sequence_numbers_rise_strictly_also_across_a_fold() {
    let dir = temp();
    let (watcher, mut feed) = narrow(dir.path(), 4);
    let mut last = 0;
    for round in 0..20 {
        for at in 0..10 {
            fs::write(dir.path().join(format!("{round}-{at}")), "x").expect("a file");
        }
        for change in changes(&synced(&watcher, &mut feed)) {
            assert!(change.seq > last, "{} after {last}", change.seq);
            last = change.seq;
        }
    }
}

#[test]
fn waiting_with_the_longest_timeout_ends_with_the_next_event() {
    let dir = temp();
    let root = dir.path().to_owned();
    let seen = in_time("waiting for an event", move || {
        let (_watcher, mut feed) = armed(&root);
        fs::write(root.join("a"), "").expect("a file");
        feed.next_timeout(Duration::MAX).expect("the feed is open")
    });
    assert_eq!(lines(dir.path(), &Vec::from_iter(seen)), ["created a"]);
}

#[test]
fn a_timeout_of_zero_takes_what_is_there() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    fs::write(dir.path().join("a"), "").expect("a file");
    watcher.sync().expect("the barrier is passed");
    let event = feed.next_timeout(Duration::ZERO).expect("the feed is open");
    assert_eq!(lines(dir.path(), &Vec::from_iter(event)), ["created a"]);
    assert_eq!(
        feed.next_timeout(Duration::ZERO).expect("the feed is open"),
        None
    );
}

#[test]
fn asking_without_waiting_does_not_wait() {
    let dir = temp();
    let (_watcher, mut feed) = armed(dir.path());
    let begin = Instant::now();
    for _ in 0..100_000 {
        assert_eq!(feed.try_next().expect("the feed is open"), None);
    }
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn a_feed_without_room_is_refused() {
    let error = Options::new()
        .capacity(0)
        .build()
        .expect_err("no room at all");
    assert_eq!(error.kind(), ErrorKind::BadOption);
}

fn quiet(root: &Path, time: Duration) -> (Watcher, Feed) {
    let watcher = Options::new().settle(time).build().expect("a watcher");
    watcher.watch(root).expect("watched");
    let feed = watcher.feed().expect("a feed");
    (watcher, feed)
}

#[test]
fn settled_changes_are_reported_once_by_their_net_effect() {
    let dir = temp();
    fs::write(dir.path().join("old"), "").expect("a file");
    let (_watcher, mut feed) = quiet(dir.path(), Duration::from_millis(200));
    let begin = Instant::now();
    for round in 0..10 {
        fs::write(dir.path().join("text"), round.to_string()).expect("written");
        fs::write(dir.path().join("text.tmp"), round.to_string()).expect("a file");
        writers::rename(&dir.path().join("text.tmp"), &dir.path().join("text")).expect("replaced");
        fs::write(dir.path().join("old"), round.to_string()).expect("written");
    }
    fs::create_dir_all(dir.path().join("d/e")).expect("directories");
    fs::remove_dir_all(dir.path().join("d")).expect("removed");
    let last_change = Instant::now();
    let first = feed.next().expect("the feed goes on");
    let (waited, all) = (last_change.elapsed(), begin.elapsed());
    assert!(
        all >= Duration::from_millis(200),
        "delivered after {all:?}, {waited:?} of quiet"
    );
    let mut events = vec![first];
    events.extend(waiting(&mut feed));
    let mut seen = lines(dir.path(), &events);
    seen.sort();
    assert_eq!(seen, ["created text", "modified old"]);
    assert_eq!(
        feed.next_timeout(Duration::from_millis(400)).expect("open"),
        None
    );
}

#[test]
fn a_log_that_never_rests_holds_other_files_back_for_a_bounded_time() {
    let dir = temp();
    let quiet = Duration::from_millis(300);
    let bounded = [
        Options::new().settle(quiet),
        Options::new().settle(quiet).settle_at_most(quiet * 2),
    ];
    for (round, options) in bounded.into_iter().enumerate() {
        let watcher = options.build().expect("a watcher");
        watcher.watch(dir.path()).expect("watched");
        let mut feed = watcher.feed().expect("a feed");
        let log = fs::File::create(dir.path().join("log")).expect("a file");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let begin = Instant::now();
                while !is_over.load(Ordering::Relaxed) && begin.elapsed() < PATIENCE {
                    (&log).write_all(b"x").expect("written");
                    std::thread::sleep(quiet / 60);
                }
            });
            fs::write(dir.path().join(format!("f{round}")), "").expect("a file");
            let first = feed.next_timeout(PATIENCE / 2).expect("the feed is open");
            is_over.store(true, Ordering::Relaxed);
            assert!(first.is_some(), "round {round}: nothing was delivered");
        });
    }
}

#[test]
fn nothing_is_delivered_while_changes_keep_coming() {
    let dir = temp();
    let (watcher, mut feed) = quiet(dir.path(), Duration::from_secs(3600));
    for at in 0..50 {
        fs::write(dir.path().join(format!("f{at}")), "").expect("a file");
        assert_eq!(feed.try_next().expect("the feed is open"), None);
    }
    assert_eq!(
        feed.next_timeout(Duration::from_millis(50))
            .expect("the feed is open"),
        None
    );
    assert_eq!(
        structure(dir.path(), &synced(&watcher, &mut feed)).len(),
        50
    );
}

#[test]
fn a_settle_time_without_end_waits_for_the_barrier() {
    let dir = temp();
    let root = dir.path().to_owned();
    let seen = in_time("the barrier", move || {
        let (watcher, mut feed) = quiet(&root, Duration::MAX);
        fs::write(root.join("a"), "").expect("a file");
        eventually("the change is known", || watcher.counters().seq > 0);
        let first = structure(&root, &synced(&watcher, &mut feed));
        fs::write(root.join("b"), "").expect("a file");
        (first, structure(&root, &synced(&watcher, &mut feed)))
    });
    assert_eq!(
        seen,
        (vec!["created a".to_owned()], vec!["created b".to_owned()])
    );
}

#[test]
fn a_poll_interval_without_end_waits_for_the_barrier() {
    let dir = temp();
    let root = dir.path().to_owned();
    let seen = in_time("the barrier", move || {
        let options = Options::new()
            .backend(everwatch::Backend::Poll)
            .poll_interval(Duration::MAX);
        let watcher = options.build().expect("a watcher");
        watcher.watch(&root).expect("watched");
        let mut feed = watcher.feed().expect("a feed");
        watcher.sync().expect("the barrier is passed");
        fs::write(root.join("a"), "").expect("a file");
        structure(&root, &synced(&watcher, &mut feed))
    });
    assert_eq!(seen, ["created a"]);
}
