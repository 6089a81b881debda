//! Roots that overlap, repeat, lead through symbolic links, or leave their name.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::Path;

use everwatch::{ChangeKind, CoverageState, Event, Gap, Options, Watcher};

use crate::support::{
    Replica, armed, capabilities, differences, eventually, lines, structure, synced, take_away,
    temp, until, waiting, walk,
};

fn is_gone(event: &Event, root: &Path) -> bool {
    matches!(event, Event::Coverage(subtree)
        if subtree.path == root && subtree.gap == Some(Gap::RootGone))
}

fn is_live(event: &Event, root: &Path) -> bool {
    matches!(event, Event::Coverage(subtree)
        if subtree.path == root && subtree.state == CoverageState::Live)
}

/// Asserts that these lines were told of roots that overlap, in this order where there is one.
#[track_caller]
fn assert_told_of_roots(mut seen: Vec<String>, expected: &[&str]) {
    let mut expected = expected.to_vec();
    if !capabilities::orders_records_of_different_roots() {
        seen.sort();
        expected.sort_unstable();
    }
    assert_eq!(seen, expected);
}

#[test]
fn a_root_inside_another_is_reported_once_whichever_came_first() {
    for outer_is_first in [true, false] {
        let dir = temp();
        let inner = dir.path().join("a/inner");
        fs::create_dir_all(inner.join("deep")).expect("directories");
        let watcher = Watcher::new().expect("a watcher");
        let roots = if outer_is_first {
            [dir.path(), &inner]
        } else {
            [&inner, dir.path()]
        };
        for root in roots {
            watcher.watch(root).expect("watched");
        }
        let mut feed = watcher.feed().expect("a feed");
        fs::write(inner.join("deep/f"), "x").expect("a file");
        fs::write(dir.path().join("a/g"), "").expect("a file");
        let seen = structure(dir.path(), &synced(&watcher, &mut feed));
        assert_told_of_roots(seen, &["created a/inner/deep/f", "created a/g"]);
        fs::rename(&inner, dir.path().join("moved")).expect("moved");
        fs::write(dir.path().join("moved/deep/h"), "").expect("a file");
        let seen = structure(dir.path(), &synced(&watcher, &mut feed));
        assert_eq!(
            seen,
            ["moved a/inner/ -> moved/", "created moved/deep/h"],
            "{outer_is_first}"
        );
    }
}

#[test]
fn a_root_given_twice_is_reported_once_until_both_are_unwatched() {
    let dir = temp();
    fs::create_dir(dir.path().join("d")).expect("a directory");
    for first in [true, false] {
        let watcher = Watcher::new().expect("a watcher");
        let roots = [0, 1].map(|_| watcher.watch(dir.path()).expect("watched"));
        let mut feed = watcher.feed().expect("a feed");
        fs::write(dir.path().join("d/f"), "x").expect("a file");
        let seen = lines(dir.path(), &synced(&watcher, &mut feed));
        assert_eq!(seen, ["created d/f", "modified d/f"]);
        watcher
            .unwatch(roots[usize::from(first)])
            .expect("unwatched");
        assert_eq!(synced(&watcher, &mut feed), [], "the tree did not change");
        fs::remove_file(dir.path().join("d/f")).expect("removed");
        assert_eq!(
            lines(dir.path(), &synced(&watcher, &mut feed)),
            ["removed d/f"]
        );
        watcher
            .unwatch(roots[usize::from(!first)])
            .expect("unwatched");
        fs::write(dir.path().join("d/g"), "").expect("a file");
        assert_eq!(synced(&watcher, &mut feed), []);
        fs::remove_file(dir.path().join("d/g")).expect("removed");
        assert_eq!(watcher.counters().entries, 0);
    }
}

#[test]
fn unwatching_one_of_two_overlapping_roots_changes_nothing_for_the_other() {
    for keep_inner in [true, false] {
        let dir = temp();
        let inner = dir.path().join("a/inner");
        fs::create_dir_all(inner.join("deep")).expect("directories");
        fs::write(inner.join("deep/old"), "").expect("a file");
        let watcher = Watcher::new().expect("a watcher");
        let outer_root = watcher.watch(dir.path()).expect("watched");
        let inner_root = watcher.watch(&inner).expect("watched");
        let mut feed = watcher.feed().expect("a feed");
        watcher
            .unwatch(if keep_inner { outer_root } else { inner_root })
            .expect("unwatched");
        let mut told = synced(&watcher, &mut feed);
        if !capabilities::is_sure_of_what_was_just_written() {
            told.retain(|event| {
                !event
                    .change()
                    .is_some_and(|change| change.kind == ChangeKind::Modified)
            });
        }
        assert_eq!(told, [], "the tree did not change");
        fs::write(inner.join("deep/f"), "").expect("a file");
        fs::write(dir.path().join("a/g"), "").expect("a file");
        let seen = structure(dir.path(), &synced(&watcher, &mut feed));
        let expected: &[&str] = if keep_inner {
            &["created a/inner/deep/f"]
        } else {
            &["created a/inner/deep/f", "created a/g"]
        };
        assert_told_of_roots(seen, expected);
    }
}

