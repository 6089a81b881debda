//! Watches that start: armed when they say so, or an error that says where it went wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use crate::support::{
    PATIENCE, Scene, contents, eventually, lines, logging, names, temp, watched_directories_can_go,
};
use everwatch::ErrorKind;
use everwatch_pyinotify::{Mask, Notice, Stage, StartError};

// requirement: S1.1 (linux)
#[test]
fn a_file_made_right_after_the_watch_started_is_never_missed() {
    let (manager, log) = logging();
    // Wine takes a tenth of a second for each.
    let rounds = if cfg!(windows) { 100 } else { 1000 };
    for round in 0..rounds {
        let dir = temp();
        let file = dir.path().join("f");
        let watch = manager
            .add_watch(dir.path(), names(), true)
            .expect("watched");
        fs::write(&file, "").expect("a file");
        manager.sync().expect("the barrier is passed");
        let events: Vec<_> = log.take().into_iter().map(|(_, event)| event).collect();
        assert_eq!(lines(dir.path(), &events), ["IN_CREATE f"], "round {round}");
        watch.stop();
    }
}

// requirement: S1.1 (linux)
#[test]
fn a_file_made_once_started_fired_is_never_missed() {
    let (manager, log) = logging();
    for round in 0..200 {
        let dir = temp();
        let watch = manager.begin_watch(dir.path(), names(), true);
        let started = futures_lite::future::block_on(watch.started());
        assert_eq!(started, Ok(()));
        fs::write(dir.path().join("f"), "").expect("a file");
        manager.sync().expect("the barrier is passed");
        assert_eq!(log.take().len(), 1, "round {round}");
        watch.stop();
    }
}

// requirement: S1.1 (linux)
#[test]
fn what_was_there_before_is_not_reported() {
    let scene = Scene::with(&["d/e"], &["d/e/f", "g"]);
    assert_eq!(scene.lines(), [""; 0]);
}

/// Nothing is left of a watch that did not start: it has ended, and stopping does not wait for it.
fn assert_failed(path: &Path, mask: Mask) -> StartError {
    let (manager, _) = logging();
    let added = manager.add_watch(path, mask, true).expect_err("no watch");
    assert_eq!(manager.get_wd(path), None);
    let begun = manager.begin_watch(path, mask, true);
    let started = begun.started().wait_timeout(PATIENCE).expect("fires");
    let stopped = begun.stopped().wait_timeout(PATIENCE);
    assert_eq!((started, stopped), (Err(added.clone()), Some(())));
    assert_eq!(manager.get_watch(begun.wd()), None);
    assert!(!manager.rm_watch(begun.wd()));
    begun.stop();
    manager.stop();
    assert_eq!(manager.stopped().get(), Some(()));
    added
}

// requirement: S1.2 (linux)
#[test]
fn a_path_that_is_not_there_is_an_error_with_path_stage_and_code() {
    let dir = temp();
    let path = dir.path().join("absent");
    let error = assert_failed(&path, Mask::ALL_EVENTS);
    assert_eq!(
        (error.stage(), error.kind()),
        (Stage::Open, ErrorKind::NotFound)
    );
    assert_eq!(error.path(), Some(&*path));
    let code = fs::metadata(&path).expect_err("absent").raw_os_error();
    assert!(code.is_some() && error.os_code() == code, "{error:?}");
}

// requirement: S1.2 (linux)
#[test]
fn a_path_that_leads_through_a_file_is_an_error_of_opening() {
    let dir = temp();
    let file = dir.path().join("file");
    fs::write(&file, "").expect("a file");
    let error = assert_failed(&file.join("x"), Mask::ALL_EVENTS);
    assert_eq!(error.stage(), Stage::Open);
    assert!(error.os_code().is_some(), "{error:?}");
}

// requirement: S1.2 (linux)
#[test]
fn the_failure_is_one_sentence_with_the_path() {
    let error = assert_failed(Path::new("no/such/path"), Mask::ALL_EVENTS);
    let told = error.to_string();
    assert!(told.starts_with("cannot watch"), "{told}");
    assert!(told.contains("such") && told.contains("path"), "{told}");
    let io = std::io::Error::from(error);
    assert_eq!(io.kind(), std::io::ErrorKind::NotFound);
}

