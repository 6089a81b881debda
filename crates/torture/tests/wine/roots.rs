//! Changes of the root itself by a native program, which Wine does not report.

use std::fs;
use std::path::Path;

use everwatch_torture::scratch::{Place, Scratch};

use crate::command::WineCommand;
use crate::run::check;
use crate::wine::Wine;

fn write(path: &Path) {
    fs::write(path, "text").expect("write a file");
}

#[test]
fn a_root_that_is_removed_and_made_again_is_watched_again() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.dir("root");
    write(&root.join("old"));
    let everwatch = WineCommand::start(&wine, &[&root], &[]);
    fs::remove_dir_all(&root).expect("remove the root");
    everwatch
        .reading
        .wait_for("the end of the old file", |replica| {
            !replica.contains(&root.join("old"))
        });
    fs::create_dir(&root).expect("make the root again");
    write(&root.join("new"));
    everwatch.reading.wait_for("the new file", |replica| {
        replica.contains(&root.join("new"))
    });
    fs::create_dir(root.join("dir")).expect("make a directory");
    write(&root.join("dir/later"));
    check(everwatch, &[&root]);
}

#[test]
fn a_root_that_is_renamed_is_gone_and_one_that_comes_back_is_watched_again() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let (root, away) = (scratch.dir("root"), scratch.path().join("away"));
    write(&root.join("file"));
    let everwatch = WineCommand::start(&wine, &[&root], &[]);
    fs::rename(&root, &away).expect("rename the root");
    everwatch
        .reading
        .wait_for("the end of the file", |replica| {
            !replica.contains(&root.join("file"))
        });
    write(&away.join("meanwhile"));
    fs::rename(&away, &root).expect("rename it back");
    everwatch
        .reading
        .wait_for("what happened meanwhile", |replica| {
            replica.contains(&root.join("meanwhile"))
        });
    write(&root.join("later"));
    check(everwatch, &[&root]);
}

#[test]
fn another_directory_in_the_place_of_the_root_is_watched() {
    let Some(wine) = Wine::here() else { return };
    let scratch = Scratch::new(Place::Memory);
    let (root, other) = (scratch.dir("root"), scratch.dir("other"));
    write(&root.join("old"));
    fs::create_dir_all(other.join("a/b")).expect("make directories");
    write(&other.join("a/b/new"));
    let everwatch = WineCommand::start(&wine, &[&root], &[]);
    fs::rename(&root, scratch.path().join("away")).expect("rename the root");
    fs::rename(&other, &root).expect("rename the other");
    everwatch
        .reading
        .wait_for("what is in the other", |replica| {
            replica.contains(&root.join("a/b/new")) && !replica.contains(&root.join("old"))
        });
    write(&root.join("a/b/later"));
    check(everwatch, &[&root]);
}