#[test]
fn a_file_as_a_root_inside_a_directory_as_a_root_is_reported_once() {
    for file_is_first in [true, false] {
        let dir = temp();
        let file = dir.path().join("file");
        fs::write(&file, "").expect("a file");
        let watcher = Watcher::new().expect("a watcher");
        let roots = if file_is_first {
            [&*file, dir.path()]
        } else {
            [dir.path(), &*file]
        };
        for root in roots {
            watcher.watch(root).expect("watched");
        }
        let mut feed = watcher.feed().expect("a feed");
        fs::write(&file, "x").expect("written");
        fs::remove_file(&file).expect("removed");
        let seen = lines(dir.path(), &synced(&watcher, &mut feed));
        assert_eq!(seen, ["modified file", "removed file"], "{file_is_first}");
    }
}

#[test]
fn a_file_given_twice_is_reported_once() {
    let dir = temp();
    let file = dir.path().join("file");
    fs::write(&file, "").expect("a file");
    let watcher = Watcher::new().expect("a watcher");
    watcher.watch(&file).expect("watched");
    watcher.watch(&file).expect("watched");
    let mut feed = watcher.feed().expect("a feed");
    fs::remove_file(&file).expect("removed");
    let seen = lines(dir.path(), &synced(&watcher, &mut feed));
    assert_eq!(seen, ["removed file"]);
}

#[test]
fn two_files_of_one_directory_are_watched_side_by_side() {
    let dir = temp();
    let files = ["a", "b", "c"].map(|name| dir.path().join(name));
    for file in &files {
        fs::write(file, "").expect("a file");
    }
    let watcher = Watcher::new().expect("a watcher");
    let roots = [&files[0], &files[1]].map(|file| watcher.watch(file).expect("watched"));
    let mut feed = watcher.feed().expect("a feed");
    for file in &files {
        fs::write(file, "x").expect("written");
    }
    assert_eq!(
        lines(dir.path(), &synced(&watcher, &mut feed)),
        ["modified a", "modified b"]
    );
    fs::rename(&files[0], &files[1]).expect("moved");
    let mut replica = Replica::of(walk(dir.path()));
    replica
        .tree
        .insert(files[0].clone(), everwatch::FileType::File);
    replica.apply_all(&synced(&watcher, &mut feed));
    assert_eq!(differences(&replica.tree, &walk(dir.path())), [""; 0]);
    watcher.unwatch(roots[0]).expect("unwatched");
    fs::write(&files[0], "x").expect("written");
    fs::write(&files[1], "x").expect("written");
    assert_eq!(
        lines(dir.path(), &synced(&watcher, &mut feed)),
        ["modified b"]
    );
}

#[test]
fn a_root_that_does_not_recurse_reports_its_own_entries_only() {
    let dir = temp();
    fs::create_dir_all(dir.path().join("d/e")).expect("directories");
    let watcher = Options::new().recursive(false).build().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    watcher.watch(dir.path()).expect("watched");
    fs::write(dir.path().join("d/f"), "").expect("a file");
    fs::create_dir_all(dir.path().join("x/y")).expect("directories");
    fs::rename(dir.path().join("d"), dir.path().join("z")).expect("moved");
    fs::write(dir.path().join("z/e/g"), "").expect("a file");
    let seen = structure(dir.path(), &synced(&watcher, &mut feed));
    assert_eq!(seen, ["created x/", "moved d/ -> z/"]);
}

#[test]
fn a_recursive_root_inside_one_that_does_not_recurse_is_covered() {
    for recursive_is_first in [true, false] {
        let dir = temp();
        fs::create_dir_all(dir.path().join("d/e")).expect("directories");
        let watcher = Watcher::new().expect("a watcher");
        if recursive_is_first {
            watcher.watch(dir.path().join("d")).expect("watched");
            watcher.watch_with(dir.path(), false).expect("watched");
        } else {
            watcher.watch_with(dir.path(), false).expect("watched");
            watcher.watch(dir.path().join("d")).expect("watched");
        }
        let mut feed = watcher.feed().expect("a feed");
        fs::write(dir.path().join("d/e/f"), "").expect("a file");
        fs::write(dir.path().join("g"), "").expect("a file");
        let seen = structure(dir.path(), &synced(&watcher, &mut feed));
        assert_eq!(seen, ["created d/e/f", "created g"], "{recursive_is_first}");
        fs::write(dir.path().join("d/e/f"), "x").expect("written");
        let seen = lines(dir.path(), &synced(&watcher, &mut feed));
        assert_eq!(seen, ["modified d/e/f"], "{recursive_is_first}");
    }
}

