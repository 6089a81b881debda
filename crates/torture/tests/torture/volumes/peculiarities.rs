//! Peculiarities of single file systems: copies in overlays, snapshots of btrfs, servers of FUSE, and the
//! identity of a directory whose records are lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use everwatch::{Change, ChangeKind};
use everwatch_testing::patience::PATIENCE;
use everwatch_torture::scratch::{Place, Scratch};
use rustix::process::{Pid, Signal, kill_process};

use super::{Mounted, Volume, on, on_prepared, run};
use crate::command::{Everwatch, Limits};
use crate::run::check;

/// Waits for a sentinel, and returns the changes before it, without it, as lines below `root`.
fn reported(everwatch: &Everwatch, root: &Path, sentinel: &str) -> Vec<String> {
    everwatch.pass(root, sentinel);
    let kept = everwatch.replica(|replica| replica.keep());
    let is_other = |change: &&Change| change.path != root.join(sentinel);
    let mut lines: Vec<_> = kept
        .iter()
        .filter(is_other)
        .map(|change| line(root, change))
        .collect();
    // A write truncates first, which may be reported separately.
    lines.dedup();
    lines
}

/// A change as a line, such as `moved a -> b`.
fn line(root: &Path, change: &Change) -> String {
    let short = |path: &Path| {
        let below = path.strip_prefix(root).unwrap_or(path);
        below.display().to_string()
    };
    let path = short(&change.path);
    match &change.kind {
        ChangeKind::Created => format!("created {path}"),
        ChangeKind::Modified => format!("modified {path}"),
        ChangeKind::Metadata => format!("metadata {path}"),
        ChangeKind::Removed => format!("removed {path}"),
        ChangeKind::Moved { from } => format!("moved {} -> {path}", short(from)),
        other => format!("{other:?} {path}"),
    }
}

/// Starts the command, and keeps what it reports.
fn started(root: &Path) -> Everwatch {
    let everwatch = Everwatch::start(&[root], &[]);
    everwatch.replica(|replica| replica.keep());
    everwatch
}

fn write(path: PathBuf, content: &str) {
    fs::write(path, content).expect("write a file");
}

/// A directory and a file are moved while the queue overflows: no record says so.
fn directory_moved_in_an_overflow(_: &Mounted) {
    let Some(limits) = Limits::of(Some(16), None) else {
        return;
    };
    let scratch = Scratch::new(Place::Disk);
    let root = scratch.path();
    let (old, new) = (scratch.dir("old"), scratch.dir("new"));
    fs::create_dir(old.join("d")).expect("make a directory");
    write(old.join("d/below"), "");
    write(old.join("f"), "content");
    let everwatch = Everwatch::start_with(&[root], &[], limits);
    everwatch.pass(root, "first");
    everwatch.replica(|replica| replica.keep());
    everwatch.stop();
    for number in 0..100 {
        write(root.join(format!("{number}")), "");
    }
    fs::rename(old.join("f"), new.join("g")).expect("rename");
    fs::rename(old.join("d"), new.join("e")).expect("rename");
    everwatch.go_on();
    let lines = reported(&everwatch, root, "last");
    let expected = "moved old/d -> new/e";
    assert!(lines.iter().any(|line| line == expected), "{lines:?}");
    // A directory is known by its number and birth time. The file is removed and created: nothing says that
    // it is the same one.
    assert!(!root.join("old/f").exists());
    let replica = check(everwatch, &[root]);
    assert!(replica.overflows > 0, "no overflow happened");
}

#[test]
fn a_directory_moved_in_an_overflow_is_recognised_on_ext4() {
    let test = "volumes::peculiarities::a_directory_moved_in_an_overflow_is_recognised_on_ext4";
    on(Volume::Ext4, test, directory_moved_in_an_overflow);
}

#[test]
fn a_directory_moved_in_an_overflow_is_recognised_on_xfs() {
    let test = "volumes::peculiarities::a_directory_moved_in_an_overflow_is_recognised_on_xfs";
    on(Volume::Xfs, test, directory_moved_in_an_overflow);
}

