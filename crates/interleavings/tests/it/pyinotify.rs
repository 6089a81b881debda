//! Managers of everwatch-pyinotify: starting, delivering and stopping.

use std::path::Path;

use everwatch_interleavings::pyinotify::{Mask, RawEvent, Watch, WatchManager};
use everwatch_interleavings::{Disk, ErrorKind};
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use crate::{ROOT, explore};

/// A manager whose handler counts, and fails if it is called once `is_over` is set.
fn counting() -> (Disk, Arc<WatchManager>, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let disk = Disk::plugged_in();
    let (count, is_over) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (counted, ended) = (Arc::clone(&count), Arc::clone(&is_over));
    let manager = WatchManager::new(move |_, _: RawEvent| {
        assert!(!ended.load(Ordering::SeqCst), "delivered afterwards");
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let manager = Arc::new(manager.expect("a manager"));
    (disk, manager, count, is_over)
}

fn add(manager: &WatchManager) -> Watch {
    let watch = manager.add_watch(ROOT, Mask::ALL_EVENTS, true);
    watch.expect("watched")
}

// requirement: S1.3 (interleavings)
#[test]
fn arming_stopping_and_failing_fire_started_and_stopped_once() {
    explore(|| {
        let (_disk, manager, _, _) = counting();
        let watch = manager.begin_watch(ROOT, Mask::ALL_EVENTS, true);
        let waiter = {
            let watch = watch.clone();
            thread::spawn(move || watch.started().wait())
        };
        let remover = {
            let watch = watch.clone();
            thread::spawn(move || watch.stop())
        };
        manager.stop();
        let outcome = waiter.join().expect("it is woken");
        remover.join().expect("it returns");
        assert_eq!(watch.started().get(), Some(outcome.clone()));
        assert!(outcome.is_ok() || outcome.is_err_and(|why| why.kind() == ErrorKind::Closed));
        assert_eq!(watch.stopped().get(), Some(()));
        assert_eq!(manager.stopped().get(), Some(()));
    });
}

// requirement: S1.14 (interleavings)
#[test]
fn nothing_is_delivered_once_a_watch_was_removed() {
    explore(|| {
        let (disk, manager, _, is_over) = counting();
        let watch = add(&manager);
        let writer = thread::spawn(move || {
            disk.create("a");
            disk.create("b");
        });
        manager.rm_watch(watch.wd());
        is_over.store(true, Ordering::SeqCst);
        assert_eq!(watch.stopped().get(), Some(()));
        writer.join().expect("the writer ends");
        manager.stop();
    });
}

// requirement: S1.14 (interleavings)
#[test]
fn nothing_is_delivered_once_the_manager_stopped_and_all_callers_return() {
    explore(|| {
        let (disk, manager, _, is_over) = counting();
        add(&manager);
        let stoppers = [0, 1].map(|_| {
            let (manager, is_over) = (Arc::clone(&manager), Arc::clone(&is_over));
            thread::spawn(move || {
                manager.stop();
                is_over.store(true, Ordering::SeqCst);
            })
        });
        disk.create("a");
        // Whether the barrier was passed before the end is a matter of luck; that it returns is not.
        let _ = manager.sync();
        disk.create("b");
        for thread in stoppers {
            thread.join().expect("stop returns");
        }
    });
}

// requirement: S1.1 (interleavings)
#[test]
fn what_happens_after_the_watch_started_is_delivered_before_the_barrier() {
    explore(|| {
        let (disk, manager, count, _) = counting();
        add(&manager);
        disk.create("a");
        disk.create("b");
        manager.sync().expect("the barrier is passed");
        assert_eq!(count.load(Ordering::SeqCst), 2);
        manager.stop();
    });
}

// requirement: S1.17 (interleavings)
#[test]
fn updates_while_things_happen_neither_miss_nor_double_them() {
    explore(|| {
        let (disk, manager, count, _) = counting();
        let watch = add(&manager);
        let writer = thread::spawn(move || {
            disk.create("a");
            disk.create("b");
        });
        watch.update(Mask::ALL_EVENTS, false).expect("updated");
        watch.update(Mask::IN_CREATE, true).expect("updated");
        writer.join().expect("the writer ends");
        manager.sync().expect("the barrier is passed");
        assert_eq!(count.load(Ordering::SeqCst), 2);
        manager.stop();
    });
}

// requirement: S1.13 (interleavings)
#[test]
fn nothing_ignored_is_delivered_once_ignoring_returned() {
    explore(|| {
        let (disk, manager, _, is_over) = counting();
        let watch = add(&manager);
        let writer = thread::spawn(move || disk.create("a"));
        watch
            .ignore_path(Path::new(ROOT).join("a"))
            .expect("ignored");
        is_over.store(true, Ordering::SeqCst);
        writer.join().expect("the writer ends");
        manager.sync().expect("the barrier is passed");
        manager.stop();
    });
}

// requirement: S1.20 (interleavings)
#[test]
fn a_handler_that_removes_its_watch_while_others_do_returns() {
    explore(|| {
        let disk = Disk::plugged_in();
        let slot = Arc::new(Mutex::new(None::<Watch>));
        let own = Arc::clone(&slot);
        let manager = WatchManager::new(move |manager, event: RawEvent| {
            manager.rm_watch(event.wd);
            if let Some(watch) = own.lock().expect("not poisoned").take() {
                watch.stop();
            }
            manager.stop();
        });
        let manager = manager.expect("a manager");
        let watch = add(&manager);
        *slot.lock().expect("not poisoned") = Some(watch.clone());
        let remover = thread::spawn(move || watch.stop());
        disk.create("a");
        remover.join().expect("it returns");
        manager.stop();
        // The slot's handle may be the last that refers to the manager.
        slot.lock().expect("not poisoned").take();
    });
}