// requirement: S1.2 (linux)
#[test]
fn a_path_that_failed_can_be_watched_once_it_is_there() {
    let dir = temp();
    let (manager, log) = logging();
    let path = dir.path().join("late");
    manager.add_watch(&path, names(), true).expect_err("absent");
    fs::create_dir(&path).expect("a directory");
    manager.add_watch(&path, names(), true).expect("watched");
    fs::write(path.join("f"), "").expect("a file");
    manager.sync().expect("the barrier is passed");
    assert_eq!(log.len(), 1);
}

// requirement: S1.2 (linux)
#[test]
fn who_asks_for_a_path_that_is_being_started_gets_the_same_result() {
    let dir = temp();
    for round in 0..50 {
        let (manager, _) = logging();
        let (manager, barrier) = (Arc::new(manager), Arc::new(Barrier::new(4)));
        let path = dir.path().join(round.to_string());
        if round % 2 == 0 {
            fs::create_dir(&path).expect("a directory");
        }
        let threads = [0; 4].map(|_| {
            let (manager, barrier, path) = (manager.clone(), barrier.clone(), path.clone());
            std::thread::spawn(move || {
                barrier.wait();
                let added = manager.add_watch(&path, Mask::ALL_EVENTS, true);
                added.map(|watch| watch.wd()).map_err(|error| error.kind())
            })
        });
        let results = threads.map(|thread| thread.join().expect("it ends"));
        assert!(
            results.iter().all(|result| *result == results[0]),
            "{results:?}"
        );
        assert_eq!(results[0].is_ok(), round % 2 == 0);
    }
}

// requirement: S1.2 (linux)
#[test]
fn a_path_that_comes_and_goes_is_watched_or_is_an_error_and_nothing_in_between() {
    if !watched_directories_can_go(
        "a_path_that_comes_and_goes_is_watched_or_is_an_error_and_nothing_in_between",
    ) {
        return;
    }
    let dir = temp();
    let path = dir.path().join("root");
    let is_over = Arc::new(AtomicBool::new(false));
    let flicker = {
        let (is_over, path) = (Arc::clone(&is_over), path.clone());
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                fs::create_dir(&path).expect("a directory");
                std::thread::yield_now();
                fs::remove_dir(&path).expect("removed");
            }
        })
    };
    let (manager, _) = logging();
    let (mut watched, mut failed) = (0, 0);
    let begin = std::time::Instant::now();
    while watched < 20 || failed < 20 {
        assert!(
            begin.elapsed() < PATIENCE,
            "{watched} watched, {failed} failed"
        );
        match manager.add_watch(&path, Mask::ALL_EVENTS, true) {
            Ok(watch) => {
                watched += 1;
                watch.stop();
            }
            Err(error) => {
                failed += 1;
                assert!(
                    matches!(error.stage(), Stage::Open | Stage::Arm),
                    "{error:?}"
                );
                assert_eq!(error.path(), Some(&*path));
            }
        }
        assert_eq!(manager.get_wd(&path), None);
    }
    is_over.store(true, Ordering::Relaxed);
    flicker.join().expect("it ends");
    assert_eq!(manager.coverage().expect("the manager is open"), []);
}

// requirement: S1.3 (linux)
#[test]
fn started_fires_at_most_once_however_often_the_watch_is_armed_again() {
    let scene = Scene::with(&["d"], &[]);
    let started = scene.watch.started();
    assert_eq!(started.get(), Some(Ok(())));
    for recursive in [false, true, false] {
        scene
            .watch
            .update(Mask::ALL_EVENTS, recursive)
            .expect("updated");
    }
    scene.watch.stop();
    assert_eq!(started.get(), Some(Ok(())), "it stays what it was");
    assert_eq!(scene.watch.started().get(), Some(Ok(())));
}

// requirement: S1.3 (linux)
#[test]
fn a_watch_that_is_stopped_while_it_starts_fires_both_and_reports_nothing() {
    let dir = temp();
    fs::create_dir_all(dir.path().join("a/b/c")).expect("directories");
    let (manager, log) = logging();
    for _ in 0..200 {
        let watch = manager.begin_watch(dir.path(), Mask::ALL_EVENTS, true);
        watch.stop();
        assert_eq!(watch.stopped().get(), Some(()), "stop waits for the end");
        let started = watch.started().get().expect("it has fired");
        assert!(started.is_ok() || started.is_err_and(|why| why.stage() == Stage::Arm));
        assert_eq!(manager.get_wd(dir.path()), None);
    }
    fs::write(dir.path().join("f"), "").expect("a file");
    manager.sync().expect("the barrier is passed");
    assert_eq!(log.len(), 0);
}

