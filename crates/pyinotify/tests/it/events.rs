//! Events: their order, their kinds, their fields, and whether they are about directories.

use std::fs;

use crate::support::{
    Log, PATIENCE, Scene, contents, eventually, logging, names, temp, watched_directories_can_go,
};
use everwatch_pyinotify::{Mask, WatchManager};

// requirement: S1.4
#[test]
fn events_come_on_one_thread_in_the_order_in_which_things_happened() {
    let dirs = [(); 3].map(|()| temp());
    let (manager, log) = logging();
    let watches = dirs.each_ref().map(|dir| {
        manager
            .add_watch(dir.path(), Mask::IN_CREATE, true)
            .expect("watched")
    });
    for number in 0..500 {
        for dir in &dirs {
            fs::write(dir.path().join(format!("{number:03}")), "").expect("a file");
        }
    }
    manager.sync().expect("the barrier is passed");
    let events = log.take();
    let thread = events[0].0;
    assert!(events.iter().all(|(other, _)| *other == thread));
    assert_ne!(thread, std::thread::current().id());
    for watch in &watches {
        let own = events.iter().filter(|(_, event)| event.wd == watch.wd());
        let names: Vec<_> = own.map(|(_, event)| event.name.clone()).collect();
        assert_eq!(names.len(), 500);
        assert!(names.is_sorted(), "{names:?}");
    }
}

// requirement: S1.5
#[test]
fn a_handler_that_is_slow_loses_nothing_and_holds_nobody_up() {
    let dir = temp();
    let (gate, opened) = std::sync::mpsc::channel::<()>();
    let (log, mut is_first) = (Log::default(), true);
    let kept = log.clone();
    let manager = WatchManager::new(move |_, event| {
        if std::mem::take(&mut is_first) {
            opened.recv_timeout(PATIENCE).expect("the gate opens");
        }
        kept.push(event);
    })
    .expect("a manager");
    manager
        .add_watch(dir.path(), names(), true)
        .expect("watched");
    for number in 0..3000 {
        fs::write(dir.path().join(number.to_string()), "").expect("a file");
    }
    gate.send(()).expect("the handler waits");
    manager.sync().expect("the barrier is passed");
    assert_eq!(log.len(), 3000);
}

// requirement: S1.8
#[test]
fn a_recursive_watch_reaches_all_below_also_what_comes_later() {
    let scene = Scene::of(names(), true, &["a/b"], &[]);
    scene.write("a/b/old");
    scene.mkdir("c");
    scene.mkdir("c/d");
    scene.write("c/d/new");
    let mut lines = scene.lines();
    lines.sort();
    let expected = [
        "IN_CREATE a/b/old",
        "IN_CREATE c/",
        "IN_CREATE c/d/",
        "IN_CREATE c/d/new",
    ];
    assert_eq!(lines, expected);
}

// requirement: S1.8
#[test]
fn a_tree_that_is_moved_in_is_reported_with_its_contents() {
    let scene = Scene::of(names(), true, &[], &[]);
    fs::create_dir_all(scene.outside("t/u")).expect("directories");
    fs::write(scene.outside("t/u/f"), "").expect("a file");
    fs::rename(scene.outside("t"), scene.path("t")).expect("moved");
    scene.manager.sync().expect("the barrier is passed");
    scene.write("t/u/g");
    let lines = scene.lines();
    let expected = [
        "IN_CREATE t/",
        "IN_CREATE t/u/",
        "IN_CREATE t/u/f",
        "IN_CREATE t/u/g",
    ];
    assert_eq!(lines, expected);
}

// requirement: S1.8
#[test]
fn a_watch_that_is_not_recursive_reports_its_own_entries_only() {
    let scene = Scene::of(names(), false, &["a"], &["a/f"]);
    scene.write("a/g");
    scene.mkdir("c");
    scene.write("c/f");
    scene.rename("a/f", "f");
    fs::remove_dir_all(scene.path("a")).expect("removed");
    let lines = scene.lines();
    assert_eq!(lines, ["IN_CREATE c/", "IN_CREATE f", "IN_DELETE a/"]);
}

