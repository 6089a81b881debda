//! What is a name, or an entry, on Unix alone.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use everwatch::{Change, ChangeKind, Event, FileType, Watcher};
use rustix::fs::{CWD, FileType as UnixType, Mode, OFlags, mkdirat, mknodat, openat, renameat};

use crate::support::{Replica, armed, changes, differences, structure, synced, temp, walk};

fn kinds(events: &[Event]) -> Vec<(ChangeKind, PathBuf)> {
    changes(events)
        .filter(|change| change.kind != ChangeKind::Modified)
        .map(|Change { kind, path, .. }| (kind.clone(), path.clone()))
        .collect()
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
