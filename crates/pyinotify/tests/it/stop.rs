//! Stopping: prompt, from anywhere, and nothing afterwards.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::support::{Log, PATIENCE, Scene, eventually, load, logging, names, temp};
use everwatch::ErrorKind;
use everwatch_pyinotify::{Mask, Overlap, Watch, WatchManager};

/// A handler that stays in its first event until it is told to go on.
struct Held {
    manager: Arc<WatchManager>,
    log: Log,
    entered: mpsc::Receiver<()>,
    gate: mpsc::Sender<()>,
}

fn held() -> Held {
    let (gate, opened) = mpsc::channel();
    let (enters, entered) = mpsc::channel();
    let log = Log::default();
    let (kept, mut is_first) = (log.clone(), true);
    let manager = WatchManager::new(move |_, event| {
        kept.push(event);
        if std::mem::take(&mut is_first) {
            enters.send(()).expect("the test waits");
            opened.recv_timeout(PATIENCE).expect("the gate opens");
        }
    });
    Held {
        manager: Arc::new(manager.expect("a manager")),
        log,
        entered,
        gate,
    }
}

impl Held {
    /// Waits until the handler is in an event, with others queued behind it.
    fn fill(&self, dir: &std::path::Path) {
        for number in 0..100 {
            fs::write(dir.join(number.to_string()), "").expect("a file");
        }
        self.entered.recv_timeout(PATIENCE).expect("an event");
    }
}

// requirement: S1.14
#[test]
fn what_is_queued_when_a_watch_is_removed_is_dropped() {
    let dir = temp();
    let held = held();
    let watch = held
        .manager
        .add_watch(dir.path(), names(), true)
        .expect("watched");
    held.fill(dir.path());
    let remover = {
        let manager = Arc::clone(&held.manager);
        std::thread::spawn(move || manager.rm_watch(watch.wd()))
    };
    eventually("it is removed", || {
        held.manager.get_watch(watch_of(&held)).is_none()
    });
    assert!(!remover.is_finished(), "it waits for the handler");
    held.gate.send(()).expect("the handler waits");
    assert!(remover.join().expect("it returns"));
    held.manager.sync().expect("the barrier is passed");
    assert_eq!(held.log.len(), 1);
}

fn watch_of(held: &Held) -> everwatch_pyinotify::Wd {
    let events = held.log.clone().take();
    let wd = events[0].1.wd;
    events
        .into_iter()
        .for_each(|(_, event)| held.log.push(event));
    wd
}

// requirement: S1.14
#[test]
fn what_is_queued_when_the_manager_stops_is_dropped() {
    let dir = temp();
    let held = held();
    held.manager
        .add_watch(dir.path(), names(), true)
        .expect("watched");
    held.fill(dir.path());
    let stopper = {
        let manager = Arc::clone(&held.manager);
        std::thread::spawn(move || manager.stop())
    };
    eventually("it is stopping", || held.manager.sync().is_err());
    held.gate.send(()).expect("the handler waits");
    stopper.join().expect("it returns");
    assert_eq!(held.log.len(), 1);
}

// requirement: S1.14
#[test]
fn nothing_is_delivered_after_a_watch_was_removed_under_load() {
    let dir = temp();
    let writers = load(1, dir.path());
    let (manager, log) = logging();
    for round in 0..200 {
        let watch = manager
            .add_watch(dir.path(), names(), true)
            .expect("watched");
        if round % 3 == 0 {
            eventually("events", || log.len() > 0);
        }
        watch.stop();
        log.take();
        manager.sync().expect("the barrier is passed");
        assert_eq!(log.len(), 0, "round {round}");
    }
    drop(writers);
}

// requirement: S1.14
#[test]
fn removing_one_watch_does_not_disturb_another() {
    let dirs = [temp(), temp()];
    let (manager, log) = logging();
    let [one, two] = dirs.each_ref().map(|dir| {
        manager
            .add_watch(dir.path(), names(), true)
            .expect("watched")
    });
    assert!(manager.rm_watch(one.wd()));
    assert!(!manager.rm_watch(one.wd()), "it is gone");
    for dir in &dirs {
        fs::write(dir.path().join("f"), "").expect("a file");
    }
    manager.sync().expect("the barrier is passed");
    let wds: Vec<_> = log.take().iter().map(|(_, event)| event.wd).collect();
    assert_eq!(wds, [two.wd()]);
    assert_eq!((one.stopped().get(), two.stopped().get()), (Some(()), None));
}

