//! What the originals of the pyinotify-shaped manager got wrong or left open, in the order in which
//! REQUIREMENTS (S1, "Wrong or left open") lists it, each with a test that would have caught it:
//!
//! 1. The full path is computed from `.`, and patched afterwards.
//! 2. The source of a move is told by its last component only.
//! 3. A second half without a first one takes the cookie of the move before.
//! 4. What `started` fires with is wrapped in a tuple.
//! 5. The list of known directories grows with every event, mixes absolute with relative names, and
//!    takes a directory that was just removed for one that is there.
//! 6. Only the first level of directories is known.
//! 7. The watched directory cannot be removed or renamed by others.
//! 8. A read of 0 bytes, which means that records were lost, is taken for "nothing happened".
//! 9. Stopping closes the handle while a read is pending, and frees what the read writes to.
//! 10. Updating has no effect on the open handle.
//! 11. Every watch takes a thread of a pool. (In `threads.rs`, alone in its process.)
//! 12. The known directories do not follow renames.
//! 13. A watch is found for every path in which its own path occurs as a part of the text.
//! 14. Numbers are the size of a map, so they are given twice after a removal.
//! 15. `stopped` never fires if the path could not be opened, so that stopping hangs.
//! 16. The map of the watches is iterated over while it changes, when stopping.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use crate::support::{
    Log, PATIENCE, Scene, contents, eventually, lines, load, logging, names, temp,
    watched_directories_can_go,
};
use everwatch::Options;
use everwatch_pyinotify::{Mask, Overlap, RawEvent, StartError, WatchManager};

// requirement: S1 bug 1
#[test]
fn the_full_path_is_right_however_the_watched_path_is_spelled() {
    let dir = temp();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("d")).expect("directories");
    for spelling in [root.clone(), root.join("."), root.join(".").join("")] {
        let (manager, log) = logging();
        let watch = manager
            .add_watch(&spelling, names(), true)
            .expect("watched");
        assert_eq!(watch.path(), root);
        fs::write(spelling.join("d").join("f"), "").expect("a file");
        fs::remove_file(root.join("d").join("f")).expect("removed");
        manager.sync().expect("the barrier is passed");
        for (_, event) in log.take() {
            assert_eq!(event.pathname, root.join("d").join("f"));
            assert_eq!((event.path, event.name), (root.join("d"), "f".into()));
        }
    }
}

// requirement: S1 bug 2
#[test]
fn the_source_of_a_move_is_a_full_path() {
    let scene = Scene::of(names(), true, &["a/b", "c"], &["a/b/f"]);
    scene.rename("a/b/f", "c/g");
    scene.rename("a/b", "c/h");
    let events = scene.events();
    let sources: Vec<PathBuf> = events.into_iter().filter_map(|e| e.src_pathname).collect();
    assert_eq!(
        sources,
        [
            scene.path("a").join("b").join("f"),
            scene.path("a").join("b")
        ]
    );
}

// requirement: S1 bug 3
#[test]
fn what_comes_from_elsewhere_has_no_cookie_of_an_earlier_move() {
    for recursive in [true, false] {
        let scene = Scene::of(names(), recursive, &[], &["a"]);
        fs::write(scene.outside("x"), "").expect("a file");
        scene.rename("a", "b");
        fs::rename(scene.outside("x"), scene.path("c")).expect("moved");
        let events = scene.events();
        let seen = lines(&scene.root, &events);
        assert_eq!(
            seen,
            ["IN_MOVED_FROM a", "IN_MOVED_TO a -> b", "IN_CREATE c"]
        );
        assert_eq!((events[2].cookie, &events[2].src_pathname), (0, &None));
    }
}

// requirement: S1 bug 4
#[test]
fn started_fires_with_the_result_itself() {
    let scene = Scene::with(&[], &[]);
    let started: Result<(), StartError> = scene.watch.started().wait();
    assert_eq!(started, Ok(()));
    let awaited = futures_lite::future::block_on(scene.watch.started());
    assert_eq!(awaited, Ok(()));
}

