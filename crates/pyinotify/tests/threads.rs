//! What watches cost. Alone in its process, because it counts threads and handles.

#[path = "it/support.rs"]
mod support;

use std::collections::HashSet;
use std::fs;

use support::{logging, names, temp};

/// Wine takes a tenth of a second for each.
const WATCHES: usize = if cfg!(windows) { 50 } else { 500 };

const CYCLES: usize = if cfg!(windows) { 50 } else { 300 };

/// How many threads and open files this process has, where the system says so.
fn count(of: &str) -> Option<usize> {
    fs::read_dir(format!("/proc/self/{of}"))
        .ok()
        .map(Iterator::count)
}

// requirement: S1 bug 11 (linux)
#[test]
fn the_number_of_threads_does_not_depend_on_the_number_of_watches() {
    let dirs: Vec<_> = (0..WATCHES).map(|_| temp()).collect();
    let (manager, log) = logging();
    let mut threads = Vec::new();
    for (number, dir) in dirs.iter().enumerate() {
        manager
            .add_watch(dir.path(), names(), true)
            .expect("watched");
        if number == 0 || number == WATCHES - 1 {
            threads.push(count("task"));
        }
    }
    assert_eq!(threads[0], threads[1]);
    for dir in &dirs {
        fs::write(dir.path().join("f"), "").expect("a file");
    }
    manager.sync().expect("the barrier is passed");
    let events = log.take();
    let handlers: HashSet<_> = events.iter().map(|(thread, _)| *thread).collect();
    assert_eq!((events.len(), handlers.len()), (WATCHES, 1));
    drop(manager);
    handles_and_threads_are_given_back();
}

fn handles_and_threads_are_given_back() {
    let dir = temp();
    let before = (count("fd"), count("task"));
    for round in 0..CYCLES {
        let (manager, log) = logging();
        let watch = manager
            .add_watch(dir.path(), names(), true)
            .expect("watched");
        match round % 4 {
            0 => watch.stop(),
            1 => manager.stop(),
            2 => drop(manager.add_watch(dir.path().join("absent"), names(), true)),
            _ => {
                fs::write(dir.path().join("f"), "").expect("a file");
                manager.sync().expect("the barrier is passed");
                fs::remove_file(dir.path().join("f")).expect("removed");
                manager.sync().expect("the barrier is passed");
                assert_eq!(log.len(), 2);
            }
        }
    }
    assert_eq!((count("fd"), count("task")), before);
}
