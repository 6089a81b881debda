//! Names are data: whatever the file system takes as a name is reported as it is.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use common::{Replica, armed, changes, differences, lines, structure, synced, temp, until, walk};
use everwatch::{Change, ChangeKind, Event, FileType, Watcher};
use rustix::fs::{CWD, FileType as UnixType, Mode, OFlags, mkdirat, mknodat, openat, renameat};

/// Names that something, somewhere, takes for something else.
fn odd_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"\xff\xfe not text"[..],
        b"caf\xe9",
        b"new\nline",
        b"\n",
        b"tab\tand\rreturn",
        b"\x01\x1b[31m\x7f",
        b"-leading dash",
        b"--help",
        b"...",
        b"..a",
        b".hidden",
        b" ",
        b" leading and trailing ",
        b"*?[a]{b,c}!",
        b"back\\slash",
        b"\"quotes'`$(true)",
        b"a -> b",
        b"a:b|c<d>e",
        "e\u{301} and \u{e9}".as_bytes(),
        "\u{202e}reversed".as_bytes(),
        "\u{feff}mark".as_bytes(),
        "emoji \u{1f469}\u{200d}\u{1f680}".as_bytes(),
        b"CON",
        b"a.",
    ]
    .iter()
    .map(|name| name.to_vec())
    .collect();
    names.push(vec![b'x'; 255]);
    names.push(vec![0xff; 255]);
    names.push("\u{e9}".repeat(127).into_bytes());
    names
}

fn at(dir: &Path, name: &[u8]) -> PathBuf {
    dir.join(OsStr::from_bytes(name))
}

fn kinds(events: &[Event]) -> Vec<(ChangeKind, PathBuf)> {
    changes(events)
        .filter(|change| change.kind != ChangeKind::Modified)
        .map(|Change { kind, path, .. }| (kind.clone(), path.clone()))
        .collect()
}

#[test]
fn odd_names_of_files_are_reported_byte_by_byte() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    for name in odd_names() {
        let path = at(dir.path(), &name);
        fs::write(&path, "x").expect("a file");
        let moved = at(dir.path(), b"moved");
        fs::rename(&path, &moved).expect("moved");
        fs::rename(&moved, &path).expect("moved back");
        fs::remove_file(&path).expect("removed");
        let expected = [
            (ChangeKind::Created, path.clone()),
            (ChangeKind::Moved { from: path.clone() }, moved.clone()),
            (ChangeKind::Moved { from: moved }, path.clone()),
            (ChangeKind::Removed, path),
        ];
        assert_eq!(kinds(&synced(&watcher, &mut feed)), expected);
    }
}

#[test]
fn odd_names_of_directories_are_reported_byte_by_byte() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    let mut replica = Replica::default();
    for name in odd_names() {
        let path = at(dir.path(), &name);
        fs::create_dir(&path).expect("a directory");
        fs::write(at(&path, &name), "").expect("a file");
        replica.apply_all(&synced(&watcher, &mut feed));
        fs::write(at(&path, b"later"), "").expect("a file");
        replica.apply_all(&synced(&watcher, &mut feed));
        assert_eq!(differences(&replica.tree, &walk(dir.path())), [""; 0]);
    }
    assert_eq!(replica.misfits, [""; 0]);
}

#[test]
fn a_snapshot_has_odd_names_byte_by_byte() {
    let dir = temp();
    for name in odd_names() {
        fs::create_dir(at(dir.path(), &name)).expect("a directory");
        fs::write(at(&at(dir.path(), &name), &name), "").expect("a file");
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
fn names_that_differ_in_case_or_composition_are_different() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    for name in ["a", "A", "\u{e9}", "e\u{301}"] {
        fs::write(dir.path().join(name), "").expect("a file");
    }
    fs::remove_file(dir.path().join("A")).expect("removed");
    let seen = structure(dir.path(), &synced(&watcher, &mut feed));
    let expected = [
        "created a",
        "created A",
        "created \u{e9}",
        "created e\u{301}",
        "removed A",
    ];
    assert_eq!(seen, expected);
}

/// A chain of `count` directories called `name` below `root`; the deepest, open.
fn chain(root: &Path, name: &str, count: usize) -> (PathBuf, OwnedFd) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut path = root.to_owned();
    let mut dir = openat(CWD, root, flags, Mode::empty()).expect("open");
    for _ in 0..count {
        mkdirat(&dir, name, Mode::RWXU).expect("a directory");
        dir = openat(&dir, name, flags, Mode::empty()).expect("open");
        path.push(name);
    }
    (path, dir)
}

