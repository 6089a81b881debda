//! Options of the command: polling, ignoring, a snapshot, the net effect after a quiet time.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use everwatch::{ChangeKind, FileType};
use everwatch_torture::scratch::{Place, Scratch};
use everwatch_torture::walk::{WalkedTree, walk};
use everwatch_torture::workload::{Plan, Workload};

use crate::command::Everwatch;
use crate::convergence::workload;
use crate::run::{Layout, Run, check, check_against};

/// What is on disk at and below `root`, without the entries that are hidden and what is below them.
fn walk_without(root: &Path, is_hidden: impl Fn(&Path, FileType) -> bool) -> WalkedTree {
    let mut disk = walk(&[root]);
    let below = disk
        .iter()
        .filter(|(path, _)| path.starts_with(root) && path != root);
    let hidden: Vec<PathBuf> = below
        .filter(|(path, entry)| is_hidden(path, entry.file_type))
        .map(|(path, _)| path)
        .collect();
    for path in hidden {
        disk.remove(path);
    }
    disk
}

const POLL: [&str; 4] = ["--backend", "poll", "--poll-interval", "50ms"];

#[test]
fn polling_converges() {
    for plan in Plan::ALL {
        let run = Run {
            arguments: POLL.to_vec(),
            ..Run::new(workload(plan, 31, 400), Place::Memory)
        };
        run.check();
    }
    let run = Run {
        arguments: POLL.to_vec(),
        layout: Layout::Beside(2),
        ..Run::new(workload(Plan::Mix, 32, 400), Place::Disk)
    };
    run.check();
}

#[test]
fn polling_reports_a_file_that_was_written_as_modified() {
    let scratch = Scratch::new(Place::Disk);
    let root = scratch.path();
    let file = root.join("file");
    fs::write(&file, "first").expect("write a file");
    let everwatch = Everwatch::start(&[root], &POLL);
    for round in 0..5 {
        let reported = everwatch.replica(|replica| replica.tally.modified);
        fs::write(&file, format!("{round}")).expect("write a file");
        everwatch.wait_for("the write", |replica| replica.tally.modified > reported);
    }
    check(everwatch, &[root]);
}

#[test]
fn polling_reports_the_rename_of_a_directory_as_one_move() {
    let scratch = Scratch::new(Place::Disk);
    let root = scratch.path();
    let old = scratch.dir("old");
    for number in 0..100 {
        fs::write(old.join(format!("{number}")), "").expect("write a file");
    }
    let everwatch = Everwatch::start(&[root], &POLL);
    fs::rename(&old, root.join("new")).expect("rename");
    everwatch.wait_for("the move", |replica| replica.contains(&root.join("new/99")));
    let tally = check(everwatch, &[root]).tally;
    // Polling cannot distinguish a file that was written just before the first look from one that was
    // written just after it, so it may report it.
    assert_eq!(
        (tally.moved, tally.created, tally.removed),
        (1, 0, 0),
        "{tally:?}"
    );
}

/// Rules, and what they hide, as plain code.
const RULES: [&str; 4] = [
    "*.log\n",
    "build/\n*.tmp\n",
    "",
    "*.log\n!kept.log\nbuild/\n",
];

fn is_hidden(rules: usize, path: &Path, file_type: FileType) -> bool {
    let name = path
        .file_name()
        .map(OsStr::as_encoded_bytes)
        .unwrap_or_default();
    let is_log = name.ends_with(b".log");
    let is_build = name == b"build" && file_type == FileType::Dir;
    match rules {
        0 => is_log,
        1 => is_build || name.ends_with(b".tmp"),
        2 => false,
        _ => (is_log && name != b"kept.log") || is_build,
    }
}

/// One file of each sort, and a directory that some rules hide.
fn make_outputs(dir: &Path, number: usize) {
    let build = dir.join("build");
    fs::create_dir_all(&build).expect("make a directory");
    let names = [
        format!("{number}.log"),
        format!("{number}.tmp"),
        "kept.log".to_owned(),
    ];
    for name in names {
        fs::write(dir.join(&name), "").expect("write a file");
        fs::write(build.join(&name), "").expect("write a file");
    }
}

#[test]
fn rules_that_change_at_full_speed_hide_what_the_last_ones_say() {
    for (last, rules) in RULES.into_iter().enumerate() {
        let scratch = Scratch::new(Place::Memory);
        let root = scratch.path();
        fs::create_dir_all(root.join(".git/objects")).expect("make a repository");
        fs::create_dir_all(root.join("sub/below")).expect("make directories");
        make_outputs(root, 0);
        fs::write(root.join(".gitignore"), RULES[1]).expect("write the rules");
        let everwatch = Everwatch::start(&[root], &["--gitignore", "--snapshot"]);
        for number in 1..60 {
            make_outputs(&root.join("sub"), number);
            fs::write(root.join(".gitignore"), RULES[number % RULES.len()]).expect("write");
            make_outputs(&root.join("sub/below"), number);
            fs::write(root.join(".git/objects").join(format!("{number}")), "").expect("write");
        }
        fs::write(root.join(".gitignore"), rules).expect("write the rules");
        everwatch.pass(root, "sentinel");
        let disk = walk_without(root, |path, file_type| {
            path.ends_with(".git") || is_hidden(last, path, file_type)
        });
        check_against(everwatch, &disk);
    }
}

