//! `watch` returns armed, in the caller's spelling, or says why not.

#[cfg(unix)]
use std::ffi::OsStr;
use std::fs;
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt;
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use everwatch::{Error, ErrorKind, Options, Snapshot, Watcher};

use crate::support::{
    Load, Replica, armed, capabilities, changes, differences, lines, memory, structure, synced,
    temp, waiting, walk, writers,
};

/// The working directory belongs to the process: one test at a time goes somewhere.
struct Visit(#[expect(dead_code, reason = "held for its lifetime")] MutexGuard<'static, ()>);

fn go_to(dir: &Path) -> Visit {
    static PLACE: Mutex<()> = Mutex::new(());
    let guard = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    std::env::set_current_dir(dir).expect("the directory can be entered");
    Visit(guard)
}

impl Drop for Visit {
    fn drop(&mut self) {
        std::env::set_current_dir("/").expect("the top can be entered");
    }
}

fn watch_error(path: impl AsRef<Path>) -> Error {
    let watcher = Watcher::new().expect("a watcher");
    watcher
        .watch(path)
        .expect_err("this path cannot be watched")
}

#[test]
fn a_file_created_in_a_deep_tree_after_watch_returns_is_reported() {
    let dir = memory();
    let mut dirs = Vec::new();
    for at in 0..300 {
        let deep = dir.path().join(format!("a{}/b{}/c{at}", at % 7, at % 31));
        fs::create_dir_all(&deep).expect("directories");
        dirs.push(deep);
    }
    for (round, deep) in dirs.iter().enumerate() {
        let watcher = Watcher::new().expect("a watcher");
        let mut feed = watcher.feed().expect("a feed");
        watcher.watch(dir.path()).expect("watched");
        let path = deep.join("new");
        fs::write(&path, "").expect("a file");
        let seen = lines(dir.path(), &synced(&watcher, &mut feed));
        let short = path.strip_prefix(dir.path()).expect("below");
        let short = short.to_string_lossy().replace('\\', "/");
        assert_eq!(seen, [format!("created {short}")], "round {round}");
        fs::remove_file(&path).expect("removed");
    }
}

#[test]
fn entries_that_exist_are_not_reported() {
    let dir = temp();
    fs::create_dir_all(dir.path().join("d/e")).expect("directories");
    fs::write(dir.path().join("d/e/f"), "x").expect("a file");
    let watcher = Watcher::new().expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    watcher.watch(dir.path()).expect("watched");
    assert_eq!(synced(&watcher, &mut feed), []);
}

/// A thread that moves, removes and recreates small trees below `root`.
fn restless(root: &Path) -> Load {
    let root = root.to_owned();
    Load::new(1, move |_, round| {
        let (sub, other) = (root.join(format!("d{}", round % 9)), root.join("moved"));
        writers::create_dir_all(&sub.join("x/y")).expect("directories");
        writers::write(&sub.join("x/y/f"), "1").expect("a file");
        writers::rename(&sub, &other).expect("moved");
        writers::write(&other.join("x/g"), "2").expect("a file");
        if round % 8 != 0 {
            writers::remove_dir_all(&other).expect("removed");
        } else {
            writers::rename(&other, &root.join(format!("kept{round}"))).expect("moved");
        }
    })
}

/// What a consumer of a snapshot knows before it reads the feed.
fn begun(snapshot: &Snapshot) -> Replica {
    let mut replica = Replica::default();
    for entry in &snapshot.entries {
        replica.apply(&entry.as_created());
    }
    replica
}

#[test]
fn a_snapshot_and_its_feed_join_without_gap_or_repetition_while_a_writer_runs() {
    let dir = temp();
    let watcher = Watcher::new().expect("a watcher");
    watcher.watch(dir.path()).expect("watched");
    let mut consumers = Vec::new();
    let load = restless(dir.path());
    for _ in 0..40 {
        let snapshot = watcher.snapshot().expect("a snapshot");
        consumers.push((begun(&snapshot), snapshot.feed));
    }
    drop(load);
    watcher.sync().expect("the barrier is passed");
    let on_disk = walk(dir.path());
    for (at, (mut replica, mut feed)) in consumers.into_iter().enumerate() {
        replica.apply_all(&waiting(&mut feed));
        assert_eq!(replica.misfits, [""; 0], "consumer {at}");
        assert_eq!(
            differences(&replica.tree, &on_disk),
            [""; 0],
            "consumer {at}"
        );
    }
}

#[test]
fn a_root_that_is_armed_while_a_writer_runs_joins_its_snapshot_without_gap_or_repetition() {
    let dir = temp();
    for round in 0..20 {
        let load = restless(&dir.path().join(round.to_string()));
        let watcher = Watcher::new().expect("a watcher");
        watcher.watch(dir.path()).expect("watched");
        let mut snapshot = watcher.snapshot().expect("a snapshot");
        let mut replica = begun(&snapshot);
        replica.apply_all(&synced(&watcher, &mut snapshot.feed));
        drop(load);
        replica.apply_all(&synced(&watcher, &mut snapshot.feed));
        assert_eq!(replica.misfits, [""; 0], "round {round}");
        assert_eq!(
            differences(&replica.tree, &walk(dir.path())),
            [""; 0],
            "round {round}"
        );
    }
}

#[test]
fn a_missing_path_is_an_error_that_names_it_and_says_what_to_do() {
    let dir = temp();
    let path = dir.path().join("missing");
    let error = watch_error(&path);
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.path(), Some(&*path));
    let expected = format!(
        "cannot watch {}: there is no such file or directory (error 2); create it first, or \
         check the spelling",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_to_nothing_is_an_error() {
    let dir = temp();
    let link = dir.path().join("link");
    symlink("nowhere", &link).expect("a link");
    let error = watch_error(&link);
    assert_eq!(
        (error.kind(), error.path()),
        (ErrorKind::NotFound, Some(&*link))
    );
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_to_itself_is_an_error() {
    let dir = temp();
    let link = dir.path().join("link");
    symlink("link", &link).expect("a link");
    assert_eq!(watch_error(&link).path(), Some(&*link));
}

#[test]
fn a_path_below_a_file_is_an_error() {
    let dir = temp();
    fs::write(dir.path().join("file"), "").expect("a file");
    let path = dir.path().join("file/below");
    let error = watch_error(&path);
    let expected = match capabilities::distinguishes_files_above() {
        true => ErrorKind::BadPath,
        false => ErrorKind::NotFound,
    };
    assert_eq!((error.kind(), error.path()), (expected, Some(&*path)));
}

#[test]
fn paths_that_can_name_nothing_are_errors() {
    for path in ["", "a\0b"] {
        let path = Path::new(path);
        let error = watch_error(path);
        assert_eq!(
            (error.kind(), error.path()),
            (ErrorKind::BadPath, Some(path))
        );
    }
}

#[cfg(unix)]
#[test]
fn an_unreadable_path_is_an_error_that_names_it_and_says_what_to_do() {
    crate::support::role::as_plain_user(
        "arming::an_unreadable_path_is_an_error_that_names_it_and_says_what_to_do",
        || {
            let dir = temp();
            let path = dir.path().join("closed");
            fs::create_dir(&path).expect("a directory");
            fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).expect("chmod");
            let error = watch_error(&path);
            assert_eq!(
                (error.kind(), error.path()),
                (ErrorKind::Denied, Some(&*path))
            );
            let text = error.to_string();
            assert!(text.ends_with("give read and search permission on it, or run as its owner"));
        },
    );
}

#[test]
fn a_failed_watch_leaves_the_other_roots_watched() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    watcher
        .watch(dir.path().join("missing"))
        .expect_err("there is nothing");
    fs::write(dir.path().join("a"), "").expect("a file");
    assert_eq!(
        lines(dir.path(), &synced(&watcher, &mut feed)),
        ["created a"]
    );
}

#[cfg(unix)]
#[test]
fn a_root_whose_name_is_no_text_is_reported_by_its_bytes() {
    let dir = temp();
    let root = dir.path().join(OsStr::from_bytes(b"caf\xe9\xff\n"));
    fs::create_dir(&root).expect("a directory");
    let (watcher, mut feed) = armed(&root);
    fs::write(root.join("a"), "").expect("a file");
    let events = synced(&watcher, &mut feed);
    let paths: Vec<&PathBuf> = changes(&events).map(|change| &change.path).collect();
    assert_eq!(paths, [&root.join("a")]);
}

/// Watches `spelling` from inside `at`, makes a file in `real` and returns the path reported.
fn reported_path(at: &Path, spelling: impl AsRef<Path>, real: &Path) -> PathBuf {
    let _place = go_to(at);
    let (watcher, mut feed) = armed(spelling.as_ref());
    fs::write(real.join("new"), "").expect("a file");
    let events = synced(&watcher, &mut feed);
    let paths: Vec<PathBuf> = changes(&events).map(|change| change.path.clone()).collect();
    let [path] = &paths[..] else {
        panic!("one change is expected: {paths:?}")
    };
    path.clone()
}

#[test]
fn relative_roots_are_reported_below_the_working_directory() {
    for spelling in [".", "./", "sub/..", "./.", "sub/../."] {
        let dir = temp();
        fs::create_dir(dir.path().join("sub")).expect("a directory");
        let path = reported_path(dir.path(), spelling, dir.path());
        assert_eq!(path, dir.path().join("new"), "root given as {spelling:?}");
    }
}

#[test]
fn a_root_given_as_two_dots_is_reported_by_the_path_of_the_parent() {
    let dir = temp();
    let sub = dir.path().join("sub");
    fs::create_dir(&sub).expect("a directory");
    assert_eq!(
        reported_path(&sub, "..", dir.path()),
        dir.path().join("new")
    );
}

#[test]
fn a_trailing_slash_makes_no_difference() {
    for slashes in ["/", "//", "/./"] {
        let dir = temp();
        let spelling = format!("{}{slashes}", dir.path().display());
        assert_eq!(
            reported_path(dir.path(), spelling, dir.path()),
            dir.path().join("new")
        );
    }
}

#[cfg(unix)]
#[test]
fn a_root_that_is_a_symbolic_link_is_reported_by_the_name_of_the_link() {
    let dir = temp();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::create_dir(&real).expect("a directory");
    symlink("real", &link).expect("a link");
    assert_eq!(reported_path(dir.path(), "link", &real), link.join("new"));
}

#[cfg(unix)]
#[test]
fn two_dots_behind_a_symbolic_link_mean_the_parent_of_its_target() {
    let dir = temp();
    let (real, link) = (dir.path().join("far/real"), dir.path().join("link"));
    fs::create_dir_all(&real).expect("directories");
    symlink("far/real", &link).expect("a link");
    let far = dir.path().join("far");
    assert_eq!(reported_path(dir.path(), "link/..", &far), far.join("new"));
}

#[test]
fn a_single_file_is_watched_without_its_neighbours() {
    let dir = temp();
    let file = dir.path().join("file");
    fs::write(&file, "1").expect("a file");
    let (watcher, mut feed) = armed(&file);
    fs::write(dir.path().join("neighbour"), "1").expect("a file");
    fs::write(&file, "2").expect("written");
    assert_eq!(
        lines(dir.path(), &synced(&watcher, &mut feed)),
        ["modified file"]
    );
    fs::write(dir.path().join("file.new"), "3").expect("a file");
    fs::rename(dir.path().join("file.new"), &file).expect("replaced");
    assert_eq!(
        lines(dir.path(), &synced(&watcher, &mut feed)),
        ["modified file"]
    );
    fs::remove_file(&file).expect("removed");
    assert_eq!(
        lines(dir.path(), &synced(&watcher, &mut feed)),
        ["removed file"]
    );
    fs::write(&file, "").expect("a file");
    assert_eq!(
        structure(dir.path(), &synced(&watcher, &mut feed)),
        ["created file"]
    );
}

#[cfg(unix)]
#[test]
fn a_root_that_is_a_symbolic_link_to_a_file_stands_for_the_file() {
    let dir = temp();
    let (real, link) = (dir.path().join("far/real"), dir.path().join("link"));
    fs::create_dir(dir.path().join("far")).expect("a directory");
    fs::write(&real, "1").expect("a file");
    symlink(&real, &link).expect("a link");
    let (watcher, mut feed) = armed(&link);
    fs::write(&real, "2").expect("written");
    assert_eq!(
        lines(dir.path(), &synced(&watcher, &mut feed)),
        ["modified far/real"]
    );
}

#[test]
fn counters_are_exact_when_watch_returned() {
    for _ in 0..50 {
        let dir = temp();
        fs::create_dir_all(dir.path().join("a/b")).expect("directories");
        let watcher = Watcher::new().expect("a watcher");
        watcher.watch(dir.path()).expect("watched");
        assert_eq!(watcher.counters().entries, 3);
    }
}

#[test]
fn a_root_that_is_polled_reports_what_happens_right_after_watch_returned() {
    let dir = temp();
    let watcher = Options::new()
        .backend(everwatch::Backend::Poll)
        .build()
        .expect("a watcher");
    let mut feed = watcher.feed().expect("a feed");
    watcher.watch(dir.path()).expect("watched");
    fs::write(dir.path().join("a"), "").expect("a file");
    assert_eq!(
        structure(dir.path(), &synced(&watcher, &mut feed)),
        ["created a"]
    );
}
