//! Roots that go, come back, are replaced, overlap, or are links and files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use everwatch_torture::replica::Replica;
use everwatch_torture::scratch::{Place, Scratch};

use crate::command::Everwatch;
use crate::run::check;

/// Makes a small tree in `dir` with entries named `what`.
fn fill(dir: &Path, what: &str) {
    fs::create_dir_all(dir.join("sub/dir").join(what)).expect("make directories");
    for name in ["file", what] {
        fs::write(dir.join(name), what).expect("write a file");
        fs::write(dir.join("sub").join(name), what).expect("write a file");
    }
}

fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).expect("rename");
}

fn is_gone(root: &Path) -> impl Fn(&Replica) -> bool + use<> {
    let root = root.to_owned();
    move |replica| !replica.contains(&root)
}

fn is_there(path: PathBuf) -> impl Fn(&Replica) -> bool {
    move |replica| replica.contains(&path)
}

/// A directory with a filled root in it.
fn scene() -> (Scratch, PathBuf) {
    scene_in(Place::Memory)
}

fn scene_in(place: Place) -> (Scratch, PathBuf) {
    let scratch = Scratch::new(place);
    let root = scratch.dir("root");
    fill(&root, "first");
    (scratch, root)
}

#[test]
fn a_root_that_is_deleted_and_made_again_goes_on() {
    goes_on_after_deletions(Place::Memory);
}

/// Deletes a root and makes it again, several times.
pub(crate) fn goes_on_after_deletions(place: Place) {
    let (_scratch, root) = scene_in(place);
    let everwatch = Everwatch::start(&[&root], &[]);
    for round in 0..5 {
        fs::remove_dir_all(&root).expect("remove the root");
        everwatch.wait_for("the end of the root", is_gone(&root));
        fill(&root, &format!("round{round}"));
        everwatch.wait_for("the new root", is_there(root.join("sub/file")));
        fs::write(root.join("later"), "").expect("write a file");
        everwatch.wait_for("what came later", is_there(root.join("later")));
    }
    check(everwatch, &[&root]);
}

#[test]
fn a_root_that_is_deleted_and_made_again_at_full_speed_goes_on() {
    for rounds in [1, 2, 30] {
        let (_scratch, root) = scene();
        let everwatch = Everwatch::start(&[&root], &[]);
        for round in 0..rounds {
            fs::remove_dir_all(&root).expect("remove the root");
            fill(&root, &format!("round{round}"));
        }
        everwatch.pass(&root, "sentinel");
        check(everwatch, &[&root]);
    }
}

#[test]
fn a_root_that_is_deleted_for_good_is_gone() {
    let (_scratch, root) = scene();
    let everwatch = Everwatch::start(&[&root], &[]);
    fs::remove_dir_all(&root).expect("remove the root");
    everwatch.wait_for("the end of the root", is_gone(&root));
    let replica = check(everwatch, &[&root]);
    assert!(
        replica
            .coverage
            .iter()
            .any(|line| line.path == root && line.state == "lost")
    );
}

#[test]
fn a_root_that_is_renamed_away_and_back_goes_on() {
    let (scratch, root) = scene();
    let away = scratch.path().join("away");
    let everwatch = Everwatch::start(&[&root], &[]);
    for round in 0..5 {
        rename(&root, &away);
        everwatch.wait_for("the end of the root", is_gone(&root));
        fill(&away, &format!("while-away-{round}"));
        rename(&away, &root);
        everwatch.pass(&root, &format!("sentinel-{round}"));
    }
    check(everwatch, &[&root]);
}

#[test]
fn a_root_that_is_renamed_away_and_back_at_full_speed_goes_on() {
    let (scratch, root) = scene();
    let away = scratch.path().join("away");
    let everwatch = Everwatch::start(&[&root], &[]);
    for round in 0..50 {
        rename(&root, &away);
        fs::write(away.join(format!("away-{round}")), "").expect("write a file");
        rename(&away, &root);
        fs::write(root.join(format!("back-{round}")), "").expect("write a file");
    }
    everwatch.pass(&root, "sentinel");
    check(everwatch, &[&root]);
}

#[test]
fn another_directory_in_the_place_of_the_root_becomes_the_root() {
    let (scratch, root) = scene();
    let (away, other) = (scratch.path().join("away"), scratch.dir("other"));
    fill(&other, "second");
    let everwatch = Everwatch::start(&[&root], &[]);
    rename(&root, &away);
    rename(&other, &root);
    everwatch.pass(&root, "sentinel");
    fs::write(away.join("not-ours-any-more"), "").expect("write a file");
    fs::write(root.join("ours"), "").expect("write a file");
    check(everwatch, &[&root]);
}

#[test]
fn a_root_whose_parent_is_renamed_away_and_replaced_goes_on() {
    let scratch = Scratch::new(Place::Memory);
    let above = scratch.dir("above");
    let root = above.join("between/root");
    fill(&root, "first");
    let everwatch = Everwatch::start(&[&root], &[]);
    rename(&above, &scratch.path().join("away"));
    everwatch.wait_for("the end of the root", is_gone(&root));
    fill(&root, "second");
    everwatch.wait_for("the new root", is_there(root.join("sub/second")));
    everwatch.pass(&root, "sentinel");
    check(everwatch, &[&root]);
}

#[test]
fn a_root_that_was_replaced_by_a_file_comes_back() {
    let (_scratch, root) = scene();
    let everwatch = Everwatch::start(&[&root], &[]);
    fs::remove_dir_all(&root).expect("remove the root");
    fs::write(&root, "a file").expect("write a file");
    everwatch.wait_for("the end of the directory", |replica| {
        !replica.contains(&root.join("file"))
    });
    fs::remove_file(&root).expect("remove the file");
    fill(&root, "second");
    everwatch.wait_for("the new root", is_there(root.join("sub/second")));
    everwatch.pass(&root, "sentinel");
    check(everwatch, &[&root]);
}