#[test]
fn a_directory_moved_in_an_overflow_is_recognised_on_btrfs() {
    let test = "volumes::peculiarities::a_directory_moved_in_an_overflow_is_recognised_on_btrfs";
    on(Volume::Btrfs, test, directory_moved_in_an_overflow);
}

#[test]
fn a_directory_moved_in_an_overflow_is_recognised_on_tmpfs() {
    let test = "volumes::peculiarities::a_directory_moved_in_an_overflow_is_recognised_on_tmpfs";
    on(Volume::Tmpfs, test, directory_moved_in_an_overflow);
}

#[test]
fn a_directory_moved_in_an_overflow_is_recognised_on_overlay() {
    let test = "volumes::peculiarities::a_directory_moved_in_an_overflow_is_recognised_on_overlay";
    on(Volume::Overlay, test, directory_moved_in_an_overflow);
}

/// A lower layer with files, a file of two names, and a directory.
fn layered(mounted: &Mounted) {
    let root = mounted.lower().join("root");
    fs::create_dir_all(root.join("d/sub")).expect("make directories");
    for name in ["mode", "content", "gone", "one", "d/below", "d/sub/deep"] {
        write(root.join(name), "lower");
    }
    fs::hard_link(root.join("one"), root.join("two")).expect("link");
}

/// Files of the lower layer are changed, which copies them up, and moved.
fn copies_keep_their_identity(mounted: &Mounted) {
    let root = &mounted.at.join("root");
    let everwatch = started(root);
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(root.join("mode"), mode).expect("chmod");
    assert_eq!(reported(&everwatch, root, "s1"), ["metadata mode"]);
    write(root.join("content"), "upper");
    assert_eq!(reported(&everwatch, root, "s2"), ["modified content"]);
    write(root.join("one"), "upper");
    // The copy is a file of its own. Until it is looked at, the other name counts as a name of the same file.
    let lines = reported(&everwatch, root, "s3");
    let allowed = ["modified one", "modified two"];
    assert_eq!(lines.first().map(String::as_str), Some(allowed[0]));
    assert!(
        lines.iter().all(|line| allowed.contains(&line.as_str())),
        "{lines:?}"
    );
    let other = fs::read_to_string(root.join("two")).expect("read a file");
    assert_eq!(other, "lower", "an overlay without an index breaks links");
    for name in ["mode", "content", "one", "two"] {
        let to = format!("d/{name}");
        fs::rename(root.join(name), root.join(&to)).expect("rename");
        let expected = format!("moved {name} -> {to}");
        assert_eq!(
            reported(&everwatch, root, &format!("to-{name}")),
            [expected]
        );
    }
    check(everwatch, &[root]);
}

#[test]
fn what_an_overlay_copies_up_is_modified_and_then_moved() {
    let test = "volumes::peculiarities::what_an_overlay_copies_up_is_modified_and_then_moved";
    on_prepared(Volume::Overlay, test, layered, copies_keep_their_identity);
}

#[test]
fn what_an_overlay_copies_up_from_another_file_system_is_modified_and_then_moved() {
    let test = "volumes::peculiarities::what_an_overlay_copies_up_from_another_file_system_is_modified_and_then_moved";
    on_prepared(
        Volume::OverlayOfTwo,
        test,
        layered,
        copies_keep_their_identity,
    );
}

#[test]
fn whiteouts_and_opaque_directories_are_removals_and_new_directories() {
    let test =
        "volumes::peculiarities::whiteouts_and_opaque_directories_are_removals_and_new_directories";
    on_prepared(Volume::Overlay, test, layered, |mounted| {
        let root = &mounted.at.join("root");
        let everwatch = started(root);
        fs::remove_file(root.join("gone")).expect("remove a file");
        assert_eq!(reported(&everwatch, root, "s1"), ["removed gone"]);
        let changes = mounted.layers.join("upper/changes/root");
        let whiteout = fs::symlink_metadata(changes.join("gone")).expect("a whiteout");
        assert!(!whiteout.is_file(), "{whiteout:?}");
        fs::remove_dir_all(root.join("d")).expect("remove a directory");
        fs::create_dir(root.join("d")).expect("make a directory");
        write(root.join("d/new"), "");
        everwatch.pass(root, "s2");
        check(everwatch, &[root]);
        assert!(!root.join("d/below").exists(), "the directory is opaque");
    });
}

