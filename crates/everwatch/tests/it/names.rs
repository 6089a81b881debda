//! Names are data: whatever the file system takes as a name is reported as it is.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use everwatch::{Change, ChangeKind, Event, Feed, Watcher};

use crate::support::{
    Replica, armed, assert_lines, capabilities, changes, differences, lines, structure, synced,
    take_away, temp, until, walk, writers,
};

/// Names that something, somewhere, takes for something else, and that every system takes as they are.
fn odd_names() -> Vec<OsString> {
    let mut names: Vec<OsString> = [
        "-leading dash",
        "--help",
        "..a",
        ".hidden",
        " leading",
        "[a]{b,c}!",
        "quotes'`$(true)",
        "%20&;^=,+@#",
        "~",
        "longer~1",
        "e\u{301} and \u{e9}",
        "\u{202e}reversed",
        "\u{feff}mark",
        "\u{3000}wide",
        "emoji \u{1f469}\u{200d}\u{1f680}",
        "CON-",
    ]
    .map(OsString::from)
    .into();
    names.push("x".repeat(255).into());
    names.push("\u{e9}".repeat(127).into());
    names.extend(names_of_this_system());
    names
}

/// Anything but a slash and a zero.
#[cfg(unix)]
fn names_of_this_system() -> Vec<OsString> {
    use std::os::unix::ffi::OsStringExt;
    let mut names: Vec<Vec<u8>> = [
        &b"\xff\xfe not text"[..],
        b"caf\xe9",
        b"new\nline",
        b"\n",
        b"tab\tand\rreturn",
        b"\x01\x1b[31m\x7f",
        b"...",
        b" ",
        b" leading and trailing ",
        b"*?",
        b"back\\slash",
        b"\"quotes",
        b"a -> b",
        b"a:b|c<d>e",
        b"CON",
        b"a.",
    ]
    .iter()
    .map(|name| name.to_vec())
    .collect();
    names.push(vec![0xff; 255]);
    names.into_iter().map(OsString::from_vec).collect()
}

/// As long as Wine takes it, which puts it where a name has 255 bytes.
#[cfg(windows)]
fn names_of_this_system() -> Vec<OsString> {
    vec!["\u{4e16}".repeat(85).into()]
}

fn kinds(events: &[Event]) -> Vec<(ChangeKind, PathBuf)> {
    changes(events)
        .filter(|change| change.kind != ChangeKind::Modified)
        .map(|Change { kind, path, .. }| (kind.clone(), path.clone()))
        .collect()
}

/// What is told so far, if what is gone by the time its record is read is not told.
fn told_in_time(watcher: &Watcher, feed: &mut Feed) -> Vec<Event> {
    match capabilities::reports_entries_gone_when_read() {
        true => Vec::new(),
        false => synced(watcher, feed),
    }
}

/// A chain of `count` directories called `name` below `root`.
fn chain(root: &Path, name: &str, count: usize) -> PathBuf {
    let mut path = root.to_owned();
    for _ in 0..count {
        path.push(name);
        fs::create_dir(&path).expect("a directory");
    }
    path
}

/// Makes an entry that is neither a file nor a directory, where this system has such.
fn link(path: &Path) {
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", path).expect("a link");
    #[cfg(windows)]
    writers::write(path, "in its place").expect("a file");
}

/// As [`link`], another one.
fn pipe(path: &Path) {
    #[cfg(unix)]
    {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    }
    #[cfg(windows)]
    writers::create_dir(path).expect("a directory in its place");
}

#[test]
fn odd_names_of_files_are_reported_as_they_are() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    for name in odd_names() {
        let path = dir.path().join(&name);
        fs::write(&path, "x").expect("a file");
        let mut seen = told_in_time(&watcher, &mut feed);
        let moved = dir.path().join("moved");
        writers::rename(&path, &moved).expect("moved");
        seen.extend(told_in_time(&watcher, &mut feed));
        writers::rename(&moved, &path).expect("moved back");
        seen.extend(told_in_time(&watcher, &mut feed));
        writers::remove_file(&path).expect("removed");
        seen.extend(synced(&watcher, &mut feed));
        let expected = [
            (ChangeKind::Created, path.clone()),
            (ChangeKind::Moved { from: path.clone() }, moved.clone()),
            (ChangeKind::Moved { from: moved }, path.clone()),
            (ChangeKind::Removed, path),
        ];
        assert_eq!(kinds(&seen), expected);
    }
}