// requirement: S1.3 (linux)
#[test]
fn a_manager_that_is_stopped_while_watches_start_ends_them_all() {
    for _ in 0..50 {
        let dirs = [(); 8].map(|()| temp());
        let (manager, _) = logging();
        let watches = dirs
            .each_ref()
            .map(|dir| manager.begin_watch(dir.path(), Mask::ALL_EVENTS, true));
        manager.stop();
        for watch in watches {
            assert_eq!(watch.stopped().get(), Some(()));
            let started = watch.started().get().expect("it has fired");
            let is_closed = |why: StartError| why.kind() == ErrorKind::Closed;
            assert!(started.is_ok() || started.is_err_and(is_closed));
        }
    }
}

// requirement: S1.6 (linux)
#[test]
fn paths_become_absolute_and_stay_as_they_are_spelled() {
    let dir = temp();
    let root = dir.path().join("Root");
    fs::create_dir_all(root.join("sub")).expect("directories");
    let spellings = [
        root.join(""),
        root.join("."),
        root.join("sub").join("."),
        dir.path().join(".").join("Root"),
    ];
    for spelling in spellings {
        let (manager, log) = logging();
        let watch = manager
            .add_watch(&spelling, names(), false)
            .expect("watched");
        let expected: PathBuf = spelling.components().collect();
        assert_eq!(watch.path(), expected);
        assert_eq!(manager.get_wd(&spelling), Some(watch.wd()));
        fs::write(spelling.join("f"), "").expect("a file");
        manager.sync().expect("the barrier is passed");
        fs::remove_file(spelling.join("f")).expect("removed");
        manager.sync().expect("the barrier is passed");
        let events: Vec<_> = log.take().into_iter().map(|(_, event)| event).collect();
        assert_eq!(lines(&expected, &events), ["IN_CREATE f", "IN_DELETE f"]);
    }
    let (manager, _) = logging();
    let relative = manager.add_watch(".", names(), false).expect("watched");
    assert_eq!(relative.path(), std::env::current_dir().expect("a place"));
    let roundabout = manager.add_watch(root.join("sub").join(".."), names(), false);
    let direct = manager.get_wd(root.canonicalize().expect("it exists"));
    assert_eq!(direct, Some(roundabout.expect("watched").wd()));
}

// requirement: S1.6 (linux)
#[test]
fn a_path_of_more_than_four_hundred_characters_is_watched() {
    let dir = temp();
    let mut deep = dir.path().canonicalize().expect("it exists");
    while deep.as_os_str().len() < 420 {
        deep.push("a-directory-with-a-name-of-its-own");
    }
    fs::create_dir_all(&deep).expect("directories");
    let (manager, log) = logging();
    manager.add_watch(&deep, names(), true).expect("watched");
    fs::write(deep.join("f"), "").expect("a file");
    manager.sync().expect("the barrier is passed");
    let (_, event) = log.take().pop().expect("an event");
    assert_eq!(event.pathname, deep.join("f"));
}

// requirement: S1.18 (linux)
#[test]
fn paths_that_can_be_none_are_rejected_before_anything_is_opened() {
    for path in ["", "a\0b", "/a/\0"] {
        let error = assert_failed(Path::new(path), Mask::ALL_EVENTS);
        assert_eq!(error.stage(), Stage::Arguments, "{path:?}");
        assert_eq!(error.kind(), ErrorKind::BadPath, "{path:?}");
        assert_eq!(error.path(), Some(Path::new(path)));
    }
}