// requirement: S1 bug 5
#[test]
fn a_file_with_the_name_of_a_removed_directory_is_a_file() {
    let scene = Scene::of(names(), true, &["x", "y/z"], &[]);
    for name in ["x", "y/z"] {
        fs::remove_dir(scene.path(name)).expect("removed");
        assert_eq!(scene.lines(), [format!("IN_DELETE {name}/")]);
        scene.write(name);
        assert_eq!(scene.lines(), [format!("IN_CREATE {name}")]);
        fs::remove_file(scene.path(name)).expect("removed");
        assert_eq!(scene.lines(), [format!("IN_DELETE {name}")]);
    }
}

// requirement: S1 bug 5
#[test]
fn many_events_of_one_directory_do_not_make_it_another() {
    let scene = Scene::of(contents(), true, &["d"], &[]);
    for number in 0..300 {
        scene.write(&format!("d/{}", number % 3));
    }
    scene.events();
    fs::remove_dir_all(scene.path("d")).expect("removed");
    let seen = scene.lines();
    assert_eq!(seen.last().map(String::as_str), Some("IN_DELETE d/"));
    assert_eq!(
        seen.iter().filter(|line| line.ends_with('/')).count(),
        1,
        "{seen:?}"
    );
}

// requirement: S1 bug 6
#[test]
fn directories_at_any_depth_are_known() {
    let scene = Scene::of(names(), true, &["a/b/c/d/e"], &[]);
    fs::create_dir_all(scene.path("v/w/x/y/z")).expect("directories");
    scene.events();
    for top in ["a", "v"] {
        fs::remove_dir_all(scene.path(top)).expect("removed");
        let seen = scene.lines();
        assert_eq!(seen.len(), 5, "{seen:?}");
        assert!(seen.iter().all(|line| line.ends_with('/')), "{seen:?}");
    }
}

// requirement: S1 bug 7
#[test]
fn the_watched_directory_can_be_renamed_and_removed() {
    if !watched_directories_can_go("the_watched_directory_can_be_renamed_and_removed") {
        return;
    }
    let scene = Scene::of(names(), true, &["d"], &["d/f"]);
    let other = scene.outside("other");
    fs::rename(&scene.root, &other).expect("renamed while watched");
    eventually("it is told", || scene.log.len() == 1);
    fs::rename(&other, &scene.root).expect("renamed back");
    eventually("it is told", || scene.log.len() >= 2);
    fs::remove_dir_all(&scene.root).expect("removed while watched");
    eventually("it is told", || {
        let gone = |event: &RawEvent| event.mask.contains(Mask::IN_DELETE_SELF);
        scene.log.take().iter().any(|(_, event)| gone(event))
    });
    fs::create_dir(&scene.root).expect("the name is free");
}

/// Follows the events by the letter.
#[derive(Default)]
struct Replica {
    paths: BTreeSet<PathBuf>,
    /// What was moved away, by cookie, relative to where it was.
    moving: HashMap<u64, Vec<PathBuf>>,
}

impl Replica {
    fn apply(&mut self, event: &RawEvent) {
        let path = &event.pathname;
        match event.mask & !Mask::IN_ISDIR {
            Mask::IN_CREATE => assert!(self.paths.insert(path.clone()), "{event} was there"),
            Mask::IN_DELETE => assert!(!self.take(path).is_empty(), "{event} was not there"),
            Mask::IN_MOVED_FROM => {
                let moved = self.take(path);
                self.moving.insert(event.cookie, moved);
            }
            Mask::IN_MOVED_TO => {
                self.take(path);
                let moved = self.moving.remove(&event.cookie).expect("a first half");
                assert!(!moved.is_empty(), "{event} was not there");
                self.paths
                    .extend(moved.iter().map(|below| joined(path, below)));
            }
            other => panic!("not asked for: {other}"),
        }
    }

    fn take(&mut self, top: &Path) -> Vec<PathBuf> {
        let taken: Vec<PathBuf> = self
            .paths
            .range(top.to_owned()..)
            .take_while(|path| path.starts_with(top))
            .cloned()
            .collect();
        self.paths.retain(|path| !taken.contains(path));
        let below = |path: &PathBuf| path.strip_prefix(top).expect("below it").to_owned();
        taken.iter().map(below).collect()
    }
}

fn joined(path: &Path, below: &Path) -> PathBuf {
    match below.as_os_str().is_empty() {
        true => path.to_owned(),
        false => path.join(below),
    }
}