// requirement: S1.15
#[test]
fn stopping_an_idle_manager_takes_less_than_a_fifth_of_a_second() {
    for watches in [0, 1, 50] {
        let dirs: Vec<_> = (0..watches).map(|_| temp()).collect();
        let (manager, _) = logging();
        for dir in &dirs {
            manager
                .add_watch(dir.path(), names(), true)
                .expect("watched");
        }
        let begin = Instant::now();
        manager.stop();
        assert!(
            begin.elapsed() < Duration::from_millis(200),
            "{watches}: {:?}",
            begin.elapsed()
        );
    }
}

// requirement: S1.16
#[test]
fn what_was_watched_can_be_removed_and_made_again_at_once() {
    let dir = temp();
    let path = dir.path().join("root");
    let (manager, _) = logging();
    for _ in 0..100 {
        fs::create_dir(&path).expect("a directory");
        let watch = manager.add_watch(&path, names(), true).expect("watched");
        watch.stop();
        fs::remove_dir(&path).expect("removed");
    }
}

// requirement: S1.20
#[test]
fn a_manager_has_stopped_after_all_its_watches() {
    let dirs = [(); 10].map(|()| temp());
    let (manager, _) = logging();
    let watches = dirs.each_ref().map(|dir| {
        manager
            .add_watch(dir.path(), names(), true)
            .expect("watched")
    });
    assert!(watches.iter().all(|watch| watch.stopped().get().is_none()));
    let all = manager.stopped();
    let waiter = std::thread::spawn(move || {
        futures_lite::future::block_on(all);
        watches.map(|watch| watch.stopped().get())
    });
    manager.stop();
    assert_eq!(manager.stopped().get(), Some(()));
    assert_eq!(waiter.join().expect("it is woken"), [Some(()); 10]);
    let error = manager
        .add_watch(dirs[0].path(), names(), true)
        .expect_err("stopped");
    assert_eq!(error.kind(), ErrorKind::Closed);
    manager.stop();
}

