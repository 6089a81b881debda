//! Watches that are changed while they go on.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Scene, eventually, names, watched_directories_can_go};
use everwatch::ErrorKind;
use everwatch_pyinotify::{Mask, Stage};

// requirement: S1.17 (linux)
#[test]
fn a_mask_holds_for_what_happens_after_the_update() {
    let scene = Scene::of(Mask::IN_CREATE, true, &[], &[]);
    for round in 0..50 {
        let (before, after) = (format!("{round}-before"), format!("{round}-after"));
        scene.write(&before);
        scene.watch.update(Mask::IN_DELETE, true).expect("updated");
        scene.write(&after);
        fs::remove_file(scene.path(&before)).expect("removed");
        scene.watch.update(Mask::IN_CREATE, true).expect("updated");
        fs::remove_file(scene.path(&after)).expect("removed");
        let expected = [format!("IN_CREATE {before}"), format!("IN_DELETE {before}")];
        assert_eq!(scene.lines(), expected, "round {round}");
    }
}

// requirement: S1.17 (linux)
#[test]
fn a_flat_watch_becomes_recursive() {
    let scene = Scene::of(names(), false, &["d/e"], &["d/e/old"]);
    scene.write("d/e/before");
    scene.watch.update(names(), true).expect("updated");
    assert!(scene.watch.is_recursive());
    scene.write("d/e/after");
    scene.mkdir("d/e/g");
    scene.write("d/e/g/later");
    let expected = [
        "IN_CREATE d/e/after",
        "IN_CREATE d/e/g/",
        "IN_CREATE d/e/g/later",
    ];
    assert_eq!(scene.lines(), expected);
}

// requirement: S1.17 (linux)
#[test]
fn a_recursive_watch_becomes_flat() {
    let scene = Scene::of(names(), true, &["d/e"], &[]);
    scene.write("d/e/before");
    scene.watch.update(names(), false).expect("updated");
    scene.write("d/e/after");
    scene.write("d/after");
    scene.write("after");
    scene.rename("d", "z");
    let expected = [
        "IN_CREATE d/e/before",
        "IN_CREATE after",
        "IN_MOVED_FROM d/",
        "IN_MOVED_TO d/ -> z/",
    ];
    assert_eq!(scene.lines(), expected);
}

// requirement: S1.17 (linux)
#[test]
fn nothing_is_missed_or_doubled_while_a_writer_runs() {
    let scene = Scene::of(Mask::IN_CREATE, true, &["d"], &[]);
    let is_over = Arc::new(AtomicBool::new(false));
    let writer = {
        let (is_over, root) = (Arc::clone(&is_over), scene.root.clone());
        std::thread::spawn(move || {
            let mut count = 0;
            // Every update lists the directory, so it must not grow for ever on a busy machine.
            while !is_over.load(Ordering::Relaxed) && count < 4_000 {
                fs::write(root.join(count.to_string()), "").expect("a file");
                fs::write(root.join("d").join(count.to_string()), "").expect("a file");
                count += 1;
            }
            count
        })
    };
    for round in 0..60 {
        let recursive = round % 2 == 1;
        scene
            .watch
            .update(Mask::IN_CREATE, recursive)
            .expect("updated");
    }
    is_over.store(true, Ordering::Relaxed);
    let count: usize = writer.join().expect("the writer ends");
    let mut times = BTreeMap::new();
    for event in scene.events() {
        *times.entry(event.pathname).or_insert(0) += 1;
    }
    assert!(times.values().all(|&times| times == 1), "{times:?}");
    let own = times
        .keys()
        .filter(|path| path.parent() == Some(&scene.root));
    assert_eq!(own.count(), count, "its own entries are always watched");
}

// requirement: S1.17 (linux)
#[test]
fn a_watch_keeps_its_number_and_its_ignored_paths() {
    let scene = Scene::of(names(), false, &["child"], &[]);
    let wd = scene.watch.wd();
    scene
        .watch
        .ignore_path(scene.path("child"))
        .expect("ignored");
    scene.watch.update(names(), true).expect("updated");
    scene.write("child/f");
    scene.write("f");
    let events = scene.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        (events[0].wd, scene.manager.get_wd(&scene.root)),
        (wd, Some(wd))
    );
}

// requirement: S1.17 (linux)
#[test]
fn an_update_that_fails_changes_nothing() {
    if !watched_directories_can_go("an_update_that_fails_changes_nothing") {
        return;
    }
    let scene = Scene::of(names(), true, &["d"], &[]);
    fs::rename(&scene.root, scene.outside("away")).expect("moved");
    eventually("it is gone", || scene.log.len() > 0);
    let error = scene
        .watch
        .update(Mask::IN_CREATE, false)
        .expect_err("gone");
    assert_eq!(
        (error.stage(), error.kind()),
        (Stage::Open, ErrorKind::NotFound)
    );
    assert_eq!(
        (scene.watch.mask(), scene.watch.is_recursive()),
        (names(), true)
    );
    fs::rename(scene.outside("away"), &scene.root).expect("moved");
    eventually("it is back", || {
        scene.write("d/f");
        scene.log.take().iter().any(|(_, event)| event.name == "f")
    });
}

// requirement: S1.17 (linux)
#[test]
fn a_watch_that_has_ended_cannot_be_updated() {
    let scene = Scene::of(names(), true, &[], &[]);
    scene.watch.stop();
    for recursive in [true, false] {
        let error = scene.watch.update(names(), recursive).expect_err("over");
        assert_eq!(
            (error.stage(), error.kind()),
            (Stage::Arm, ErrorKind::Closed)
        );
    }
}

// requirement: S1.17 (linux)
#[test]
fn updates_from_many_threads_leave_the_last_one_in_force_and_nothing_behind() {
    let scene = Scene::of(names(), true, &["d"], &[]);
    let threads = [true, false, true, false].map(|recursive| {
        let watch = scene.watch.clone();
        std::thread::spawn(move || {
            for _ in 0..20 {
                watch.update(names(), recursive).expect("updated");
            }
        })
    });
    for thread in threads {
        thread.join().expect("it ends");
    }
    scene.watch.update(names(), false).expect("updated");
    scene.write("d/f");
    scene.write("f");
    assert_eq!(scene.lines(), ["IN_CREATE f"]);
    let roots = scene.manager.coverage().expect("the manager is open");
    assert_eq!(roots.len(), 1, "{roots:?}");
    scene.watch.stop();
    let roots = scene.manager.coverage().expect("the manager is open");
    assert_eq!(roots.len(), 0, "{roots:?}");
}