#[test]
fn a_root_that_is_renamed_is_gone_and_what_takes_its_name_is_watched() {
    let dir = temp();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("a")).expect("directories");
    let (watcher, mut feed) = armed(&root);
    fs::rename(&root, dir.path().join("old")).expect("moved");
    until(&mut feed, "the root is gone", |event| is_gone(event, &root));
    fs::write(dir.path().join("old/a/f"), "").expect("a file");
    watcher.sync().expect("the barrier is passed");
    assert_eq!(waiting(&mut feed), []);
    fs::create_dir_all(root.join("b")).expect("directories");
    until(&mut feed, "the root is back", |event| is_live(event, &root));
    watcher.sync().expect("the barrier is passed");
    waiting(&mut feed);
    fs::write(root.join("b/f"), "").expect("a file");
    assert_eq!(
        structure(&root, &synced(&watcher, &mut feed)),
        ["created b/f"]
    );
}

#[test]
fn a_directory_above_a_root_that_is_renamed_takes_the_root_with_it() {
    let dir = temp();
    let root = dir.path().join("x/y/root");
    fs::create_dir_all(&root).expect("directories");
    let (watcher, mut feed) = armed(&root);
    fs::rename(dir.path().join("x"), dir.path().join("z")).expect("moved");
    until(&mut feed, "the root is gone", |event| is_gone(event, &root));
    fs::rename(dir.path().join("z"), dir.path().join("x")).expect("moved");
    until(&mut feed, "the root is back", |event| is_live(event, &root));
    watcher.sync().expect("the barrier is passed");
    waiting(&mut feed);
    fs::write(root.join("f"), "").expect("a file");
    assert_eq!(
        structure(&root, &synced(&watcher, &mut feed)),
        ["created f"]
    );
}

#[test]
fn an_inner_root_that_is_gone_is_not_said_to_be_live() {
    let dir = temp();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).expect("a directory");
    let (watcher, mut feed) = armed(dir.path());
    watcher.watch(&inner).expect("watched");
    fs::remove_dir(&inner).expect("removed");
    synced(&watcher, &mut feed);
    let state = |watcher: &Watcher| {
        let all = watcher.coverage().expect("the watcher is open");
        all.into_iter()
            .find(|subtree| subtree.path == inner)
            .map(|subtree| subtree.state)
    };
    assert_eq!(state(&watcher), Some(CoverageState::Lost));
    fs::create_dir(&inner).expect("a directory");
    synced(&watcher, &mut feed);
    eventually("the root is live", || {
        state(&watcher) == Some(CoverageState::Live)
    });
}

#[cfg(unix)]
#[test]
fn a_root_that_is_a_symbolic_link_follows_the_link_to_its_new_target() {
    let dir = temp();
    for name in ["one", "two"] {
        fs::create_dir(dir.path().join(name)).expect("a directory");
        fs::write(dir.path().join(name).join(name), "").expect("a file");
    }
    let link = dir.path().join("link");
    symlink("one", &link).expect("a link");
    let (watcher, mut feed) = armed(&link);
    symlink("two", dir.path().join("link.new")).expect("a link");
    fs::rename(dir.path().join("link.new"), &link).expect("replaced");
    let events = until(&mut feed, "the root is back", |event| is_live(event, &link));
    watcher.sync().expect("the barrier is passed");
    let mut replica = Replica::default();
    replica
        .tree
        .insert(link.join("one"), everwatch::FileType::File);
    replica.apply_all(&events);
    replica.apply_all(&waiting(&mut feed));
    assert_eq!(
        differences(&crate::support::without(&link, &replica.tree), &walk(&link)),
        [""; 0]
    );
}

