//! Entries that Windows does not have, made by a native program: links, odd names, long paths.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use everwatch_torture::scratch::{Place, Scratch};

use crate::command::WineCommand;
use crate::run::check;
use crate::wine::Wine;

#[test]
fn links_to_directories_are_not_followed() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let (root, elsewhere) = (scratch.dir("root"), scratch.dir("elsewhere"));
    fs::create_dir_all(elsewhere.join("a/b")).expect("make directories");
    fs::write(elsewhere.join("a/b/known"), "").expect("write");
    fs::create_dir(root.join("dir")).expect("make a directory");
    symlink(&elsewhere, root.join("before")).expect("link");
    symlink("..", root.join("dir/up")).expect("link");
    let everwatch = WineCommand::start(&wine, &[&root], &[]);
    symlink(&elsewhere, root.join("after")).expect("link");
    symlink(".", root.join("dir/itself")).expect("link");
    fs::write(elsewhere.join("a/b/unseen"), "").expect("write");
    fs::create_dir(elsewhere.join("unseen")).expect("make a directory");
    fs::rename(root.join("before"), root.join("dir/moved")).expect("rename a link");
    fs::remove_file(root.join("dir/up")).expect("remove a link");
    fs::write(root.join("dir/last"), "").expect("write");
    check(everwatch, &[&root]);
}

#[test]
fn two_names_that_differ_in_case_are_two() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.dir("root");
    fs::write(root.join("Before"), "").expect("write");
    fs::write(root.join("before"), "").expect("write");
    let everwatch = WineCommand::start(&wine, &[&root], &[]);
    for name in ["name", "Name", "NAME"] {
        fs::write(root.join(name), name).expect("write");
    }
    for name in ["dir", "Dir"] {
        fs::create_dir(root.join(name)).expect("make a directory");
        fs::write(root.join(name).join(name), name).expect("write");
    }
    fs::remove_file(root.join("Name")).expect("remove");
    fs::rename(root.join("name"), root.join("nAME")).expect("rename");
    fs::rename(root.join("dir"), root.join("elsewhere")).expect("rename");
    fs::write(root.join("before"), "more").expect("write");
    check(everwatch, &[&root]);
}

/// Names that Windows does not allow, or only in some places.
const ODD: [&[u8]; 9] = [
    b"bad:name?",
    b"trailing.",
    b"trailing ",
    b"NUL",
    b"a*b|c<d>",
    b"\"quoted\"",
    b"tab\tand\nline",
    "\u{1f600}\u{fe0f} e\u{301}".as_bytes(),
    b"short~1",
];

#[test]
fn entries_with_names_that_windows_does_not_allow_are_reported() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.dir("root");
    fs::write(root.join("bad:before?"), "").expect("write");
    let everwatch = WineCommand::start(&wine, &[&root], &[]);
    for name in ODD.map(OsStr::from_bytes) {
        let dir = root.join("d").join(name);
        fs::create_dir_all(&dir).expect("make directories");
        fs::write(root.join(name), "beside").expect("write");
    }
    fs::remove_file(root.join("trailing.")).expect("remove");
    fs::remove_file(root.join("bad:before?")).expect("remove");
    check(everwatch, &[&root]);
}

#[test]
fn entries_beside_names_that_windows_cannot_spell_are_reported() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.dir("root");
    let names: [&[u8]; 3] = [b"invalid \xff\xfe", b"back\\slash", b"\xed\xa0\x80"];
    let everwatch = WineCommand::start(&wine, &[&root], &[]);
    for name in names {
        let name = OsStr::from_bytes(name);
        fs::write(root.join(name), "").expect("write");
        fs::create_dir_all(root.join("dir").join(name)).expect("make directories");
        fs::write(root.join("dir").join(name).join("in it"), "").expect("write");
    }
    for number in 0..50 {
        fs::write(root.join(format!("beside-{number}")), "").expect("write");
        fs::write(root.join(format!("dir/beside-{number}")), "").expect("write");
    }
    everwatch
        .reading
        .wait_for("what is beside them", |replica| {
            (0..50).all(|number| {
                replica.contains(&root.join(format!("beside-{number}")))
                    && replica.contains(&root.join(format!("dir/beside-{number}")))
            })
        });
    everwatch.finish();
}

#[test]
fn paths_longer_than_max_path_are_reported() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.dir("root");
    let long = "long-name-".repeat(12);
    let mut deep = root.join("before");
    for _ in 0..6 {
        deep.push(&long);
    }
    fs::create_dir_all(&deep).expect("make directories");
    let everwatch = WineCommand::start(&wine, &[&root], &[]);
    fs::write(deep.join("leaf"), "").expect("write");
    let mut fresh = root.join("after");
    for _ in 0..20 {
        fresh.push(&long);
    }
    fs::create_dir_all(&fresh).expect("make directories");
    fs::write(fresh.join("leaf"), "").expect("write");
    fs::rename(root.join("before"), root.join("moved")).expect("rename");
    check(everwatch, &[&root]);
}

#[test]
fn a_directory_of_two_thousand_entries_is_reported() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.dir("root");
    let (old, new) = (scratch.dir("root/old"), root.join("new"));
    for number in 0..2_000 {
        fs::write(old.join(format!("file-{number}")), "").expect("write");
    }
    let everwatch = WineCommand::start(&wine, &[&root], &[]);
    fs::create_dir(&new).expect("make a directory");
    for number in 0..2_000 {
        fs::write(new.join(format!("file-{number}")), "").expect("write");
        if number % 2 == 0 {
            fs::remove_file(old.join(format!("file-{number}"))).expect("remove");
        }
    }
    check(everwatch, &[&root]);
}