#[test]
fn rules_of_a_directory_that_comes_goes_and_moves_count_where_it_is() {
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.path();
    fs::create_dir(root.join(".git")).expect("make a repository");
    fs::write(root.join(".gitignore"), "*.log\n").expect("write the rules");
    let everwatch = Everwatch::start(&[root], &["--gitignore", "--snapshot"]);
    let beside = root.join("beside");
    fs::create_dir(&beside).expect("make a directory");
    make_outputs(&beside, 1);
    fs::write(beside.join(".gitignore"), "*.tmp\n!*.log\n").expect("write the rules");
    everwatch.pass(root, "one");
    fs::rename(&beside, root.join("moved")).expect("rename");
    make_outputs(&root.join("moved"), 2);
    everwatch.pass(root, "two");
    fs::create_dir(&beside).expect("make a directory");
    fs::rename(root.join("moved/.gitignore"), beside.join(".gitignore")).expect("rename");
    make_outputs(&beside, 3);
    everwatch.pass(root, "three");
    let disk = walk_without(root, |path, _| {
        let is = |ending: &str| path.extension() == Some(OsStr::new(ending));
        let is_hidden = if path.starts_with(&beside) {
            is("tmp")
        } else {
            is("log")
        };
        path.ends_with(".git") || is_hidden
    });
    check_against(everwatch, &disk);
}

#[test]
fn the_snapshot_and_what_follows_are_the_tree_while_it_changes() {
    for (seed, plan) in [
        (41, Plan::Mix),
        (42, Plan::Mix),
        (43, Plan::RenameStorm),
        (44, Plan::Deep),
    ] {
        let scratch = Scratch::new(Place::Memory);
        let roots = [scratch.dir("root")];
        let before = Workload {
            operations: 1_000,
            ..workload(plan, seed, 0)
        };
        before.run(&roots);
        let during = Workload {
            operations: 6_000,
            writers: 2,
            ..workload(plan, seed + 100, 0)
        };
        let everwatch = std::thread::scope(|scope| {
            scope.spawn(|| during.run(&roots));
            Everwatch::start(&[&roots[0]], &["--snapshot"])
        });
        everwatch.pass(&roots[0], "sentinel");
        check(everwatch, &[&roots[0]]);
    }
}

#[test]
fn without_recursion_only_the_entries_of_the_root_are_reported() {
    let scratch = Scratch::new(Place::Memory);
    let roots = [scratch.dir("root")];
    let root: &Path = &roots[0];
    let everwatch = Everwatch::start(&[root], &["--no-recursive"]);
    workload(Plan::Mix, 51, 2_000).run(&roots);
    everwatch.pass(root, "sentinel");
    let disk = walk_without(root, |path, _| path.parent() != Some(root));
    check_against(everwatch, &disk);
}

const SETTLE: [&str; 2] = ["--settle", "100ms"];

#[test]
fn what_settles_converges() {
    for plan in Plan::ALL {
        let run = Run {
            arguments: SETTLE.to_vec(),
            ..Run::new(workload(plan, 61, 3_000), Place::Memory)
        };
        run.check();
    }
}

#[test]
fn what_settles_is_reported_by_its_net_effect() {
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.path();
    let path = |name: &str| -> PathBuf { root.join(name) };
    scratch.dir("dir");
    for name in ["a", "gone", "dir/x"] {
        fs::write(path(name), "").expect("write a file");
    }
    let everwatch = Everwatch::start(&[root], &["--settle", "1s"]);
    everwatch.replica(|replica| replica.keep());
    for _ in 0..100 {
        fs::write(path("temporary"), "").expect("write a file");
        fs::remove_file(path("temporary")).expect("remove a file");
        fs::write(path("written"), "").expect("write a file");
    }
    fs::rename(path("a"), path("b")).expect("rename");
    fs::rename(path("b"), path("c")).expect("rename");
    fs::rename(path("dir"), path("away")).expect("rename");
    fs::rename(path("away"), path("dir")).expect("rename");
    fs::remove_file(path("gone")).expect("remove a file");
    everwatch.wait_for("the end", |replica| !replica.contains(&path("gone")));
    let mut reported: Vec<_> = check(everwatch, &[root])
        .keep()
        .into_iter()
        .map(|change| (change.path, change.kind))
        .collect();
    reported.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        (path("c"), ChangeKind::Moved { from: path("a") }),
        (path("gone"), ChangeKind::Removed),
        (path("written"), ChangeKind::Created),
    ];
    assert_eq!(reported, expected);
}

#[test]
fn what_happened_before_sigterm_is_printed() {
    for (plan, operations) in [
        (Plan::Burst, 40_000),
        (Plan::Deep, 4_000),
        (Plan::Mix, 4_000),
    ] {
        let scratch = Scratch::new(Place::Memory);
        let roots = [scratch.dir("root")];
        let everwatch = Everwatch::start(&[&roots[0]], &[]);
        workload(plan, 71, operations).run(&roots);
        let replica = everwatch.finish();
        let difference = replica.difference(&walk(&[&roots[0]]));
        assert!(
            difference.is_none(),
            "{plan:?}: {difference:?} of {:?}",
            replica.tally
        );
    }
}
