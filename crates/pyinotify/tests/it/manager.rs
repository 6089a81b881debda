//! Which watch is whose: numbers, paths, and what becomes of a path that is watched already.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;

use crate::support::{Log, Scene, logging, names, temp};
use everwatch::{CoverageState, Gap, Options};
use everwatch_pyinotify::{Mask, Overlap, WatchManager};

// requirement: S1.20
#[test]
fn adding_a_watched_path_returns_its_watch() {
    let scene = Scene::of(names(), true, &[], &[]);
    let again = scene
        .manager
        .add_watch(&scene.root, Mask::IN_DELETE, false)
        .expect("watched");
    assert_eq!(again, scene.watch);
    assert_eq!(
        (again.mask(), again.is_recursive()),
        (names(), true),
        "as it was"
    );
    assert_eq!(again.started().get(), Some(Ok(())));
    scene.write("f");
    assert_eq!(scene.lines(), ["IN_CREATE f"], "once");
}

// requirement: S1.20
#[test]
fn adding_a_child_of_a_recursive_watch_returns_that_watch() {
    let scene = Scene::of(names(), true, &["a/b"], &[]);
    for path in ["a", "a/b"] {
        let child = scene
            .manager
            .add_watch(scene.path(path), names(), true)
            .expect("watched");
        assert_eq!(child, scene.watch);
    }
    let begun = scene.manager.begin_watch(scene.path("a"), names(), true);
    assert_eq!(
        (&begun, begun.started().get()),
        (&scene.watch, Some(Ok(())))
    );
    scene.write("a/b/f");
    assert_eq!(scene.lines(), ["IN_CREATE a/b/f"], "once");
}

// requirement: S1.20
#[test]
fn a_child_of_a_flat_watch_gets_a_watch_of_its_own() {
    let scene = Scene::of(names(), false, &["a"], &[]);
    assert_eq!(scene.manager.get_wd(scene.path("a")), None);
    let child = scene
        .manager
        .add_watch(scene.path("a"), names(), true)
        .expect("watched");
    assert_ne!(child.wd(), scene.watch.wd());
    scene.write("a/f");
    scene.write("f");
    let mut wds: Vec<_> = scene.events().iter().map(|event| event.wd).collect();
    wds.sort();
    assert_eq!(wds, [scene.watch.wd(), child.wd()]);
}

// requirement: S1.20
#[test]
fn a_parent_of_a_watch_gets_a_watch_of_its_own() {
    let scene = Scene::of(names(), true, &[], &[]);
    let outer = scene
        .manager
        .add_watch(scene.dir.path(), names(), true)
        .expect("watched");
    scene.write("f");
    fs::write(scene.outside("g"), "").expect("a file");
    let mut wds: Vec<_> = scene.events().iter().map(|event| event.wd).collect();
    wds.sort();
    assert_eq!(wds, [scene.watch.wd(), outer.wd(), outer.wd()]);
    assert_eq!(
        scene.manager.get_wd(scene.path("f")),
        Some(scene.watch.wd()),
        "the innermost"
    );
}

// requirement: S1.20
#[test]
fn the_watch_of_a_child_path_is_found() {
    let scene = Scene::of(names(), true, &[], &[]);
    let wd = Some(scene.watch.wd());
    let manager = &scene.manager;
    assert_eq!(manager.get_wd(&scene.root), wd);
    assert_eq!(
        manager.get_wd(scene.path("a/b/c")),
        wd,
        "it need not be there"
    );
    assert_eq!(manager.get_wd(scene.root.join("")), wd);
    assert_eq!(manager.get_wd(scene.dir.path()), None);
    assert_eq!(manager.get_wd(scene.outside("root2")), None);
    assert_eq!(manager.get_wd(""), None);
    assert_eq!(manager.get_wd("a\0b"), None);
}

// requirement: S1.20
#[test]
fn path_and_watch_of_a_number_are_found_as_long_as_it_is_watched() {
    let scene = Scene::of(names(), true, &[], &[]);
    let wd = scene.watch.wd();
    assert_eq!(scene.manager.get_path(wd), Some(scene.root.clone()));
    assert_eq!(scene.manager.get_watch(wd), Some(scene.watch.clone()));
    scene.manager.rm_watch(wd);
    assert_eq!(scene.manager.get_path(wd), None);
    assert_eq!(scene.manager.get_watch(wd), None);
    assert_eq!(scene.manager.get_wd(&scene.root), None);
}

// requirement: S1.20
#[test]
fn removing_a_child_path_makes_the_watch_ignore_it() {
    let scene = Scene::of(names(), true, &["child", "childX"], &[]);
    assert!(scene.manager.rm_path(scene.path("child")));
    assert!(
        !scene.manager.rm_path(scene.path("child")),
        "nothing is reported of it"
    );
    assert_eq!(scene.manager.get_wd(scene.path("child/f")), None);
    assert_eq!(scene.manager.get_wd(&scene.root), Some(scene.watch.wd()));
    scene.write("child/f");
    scene.write("childX/f");
    assert_eq!(scene.lines(), ["IN_CREATE childX/f"]);
}

