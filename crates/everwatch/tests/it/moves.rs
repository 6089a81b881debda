//! A rename is one change with both paths; what only looks like one is not.

use std::fs;

use everwatch::{ChangeKind, Feed, FileType, Watcher};

use crate::support::{
    Replica, armed, assert_lines, capabilities, changes, differences, disk, lines, memory,
    structure, synced, temp, walk, writers,
};

struct Scene {
    watcher: Watcher,
    feed: Feed,
    /// Removed last, when nothing of it is watched any more.
    dir: tempfile::TempDir,
}

impl Scene {
    /// A watched directory with `dirs` and then `files` in it.
    fn with(dirs: &[&str], files: &[&str]) -> Scene {
        let dir = disk();
        for name in dirs {
            fs::create_dir_all(dir.path().join(name)).expect("directories");
        }
        for name in files {
            fs::write(dir.path().join(name), name).expect("a file");
        }
        let (watcher, feed) = armed(dir.path());
        Scene { dir, watcher, feed }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("moved");
    }

    fn lines(&mut self) -> Vec<String> {
        lines(self.dir.path(), &synced(&self.watcher, &mut self.feed))
    }

    fn structure(&mut self) -> Vec<String> {
        structure(self.dir.path(), &synced(&self.watcher, &mut self.feed))
    }
}

#[test]
fn a_file_renamed_within_its_directory_is_one_move() {
    let mut scene = Scene::with(&[], &["a"]);
    scene.rename("a", "b");
    assert_eq!(scene.lines(), ["moved a -> b"]);
}

#[test]
fn a_file_moved_to_another_directory_is_one_move() {
    let mut scene = Scene::with(&["d", "e"], &["d/a"]);
    scene.rename("d/a", "e/b");
    assert_eq!(scene.lines(), ["moved d/a -> e/b"]);
}