/// What is done, and what is told of it.
type Row = (&'static str, fn(&Scene), &'static [&'static str]);

/// One operation of each kind.
fn table() -> Vec<Row> {
    vec![
        (
            "a file is created",
            |s| drop(fs::File::create(s.path("new")).expect("a file")),
            &["IN_CREATE new"],
        ),
        (
            "a directory is created",
            |s| s.mkdir("new"),
            &["IN_CREATE new/"],
        ),
        ("a file is written", |s| s.write("f"), &["IN_MODIFY f"]),
        (
            "a file is removed",
            |s| fs::remove_file(s.path("f")).expect("removed"),
            &["IN_DELETE f"],
        ),
        (
            "a directory is removed",
            |s| fs::remove_dir(s.path("d")).expect("removed"),
            &["IN_DELETE d/"],
        ),
        (
            "a file is renamed",
            |s| s.rename("f", "g"),
            &["IN_MOVED_FROM f", "IN_MOVED_TO f -> g"],
        ),
        (
            "a directory is renamed",
            |s| s.rename("d", "e"),
            &["IN_MOVED_FROM d/", "IN_MOVED_TO d/ -> e/"],
        ),
        (
            "the watched directory goes",
            |s| fs::remove_dir_all(&s.root).expect("removed"),
            &["IN_DELETE_SELF /"],
        ),
    ]
}

// requirement: S1.9
#[test]
fn each_kind_of_change_has_its_mask() {
    assert_eq!(Mask::IN_MODIFY.bits(), 0x2);
    assert_eq!(Mask::IN_ATTRIB.bits(), 0x4);
    assert_eq!(Mask::IN_MOVED_FROM.bits(), 0x40);
    assert_eq!(Mask::IN_MOVED_TO.bits(), 0x80);
    assert_eq!(Mask::IN_CREATE.bits(), 0x100);
    assert_eq!(Mask::IN_DELETE.bits(), 0x200);
    assert_eq!(Mask::IN_DELETE_SELF.bits(), 0x400);
    assert_eq!(Mask::IN_ISDIR.bits(), 0x4000_0000);
    for (what, operation, expected) in table() {
        if what == "the watched directory goes" && !watched_directories_can_go(what) {
            continue;
        }
        let scene = Scene::with(&["d"], &["f"]);
        operation(&scene);
        let mut lines = scene.lines();
        lines.retain(|line| what != "the watched directory goes" || line.contains("SELF"));
        assert_eq!(lines, expected, "{what}");
    }
}

// requirement: S1.9
#[test]
fn metadata_is_a_kind_of_its_own() {
    // Windows has one action for both.
    let (mask, expected) = match cfg!(windows) {
        true => (Mask::IN_MODIFY, "IN_MODIFY f"),
        false => (Mask::IN_ATTRIB, "IN_ATTRIB f"),
    };
    let scene = Scene::of(mask, true, &[], &["f"]);
    let mut permissions = fs::metadata(scene.path("f"))
        .expect("it is there")
        .permissions();
    permissions.set_readonly(true);
    fs::set_permissions(scene.path("f"), permissions).expect("set");
    assert_eq!(scene.lines(), [expected]);
}

// requirement: S1.9
#[test]
fn only_the_kinds_that_are_asked_for_are_delivered() {
    let kinds = [
        Mask::IN_CREATE,
        Mask::IN_MODIFY,
        Mask::IN_DELETE,
        Mask::IN_MOVED_FROM,
        Mask::IN_MOVED_TO,
        Mask::IN_MOVE,
        Mask::IN_DELETE_SELF | Mask::IN_CREATE,
    ];
    for mask in kinds {
        for (what, operation, expected) in table().into_iter().take(7) {
            let scene = Scene::of(mask, true, &["d"], &["f"]);
            operation(&scene);
            let is_asked_for = |line: &&&str| {
                let kind = line.split(' ').next().expect("a kind");
                mask.to_string().split('|').any(|asked| asked == kind)
            };
            let expected: Vec<&str> = expected.iter().filter(is_asked_for).copied().collect();
            assert_eq!(scene.lines(), expected, "{what}, asked for {mask}");
        }
    }
}

// requirement: S1.10
#[test]
fn a_directory_that_was_renamed_is_still_a_directory_when_it_is_deleted() {
    let scene = Scene::of(names(), true, &["a"], &[]);
    scene.rename("a", "b");
    fs::remove_dir(scene.path("b")).expect("removed");
    let expected = ["IN_MOVED_FROM a/", "IN_MOVED_TO a/ -> b/", "IN_DELETE b/"];
    assert_eq!(scene.lines(), expected);
}

// requirement: S1.10
#[test]
fn nested_directories_are_directories_when_they_are_deleted() {
    let scene = Scene::of(names(), true, &["a/b/c"], &["a/b/f"]);
    for name in ["a/b/c", "a/b", "a"] {
        if name == "a/b" {
            fs::remove_file(scene.path("a/b/f")).expect("removed");
        }
        fs::remove_dir(scene.path(name)).expect("removed");
    }
    let expected = [
        "IN_DELETE a/b/c/",
        "IN_DELETE a/b/f",
        "IN_DELETE a/b/",
        "IN_DELETE a/",
    ];
    assert_eq!(scene.lines(), expected);
}

// requirement: S1.10
#[test]
fn what_is_in_a_renamed_directory_is_known_by_its_new_path() {
    let scene = Scene::of(names(), true, &["a/b/c"], &["a/b/f"]);
    scene.rename("a", "z");
    fs::remove_dir(scene.path("z/b/c")).expect("removed");
    fs::remove_file(scene.path("z/b/f")).expect("removed");
    let lines = scene.lines();
    assert_eq!(lines[2..], ["IN_DELETE z/b/c/", "IN_DELETE z/b/f"]);
}

// requirement: S1.10
#[test]
fn a_file_in_the_place_of_a_directory_is_no_directory() {
    let scene = Scene::of(names(), true, &["x"], &[]);
    for _ in 0..20 {
        fs::remove_dir(scene.path("x")).expect("removed");
        assert_eq!(scene.lines(), ["IN_DELETE x/"]);
        scene.write("x");
        assert_eq!(scene.lines(), ["IN_CREATE x"]);
        fs::remove_file(scene.path("x")).expect("removed");
        assert_eq!(scene.lines(), ["IN_DELETE x"]);
        scene.mkdir("x");
        assert_eq!(scene.lines(), ["IN_CREATE x/"]);
    }
}

// requirement: S1.10
#[test]
fn what_is_deleted_is_what_was_created_last_however_fast_names_change_hands() {
    if !watched_directories_can_go("what_is_deleted_is_what_was_created_last") {
        return;
    }
    let scene = Scene::of(names(), true, &["x"], &[]);
    for _ in 0..200 {
        fs::remove_dir(scene.path("x")).expect("removed");
        scene.write("x");
        fs::remove_file(scene.path("x")).expect("removed");
        scene.mkdir("x");
    }
    let mut known = Some(true);
    for event in scene.events() {
        match event.mask.contains(Mask::IN_DELETE) {
            true => assert_eq!(known.take(), Some(event.dir), "{event}"),
            false => assert_eq!(known.replace(event.dir), None, "{event}"),
        }
    }
    assert_eq!(known, Some(true), "a directory is what is left");
}

// requirement: S1.12
#[test]
fn an_event_has_the_fields_of_pyinotify() {
    let scene = Scene::of(names(), true, &["d"], &[]);
    scene.mkdir("d/e");
    let events = scene.events();
    let [event] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(event.wd, scene.watch.wd());
    assert_eq!(event.mask, Mask::IN_CREATE | Mask::IN_ISDIR);
    assert_eq!((event.cookie, event.dir), (0, true));
    assert_eq!(event.name, "e");
    assert_eq!(event.path, scene.path("d"));
    assert_eq!(event.pathname, scene.path("d").join("e"));
    assert_eq!(event.src_pathname, None);
    assert!(
        event.to_string().starts_with("IN_CREATE|IN_ISDIR "),
        "{event}"
    );
}

// requirement: S1.12
#[test]
fn the_full_path_is_path_and_name_for_every_entry() {
    let scene = Scene::with(&["a/b"], &["a/b/f"]);
    scene.rename("a/b/f", "a/g");
    scene.write("a/g");
    scene.manager.sync().expect("the barrier is passed");
    fs::remove_dir_all(scene.path("a")).expect("removed");
    let events = scene.events();
    assert!(events.len() >= 5, "{events:?}");
    for event in events {
        assert_eq!(event.pathname, event.path.join(&event.name));
        assert_eq!(Some(&*event.name), event.pathname.file_name());
        assert!(event.pathname.is_absolute());
    }
}

// requirement: S1.12
#[test]
fn an_event_about_the_watched_path_has_no_name() {
    if !watched_directories_can_go("an_event_about_the_watched_path_has_no_name") {
        return;
    }
    let scene = Scene::of(contents(), true, &[], &[]);
    fs::remove_dir(&scene.root).expect("removed");
    eventually("it is told", || scene.log.len() > 0);
    let (_, event) = scene.log.take().remove(0);
    assert_eq!(event.mask, Mask::IN_DELETE_SELF | Mask::IN_ISDIR);
    assert!(event.name.is_empty());
    assert_eq!((&event.path, &event.pathname), (&scene.root, &scene.root));
}

// requirement: S1.12
#[test]
fn a_watched_path_that_is_back_is_watched_again() {
    if !watched_directories_can_go("a_watched_path_that_is_back_is_watched_again") {
        return;
    }
    let scene = Scene::of(names(), true, &[], &[]);
    fs::remove_dir(&scene.root).expect("removed");
    eventually("it is gone", || scene.log.len() == 1);
    fs::create_dir(&scene.root).expect("a directory");
    eventually("it is back", || scene.log.len() == 2);
    scene.write("f");
    eventually("its entries are reported", || scene.log.len() == 3);
    let expected = ["IN_DELETE_SELF /", "IN_CREATE /", "IN_CREATE f"];
    assert_eq!(scene.lines(), expected);
}
