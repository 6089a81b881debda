//! Ignored paths: nothing of them, everything beside them, and everything again afterwards.

use std::fs;
use std::sync::mpsc;

use everwatch_pyinotify::WatchManager;

use crate::support::{Log, PATIENCE, Scene, contents, eventually, names, temp};

/// Makes, renames and removes files below the directory `name`. What comes and goes before anybody
/// looks at it need not be told, so it is told in between.
fn use_dir(scene: &Scene, name: &str) {
    let path = |file: &str| scene.path(name).join(file);
    let sync = || scene.manager.sync().expect("the barrier is passed");
    for (old, new) in [("f", "g"), ("h", "i")] {
        fs::write(path(old), "x").expect("a file");
        sync();
        fs::rename(path(old), path(new)).expect("moved");
        sync();
        fs::remove_file(path(new)).expect("removed");
    }
}

fn mentions(line: &str, dir: &str) -> bool {
    line.split(' ')
        .skip(1)
        .any(|path| path.starts_with(&format!("{dir}/")))
}

// requirement: S1.13 (linux)
#[test]
fn nothing_of_an_ignored_path_is_delivered() {
    let scene = Scene::of(contents(), true, &["child"], &[]);
    scene
        .watch
        .ignore_path(scene.path("child"))
        .expect("ignored");
    use_dir(&scene, "child");
    fs::remove_dir(scene.path("child")).expect("removed");
    scene.mkdir("child");
    assert_eq!(scene.lines(), [""; 0]);
}

// requirement: S1.13 (linux)
#[test]
fn what_is_not_ignored_is_delivered() {
    let scene = Scene::of(contents(), true, &["child", "other"], &[]);
    scene
        .watch
        .ignore_path(scene.path("other"))
        .expect("ignored");
    use_dir(&scene, "child");
    let lines = scene.lines();
    assert!(lines.len() >= 8, "{lines:?}");
    assert!(
        lines.iter().all(|line| mentions(line, "child")),
        "{lines:?}"
    );
}

// requirement: S1.13 (linux)
#[test]
fn ignored_and_not_ignored_paths_do_not_mix() {
    let scene = Scene::of(names(), true, &["child", "other"], &[]);
    let alone = {
        use_dir(&scene, "other");
        scene.lines()
    };
    scene
        .watch
        .ignore_path(scene.path("child"))
        .expect("ignored");
    use_dir(&scene, "child");
    use_dir(&scene, "other");
    use_dir(&scene, "child");
    assert_eq!(scene.lines(), alone);
}

// requirement: S1.13 (linux)
#[test]
fn a_path_that_is_no_longer_ignored_is_delivered_again() {
    let scene = Scene::of(names(), true, &["child"], &[]);
    use_dir(&scene, "child");
    let before = scene.lines();
    scene
        .watch
        .ignore_path(scene.path("child"))
        .expect("ignored");
    use_dir(&scene, "child");
    scene
        .watch
        .remove_ignored_path(scene.path("child"))
        .expect("restored");
    use_dir(&scene, "child");
    assert_eq!(
        scene.lines(),
        before,
        "what happened meanwhile stays hidden"
    );
}

// requirement: S1.13 (linux)
#[test]
fn undoing_one_ignored_path_leaves_another_ignored() {
    let scene = Scene::of(names(), true, &["child", "other"], &[]);
    for name in ["child", "other"] {
        scene.watch.ignore_path(scene.path(name)).expect("ignored");
    }
    scene
        .watch
        .remove_ignored_path(scene.path("child"))
        .expect("restored");
    use_dir(&scene, "other");
    assert_eq!(scene.lines(), [""; 0]);
    use_dir(&scene, "child");
    let lines = scene.lines();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| mentions(line, "child")),
        "{lines:?}"
    );
}

// requirement: S1.13 (linux)
#[test]
fn ignoring_twice_is_undone_once_and_undoing_what_is_not_ignored_is_nothing() {
    let scene = Scene::of(names(), true, &["child"], &[]);
    let child = scene.path("child");
    for _ in 0..2 {
        scene.watch.ignore_path(&child).expect("ignored");
    }
    for _ in 0..2 {
        scene.watch.remove_ignored_path(&child).expect("restored");
    }
    scene.write("child/f");
    assert_eq!(scene.lines(), ["IN_CREATE child/f"]);
}

