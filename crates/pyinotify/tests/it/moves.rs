//! Moves: two halves with one cookie, or no half at all.

use std::collections::HashSet;
use std::fs;

use crate::support::{Scene, identities_are_known, lines, logging, names, temp};
use everwatch_pyinotify::{Mask, RawEvent};

/// The halves of the moves in `events`, as pairs.
fn pairs(events: &[RawEvent]) -> Vec<(&RawEvent, &RawEvent)> {
    let halves: Vec<_> = events
        .iter()
        .filter(|event| event.mask.intersects(Mask::IN_MOVE))
        .collect();
    assert_eq!(halves.len() % 2, 0, "{halves:#?}");
    let pairs = halves.chunks(2).map(|pair| (pair[0], pair[1]));
    pairs
        .inspect(|(from, to)| {
            assert!(from.mask.contains(Mask::IN_MOVED_FROM), "{from:?}");
            assert!(to.mask.contains(Mask::IN_MOVED_TO), "{to:?}");
            assert_eq!(from.cookie, to.cookie);
            assert_ne!(from.cookie, 0);
            assert_eq!(to.src_pathname.as_ref(), Some(&from.pathname));
            assert_eq!(from.src_pathname, None);
        })
        .collect()
}

// requirement: S1.11
#[test]
fn move_halves_share_a_cookie() {
    let scene = Scene::of(names(), true, &["d", "e"], &["d/f"]);
    scene.rename("d/f", "d/g");
    scene.rename("d/g", "e/h");
    scene.rename("d", "e/d");
    let events = scene.events();
    let expected = [
        "IN_MOVED_FROM d/f",
        "IN_MOVED_TO d/f -> d/g",
        "IN_MOVED_FROM d/g",
        "IN_MOVED_TO d/g -> e/h",
        "IN_MOVED_FROM d/",
        "IN_MOVED_TO d/ -> e/d/",
    ];
    assert_eq!(lines(&scene.root, &events), expected);
    let cookies: HashSet<u64> = pairs(&events).iter().map(|(from, _)| from.cookie).collect();
    assert_eq!(cookies.len(), 3);
}

// requirement: S1.11
#[test]
fn a_thousand_moves_have_a_thousand_cookies() {
    let scene = Scene::of(names(), true, &["d"], &[]);
    for number in 0..1000 {
        scene.write(&number.to_string());
    }
    scene.events();
    for number in 0..1000 {
        scene.rename(&number.to_string(), &format!("d/{number}"));
    }
    let events = scene.events();
    let pairs = pairs(&events);
    let cookies: HashSet<u64> = pairs.iter().map(|(from, _)| from.cookie).collect();
    assert_eq!((pairs.len(), cookies.len()), (1000, 1000));
    assert!(pairs.iter().all(|(from, to)| from.name == to.name));
}

// requirement: S1.11
#[test]
fn cookies_of_two_managers_differ() {
    let scenes = [(); 2].map(|()| Scene::of(names(), true, &[], &["a"]));
    let cookies = scenes.each_ref().map(|scene| {
        scene.rename("a", "b");
        let events = scene.events();
        pairs(&events)[0].0.cookie
    });
    assert_ne!(cookies[0], cookies[1]);
}

// requirement: S1.11
#[test]
fn a_move_onto_a_file_is_one_move() {
    let scene = Scene::of(names(), true, &[], &["new", "old"]);
    scene.rename("new", "old");
    let events = scene.events();
    let expected = ["IN_MOVED_FROM new", "IN_MOVED_TO new -> old"];
    assert_eq!(lines(&scene.root, &events), expected);
    pairs(&events);
}

// requirement: S1.11
#[test]
fn what_is_moved_in_is_created_and_what_is_moved_out_is_deleted() {
    let scene = Scene::of(names(), true, &["d"], &["d/f", "a"]);
    fs::write(scene.outside("x"), "").expect("a file");
    scene.rename("a", "b");
    fs::rename(scene.outside("x"), scene.path("in")).expect("moved");
    fs::rename(scene.path("d"), scene.outside("out")).expect("moved");
    let events = scene.events();
    let expected = [
        "IN_MOVED_FROM a",
        "IN_MOVED_TO a -> b",
        "IN_CREATE in",
        "IN_DELETE d/",
    ];
    assert_eq!(lines(&scene.root, &events), expected);
    assert!(events[2..].iter().all(|event| event.cookie == 0));
    assert!(events[2..].iter().all(|event| event.src_pathname.is_none()));
}

// requirement: S1.11
#[test]
fn a_move_across_two_watches_has_a_half_in_each() {
    let dirs = [(); 2].map(|()| temp());
    let (manager, log) = logging();
    let [one, two] = dirs.each_ref().map(|dir| {
        manager
            .add_watch(dir.path(), names(), true)
            .expect("watched")
    });
    for (from, to) in [(0, 1), (1, 0)] {
        fs::write(dirs[from].path().join("a"), "").expect("a file");
        manager.sync().expect("the barrier is passed");
        log.take();
        fs::rename(dirs[from].path().join("a"), dirs[to].path().join("b")).expect("moved");
        manager.sync().expect("the barrier is passed");
        let events: Vec<_> = log.take().into_iter().map(|(_, event)| event).collect();
        let wds = [&one, &two].map(|watch| watch.wd());
        if !identities_are_known() {
            let mut told: Vec<_> = events.iter().map(|e| (e.mask, e.wd, e.cookie)).collect();
            told.sort_by_key(|(mask, ..)| mask.bits());
            let expected = [
                (Mask::IN_CREATE, wds[to], 0),
                (Mask::IN_DELETE, wds[from], 0),
            ];
            assert_eq!(told, expected);
            fs::remove_file(dirs[to].path().join("b")).expect("removed");
            continue;
        }
        let [(left, arrived)] = pairs(&events)[..] else {
            panic!("{events:?}")
        };
        assert_eq!((left.wd, arrived.wd), (wds[from], wds[to]));
        assert_eq!(arrived.src_pathname, Some(dirs[from].path().join("a")));
        fs::remove_file(dirs[to].path().join("b")).expect("removed");
    }
}

// requirement: S1.11
#[test]
fn what_happens_in_a_moved_directory_is_told_by_its_new_path() {
    let scene = Scene::of(names(), true, &["a/b"], &["a/b/f"]);
    scene.rename("a", "z");
    scene.manager.sync().expect("the barrier is passed");
    scene.rename("z/b/f", "z/b/g");
    let events = scene.events();
    let expected = [
        "IN_MOVED_FROM a/",
        "IN_MOVED_TO a/ -> z/",
        "IN_MOVED_FROM z/b/f",
        "IN_MOVED_TO z/b/f -> z/b/g",
    ];
    assert_eq!(lines(&scene.root, &events), expected);
    pairs(&events);
}

// requirement: S1.11
#[test]
fn a_move_into_what_a_flat_watch_does_not_reach_is_a_deletion() {
    let scene = Scene::of(names(), false, &["d"], &["f", "d/g"]);
    scene.rename("f", "d/f");
    scene.rename("d/g", "g");
    let mut lines = scene.lines();
    lines.sort();
    assert_eq!(lines, ["IN_CREATE g", "IN_DELETE f"]);
}