// requirement: S1.20
#[test]
fn adding_a_removed_child_path_again_brings_it_back() {
    let scene = Scene::of(names(), true, &["child/deep"], &[]);
    scene.manager.rm_path(scene.path("child"));
    scene.write("child/unseen");
    let deep = scene
        .manager
        .add_watch(scene.path("child/deep"), names(), true)
        .expect("watched");
    assert_ne!(deep, scene.watch, "the other one ignores more than that");
    deep.stop();
    let again = scene
        .manager
        .add_watch(scene.path("child"), names(), true)
        .expect("watched");
    assert_eq!(again, scene.watch);
    scene.write("child/seen");
    assert_eq!(scene.lines(), ["IN_CREATE child/seen"]);
}

// requirement: S1.20
#[test]
fn removing_a_watched_path_ends_its_watch() {
    let scene = Scene::of(names(), true, &[], &[]);
    assert!(!scene.manager.rm_path(scene.dir.path()));
    assert!(scene.manager.rm_path(&scene.root));
    assert_eq!(scene.watch.stopped().get(), Some(()));
    scene.write("f");
    assert_eq!(scene.lines(), [""; 0]);
}

// requirement: S1.20
#[test]
fn overlapping_watches_can_be_kept_apart() {
    let dir = temp();
    let (log, child) = (Log::default(), dir.path().join("d"));
    fs::create_dir(&child).expect("a directory");
    let kept = log.clone();
    let handler = move |_: &WatchManager, event| kept.push(event);
    let manager =
        WatchManager::with_options(Options::new(), Overlap::Separate, handler).expect("a manager");
    let creations = manager
        .add_watch(dir.path(), Mask::IN_CREATE, true)
        .expect("watched");
    let deletions = manager
        .add_watch(dir.path(), Mask::IN_DELETE, true)
        .expect("watched");
    let inner = manager
        .add_watch(&child, Mask::IN_CREATE, true)
        .expect("watched");
    fs::write(child.join("f"), "").expect("a file");
    manager.sync().expect("the barrier is passed");
    fs::remove_file(child.join("f")).expect("removed");
    manager.sync().expect("the barrier is passed");
    let told: HashSet<_> = log
        .take()
        .into_iter()
        .map(|(_, e)| (e.wd, e.mask))
        .collect();
    let expected = [
        (creations.wd(), Mask::IN_CREATE),
        (inner.wd(), Mask::IN_CREATE),
        (deletions.wd(), Mask::IN_DELETE),
    ];
    assert_eq!(told, HashSet::from(expected));
}

// requirement: S1.20
#[test]
fn numbers_are_unique_over_threads_and_managers() {
    let dir = Arc::new(temp());
    let managers = [(); 2].map(|()| Arc::new(logging().0));
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (manager, dir) = (Arc::clone(&managers[thread % 2]), Arc::clone(&dir));
            std::thread::spawn(move || {
                let path = dir.path().join(thread.to_string());
                fs::create_dir(&path).expect("a directory");
                (0..50)
                    .map(|_| {
                        let watch = manager.add_watch(&path, names(), true).expect("watched");
                        watch.stop();
                        watch.wd()
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let wds: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("it ends"))
        .collect();
    let different: HashSet<_> = wds.iter().collect();
    assert_eq!((wds.len(), different.len()), (400, 400));
}

#[test]
fn the_coverage_of_the_watched_paths_can_be_asked_for() {
    let dir = temp();
    let options = Options::new().backend(everwatch::Backend::Poll);
    let log = Log::default();
    let kept = log.clone();
    let handler = move |_: &WatchManager, event| kept.push(event);
    let manager =
        WatchManager::with_options(options, Overlap::Coalesce, handler).expect("a manager");
    manager
        .add_watch(dir.path(), names(), true)
        .expect("watched");
    let coverage = manager.coverage().expect("the manager is open");
    let told = coverage.iter().map(|part| (part.state, part.gap));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [(CoverageState::Polled, Some(Gap::Chosen))]
    );
    fs::write(dir.path().join("f"), "").expect("a file");
    manager.sync().expect("the barrier is passed");
    assert_eq!(
        log.len(),
        1,
        "what is polled is listed before the barrier is passed"
    );
    manager.stop();
    assert!(manager.coverage().is_err());
}

#[test]
fn what_the_options_hide_is_hidden_from_all_watches() {
    let dirs = [temp(), temp()];
    let log = Log::default();
    let kept = log.clone();
    let manager = WatchManager::with_options(
        Options::new().ignore("*.tmp"),
        Overlap::Coalesce,
        move |_, event| kept.push(event),
    )
    .expect("a manager");
    for dir in &dirs {
        manager
            .add_watch(dir.path(), names(), true)
            .expect("watched");
        fs::write(dir.path().join("a.tmp"), "").expect("a file");
        fs::write(dir.path().join("a"), "").expect("a file");
    }
    manager.sync().expect("the barrier is passed");
    let told: Vec<_> = log
        .take()
        .into_iter()
        .map(|(_, event)| event.name)
        .collect();
    assert_eq!(told, ["a", "a"]);
}