// requirement: S1.13 (linux)
#[test]
fn a_sibling_whose_name_begins_alike_is_not_hit() {
    let scene = Scene::of(names(), true, &["child", "childX", "x/child"], &[]);
    scene
        .watch
        .ignore_path(scene.path("child"))
        .expect("ignored");
    for name in ["child/f", "childX/f", "x/child/f", "child.txt"] {
        scene.write(name);
    }
    scene.mkdir("child-2");
    let expected = [
        "IN_CREATE childX/f",
        "IN_CREATE x/child/f",
        "IN_CREATE child.txt",
        "IN_CREATE child-2/",
    ];
    assert_eq!(scene.lines(), expected);
}

// requirement: S1.13 (linux)
#[test]
fn a_path_may_be_ignored_before_it_is_there_and_with_a_slash_behind() {
    let scene = Scene::of(names(), true, &[], &[]);
    scene
        .watch
        .ignore_path(scene.path("late").join(""))
        .expect("ignored");
    scene.mkdir("late");
    scene.write("late/f");
    scene.write("later");
    assert_eq!(scene.lines(), ["IN_CREATE later"]);
}

// requirement: S1.13 (linux)
#[test]
fn a_move_into_an_ignored_path_is_a_deletion_and_out_of_it_a_creation() {
    let scene = Scene::of(names(), true, &["child"], &["f", "child/g"]);
    scene
        .watch
        .ignore_path(scene.path("child"))
        .expect("ignored");
    scene.rename("f", "child/f");
    scene.rename("child/g", "g");
    scene.rename("child/f", "child/h");
    let events = scene.events();
    assert_eq!(
        crate::support::lines(&scene.root, &events),
        ["IN_DELETE f", "IN_CREATE g"]
    );
    assert!(events.iter().all(|event| event.cookie == 0));
}

// requirement: S1.13 (linux)
#[test]
fn ignoring_is_a_barrier_for_what_is_queued() {
    let scene = Scene::of(names(), true, &["child"], &[]);
    for round in 0..50 {
        for number in 0..50 {
            scene.write(&format!("child/{round}-{number}"));
        }
        scene
            .watch
            .ignore_path(scene.path("child"))
            .expect("ignored");
        let delivered = scene.log.len();
        scene.manager.sync().expect("the barrier is passed");
        assert_eq!(scene.log.len(), delivered, "round {round}");
        scene
            .watch
            .remove_ignored_path(scene.path("child"))
            .expect("restored");
    }
}

// requirement: S1.13 (linux)
#[test]
fn each_watch_has_its_own_ignored_paths() {
    let scene = Scene::of(names(), true, &["child"], &[]);
    let other = scene.outside("other");
    fs::create_dir_all(other.join("child")).expect("directories");
    scene
        .manager
        .add_watch(&other, names(), true)
        .expect("watched");
    scene
        .watch
        .ignore_path(scene.path("child"))
        .expect("ignored");
    scene.write("child/f");
    fs::write(other.join("child/f"), "").expect("a file");
    let events = scene.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].pathname, other.join("child").join("f"));
}

// requirement: S1.13 (linux)
#[test]
fn what_is_still_queued_when_a_path_is_no_longer_ignored_stays_hidden() {
    let dir = temp();
    let child = dir.path().join("child");
    fs::create_dir(&child).expect("a directory");
    let (log, (gate, opened)) = (Log::default(), mpsc::channel::<()>());
    let kept = log.clone();
    let manager = WatchManager::new(move |_, event| {
        kept.push(event.clone());
        if event.name == "wait" {
            opened.recv_timeout(PATIENCE).expect("the gate opens");
        }
    });
    let manager = manager.expect("a manager");
    let watch = manager
        .add_watch(dir.path(), names(), true)
        .expect("watched");
    watch.ignore_path(&child).expect("ignored");
    fs::write(dir.path().join("wait"), "").expect("a file");
    eventually("the handler waits", || log.len() == 1);
    fs::write(child.join("hidden"), "").expect("a file");
    watch.remove_ignored_path(&child).expect("restored");
    fs::write(child.join("shown"), "").expect("a file");
    gate.send(()).expect("the handler waits");
    manager.sync().expect("the barrier is passed");
    let told: Vec<_> = log
        .take()
        .into_iter()
        .map(|(_, event)| event.name)
        .collect();
    assert_eq!(told, ["wait", "shown"]);
}