#[test]
fn a_thousand_files_moved_across_directories_are_a_thousand_moves_and_nothing_else() {
    let names: Vec<String> = (0..1000).map(|at| format!("d/{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut scene = Scene::with(&["d", "e"], &names);
    for at in 0..1000 {
        scene.rename(&format!("d/{at}"), &format!("e/{at}"));
    }
    let expected: Vec<String> = (0..1000)
        .map(|at| format!("moved d/{at} -> e/{at}"))
        .collect();
    assert_eq!(scene.lines(), expected);
}

#[test]
fn a_move_across_two_roots_is_one_move() {
    let dir = disk();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    fs::create_dir_all(one.join("d/e")).expect("directories");
    fs::create_dir(&two).expect("a directory");
    fs::write(one.join("f"), "").expect("a file");
    let (watcher, mut feed) = armed(&one);
    watcher.watch(&two).expect("watched");
    fs::rename(one.join("f"), two.join("g")).expect("moved");
    fs::rename(one.join("d"), two.join("d")).expect("moved");
    let mut seen = lines(dir.path(), &synced(&watcher, &mut feed));
    if capabilities::knows_entries_by_number() {
        assert_eq!(seen, ["moved one/f -> two/g", "moved one/d/ -> two/d/"]);
    } else {
        seen.sort();
        let expected = [
            "created two/d/",
            "created two/d/e/",
            "created two/g",
            "removed one/d/",
            "removed one/f",
        ];
        assert_eq!(seen, expected);
    }
    fs::write(two.join("d/e/new"), "").expect("a file");
    let seen = lines(dir.path(), &synced(&watcher, &mut feed));
    assert_eq!(seen, ["created two/d/e/new"]);
}

#[test]
fn a_moved_directory_is_one_move_and_keeps_reporting_under_its_new_name() {
    let mut scene = Scene::with(&["d/e/f", "x"], &["d/e/f/g"]);
    scene.rename("d", "x/y");
    assert_eq!(scene.lines(), ["moved d/ -> x/y/"]);
    fs::write(scene.path("x/y/e/f/new"), "").expect("a file");
    fs::write(scene.path("x/y/e/f/g"), "2").expect("written");
    assert_eq!(scene.lines(), ["created x/y/e/f/new", "modified x/y/e/f/g"]);
}

#[test]
fn what_happens_below_a_directory_before_and_after_its_move_has_the_path_of_that_time() {
    let mut scene = Scene::with(&["d/e"], &[]);
    fs::write(scene.path("d/e/before"), "").expect("a file");
    scene.rename("d", "x");
    fs::write(scene.path("x/e/after"), "").expect("a file");
    // Read late, the first file is not found under its old path and is reported once more.
    let mut lines = scene.lines();
    lines.retain(|line| line != "modified x/e/before");
    if capabilities::reports_entries_gone_when_read() {
        let expected = ["created d/e/before", "moved d/ -> x/", "created x/e/after"];
        assert_eq!(lines, expected);
    } else {
        lines.sort();
        let both = ["created x/e/after", "created x/e/before", "moved d/ -> x/"];
        let in_time = ["created d/e/before", "created x/e/after", "moved d/ -> x/"];
        assert!(lines == both || lines == in_time, "{lines:?}");
    }
}

#[test]
fn a_chain_of_moves_ends_at_the_last_name() {
    let mut scene = Scene::with(&["d"], &["d/f", "a"]);
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("e", "g")] {
        scene.rename(from, to);
    }
    let expected = [
        "moved a -> b",
        "moved b -> c",
        "moved c -> a",
        "moved d/ -> e/",
        "moved e/ -> g/",
    ];
    let mut seen = scene.lines();
    if !capabilities::reports_entries_gone_when_read() {
        // It is found under its last name when the record of its first is read.
        seen.retain(|line| line != "created a");
    }
    assert_eq!(seen, expected);
}

#[test]
fn a_move_onto_an_existing_file_replaces_it_in_one_change() {
    let mut scene = Scene::with(&[], &["a", "b"]);
    scene.rename("a", "b");
    assert_eq!(scene.lines(), ["moved a -> b"]);
}

#[test]
fn a_move_onto_an_empty_directory_replaces_it_in_one_change() {
    let mut scene = Scene::with(&["d", "e"], &["d/f"]);
    let result = fs::rename(scene.path("d"), scene.path("e"));
    if !capabilities::replaces_empty_directories() {
        result.expect_err("refused");
        assert_eq!(scene.lines(), [""; 0]);
        return;
    }
    result.expect("moved");
    assert_eq!(scene.lines(), ["moved d/ -> e/"]);
    fs::write(scene.path("e/new"), "").expect("a file");
    assert_eq!(scene.lines(), ["created e/new"]);
}

#[cfg(unix)]
fn exchange(a: &std::path::Path, b: &std::path::Path) {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).expect("exchanged");
}