#[test]
fn odd_names_of_directories_are_reported_as_they_are() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let mut replica = Replica::default();
    for name in odd_names() {
        let path = dir.path().join(&name);
        fs::create_dir(&path).expect("a directory");
        fs::write(path.join(&name), "").expect("a file");
        replica.apply_all(&synced(&watcher, &mut feed));
        fs::write(path.join("later"), "").expect("a file");
        replica.apply_all(&synced(&watcher, &mut feed));
        assert_eq!(differences(&replica.tree, &walk(dir.path())), [""; 0]);
    }
    assert_eq!(replica.misfits, [""; 0]);
}

#[test]
fn a_snapshot_has_odd_names_as_they_are() {
    let dir = temp();
    for name in odd_names() {
        fs::create_dir(dir.path().join(&name)).expect("a directory");
        fs::write(dir.path().join(&name).join(&name), "").expect("a file");
    }
    let (watcher, _feed) = armed(dir.path());
    let snapshot = watcher.snapshot().expect("a snapshot");
    let mut replica = Replica::default();
    for entry in &snapshot.entries {
        replica.apply(&entry.as_created());
    }
    assert_eq!(differences(&replica.tree, &walk(dir.path())), [""; 0]);
    assert_eq!(replica.misfits, [""; 0]);
}

#[test]
fn a_tree_of_two_hundred_levels_is_watched_and_moved() {
    for is_there_before in [true, false] {
        let dir = temp();
        let watcher = Watcher::new().expect("a watcher");
        let mut feed = watcher.feed().expect("a feed");
        if !is_there_before {
            watcher.watch(dir.path()).expect("watched");
        }
        let path = chain(dir.path(), "d", 200);
        if is_there_before {
            watcher.watch(dir.path()).expect("watched");
        }
        let told = kinds(&synced(&watcher, &mut feed));
        assert_eq!(told.len(), if is_there_before { 0 } else { 200 });
        fs::write(path.join("f"), "").expect("a file");
        let seen = kinds(&synced(&watcher, &mut feed));
        assert_eq!(seen, [(ChangeKind::Created, path.join("f"))]);

        let upper = dir.path().join("d/d/d");
        fs::rename(&upper, dir.path().join("moved")).expect("moved");
        let below = path.strip_prefix(&upper).expect("it is below");
        let created = dir.path().join("moved").join(below).join("g");
        fs::write(&created, "").expect("a file");
        let expected = [
            (
                ChangeKind::Moved {
                    from: upper.clone(),
                },
                dir.path().join("moved"),
            ),
            (ChangeKind::Created, created),
        ];
        assert_eq!(kinds(&synced(&watcher, &mut feed)), expected);
        let mut replica = Replica::of(walk(dir.path()));
        fs::remove_dir_all(dir.path().join("moved")).expect("removed");
        replica.apply_all(&synced(&watcher, &mut feed));
        assert_eq!(differences(&replica.tree, &walk(dir.path())), [""; 0]);
        assert_eq!(watcher.counters().entries, 3);
    }
}

#[test]
fn hard_links_are_entries_of_their_own() {
    let dir = temp();
    fs::create_dir(dir.path().join("d")).expect("a directory");
    fs::write(dir.path().join("a"), "x").expect("a file");
    let (watcher, mut feed) = armed(dir.path());
    fs::hard_link(dir.path().join("a"), dir.path().join("d/b")).expect("a link");
    fs::hard_link(dir.path().join("a"), dir.path().join("c")).expect("a link");
    let mut seen = told_in_time(&watcher, &mut feed);
    writers::remove_file(&dir.path().join("a")).expect("removed");
    seen.extend(told_in_time(&watcher, &mut feed));
    fs::rename(dir.path().join("c"), dir.path().join("d/e")).expect("moved");
    seen.extend(synced(&watcher, &mut feed));
    assert_lines(
        structure(dir.path(), &seen),
        &["created d/b", "created c", "removed a", "moved c -> d/e"],
    );
}