/// Runs `btrfs subvolume` with an action and paths.
fn subvolume(action: &str, paths: &[&Path]) {
    run("btrfs", &["subvolume", action], paths).expect("btrfs subvolume");
}

#[test]
fn btrfs_subvolumes_and_snapshots_below_a_root_are_reported() {
    let test = "volumes::peculiarities::btrfs_subvolumes_and_snapshots_below_a_root_are_reported";
    on(Volume::Btrfs, test, |_| {
        let scratch = Scratch::new(Place::Disk);
        let root = scratch.path();
        let (first, second) = (root.join("first"), root.join("second"));
        let (shot, moved) = (root.join("shot"), root.join("moved"));
        subvolume("create", &[&first]);
        fs::create_dir(first.join("old")).expect("make a directory");
        write(first.join("old/f"), "");
        let everwatch = started(root);
        write(first.join("old/g"), "");
        let lines = reported(&everwatch, root, "s1");
        assert!(
            lines.contains(&"created first/old/g".to_owned()),
            "{lines:?}"
        );
        subvolume("create", &[&second]);
        write(second.join("f"), "");
        let lines = reported(&everwatch, root, "s2");
        for expected in ["created second", "created second/f"] {
            assert!(lines.iter().any(|line| line == expected), "{lines:?}");
        }
        // A snapshot has the numbers and birth times of what it is one of, on another device.
        subvolume("snapshot", &[&first, &shot]);
        let lines = reported(&everwatch, root, "s3");
        let expected = ["shot", "shot/old", "shot/old/f", "shot/old/g"];
        assert_eq!(lines, expected.map(|path| format!("created {path}")));
        write(shot.join("old/f"), "changed in the snapshot");
        write(first.join("old/f"), "changed in the original");
        let lines = reported(&everwatch, root, "s4");
        for expected in ["modified shot/old/f", "modified first/old/f"] {
            assert!(lines.iter().any(|line| line == expected), "{lines:?}");
        }
        fs::rename(&shot, &moved).expect("rename a snapshot");
        assert_eq!(reported(&everwatch, root, "s5"), ["moved shot -> moved"]);
        write(moved.join("old/h"), "");
        everwatch.pass(&moved, "s6");
        for gone in [&moved, &first] {
            subvolume("delete", &[gone]);
            let gone = gone.to_owned();
            everwatch.wait_for("the end of a subvolume", move |replica| {
                !replica.contains(&gone)
            });
        }
        everwatch.pass(root, "s7");
        check(everwatch, &[root]);
    });
}

#[test]
fn a_btrfs_snapshot_in_an_overflow_is_not_the_subvolume_that_it_replaces() {
    let test = "volumes::peculiarities::a_btrfs_snapshot_in_an_overflow_is_not_the_subvolume_that_it_replaces";
    on(Volume::Btrfs, test, |_| {
        let Some(limits) = Limits::of(Some(16), None) else {
            return;
        };
        let scratch = Scratch::new(Place::Disk);
        let root = scratch.path();
        let (first, shot) = (root.join("first"), root.join("shot"));
        subvolume("create", &[&first]);
        fs::create_dir(first.join("d")).expect("make a directory");
        write(first.join("d/f"), "");
        let everwatch = Everwatch::start_with(&[root], &[], limits);
        everwatch.replica(|replica| replica.keep());
        everwatch.stop();
        for number in 0..100 {
            write(root.join(format!("{number}")), "");
        }
        subvolume("snapshot", &[&first, &shot]);
        subvolume("delete", &[&first]);
        everwatch.go_on();
        let lines = reported(&everwatch, root, "s1");
        assert!(
            !lines.iter().any(|line| line.starts_with("moved")),
            "{lines:?}"
        );
        write(shot.join("d/g"), "");
        let lines = reported(&everwatch, root, "s2");
        assert!(lines.contains(&"created shot/d/g".to_owned()), "{lines:?}");
        check(everwatch, &[root]);
    });
}