// requirement: S1.18 (linux)
#[test]
fn a_mask_of_which_nothing_can_come_is_rejected() {
    let dir = temp();
    let nothing = [Mask::default(), Mask::IN_ISDIR, Mask::from_bits(0x8)];
    for mask in nothing {
        let error = assert_failed(dir.path(), mask);
        assert_eq!(
            (error.stage(), error.kind()),
            (Stage::Arguments, ErrorKind::BadOption)
        );
    }
    let (manager, _) = logging();
    let everything = Mask::from_bits(0xfff);
    let watch = manager
        .add_watch(dir.path(), everything, true)
        .expect("watched");
    let error = watch.update(Mask::default(), true).expect_err("nothing");
    assert_eq!(error.stage(), Stage::Arguments);
    assert_eq!(watch.mask(), everything);
}

// requirement: S1.18 (linux)
#[test]
fn ignoring_what_is_not_below_the_watched_path_is_an_error() {
    let scene = Scene::with(&[], &[]);
    for path in [scene.outside("other"), scene.root.clone(), "a\0b".into()] {
        let error = scene.watch.ignore_path(&path).expect_err("not below");
        assert_eq!(error.kind(), ErrorKind::BadPath);
        assert_eq!(error.path(), Some(&*path));
        scene
            .watch
            .remove_ignored_path(&path)
            .expect_err("not below");
    }
    scene.write("f");
    assert_eq!(scene.lines()[0], "IN_CREATE f");
}

// requirement: S1.19 (linux)
#[test]
fn a_watch_tells_what_it_watches_and_how() {
    let scene = Scene::of(contents(), false, &[], &[]);
    let watch = &scene.watch;
    assert_eq!(watch.path(), scene.root);
    assert_eq!((watch.mask(), watch.is_recursive()), (contents(), false));
    watch.update(names(), true).expect("updated");
    assert_eq!((watch.mask(), watch.is_recursive()), (names(), true));
    assert_eq!(watch.stopped().get(), None);
    watch.stop();
    assert_eq!((watch.mask(), watch.is_recursive()), (names(), true));
}

// requirement: S1.19 (linux)
#[test]
fn a_file_can_be_watched_by_itself() {
    let dir = temp();
    let file = dir.path().join("file");
    fs::write(&file, "").expect("a file");
    let (manager, log) = logging();
    manager
        .add_watch(&file, contents(), false)
        .expect("watched");
    fs::write(dir.path().join("other"), "").expect("a file");
    fs::write(&file, "x").expect("written");
    manager.sync().expect("the barrier is passed");
    fs::remove_file(&file).expect("removed");
    manager.sync().expect("the barrier is passed");
    fs::write(&file, "").expect("a file");
    manager.sync().expect("the barrier is passed");
    let events: Vec<_> = log.take().into_iter().map(|(_, event)| event).collect();
    assert!(
        events
            .iter()
            .all(|event| event.pathname == file && event.name.is_empty())
    );
    let lines = lines(dir.path(), &events);
    let expected = ["IN_MODIFY file", "IN_DELETE_SELF file", "IN_CREATE file"];
    assert_eq!(lines[..3], expected);
}

#[test]
fn a_notice_can_be_waited_for_for_a_while() {
    let scene = Scene::with(&[], &[]);
    let stopped: Notice<()> = scene.watch.stopped();
    let begin = std::time::Instant::now();
    let brief = std::time::Duration::from_millis(20);
    assert_eq!(stopped.wait_timeout(brief), None);
    assert!(begin.elapsed() >= brief, "never early");
    let waiter = std::thread::spawn(move || futures_lite::future::block_on(stopped));
    scene.watch.stop();
    eventually("the task is woken", || waiter.is_finished());
}

/// A user whom permissions bind is needed: Linux has the means to become one.
#[cfg(target_os = "linux")]
mod denied {
    use super::*;

    // requirement: S1.2 (linux)
    #[test]
    fn a_directory_that_may_not_be_opened_is_an_error_with_path_stage_and_code() {
        let name = "start::denied::a_directory_that_may_not_be_opened_is_an_error_with_path_stage_and_code";
        everwatch_testing::role::as_plain_user(name, || {
            use std::os::unix::fs::PermissionsExt;
            let dir = temp();
            let path = dir.path().join("closed");
            fs::create_dir(&path).expect("a directory");
            fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).expect("chmod");
            let error = assert_failed(&path, Mask::ALL_EVENTS);
            assert_eq!(
                (error.stage(), error.kind()),
                (Stage::Open, ErrorKind::Denied)
            );
            assert_eq!((error.path(), error.os_code()), (Some(&*path), Some(13)));
        });
    }
}