#[cfg(unix)]
#[test]
fn a_root_that_is_a_symbolic_link_is_gone_when_its_target_is_renamed() {
    let dir = temp();
    let (real, link) = (dir.path().join("far/real"), dir.path().join("link"));
    fs::create_dir_all(&real).expect("directories");
    symlink(&real, &link).expect("a link");
    let (watcher, mut feed) = armed(&link);
    fs::rename(&real, dir.path().join("far/other")).expect("moved");
    until(&mut feed, "the root is gone", |event| is_gone(event, &link));
    fs::create_dir(&real).expect("a directory");
    until(&mut feed, "the root is back", |event| is_live(event, &link));
    watcher.sync().expect("the barrier is passed");
    waiting(&mut feed);
    fs::write(real.join("f"), "").expect("a file");
    assert_eq!(
        structure(&link, &synced(&watcher, &mut feed)),
        ["created f"]
    );
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_above_a_root_that_gets_another_target_brings_another_root() {
    let dir = temp();
    for name in ["one", "two"] {
        fs::create_dir_all(dir.path().join(name).join("config")).expect("directories");
        fs::write(dir.path().join(name).join("config").join(name), "").expect("a file");
    }
    let (current, root) = (
        dir.path().join("current"),
        dir.path().join("current/config"),
    );
    symlink("one", &current).expect("a link");
    let (watcher, mut feed) = armed(&root);
    symlink("two", dir.path().join("next")).expect("a link");
    fs::rename(dir.path().join("next"), &current).expect("replaced");
    until(&mut feed, "the root is another directory", |event| {
        is_live(event, &root)
    });
    watcher.sync().expect("the barrier is passed");
    waiting(&mut feed);
    fs::write(root.join("f"), "").expect("a file");
    assert_eq!(
        structure(&root, &synced(&watcher, &mut feed)),
        ["created f"]
    );
}

#[cfg(unix)]
#[test]
fn two_spellings_of_one_directory_are_two_roots() {
    let dir = temp();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::create_dir_all(real.join("d")).expect("directories");
    symlink("real", &link).expect("a link");
    let (watcher, mut feed) = armed(&real);
    let second = watcher.watch(&link).expect("watched");
    fs::write(real.join("d/f"), "").expect("a file");
    let mut seen = structure(dir.path(), &synced(&watcher, &mut feed));
    seen.sort();
    assert_eq!(seen, ["created link/d/f", "created real/d/f"]);
    fs::rename(real.join("d"), real.join("e")).expect("moved");
    let mut seen = structure(dir.path(), &synced(&watcher, &mut feed));
    seen.sort();
    assert_eq!(
        seen,
        ["moved link/d/ -> link/e/", "moved real/d/ -> real/e/"]
    );
    watcher.unwatch(second).expect("unwatched");
    fs::write(real.join("e/g"), "").expect("a file");
    assert_eq!(
        structure(dir.path(), &synced(&watcher, &mut feed)),
        ["created real/e/g"]
    );
}

#[test]
fn a_file_as_a_root_whose_directory_goes_and_comes_back_is_reported_again() {
    let dir = temp();
    let file = dir.path().join("d/file");
    fs::create_dir(dir.path().join("d")).expect("a directory");
    fs::write(&file, "").expect("a file");
    let (watcher, mut feed) = armed(&file);
    take_away(&dir.path().join("d"), &dir.path().join("away"));
    let events = until(&mut feed, "the root is gone", |event| is_gone(event, &file));
    assert_eq!(structure(dir.path(), &events), ["removed d/file"]);
    fs::create_dir(dir.path().join("d")).expect("a directory");
    fs::write(&file, "").expect("a file");
    fs::write(dir.path().join("d/other"), "").expect("a file");
    until(&mut feed, "the file is back", |event| {
        event.change().is_some_and(|change| change.path == file)
    });
    fs::write(&file, "x").expect("written");
    let seen = lines(dir.path(), &synced(&watcher, &mut feed));
    assert!(seen.contains(&"modified d/file".to_owned()), "{seen:?}");
    assert!(!seen.iter().any(|line| line.contains("other")), "{seen:?}");
}

fn states(watcher: &Watcher) -> Vec<(CoverageState, Option<Gap>)> {
    let all = watcher.coverage().expect("the watcher is open");
    all.iter()
        .map(|subtree| (subtree.state, subtree.gap))
        .collect()
}

#[test]
fn a_root_that_goes_is_lost_and_live_again_when_it_is_back() {
    let dir = temp();
    let root = dir.path().join("root");
    fs::create_dir_all(root.join("a")).expect("directories");
    let (watcher, mut feed) = armed(&root);
    for round in 0..20 {
        take_away(&root, &dir.path().join(format!("away{round}")));
        until(&mut feed, "the root is gone", |event| is_gone(event, &root));
        assert_eq!(
            states(&watcher),
            [(CoverageState::Lost, Some(Gap::RootGone))]
        );
        fs::create_dir_all(root.join("a/b")).expect("directories");
        until(&mut feed, "the root is back", |event| is_live(event, &root));
        watcher.sync().expect("the barrier is passed");
        waiting(&mut feed);
        fs::write(root.join("a/b/f"), "").expect("a file");
        let seen = structure(&root, &synced(&watcher, &mut feed));
        assert_eq!(seen, ["created a/b/f"], "round {round}");
        assert_eq!(states(&watcher), [(CoverageState::Live, None)]);
    }
}