fn walk(root: &Path) -> BTreeSet<PathBuf> {
    let (mut paths, mut open) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a directory is listed") {
            let entry = entry.expect("an entry is read");
            if entry.file_type().expect("its kind is known").is_dir() {
                open.push(entry.path());
            }
            paths.insert(entry.path());
        }
    }
    paths
}

// requirement: S1 bug 8
#[test]
fn what_is_too_much_to_be_told_piece_by_piece_is_told_as_a_difference() {
    let dir = temp();
    let (gate, opened) = mpsc::channel::<()>();
    let (log, mut is_first) = (Log::default(), true);
    let kept = log.clone();
    let handler = move |_: &WatchManager, event: RawEvent| {
        if std::mem::take(&mut is_first) {
            opened.recv_timeout(PATIENCE).expect("the gate opens");
        }
        kept.push(event);
    };
    let options = Options::new().capacity(64);
    let manager =
        WatchManager::with_options(options, Overlap::Coalesce, handler).expect("a manager");
    manager
        .add_watch(dir.path(), names(), true)
        .expect("watched");
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let root = dir.path().to_owned();
            std::thread::spawn(move || {
                for number in 0..500 {
                    let chain = root.join(format!("{writer}-{number}"));
                    fs::create_dir_all(chain.join("a/b")).expect("directories");
                    fs::write(chain.join("a/b/f"), "").expect("a file");
                    match number % 4 {
                        0 => fs::rename(chain.join("a"), chain.join("z")).expect("moved"),
                        1 => fs::remove_dir_all(&chain).expect("removed"),
                        2 => fs::rename(&chain, root.join(format!("{writer}-{number}-moved")))
                            .expect("moved"),
                        _ => {}
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("the writer ends");
    }
    gate.send(()).expect("the handler waits");
    manager.sync().expect("the barrier is passed");
    let mut replica = Replica::default();
    for (_, event) in log.take() {
        replica.apply(&event);
    }
    let disk = walk(dir.path());
    let differences: Vec<_> = replica.paths.symmetric_difference(&disk).collect();
    assert!(differences.is_empty(), "{differences:?}");
    assert!(disk.len() > 4000);
}

// requirement: S1 bug 9
#[test]
fn stopping_in_the_middle_of_traffic_is_clean() {
    let dir = temp();
    let writers = load(2, dir.path());
    for round in 0..100 {
        let (manager, log) = logging();
        manager
            .add_watch(dir.path(), contents(), true)
            .expect("watched");
        if round % 2 == 0 {
            eventually("traffic", || log.len() > 0);
        }
        manager.stop();
        log.take();
        fs::write(dir.path().join("after"), "").expect("a file");
        assert_eq!(log.len(), 0, "round {round}");
        assert_eq!(manager.handler_panics(), 0);
    }
    drop(writers);
}

// requirement: S1 bug 10
#[test]
fn an_update_has_an_effect_on_a_watch_that_is_open() {
    let scene = Scene::of(Mask::IN_CREATE, false, &["d"], &["g"]);
    scene.write("f");
    scene.write("d/f");
    assert_eq!(scene.lines(), ["IN_CREATE f"]);
    scene.watch.update(Mask::IN_DELETE, true).expect("updated");
    scene.write("d/new");
    fs::remove_file(scene.path("d/f")).expect("removed");
    fs::remove_file(scene.path("g")).expect("removed");
    assert_eq!(scene.lines(), ["IN_DELETE d/f", "IN_DELETE g"]);
}

// requirement: S1 bug 12
#[test]
fn directories_are_known_by_their_new_paths_after_renames() {
    let scene = Scene::of(names(), true, &["a/b/c"], &[]);
    scene.rename("a", "x");
    scene.rename("x/b", "y");
    scene.rename("y/c", "x/z");
    scene.events();
    fs::write(scene.path("a"), "").expect("a file where a directory was");
    scene.manager.sync().expect("the barrier is passed");
    for path in ["x/z", "x", "y"] {
        fs::remove_dir(scene.path(path)).expect("removed");
    }
    fs::remove_file(scene.path("a")).expect("removed");
    let expected = [
        "IN_CREATE a",
        "IN_DELETE x/z/",
        "IN_DELETE x/",
        "IN_DELETE y/",
        "IN_DELETE a",
    ];
    assert_eq!(scene.lines(), expected);
}

// requirement: S1 bug 13
#[test]
fn a_path_that_contains_the_watched_path_as_text_is_not_watched() {
    let dir = temp();
    let root = dir.path().join("a").join("b");
    let names_of_root = root
        .components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)));
    let alike = names_of_root.fold(dir.path().join("x"), |path, part| path.join(part));
    let longer = dir.path().join("a").join("bc");
    for path in [&root, &alike, &longer] {
        fs::create_dir_all(path).expect("directories");
    }
    let (manager, log) = logging();
    let watch = manager.add_watch(&root, names(), true).expect("watched");
    assert_eq!(manager.get_wd(root.join("f")), Some(watch.wd()));
    assert_eq!(manager.get_wd(alike.join("f")), None);
    assert_eq!(manager.get_wd(longer.join("f")), None);
    let other = manager.add_watch(&alike, names(), true).expect("watched");
    for path in [&alike, &longer, &root] {
        fs::write(path.join("f"), "").expect("a file");
    }
    manager.sync().expect("the barrier is passed");
    let mut wds: Vec<_> = log.take().iter().map(|(_, event)| event.wd).collect();
    wds.sort();
    assert_eq!(wds, [watch.wd(), other.wd()]);
}