// requirement: S1.20
#[test]
fn eight_threads_stop_while_others_come_and_go() {
    for _ in 0..20 {
        let dir = temp();
        let (manager, log) = logging();
        let manager = Arc::new(manager);
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (manager, path) = (Arc::clone(&manager), dir.path().join(number.to_string()));
                fs::create_dir(&path).expect("a directory");
                std::thread::spawn(move || {
                    let watch = manager.add_watch(&path, names(), true);
                    let _ = fs::write(path.join("f"), "");
                    if number % 2 == 0 {
                        manager.stop();
                    } else if let Ok(watch) = watch {
                        watch.stop();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("it returns");
        }
        let delivered = log.len();
        fs::write(dir.path().join("0/g"), "").expect("a file");
        assert_eq!(log.len(), delivered);
    }
}

#[test]
fn stopping_in_a_handler_returns_and_the_manager_stops() {
    let dir = temp();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let manager = WatchManager::new(move |manager, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        manager.stop();
        assert_eq!(manager.stopped().get(), None, "it stops when this returns");
    })
    .expect("a manager");
    let watch = manager
        .add_watch(dir.path(), names(), true)
        .expect("watched");
    for number in 0..10 {
        fs::write(dir.path().join(number.to_string()), "").expect("a file");
    }
    assert_eq!(manager.stopped().wait_timeout(PATIENCE), Some(()));
    assert_eq!(watch.stopped().get(), Some(()));
    manager.stop();
    assert_eq!(
        (calls.load(Ordering::SeqCst), manager.handler_panics()),
        (1, 0)
    );
}

#[test]
fn a_handler_may_remove_the_watch_of_its_event_and_others() {
    let dirs = [temp(), temp()];
    let log = Log::default();
    let kept = log.clone();
    let others = Arc::new(Mutex::new(Vec::<Watch>::new()));
    let to_stop = Arc::clone(&others);
    let manager = WatchManager::new(move |manager, event| {
        assert!(manager.rm_watch(event.wd));
        for other in to_stop.lock().expect("not poisoned").drain(..) {
            other.stop();
        }
        kept.push(event);
    })
    .expect("a manager");
    let [one, two] = dirs.each_ref().map(|dir| {
        manager
            .add_watch(dir.path(), names(), true)
            .expect("watched")
    });
    others.lock().expect("not poisoned").push(two.clone());
    for number in 0..10 {
        fs::write(dirs[0].path().join(number.to_string()), "").expect("a file");
    }
    eventually("it is removed", || two.stopped().get().is_some());
    fs::write(dirs[1].path().join("f"), "").expect("a file");
    manager.sync().expect("the barrier is passed");
    assert_eq!((log.len(), one.stopped().get()), (1, Some(())));
    assert_eq!(manager.handler_panics(), 0);
}

#[test]
fn a_handler_may_add_change_and_ignore() {
    let dir = temp();
    let (outer, inner) = (dir.path().join("outer"), dir.path().join("inner"));
    for path in [&outer, &inner] {
        fs::create_dir(path).expect("a directory");
    }
    let log = Log::default();
    let (kept, added) = (log.clone(), inner.clone());
    let manager = WatchManager::new(move |manager, event| {
        if event.name == "go" {
            let watch = manager.get_watch(event.wd).expect("its watch");
            watch.update(Mask::IN_CREATE, false).expect("updated");
            watch
                .ignore_path(watch.path().join("ignored"))
                .expect("ignored");
            manager
                .add_watch(&added, Mask::IN_CREATE, true)
                .expect("watched");
            let error = manager.sync().expect_err("it would wait for itself");
            assert_eq!(error.kind(), ErrorKind::Closed);
        }
        kept.push(event);
    })
    .expect("a manager");
    manager.add_watch(&outer, names(), true).expect("watched");
    fs::write(outer.join("go"), "").expect("a file");
    manager.sync().expect("the barrier is passed");
    fs::write(inner.join("f"), "").expect("a file");
    fs::write(outer.join("ignored"), "").expect("a file");
    fs::remove_file(outer.join("go")).expect("removed");
    manager.sync().expect("the barrier is passed");
    let names: Vec<_> = log
        .take()
        .into_iter()
        .map(|(_, event)| event.name)
        .collect();
    assert_eq!(names, ["go", "f"]);
    assert_eq!(manager.handler_panics(), 0);
}

#[test]
fn a_handler_that_panics_loses_that_event_only() {
    let dir = temp();
    let log = Log::default();
    let kept = log.clone();
    let manager = WatchManager::new(move |_, event| {
        assert!(event.name != "bad", "this panic is a part of the test");
        kept.push(event);
    })
    .expect("a manager");
    let watch = manager
        .add_watch(dir.path(), Mask::IN_CREATE, true)
        .expect("watched");
    for name in ["a", "bad", "b"] {
        fs::write(dir.path().join(name), "").expect("a file");
    }
    manager.sync().expect("the barrier is passed");
    let names: Vec<_> = log
        .take()
        .into_iter()
        .map(|(_, event)| event.name)
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(manager.handler_panics(), 1);
    watch.stop();
    manager.stop();
}

#[test]
fn what_the_handler_holds_is_dropped_when_stop_returns() {
    for by_drop in [true, false] {
        let held = Arc::new(());
        let kept = Arc::clone(&held);
        let manager = WatchManager::new(move |_, _| drop(Arc::clone(&kept))).expect("a manager");
        if by_drop {
            drop(manager);
        } else {
            manager.stop();
        }
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

#[test]
fn the_last_owner_may_be_dropped_by_the_handler() {
    let dir = temp();
    let slot = Arc::new(Mutex::new(None::<WatchManager>));
    let owner = Arc::clone(&slot);
    let manager = WatchManager::new(move |_, _| drop(owner.lock().expect("not poisoned").take()));
    let manager = manager.expect("a manager");
    manager
        .add_watch(dir.path(), names(), true)
        .expect("watched");
    let stopped = manager.stopped();
    *slot.lock().expect("not poisoned") = Some(manager);
    fs::write(dir.path().join("f"), "").expect("a file");
    assert_eq!(stopped.wait_timeout(PATIENCE), Some(()));
}

#[test]
fn a_handle_that_outlives_its_manager_is_harmless() {
    let scene = Scene::of(names(), true, &["d"], &[]);
    let Scene {
        manager,
        watch,
        root,
        dir: _dir,
        ..
    } = scene;
    drop(manager);
    assert_eq!(watch.stopped().get(), Some(()));
    watch.ignore_path(root.join("d")).expect("it is below");
    watch
        .remove_ignored_path(root.join("d"))
        .expect("it is below");
    assert!(watch.update(names(), false).is_err());
    watch.stop();
}

#[test]
fn watches_that_overlap_end_one_by_one() {
    let dir = temp();
    fs::create_dir(dir.path().join("d")).expect("a directory");
    let log = Log::default();
    let kept = log.clone();
    let handler = move |_: &WatchManager, event| kept.push(event);
    let manager = WatchManager::with_options(everwatch::Options::new(), Overlap::Separate, handler)
        .expect("a manager");
    let watches = [
        dir.path().to_owned(),
        dir.path().join("d"),
        dir.path().to_owned(),
    ]
    .map(|path| manager.add_watch(path, names(), true).expect("watched"));
    for (left, watch) in watches.iter().enumerate() {
        fs::write(dir.path().join("d").join(left.to_string()), "").expect("a file");
        manager.sync().expect("the barrier is passed");
        let mut wds: Vec<_> = log.take().iter().map(|(_, event)| event.wd).collect();
        wds.sort();
        let expected: Vec<_> = watches[left..].iter().map(Watch::wd).collect();
        assert_eq!(wds, expected);
        watch.stop();
    }
}