#[test]
fn a_root_that_is_a_symbolic_link_is_followed() {
    let (scratch, target) = scene();
    let root = scratch.path().join("link");
    symlink("root", &root).expect("link");
    let everwatch = Everwatch::start(&[&root], &[]);
    fill(&target, "second");
    rename(&target.join("sub"), &target.join("renamed"));
    everwatch.pass(&root, "sentinel");
    check(everwatch, &[&root]);
}

#[test]
fn a_root_that_is_a_symbolic_link_follows_it_to_another_directory() {
    let (scratch, _first) = scene();
    let (second, root) = (scratch.dir("second"), scratch.path().join("link"));
    fill(&second, "second");
    symlink("root", &root).expect("link");
    let everwatch = Everwatch::start(&[&root], &[]);
    let beside = scratch.path().join("beside");
    symlink("second", &beside).expect("link");
    rename(&beside, &root);
    everwatch.wait_for("the other directory", is_there(root.join("second")));
    fs::write(second.join("later"), "").expect("write a file");
    everwatch.wait_for("what came later", is_there(root.join("later")));
    check(everwatch, &[&root]);
}

#[test]
fn a_root_that_is_a_symbolic_link_notices_that_its_target_is_renamed() {
    let (scratch, target) = scene();
    let root = scratch.path().join("link");
    symlink("root", &root).expect("link");
    let everwatch = Everwatch::start(&[&root], &[]);
    rename(&target, &scratch.path().join("away"));
    everwatch.wait_for("the end of the root", |replica| {
        !replica.contains(&root.join("file"))
    });
    fill(&target, "second");
    everwatch.wait_for("the new root", is_there(root.join("sub/second")));
    check(everwatch, &[&root]);
}

#[test]
fn roots_within_roots_are_reported_once() {
    let (_scratch, root) = scene();
    let inner = root.join("sub");
    for roots in [[root.as_path(), &inner, &root], [&inner, &root, &inner]] {
        let everwatch = Everwatch::start(&roots, &[]);
        fill(&root, "second");
        rename(&inner.join("second"), &root.join("moved-up"));
        rename(&root.join("second"), &inner.join("moved-down"));
        everwatch.pass(&inner, "sentinel");
        fs::remove_file(inner.join("sentinel")).expect("remove a file");
        check(everwatch, &[&root]);
        fs::remove_dir_all(&root).expect("remove the root");
        fill(&root, "first");
    }
}

#[test]
fn a_root_within_a_root_that_moves_within_it_stays_the_name() {
    let (_scratch, root) = scene();
    let inner = root.join("sub");
    let everwatch = Everwatch::start(&[&inner, &root], &[]);
    rename(&inner, &root.join("renamed"));
    fs::write(root.join("renamed/later"), "").expect("write a file");
    everwatch.pass(&root, "one");
    fill(&inner, "again");
    everwatch.pass(&inner, "two");
    check(everwatch, &[&root]);
}

#[test]
fn one_directory_under_two_names_is_reported_under_both() {
    let (scratch, root) = scene();
    let link = scratch.path().join("link");
    symlink("root", &link).expect("link");
    let everwatch = Everwatch::start(&[&root, &link], &[]);
    fill(&root, "second");
    rename(&root.join("sub"), &root.join("renamed"));
    fs::remove_file(link.join("second")).expect("remove a file");
    everwatch.pass(&link, "sentinel");
    check(everwatch, &[&root, &link]);
}

#[test]
fn a_single_file_is_watched_by_its_name() {
    for place in Place::ALL {
        let scratch = Scratch::new(place);
        let (file, other) = (scratch.path().join("file"), scratch.path().join("other"));
        fs::write(&file, "first").expect("write a file");
        let everwatch = Everwatch::start(&[&file], &[]);
        for round in 0..20 {
            fs::write(&other, format!("replacement {round}")).expect("write a file");
            rename(&other, &file);
        }
        everwatch.wait_for("a replacement", |replica| replica.tally.total() > 0);
        fs::remove_file(&file).expect("remove the file");
        everwatch.wait_for("the end of the file", is_gone(&file));
        fs::write(&file, "again").expect("write a file");
        everwatch.wait_for("the new file", is_there(file.clone()));
        rename(&file, &other);
        everwatch.wait_for("the end of the file", is_gone(&file));
        rename(&other, &file);
        everwatch.wait_for("the file", is_there(file.clone()));
        let reported = everwatch.replica(|replica| replica.tally.modified);
        fs::write(&file, "written in place").expect("write a file");
        everwatch.wait_for("the write", |replica| replica.tally.modified > reported);
        let replica = check(everwatch, &[&file]);
        assert_eq!(
            replica.tally.moved, 0,
            "the root does not cover its former place"
        );
    }
}

#[test]
fn a_single_file_and_the_directory_that_it_is_in_are_reported_once() {
    let (_scratch, root) = scene();
    let file = root.join("file");
    for roots in [[root.as_path(), &file], [&file, &root]] {
        let everwatch = Everwatch::start(&roots, &[]);
        fs::remove_file(&file).expect("remove the file");
        fs::write(&file, "again").expect("write a file");
        everwatch.pass(&root, "sentinel");
        fs::remove_file(root.join("sentinel")).expect("remove a file");
        check(everwatch, &[&root]);
    }
}