fn create(dir: &OwnedFd, name: &str) {
    openat(dir, name, OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).expect("a file");
}

#[test]
fn paths_longer_than_any_system_call_takes_are_watched() {
    let name = "n".repeat(250);
    for is_there_before in [true, false] {
        let dir = temp();
        let watcher = Watcher::new().expect("a watcher");
        let mut feed = watcher.feed().expect("a feed");
        if !is_there_before {
            watcher.watch(dir.path()).expect("watched");
        }
        let (path, deep) = chain(dir.path(), &name, 20);
        assert!(path.as_os_str().len() > 4096);
        if is_there_before {
            watcher.watch(dir.path()).expect("watched");
        }
        synced(&watcher, &mut feed);
        create(&deep, "f");
        renameat(&deep, "f", &deep, "g").expect("moved");
        let expected = [
            (ChangeKind::Created, path.join("f")),
            (
                ChangeKind::Moved {
                    from: path.join("f"),
                },
                path.join("g"),
            ),
        ];
        assert_eq!(kinds(&synced(&watcher, &mut feed)), expected);
        let coverage = watcher.coverage().expect("the watcher is open");
        assert_eq!(coverage.len(), 1, "{coverage:?}");
    }
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
        let (path, deep) = chain(dir.path(), "d", 200);
        if is_there_before {
            watcher.watch(dir.path()).expect("watched");
        }
        let told = kinds(&synced(&watcher, &mut feed));
        assert_eq!(told.len(), if is_there_before { 0 } else { 200 });
        create(&deep, "f");
        let seen = kinds(&synced(&watcher, &mut feed));
        assert_eq!(seen, [(ChangeKind::Created, path.join("f"))]);

        let upper = dir.path().join("d/d/d");
        fs::rename(&upper, dir.path().join("moved")).expect("moved");
        create(&deep, "g");
        let below = path.strip_prefix(&upper).expect("it is below");
        let expected = [
            (
                ChangeKind::Moved {
                    from: upper.clone(),
                },
                dir.path().join("moved"),
            ),
            (
                ChangeKind::Created,
                dir.path().join("moved").join(below).join("g"),
            ),
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
    fs::remove_file(dir.path().join("a")).expect("removed");
    fs::rename(dir.path().join("c"), dir.path().join("d/e")).expect("moved");
    let seen = structure(dir.path(), &synced(&watcher, &mut feed));
    let expected = ["created d/b", "created c", "removed a", "moved c -> d/e"];
    assert_eq!(seen, expected);
}

#[test]
fn a_rename_of_one_hard_link_onto_another_changes_nothing() {
    let dir = temp();
    fs::write(dir.path().join("a"), "x").expect("a file");
    fs::hard_link(dir.path().join("a"), dir.path().join("b")).expect("a link");
    let (watcher, mut feed) = armed(dir.path());
    fs::rename(dir.path().join("a"), dir.path().join("b")).expect("rename(2) does nothing then");
    let mut replica = Replica::of(walk(dir.path()));
    replica.apply_all(&synced(&watcher, &mut feed));
    assert_eq!(differences(&replica.tree, &walk(dir.path())), [""; 0]);
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
fn symbolic_links_to_directories_are_not_followed() {
    let (dir, other) = (temp(), temp());
    fs::create_dir(other.path().join("below")).expect("a directory");
    symlink(other.path(), dir.path().join("before")).expect("a link");
    let (watcher, mut feed) = armed(dir.path());
    symlink(other.path(), dir.path().join("after")).expect("a link");
    fs::write(other.path().join("below/f"), "").expect("a file");
    let events = synced(&watcher, &mut feed);
    assert_eq!(structure(dir.path(), &events), ["created after"]);
    let kind = changes(&events).map(|change| change.file_type).next();
    assert_eq!(kind, Some(FileType::Symlink));
    assert_eq!(watcher.counters().entries, 3);
}

#[test]
fn a_directory_replaced_by_a_link_to_itself_elsewhere_is_not_followed() {
    let (dir, other) = (temp(), temp());
    fs::create_dir_all(dir.path().join("d/e")).expect("directories");
    let (watcher, mut feed) = armed(dir.path());
    let mut replica = Replica::of(walk(dir.path()));
    let away = other.path().join("d");
    for _ in 0..20 {
        // Both directories are temporary ones on one file system.
        fs::rename(dir.path().join("d"), &away).expect("moved");
        symlink(&away, dir.path().join("d")).expect("a link");
        fs::write(away.join("e/f"), "").expect("a file");
        replica.apply_all(&synced(&watcher, &mut feed));
        assert_eq!(differences(&replica.tree, &walk(dir.path())), [""; 0]);
        fs::remove_file(dir.path().join("d")).expect("removed");
        fs::rename(&away, dir.path().join("d")).expect("moved");
        replica.apply_all(&synced(&watcher, &mut feed));
        assert_eq!(differences(&replica.tree, &walk(dir.path())), [""; 0]);
    }
}

#[test]
fn loops_of_symbolic_links_end() {
    let dir = temp();
    symlink("self", dir.path().join("self")).expect("a link");
    symlink(".", dir.path().join("here")).expect("a link");
    fs::create_dir(dir.path().join("d")).expect("a directory");
    symlink("..", dir.path().join("d/up")).expect("a link");
    let (watcher, mut feed) = armed(dir.path());
    assert_eq!(watcher.snapshot().expect("a snapshot").entries.len(), 4);
    symlink("../d", dir.path().join("d/again")).expect("a link");
    let seen = structure(dir.path(), &synced(&watcher, &mut feed));
    assert_eq!(seen, ["created d/again"]);
}

#[test]
fn pipes_and_sockets_are_of_another_kind() {
    let dir = temp();
    let (watcher, mut feed) = armed(dir.path());
    mknodat(CWD, dir.path().join("pipe"), UnixType::Fifo, Mode::RWXU, 0).expect("a pipe");
    let socket = UnixListener::bind(dir.path().join("socket")).expect("a socket");
    drop(socket);
    fs::rename(dir.path().join("pipe"), dir.path().join("tube")).expect("moved");
    fs::remove_file(dir.path().join("socket")).expect("removed");
    let events = synced(&watcher, &mut feed);
    let expected = [
        "created pipe",
        "created socket",
        "moved pipe -> tube",
        "removed socket",
    ];
    assert_eq!(structure(dir.path(), &events), expected);
    let snapshot = watcher.snapshot().expect("a snapshot");
    let kinds: Vec<FileType> = snapshot
        .entries
        .iter()
        .map(|entry| entry.file_type)
        .collect();
    assert_eq!(kinds, [FileType::Other]);
}

#[test]
fn a_name_that_changes_its_kind_is_removed_and_created() {
    let dir = temp();
    let path = dir.path().join("x");
    let (watcher, mut feed) = armed(dir.path());
    let mut replica = Replica::default();
    let make: [fn(&Path); 5] = [
        |path| fs::write(path, "").expect("a file"),
        |path| {
            fs::create_dir(path).expect("a directory");
            fs::write(path.join("below"), "").expect("a file");
        },
        |path| symlink("nowhere", path).expect("a link"),
        |path| fs::create_dir_all(path.join("a/b")).expect("directories"),
        |path| {
            mknodat(CWD, path, UnixType::Fifo, Mode::RWXU, 0).expect("a pipe");
        },
    ];
    for round in 0..40 {
        let is_dir = fs::symlink_metadata(&path).map(|meta| meta.is_dir());
        match is_dir {
            Ok(true) => fs::remove_dir_all(&path).expect("removed"),
            Ok(false) => fs::remove_file(&path).expect("removed"),
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
    fs::remove_file(dir.path().join("x")).expect("removed");
    fs::rename(dir.path().join("d"), dir.path().join("x")).expect("moved");
    fs::write(dir.path().join("x/e/f"), "").expect("a file");
    let seen = structure(dir.path(), &synced(&watcher, &mut feed));
    assert_eq!(seen, ["removed x", "moved d/ -> x/", "created x/e/f"]);
}

#[test]
fn a_root_whose_directory_is_replaced_by_a_file_is_gone() {
    let dir = temp();
    let root = dir.path().join("root");
    fs::create_dir(&root).expect("a directory");
    let (watcher, mut feed) = armed(&root);
    fs::remove_dir(&root).expect("removed");
    fs::write(&root, "").expect("a file");
    until(
        &mut feed,
        "the root is gone",
        |event| matches!(event, Event::Coverage(subtree) if subtree.gap == Some(everwatch::Gap::RootGone)),
    );
    fs::remove_file(&root).expect("removed");
    fs::create_dir(&root).expect("a directory");
    until(
        &mut feed,
        "the root is back",
        |event| matches!(event, Event::Coverage(subtree) if subtree.gap.is_none()),
    );
    watcher.sync().expect("the barrier is passed");
}
