//! File systems as roots and below roots: pseudo file systems, and what is mounted and unmounted.
//!
//! Mounts are made in a mount namespace of a child process.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use everwatch::{CoverageState, Event, Gap, ResyncPhase};

use crate::coverage::{coverage, is_coverage, watched};
use crate::support::role::{self, mount};
use crate::support::{
    Replica, differences, eventually, structure, synced, temp, until, waiting, walk, without,
};

/// Runs the body in namespaces of its own; `test` is the test that calls this.
fn in_namespaces(test: &str, body: impl FnOnce()) {
    role::in_namespaces(&format!("mounts::{test}"), body);
}

#[test]
fn pseudo_file_systems_as_roots_are_polled_and_reported_so() {
    for root in ["/proc/sys/kernel/random", "/sys/kernel/mm"] {
        let root = Path::new(root);
        if !root.is_dir() {
            eprintln!("SKIPPED {}: not here", root.display());
            continue;
        }
        let (watcher, _feed) = watched(root);
        let expected = (
            root.to_owned(),
            CoverageState::Polled,
            Some(Gap::PseudoFileSystem),
        );
        assert_eq!(coverage(&watcher), [expected]);
        watcher.sync().expect("the barrier is passed");
    }
}

#[test]
fn the_processes_in_proc_can_be_polled_as_a_root() {
    let (watcher, _feed) = watched(Path::new("/proc"));
    watcher.sync().expect("the barrier is passed");
    watcher.close();
}

#[test]
fn a_pseudo_file_system_below_a_root_is_left_out_and_named() {
    in_namespaces(
        "a_pseudo_file_system_below_a_root_is_left_out_and_named",
        || {
            let dir = temp();
            let point = dir.path().join("a/point");
            fs::create_dir_all(&point).expect("directories");
            let source = OsStr::new("/sys/kernel/mm");
            mount("mount", &[OsStr::new("--rbind"), source, point.as_os_str()]);
            let (watcher, mut feed) = watched(dir.path());
            let expected = [
                (dir.path().to_owned(), CoverageState::Live, None),
                (point.clone(), CoverageState::Lost, Some(Gap::PseudoMount)),
            ];
            assert_eq!(coverage(&watcher), expected);
            assert!(watcher.counters().entries <= 3, "{:?}", watcher.counters());
            fs::write(dir.path().join("a/f"), "").expect("a file");
            assert_eq!(
                structure(dir.path(), &synced(&watcher, &mut feed)),
                ["created a/f"]
            );
            mount("umount", &[OsStr::new("-l"), point.as_os_str()]);
            eventually("all is live", || {
                coverage(&watcher) == [(dir.path().into(), CoverageState::Live, None)]
            });
            fs::write(point.join("f"), "").expect("a file");
            assert_eq!(
                structure(dir.path(), &synced(&watcher, &mut feed)),
                ["created a/point/f"]
            );
        },
    );
}

#[test]
fn what_is_mounted_below_a_root_replaces_what_was_there_until_it_is_unmounted() {
    let name = "what_is_mounted_below_a_root_replaces_what_was_there_until_it_is_unmounted";
    in_namespaces(name, || {
        let dir = temp();
        let point = dir.path().join("point");
        fs::create_dir_all(point.join("covered/deep")).expect("directories");
        let (watcher, mut feed) = watched(dir.path());
        let mut replica = Replica::of(walk(dir.path()));
        for round in 0..3 {
            let tmpfs = ["-t", "tmpfs", "none"].map(OsStr::new);
            mount("mount", &[&tmpfs[..], &[point.as_os_str()]].concat());
            fs::create_dir_all(point.join("new/x")).expect("directories");
            fs::write(point.join("new/x/f"), "").expect("a file");
            replica.apply_all(&synced(&watcher, &mut feed));
            let wrong = differences(&replica.tree, &walk(dir.path()));
            assert_eq!(wrong, [""; 0], "mounted, round {round}");
            fs::write(point.join("new/x/g"), "").expect("a file");
            let seen = synced(&watcher, &mut feed);
            assert_eq!(structure(dir.path(), &seen), ["created point/new/x/g"]);
            replica.apply_all(&seen);
            mount("umount", &[point.as_os_str()]);
            replica.apply_all(&synced(&watcher, &mut feed));
            let wrong = differences(&replica.tree, &walk(dir.path()));
            assert_eq!(wrong, [""; 0], "unmounted, round {round}");
            fs::write(point.join(format!("covered/deep/{round}")), "").expect("a file");
            replica.apply_all(&synced(&watcher, &mut feed));
            let wrong = differences(&replica.tree, &walk(dir.path()));
            assert_eq!(wrong, [""; 0], "uncovered, round {round}");
        }
    });
}

#[test]
fn a_watched_mount_can_be_unmounted_while_nothing_happens() {
    in_namespaces(
        "a_watched_mount_can_be_unmounted_while_nothing_happens",
        || {
            let dir = temp();
            let point = dir.path().join("point");
            fs::create_dir(&point).expect("a directory");
            let tmpfs = ["-t", "tmpfs", "none"].map(OsStr::new);
            mount("mount", &[&tmpfs[..], &[point.as_os_str()]].concat());
            fs::create_dir_all(point.join("x/y")).expect("directories");
            let (watcher, mut feed) = watched(&point);
            fs::write(point.join("x/y/f"), "").expect("a file");
            synced(&watcher, &mut feed);
            mount("umount", &[point.as_os_str()]);
            let events = until(&mut feed, "the tree below is gone", |event| {
                matches!(event, Event::Resync(resync) if resync.phase == ResyncPhase::End)
                    || is_coverage(event, &point, CoverageState::Live, None)
            });
            let mut replica = Replica::default();
            replica.apply_all(&events);
            watcher.sync().expect("the barrier is passed");
            replica.apply_all(&waiting(&mut feed));
            assert_eq!(
                differences(&without(&point, &replica.tree), &walk(&point)),
                [""; 0]
            );
            fs::write(point.join("g"), "").expect("a file");
            assert_eq!(
                structure(&point, &synced(&watcher, &mut feed)),
                ["created g"]
            );
        },
    );
}