#[cfg(unix)]
#[test]
fn exchanged_files_are_both_reported() {
    let mut scene = Scene::with(&[], &["a", "b"]);
    exchange(&scene.path("a"), &scene.path("b"));
    let files = ["a", "b"].map(|name| (scene.path(name), FileType::File));
    let mut replica = Replica::of(everwatch::Tree::from_snapshot(files));
    let events = synced(&scene.watcher, &mut scene.feed);
    replica.apply_all(&events);
    assert_eq!(differences(&replica.tree, &walk(scene.dir.path())), [""; 0]);
    for name in ["a", "b"] {
        let path = scene.path(name);
        assert!(
            changes(&events)
                .any(|change| change.path == path && change.kind != ChangeKind::Removed),
            "{name} has another content now: {events:#?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn exchanged_directories_have_each_others_contents_and_keep_reporting() {
    let mut scene = Scene::with(&["a/deep", "b/other"], &["a/deep/x", "b/other/y"]);
    let mut replica = Replica::of(walk(scene.dir.path()));
    for round in 0..3 {
        exchange(&scene.path("a"), &scene.path("b"));
        replica.apply_all(&synced(&scene.watcher, &mut scene.feed));
        assert_eq!(
            differences(&replica.tree, &walk(scene.dir.path())),
            [""; 0],
            "{round}"
        );
        let inner = if scene.path("a/deep").exists() {
            ["a/deep", "b/other"]
        } else {
            ["b/deep", "a/other"]
        };
        for dir in inner {
            fs::write(scene.path(dir).join(round.to_string()), "").expect("a file");
        }
        let expected = inner.map(|dir| format!("created {dir}/{round}"));
        let events = synced(&scene.watcher, &mut scene.feed);
        replica.apply_all(&events);
        assert_eq!(lines(scene.dir.path(), &events), expected);
    }
}

#[cfg(unix)]
#[test]
fn a_directory_exchanged_with_a_file_leaves_the_tree_that_is_on_disk() {
    let mut scene = Scene::with(&["a/deep", "d"], &["a/deep/x", "d/b"]);
    let mut replica = Replica::of(walk(scene.dir.path()));
    for round in 0..4 {
        exchange(&scene.path("a"), &scene.path("d/b"));
        replica.apply_all(&synced(&scene.watcher, &mut scene.feed));
        assert_eq!(
            differences(&replica.tree, &walk(scene.dir.path())),
            [""; 0],
            "round {round}"
        );
    }
}

#[test]
fn what_leaves_the_tree_is_removed_and_reports_no_more() {
    let outside = disk();
    let mut scene = Scene::with(&["d/e"], &["d/e/f", "a"]);
    fs::rename(scene.path("d"), outside.path().join("d")).expect("moved");
    fs::rename(scene.path("a"), outside.path().join("a")).expect("moved");
    assert_eq!(scene.lines(), ["removed d/", "removed a"]);
    fs::write(outside.path().join("d/e/new"), "").expect("a file");
    fs::write(outside.path().join("a"), "2").expect("written");
    assert_eq!(scene.lines(), [""; 0]);
    assert_eq!(scene.watcher.counters().entries, 1);
}

#[test]
fn what_comes_into_the_tree_is_created_with_all_below_it() {
    let outside = disk();
    fs::create_dir_all(outside.path().join("d/e")).expect("directories");
    fs::write(outside.path().join("d/e/f"), "").expect("a file");
    let mut scene = Scene::with(&[], &[]);
    fs::rename(outside.path().join("d"), scene.path("d")).expect("moved");
    assert_eq!(
        scene.lines(),
        ["created d/", "created d/e/", "created d/e/f"]
    );
    fs::write(scene.path("d/e/f"), "2").expect("written");
    assert_eq!(scene.lines(), ["modified d/e/f"]);
}

#[test]
fn a_directory_that_leaves_and_comes_back_under_another_name_keeps_reporting() {
    let outside = disk();
    let mut scene = Scene::with(&["d/e"], &["d/e/f"]);
    fs::rename(scene.path("d"), outside.path().join("d")).expect("moved");
    fs::write(outside.path().join("d/e/while-away"), "").expect("a file");
    fs::rename(outside.path().join("d"), scene.path("x")).expect("moved");
    let mut seen = scene.structure();
    seen.sort();
    let expected = [
        "created x/",
        "created x/e/",
        "created x/e/f",
        "created x/e/while-away",
        "removed d/",
    ];
    if seen != expected {
        let moved = ["created x/e/while-away", "moved d/ -> x/"];
        assert_eq!(seen, moved, "either both halves or what they come to");
    }
    fs::write(scene.path("x/e/new"), "").expect("a file");
    assert_eq!(scene.lines(), ["created x/e/new"]);
}

#[test]
fn a_file_that_was_written_while_it_was_away_is_reported() {
    let outside = disk();
    let mut scene = Scene::with(&[], &["a"]);
    for round in 0..20 {
        let away = outside.path().join("away");
        fs::rename(scene.path("a"), &away).expect("moved");
        fs::write(&away, format!("{round}")).expect("written");
        fs::rename(&away, scene.path("a")).expect("moved");
        let seen = scene.lines();
        let is_news = |line: &String| ["created a", "modified a"].contains(&line.as_str());
        assert!(seen.iter().any(is_news), "round {round}: {seen:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_removed_file_and_a_new_one_with_its_inode_number_are_not_a_move() {
    let mut scene = Scene::with(&[], &[]);
    let mut reused = 0;
    for round in 0..200 {
        let (old, new) = (
            scene.path(&format!("old{round}")),
            scene.path(&format!("new{round}")),
        );
        fs::write(&old, "").expect("a file");
        let inode = |path: &std::path::Path| {
            std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).expect("the file is there"))
        };
        let before = inode(&old);
        scene.structure();
        fs::remove_file(&old).expect("removed");
        fs::write(&new, "").expect("a file");
        reused += usize::from(inode(&new) == before);
        let expected = [format!("removed old{round}"), format!("created new{round}")];
        assert_eq!(scene.structure(), expected);
        fs::remove_file(&new).expect("removed");
        scene.structure();
    }
    assert!(
        reused > 0,
        "this file system never used an inode number again"
    );
}

#[test]
fn a_removed_directory_and_a_new_one_with_its_inode_number_are_not_a_move() {
    let mut scene = Scene::with(&[], &[]);
    for round in 0..200 {
        let (old, new) = (format!("old{round}"), format!("new{round}"));
        fs::create_dir(scene.path(&old)).expect("a directory");
        scene.structure();
        fs::remove_dir(scene.path(&old)).expect("removed");
        fs::create_dir(scene.path(&new)).expect("a directory");
        let expected = [format!("removed {old}/"), format!("created {new}/")];
        assert_lines(scene.structure(), &expected.each_ref().map(String::as_str));
    }
}

#[test]
fn a_file_that_was_replaced_in_the_way_editors_do_is_not_gone_in_between() {
    let mut scene = Scene::with(&[], &["text"]);
    fs::write(scene.path("text.tmp"), "2").expect("a file");
    scene.rename("text.tmp", "text");
    let seen = scene.structure();
    let was_late = seen.is_empty() && !capabilities::reports_entries_gone_when_read();
    let expected = ["created text.tmp", "moved text.tmp -> text"];
    assert!(was_late || seen == expected, "{seen:?}");
}

#[test]
fn removed_entries_know_what_they_were() {
    let mut scene = Scene::with(&["d"], &["f"]);
    fs::remove_dir(scene.path("d")).expect("removed");
    fs::remove_file(scene.path("f")).expect("removed");
    let events = synced(&scene.watcher, &mut scene.feed);
    let kinds: Vec<FileType> = changes(&events).map(|change| change.file_type).collect();
    assert_eq!(kinds, [FileType::Dir, FileType::File]);
}

#[cfg(unix)]
#[test]
fn a_removed_symbolic_link_is_known_to_have_been_one() {
    let mut scene = Scene::with(&[], &["f"]);
    std::os::unix::fs::symlink("f", scene.path("l")).expect("a link");
    scene.structure();
    fs::remove_file(scene.path("l")).expect("removed");
    let events = synced(&scene.watcher, &mut scene.feed);
    let kinds: Vec<FileType> = changes(&events).map(|change| change.file_type).collect();
    assert_eq!(kinds, [FileType::Symlink]);
}

#[test]
fn a_removed_tree_is_removed_from_the_inside_out_or_at_once() {
    let mut scene = Scene::with(&["d/e/f"], &["d/e/f/g", "d/h"]);
    let mut replica = Replica::of(walk(scene.dir.path()));
    fs::remove_dir_all(scene.path("d")).expect("removed");
    replica.apply_all(&synced(&scene.watcher, &mut scene.feed));
    assert_eq!((replica.misfits, replica.tree.len()), (Vec::new(), 0));
}

#[test]
fn a_whole_directory_with_ten_thousand_entries_is_one_move() {
    let dir = memory();
    for at in 0..100 {
        let sub = dir.path().join(format!("big/d{at}"));
        fs::create_dir_all(&sub).expect("directories");
        for file in 0..100 {
            fs::write(sub.join(file.to_string()), "").expect("a file");
        }
    }
    let (watcher, mut feed) = armed(dir.path());
    fs::rename(dir.path().join("big"), dir.path().join("large")).expect("moved");
    assert_eq!(
        lines(dir.path(), &synced(&watcher, &mut feed)),
        ["moved big/ -> large/"]
    );
}

#[test]
fn names_used_again_by_directories_in_quick_succession_are_not_mixed_up() {
    let dir = temp();
    let root = dir.path();
    for attempt in 0..60 {
        let (watcher, mut feed) = armed(root);
        let mut replica = Replica::of(walk(root));
        for round in 0..9 {
            let (sub, other) = (root.join(format!("d{round}")), root.join("moved"));
            writers::create_dir_all(&sub.join("x/y")).expect("directories");
            writers::write(&sub.join("x/y/f"), "1").expect("a file");
            writers::rename(&sub, &other).expect("moved");
            writers::write(&other.join("x/g"), "2").expect("a file");
            if round % 8 == 0 {
                writers::rename(&other, &root.join(format!("kept{attempt}-{round}")))
                    .expect("moved");
            } else {
                writers::remove_dir_all(&other).expect("removed");
            }
        }
        let events = synced(&watcher, &mut feed);
        replica.apply_all(&events);
        let wrong = differences(&replica.tree, &walk(root));
        assert!(
            wrong.is_empty(),
            "attempt {attempt}: {wrong:#?}\n{:#?}",
            lines(root, &events)
        );
        let told = lines(root, &events);
        assert_eq!(replica.misfits, [""; 0], "attempt {attempt}: {told:#?}");
    }
}

#[test]
fn a_directory_moved_into_one_that_was_just_made_keeps_its_contents() {
    let mut scene = Scene::with(&["d/e"], &["d/e/f"]);
    let mut replica = Replica::of(walk(scene.dir.path()));
    for round in 0..50 {
        let (from, into) = (
            if round == 0 {
                "d".to_owned()
            } else {
                format!("n{}/d", round - 1)
            },
            format!("n{round}"),
        );
        fs::create_dir(scene.path(&into)).expect("a directory");
        scene.rename(&from, &format!("{into}/d"));
        let events = synced(&scene.watcher, &mut scene.feed);
        replica.apply_all(&events);
        assert_eq!(
            differences(&replica.tree, &walk(scene.dir.path())),
            [""; 0],
            "round {round}"
        );
        let moves = changes(&events)
            .filter(|c| matches!(c.kind, ChangeKind::Moved { .. }))
            .count();
        // Where numbers do not tell, what arrives before its new directory is watched is created.
        let least = usize::from(capabilities::knows_entries_by_number());
        assert!(
            (least..=1).contains(&moves),
            "round {round}: {:?}",
            lines(scene.dir.path(), &events)
        );
    }
}

#[test]
fn a_file_made_right_after_a_directory_was_removed_is_created_once() {
    let mut scene = Scene::with(&[], &[]);
    for round in 0..200 {
        let (old, new) = (format!("old{round}"), format!("new{round}"));
        fs::create_dir(scene.path(&old)).expect("a directory");
        scene.structure();
        fs::remove_dir(scene.path(&old)).expect("removed");
        fs::write(scene.path(&new), "").expect("a file");
        let expected = [format!("removed {old}/"), format!("created {new}")];
        assert_lines(scene.structure(), &expected.each_ref().map(String::as_str));
    }
}

#[test]
fn a_directory_made_right_after_a_file_of_its_name_was_removed_is_created_once() {
    let mut scene = Scene::with(&[], &[]);
    for round in 0..200 {
        let name = format!("x{round}");
        let path = scene.path(&name);
        fs::create_dir(&path).expect("a directory");
        scene.structure();
        writers::remove_dir(&path).expect("removed");
        writers::write(&path, "x").expect("a file");
        writers::remove_file(&path).expect("removed");
        writers::create_dir(&path).expect("a directory");
        let told = scene.structure();
        let created = format!("created {name}/");
        let times = told.iter().filter(|line| **line == created).count();
        // Where numbers do not tell, one directory may look like the other.
        let is_same = told.is_empty() && !capabilities::knows_entries_by_number();
        assert!(
            is_same || (times, told.last()) == (1, Some(&created)),
            "round {round}: {told:?}"
        );
    }
}