// requirement: S1 bug 14
#[test]
fn numbers_are_not_given_twice_after_a_removal() {
    let dirs = [(); 4].map(|()| temp());
    let (manager, log) = logging();
    let mut given = HashSet::new();
    let mut add = |dir: &tempfile::TempDir| {
        let watch = manager
            .add_watch(dir.path(), names(), true)
            .expect("watched");
        assert!(given.insert(watch.wd()), "{watch:?}");
        watch
    };
    let first = [&dirs[0], &dirs[1], &dirs[2]].map(&mut add);
    assert!(manager.rm_watch(first[0].wd()));
    let later = [&dirs[3], &dirs[0]].map(&mut add);
    for dir in &dirs {
        fs::write(dir.path().join("f"), "").expect("a file");
    }
    manager.sync().expect("the barrier is passed");
    let mut told: Vec<_> = log
        .take()
        .into_iter()
        .map(|(_, e)| (e.wd, e.path))
        .collect();
    told.sort();
    let watches = [&first[1], &first[2], &later[0], &later[1]];
    let expected: Vec<_> = watches
        .iter()
        .map(|w| (w.wd(), w.path().to_owned()))
        .collect();
    assert_eq!(told, expected);
}

// requirement: S1 bug 15
#[test]
fn stopping_does_not_wait_for_watches_that_could_not_be_opened() {
    let dir = temp();
    let (manager, _) = logging();
    let absent = dir.path().join("absent");
    let failed: Vec<_> = (0..10)
        .map(|number| manager.begin_watch(absent.join(number.to_string()), names(), true))
        .collect();
    manager
        .add_watch(dir.path(), names(), true)
        .expect("watched");
    for watch in &failed {
        assert_eq!(watch.stopped().wait_timeout(PATIENCE), Some(()));
        assert!(watch.started().get().is_some_and(|result| result.is_err()));
        watch.stop();
    }
    let stopped = manager.stopped();
    let stopper = std::thread::spawn(move || manager.stop());
    assert_eq!(stopped.wait_timeout(PATIENCE), Some(()));
    stopper.join().expect("it returns");
}

// requirement: S1 bug 16
#[test]
fn watches_may_come_and_go_while_the_manager_stops() {
    let dir = temp();
    for thread in 0..4 {
        for number in 0..5 {
            fs::create_dir_all(dir.path().join(format!("{thread}/{number}"))).expect("directories");
        }
    }
    for _ in 0..30 {
        let manager = Arc::new(logging().0);
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (manager, path) = (Arc::clone(&manager), dir.path().join(thread.to_string()));
                std::thread::spawn(move || {
                    let mut ended = Vec::new();
                    for number in (0..5).cycle() {
                        match manager.add_watch(path.join(number.to_string()), names(), true) {
                            Ok(watch) if number % 2 == 0 => watch.stop(),
                            Ok(watch) => ended.push(watch),
                            Err(_) => return ended,
                        }
                    }
                    ended
                })
            })
            .collect();
        manager.stop();
        for thread in threads {
            for watch in thread.join().expect("no panic") {
                assert_eq!(watch.stopped().wait_timeout(PATIENCE), Some(()));
            }
        }
    }
}
