//! Trees at the limits of a file system: depth, path length, links, names that change their type.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use everwatch_torture::scratch::{Place, Scratch};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, renameat};

use crate::command::Everwatch;
use crate::run::check;

fn open(dir: &Path) -> OwnedFd {
    openat(CWD, dir, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).expect("open a directory")
}

fn create(dir: &OwnedFd, name: &str) {
    let flags = OFlags::CREATE | OFlags::WRONLY;
    openat(dir, name, flags, Mode::RWXU).expect("create a file");
}

/// Makes `levels` directories in each other, with a file in each, one by one, so that no system call gets
/// the whole path. Returns the innermost.
fn descend(top: &Path, levels: usize, name: &str) -> OwnedFd {
    let mut dir = open(top);
    for _ in 0..levels {
        create(&dir, "file");
        mkdirat(&dir, name, Mode::RWXU).expect("make a directory");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        dir = openat(&dir, name, flags, Mode::empty()).expect("open a directory");
    }
    dir
}

/// Works at the bottom of an old deep tree and of a new one, then moves and removes them.
fn deep_trees_are_reported(place: Place, levels: usize, name: &str) {
    let scratch = Scratch::new(place);
    let root = scratch.path();
    let (old, new) = (scratch.dir("old"), scratch.path().join("new"));
    let old_bottom = descend(&old, levels, name);
    let everwatch = Everwatch::start(&[root], &[]);
    create(&old_bottom, "at the bottom");
    fs::create_dir(&new).expect("make a directory");
    let new_bottom = descend(&new, levels, name);
    create(&new_bottom, "at the bottom");
    renameat(
        &new_bottom,
        "at the bottom",
        &old_bottom,
        "from the other bottom",
    )
    .expect("rename");
    everwatch.pass(root, "one");
    let known = everwatch.replica(|replica| replica.tally.moved);
    fs::rename(&old, new.join("inside")).expect("rename");
    create(&old_bottom, "after the move");
    renameat(&old_bottom, "at the bottom", &new_bottom, "from below").expect("rename");
    everwatch.pass(root, "two");
    let replica = check(everwatch, &[root]);
    assert_eq!(replica.tally.moved - known, 2);

    let everwatch = Everwatch::start(&[root], &[]);
    fs::remove_dir_all(&new).expect("remove a deep tree");
    everwatch.pass(root, "three");
    check(everwatch, &[root]);
}

#[test]
fn trees_of_two_hundred_levels_are_reported() {
    for place in Place::ALL {
        deep_trees_are_reported(place, 200, "d");
    }
}

#[test]
fn paths_longer_than_any_system_call_takes_are_reported() {
    for place in Place::ALL {
        deep_trees_are_reported(place, 40, &"x".repeat(250));
    }
}

#[test]
fn symbolic_links_are_entries_and_are_not_followed() {
    let scratch = Scratch::new(Place::Memory);
    let (root, outside) = (scratch.dir("root"), scratch.dir("outside"));
    fs::write(outside.join("not-ours"), "").expect("write a file");
    symlink("loop-b", root.join("loop-a")).expect("link");
    let everwatch = Everwatch::start(&[&root], &[]);
    let links = [
        ("loop-a", "loop-b"),
        ("self", "self"),
        (".", "dot"),
        ("..", "up"),
        ("nowhere", "broken"),
    ];
    for (target, name) in links {
        symlink(target, root.join(name)).expect("link");
    }
    symlink(&root, root.join("root")).expect("link");
    symlink(&outside, root.join("outside")).expect("link");
    fs::write(outside.join("later"), "").expect("write a file");
    fs::create_dir(root.join("dir")).expect("make a directory");
    symlink("../dir", root.join("dir/again")).expect("link");
    everwatch.pass(&root, "one");
    for name in ["outside", "dir/again"] {
        fs::remove_file(root.join(name)).expect("remove a link");
    }
    fs::create_dir(root.join("outside")).expect("make a directory");
    fs::write(root.join("outside/ours"), "").expect("write a file");
    everwatch.pass(&root, "two");
    check(everwatch, &[&root]);
}

#[test]
fn the_names_of_one_file_are_entries_of_their_own() {
    let scratch = Scratch::new(Place::Disk);
    let root = scratch.path();
    scratch.dir("sub");
    let name = |number: usize| match number % 2 {
        0 => root.join(format!("name{number}")),
        _ => root.join(format!("sub/name{number}")),
    };
    fs::write(name(0), "").expect("write a file");
    let everwatch = Everwatch::start(&[root], &[]);
    for number in 1..50 {
        fs::hard_link(name(0), name(number)).expect("link");
    }
    for number in 0..20 {
        fs::remove_file(name(number)).expect("remove a name");
    }
    for number in 20..30 {
        fs::rename(name(number), root.join(format!("sub/renamed{number}"))).expect("rename");
    }
    // Both names are of one file, so rename(2) does nothing and succeeds.
    fs::rename(name(40), name(41)).expect("rename");
    everwatch.pass(root, "one");
    check(everwatch, &[root]);
}

#[test]
fn a_name_that_alternates_between_file_and_directory_ends_as_what_it_is() {
    for rounds in [1, 7, 200] {
        let scratch = Scratch::new(Place::Memory);
        let root = scratch.path();
        let (place, beside) = (root.join("name"), root.join("beside"));
        let everwatch = Everwatch::start(&[root], &[]);
        for _ in 0..rounds {
            fs::create_dir_all(place.join("a/b")).expect("make directories");
            fs::write(place.join("a/file"), "").expect("write a file");
            fs::remove_dir_all(&place).expect("remove it");
            fs::write(&place, "a file").expect("write a file");
            symlink("nowhere", &beside).expect("link");
            fs::rename(&beside, &place).expect("rename");
            fs::remove_file(&place).expect("remove it");
            fs::create_dir_all(place.join("a")).expect("make directories");
            fs::rename(&place, &beside).expect("rename");
            fs::write(&place, "a file").expect("write a file");
            fs::remove_file(&place).expect("remove it");
            fs::rename(&beside, &place).expect("rename");
        }
        everwatch.pass(root, "sentinel");
        check(everwatch, &[root]);
    }
}