#[test]
fn what_is_written_through_one_hard_link_is_modified_at_that_name() {
    let dir = temp();
    fs::write(dir.path().join("a"), "").expect("a file");
    fs::hard_link(dir.path().join("a"), dir.path().join("b")).expect("a link");
    let (watcher, mut feed) = armed(dir.path());
    fs::write(dir.path().join("b"), "x").expect("written");
    let seen = lines(dir.path(), &synced(&watcher, &mut feed));
    assert!(seen.contains(&"modified b".to_owned()), "{seen:?}");
}

#[test]
fn a_name_that_changes_its_kind_is_removed_and_created() {
    let dir = temp();
    let path = dir.path().join("x");
    let (watcher, mut feed) = armed(dir.path());
    let mut replica = Replica::default();
    let make: [fn(&Path); 5] = [
        |path| writers::write(path, "").expect("a file"),
        |path| {
            writers::create_dir(path).expect("a directory");
            fs::write(path.join("below"), "").expect("a file");
        },
        link,
        |path| writers::create_dir_all(&path.join("a/b")).expect("directories"),
        pipe,
    ];
    for round in 0..40 {
        let is_dir = fs::symlink_metadata(&path).map(|meta| meta.is_dir());
        match is_dir {
            Ok(true) => writers::remove_dir_all(&path).expect("removed"),
            Ok(false) => writers::remove_file(&path).expect("removed"),
            Err(_) => {}
        }
        make[round * 3 % 5](&path);
        if round % 3 != 1 {
            replica.apply_all(&synced(&watcher, &mut feed));
            let wrong = differences(&replica.tree, &walk(dir.path()));
            assert_eq!(wrong, [""; 0], "round {round}");
        }
    }
}

#[test]
fn a_directory_renamed_onto_the_name_of_a_removed_file_has_its_contents() {
    let dir = temp();
    fs::write(dir.path().join("x"), "").expect("a file");
    fs::create_dir_all(dir.path().join("d/e")).expect("directories");
    let (watcher, mut feed) = armed(dir.path());
    let mut replica = Replica::of(walk(dir.path()));
    writers::remove_file(&dir.path().join("x")).expect("removed");
    writers::rename(&dir.path().join("d"), &dir.path().join("x")).expect("moved");
    fs::write(dir.path().join("x/e/f"), "").expect("a file");
    let events = synced(&watcher, &mut feed);
    replica.apply_all(&events);
    assert_eq!(differences(&replica.tree, &walk(dir.path())), [""; 0]);
    assert_eq!(replica.misfits, [""; 0]);
    let mut seen = structure(dir.path(), &events);
    let removed = "removed x".to_owned();
    if !capabilities::reports_removals_in_order() && !seen.contains(&removed) {
        // Something had its name before it was known to be nowhere else; that move says that it is gone.
        seen.push(removed);
    }
    assert_lines(seen, &["removed x", "moved d/ -> x/", "created x/e/f"]);
}

#[test]
fn a_root_whose_directory_is_replaced_by_a_file_is_gone() {
    let dir = temp();
    let root = dir.path().join("root");
    fs::create_dir(&root).expect("a directory");
    let (watcher, mut feed) = armed(&root);
    take_away(&root, &dir.path().join("away"));
    fs::write(&root, "").expect("a file");
    until(
        &mut feed,
        "the root is gone",
        |event| matches!(event, Event::Coverage(subtree) if subtree.gap == Some(everwatch::Gap::RootGone)),
    );
    writers::remove_file(&root).expect("removed");
    writers::create_dir(&root).expect("a directory");
    until(
        &mut feed,
        "the root is back",
        |event| matches!(event, Event::Coverage(subtree) if subtree.gap.is_none()),
    );
    watcher.sync().expect("the barrier is passed");
}
