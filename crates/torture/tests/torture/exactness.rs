//! Exactness: a rename is one `moved` line and no other, and each write is reported as what it is.

use std::fs;
use std::path::{Path, PathBuf};

use everwatch::{Change, ChangeKind};
use everwatch_torture::scratch::{Place, Scratch};

use crate::command::Everwatch;
use crate::run::check;

/// A hundred directories with ninety-nine files each.
fn populate(dir: &Path) {
    for number in 0..100 {
        let below = dir.join(format!("dir-{number}"));
        fs::create_dir_all(&below).expect("make a directory");
        for number in 0..99 {
            fs::write(below.join(format!("file-{number}")), "").expect("write a file");
        }
    }
}

/// Keeps the changes from here on, after everything before was reported.
fn begin(everwatch: &Everwatch, root: &Path) {
    everwatch.pass(root, "begin");
    everwatch.replica(|replica| replica.keep());
}

/// The changes since [`begin`]. The replica must be right, and no record must have been lost.
fn end(everwatch: Everwatch, roots: &[&Path]) -> Vec<Change> {
    let mut replica = check(everwatch, roots);
    assert_eq!(
        replica.resyncs, 0,
        "records were lost: the machine is too slow for this test"
    );
    replica.keep()
}

/// Makes sure that the changes are exactly these moves, in this order.
fn expect_moves(reported: &[Change], expected: &[(PathBuf, PathBuf)]) {
    let moves: Vec<_> = reported
        .iter()
        .map(|change| match &change.kind {
            ChangeKind::Moved { from } => (from.clone(), change.path.clone()),
            _ => panic!("not a move: {change:?}"),
        })
        .collect();
    assert_eq!(moves.len(), expected.len());
    assert!(
        moves == expected,
        "the moves are others, or in another order"
    );
}

#[test]
fn a_directory_with_ten_thousand_old_entries_is_renamed_in_one_line() {
    for place in Place::ALL {
        let scratch = Scratch::new(place);
        let root = scratch.path();
        populate(&root.join("old"));
        let everwatch = Everwatch::start(&[root], &[]);
        begin(&everwatch, root);
        fs::rename(root.join("old"), root.join("new")).expect("rename");
        let reported = end(everwatch, &[root]);
        expect_moves(&reported, &[(root.join("old"), root.join("new"))]);
    }
}

#[test]
fn a_directory_with_ten_thousand_new_entries_is_renamed_in_one_line() {
    for place in Place::ALL {
        let scratch = Scratch::new(place);
        let root = scratch.path();
        let everwatch = Everwatch::start(&[root], &[]);
        populate(&root.join("old"));
        fs::create_dir_all(root.join("deep/deeper")).expect("make directories");
        begin(&everwatch, root);
        fs::rename(root.join("old"), root.join("deep/deeper/new")).expect("rename");
        let reported = end(everwatch, &[root]);
        expect_moves(
            &reported,
            &[(root.join("old"), root.join("deep/deeper/new"))],
        );
    }
}

#[test]
fn a_directory_that_moves_to_another_root_is_one_line() {
    let scratch = Scratch::new(Place::Memory);
    let (one, two) = (scratch.dir("one"), scratch.dir("two"));
    populate(&one.join("old"));
    let everwatch = Everwatch::start(&[&one, &two], &[]);
    begin(&everwatch, &one);
    fs::rename(one.join("old"), two.join("new")).expect("rename");
    let reported = end(everwatch, &[&one, &two]);
    expect_moves(&reported, &[(one.join("old"), two.join("new"))]);
}

#[test]
fn a_thousand_files_renamed_across_directories_are_a_thousand_lines() {
    for place in Place::ALL {
        let scratch = Scratch::new(place);
        let root = scratch.path();
        let (from, to) = (scratch.dir("from"), scratch.dir("to"));
        let everwatch = Everwatch::start(&[root], &[]);
        let moves: Vec<_> = (0..1000)
            .map(|number| {
                (
                    from.join(format!("a{number}")),
                    to.join(format!("b{number}")),
                )
            })
            .collect();
        for (from, _) in &moves {
            fs::write(from, "").expect("write a file");
        }
        begin(&everwatch, root);
        for (from, to) in &moves {
            fs::rename(from, to).expect("rename");
        }
        expect_moves(&end(everwatch, &[root]), &moves);
    }
}

#[test]
fn a_thousand_files_renamed_across_two_roots_are_a_thousand_lines() {
    for place in Place::ALL {
        let scratch = Scratch::new(place);
        let (one, two) = (scratch.dir("one"), scratch.dir("two"));
        let moves: Vec<_> = (0..1000)
            .map(|number| {
                (
                    one.join(format!("a{number}")),
                    two.join(format!("b{number}")),
                )
            })
            .collect();
        for (from, _) in &moves {
            fs::write(from, "").expect("write a file");
        }
        let everwatch = Everwatch::start(&[&one, &two], &[]);
        begin(&everwatch, &one);
        for (from, to) in &moves {
            fs::rename(from, to).expect("rename");
        }
        expect_moves(&end(everwatch, &[&one, &two]), &moves);
    }
}

#[test]
fn files_moved_into_a_new_directory_are_all_reported() {
    const FILES: usize = 300;
    let mut reported_as_moved = Vec::new();
    for _ in 0..5 {
        let scratch = Scratch::new(Place::Memory);
        let root = scratch.path();
        let old = scratch.dir("old");
        for number in 0..FILES {
            fs::write(old.join(format!("{number}")), "").expect("write a file");
        }
        let everwatch = Everwatch::start(&[root], &[]);
        begin(&everwatch, root);
        fs::create_dir(root.join("new")).expect("make a directory");
        for number in 0..FILES {
            let name = format!("{number}");
            fs::rename(old.join(&name), root.join("new").join(&name)).expect("rename");
        }
        let reported = end(everwatch, &[root]);
        let moved = reported
            .iter()
            .filter(|change| matches!(change.kind, ChangeKind::Moved { .. }));
        reported_as_moved.push(moved.count());
    }
    println!(
        "of {FILES} files moved into a new directory, reported as moved: {reported_as_moved:?}"
    );
}

#[test]
fn writes_and_permissions_are_reported_as_what_they_are() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = Scratch::new(Place::Memory);
    let root = scratch.path();
    let (file, dir) = (root.join("file"), scratch.dir("dir"));
    fs::write(&file, "old").expect("write a file");
    let everwatch = Everwatch::start(&[root], &[]);
    begin(&everwatch, root);
    fs::write(&file, "new content").expect("write a file");
    everwatch.wait_for("modified", |replica| replica.tally.modified > 0);
    for path in [&file, &dir] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("change the mode");
    }
    let mut reported: Vec<_> = end(everwatch, &[root])
        .into_iter()
        .map(|change| (change.kind, change.path))
        .collect();
    reported.dedup();
    let expected = [
        (ChangeKind::Modified, file.clone()),
        (ChangeKind::Metadata, file),
        (ChangeKind::Metadata, dir),
    ];
    assert_eq!(reported, expected);
}