/// What changes behind a FUSE server, which no record says.
#[test]
fn what_changes_behind_a_fuse_server_is_found_by_polling() {
    let test = "volumes::peculiarities::what_changes_behind_a_fuse_server_is_found_by_polling";
    on(Volume::Fuse, test, |mounted| {
        let (root, behind) = (mounted.at.join("root"), mounted.shown().join("root"));
        fs::create_dir(&root).expect("make a directory");
        let everwatch = Everwatch::start(&[&root], &["--poll-interval", "50ms"]);
        fs::create_dir(behind.join("d")).expect("make a directory");
        write(behind.join("d/f"), "");
        let file = root.join("d/f");
        everwatch.wait_for("a file made behind it", |replica| replica.contains(&file));
        fs::remove_dir_all(behind.join("d")).expect("remove it");
        everwatch.wait_for("its end", |replica| !replica.contains(&file));
        check(everwatch, &[&root]);
    });
}

/// A server that is stopped and goes on: what happened meanwhile is found.
#[test]
fn a_fuse_server_that_stands_for_a_while_loses_nothing() {
    let test = "volumes::peculiarities::a_fuse_server_that_stands_for_a_while_loses_nothing";
    on(Volume::Fuse, test, |mounted| {
        let (root, behind) = (mounted.at.join("root"), mounted.shown().join("root"));
        fs::create_dir(&root).expect("make a directory");
        let everwatch = Everwatch::start(&[&root], &["--poll-interval", "50ms"]);
        let server = mounted.server.as_ref().expect("a server");
        let id = Pid::from_child(server);
        kill_process(id, Signal::STOP).expect("stop the server");
        write(behind.join("meanwhile"), "");
        // Several polls are due in this time; the first of them stands in the kernel.
        std::thread::sleep(Duration::from_millis(500));
        let file = root.join("meanwhile");
        assert!(!everwatch.replica(|replica| replica.contains(&file)));
        kill_process(id, Signal::CONT).expect("continue the server");
        everwatch.wait_for("what happened meanwhile", |replica| replica.contains(&file));
        check(everwatch, &[&root]);
    });
}

/// A server that stands is not reported: coverage stays `polled`. The command ends all the same.
#[test]
fn the_command_ends_although_a_fuse_server_stands() {
    let test = "volumes::peculiarities::the_command_ends_although_a_fuse_server_stands";
    on(Volume::Fuse, test, |mounted| {
        let root = mounted.at.join("root");
        fs::create_dir(&root).expect("make a directory");
        let everwatch = Everwatch::start(&[&root], &["--poll-interval", "50ms"]);
        let server = mounted.server.as_ref().expect("a server");
        kill_process(Pid::from_child(server), Signal::STOP).expect("stop the server");
        std::thread::sleep(Duration::from_millis(500));
        let coverage = everwatch.replica(|replica| replica.coverage.clone());
        assert!(
            coverage.iter().all(|line| line.state == "polled"),
            "{coverage:?}"
        );
        let asked = Instant::now();
        let status = everwatch.terminate();
        // What it could not look at may have changed: that is no success.
        assert_eq!(status.code(), Some(1));
        assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
    });
}

#[test]
fn a_fuse_server_that_dies_is_reported_and_the_directory_below_it_is_followed() {
    let test = "volumes::peculiarities::a_fuse_server_that_dies_is_reported_and_the_directory_below_it_is_followed";
    on(Volume::Fuse, test, |mounted| {
        let root = &mounted.at;
        fs::create_dir(root.join("d")).expect("make a directory");
        let everwatch = Everwatch::start(&[root], &["--poll-interval", "50ms"]);
        let server = mounted.server.as_ref().expect("a server");
        kill_process(Pid::from_child(server), Signal::KILL).expect("kill the server");
        everwatch.wait_for("that nothing can be looked at", |replica| {
            let mut lines = replica.coverage.iter();
            lines.any(|line| line.path == *root && line.reason == "failing")
        });
        let below = root.join("d");
        assert!(everwatch.replica(|replica| replica.contains(&below)));
        run("umount", &[], &[root]).expect("umount");
        everwatch.wait_for("what was covered", |replica| !replica.contains(&below));
        everwatch.pass(root, "sentinel");
        check(everwatch, &[root]);
    });
}
