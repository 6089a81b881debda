//! What cannot be watched is named with its reason, polled where it can be, and recovered.
//!
//! The limits of inotify are set in a user namespace of a child process, so that nobody else's
//! watches are in danger.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use everwatch::{
    Backend, Cause, Coverage, CoverageState, ErrorKind, Event, Feed, Gap, Options, ResyncPhase,
    Watcher,
};

use crate::support::role::{self, mount, set_limit};
use crate::support::{
    Replica, changes, differences, eventually, structure, synced, temp, until, waiting, walk,
    without,
};

/// Runs the body as a user whom permissions bind; `test` is the test that calls this.
fn as_plain_user(test: &str, body: impl FnOnce()) {
    role::as_plain_user(&format!("coverage::{test}"), body);
}

/// Runs the body in namespaces of its own; `test` is the test that calls this.
fn in_namespaces(test: &str, body: impl FnOnce()) {
    role::in_namespaces(&format!("coverage::{test}"), body);
}

/// A watcher of `root` that polls often enough for a test.
fn watched(root: &Path) -> (Watcher, Feed) {
    let watcher = Options::new()
        .poll_interval(Duration::from_millis(20))
        .build()
        .expect("a watcher");
    let feed = watcher.feed().expect("a feed");
    watcher.watch(root).expect("the root is watched");
    (watcher, feed)
}

fn make_dirs(root: &Path, count: usize) -> Vec<PathBuf> {
    let dirs: Vec<PathBuf> = (0..count)
        .map(|at| root.join(format!("{}/{at}", at % 5)))
        .collect();
    for dir in &dirs {
        fs::create_dir_all(dir).expect("directories");
    }
    dirs
}

fn coverage(watcher: &Watcher) -> Vec<(PathBuf, CoverageState, Option<Gap>)> {
    let all = watcher.coverage().expect("the watcher is open");
    all.into_iter()
        .map(
            |Coverage {
                 path, state, gap, ..
             }| (path, state, gap),
        )
        .collect()
}

fn is_coverage(event: &Event, path: &Path, state: CoverageState, gap: Option<Gap>) -> bool {
    matches!(event, Event::Coverage(subtree)
        if subtree.path == path && subtree.state == state && subtree.gap == gap)
}

/// Whether the coverage names `path` or something above it with this gap.
fn is_named(watcher: &Watcher, path: &Path, gap: Gap) -> bool {
    coverage(watcher)
        .iter()
        .any(|(top, _, why)| path.starts_with(top) && *why == Some(gap))
}

/// Creates a file in each of `dirs` and expects all to be told of behind the barrier.
fn assert_all_seen(watcher: &Watcher, feed: &mut Feed, dirs: &[PathBuf], name: &str) {
    let made: BTreeSet<PathBuf> = dirs.iter().map(|dir| dir.join(name)).collect();
    for path in &made {
        fs::write(path, "").expect("a file");
    }
    let events = synced(watcher, feed);
    let seen: BTreeSet<PathBuf> = changes(&events).map(|change| change.path.clone()).collect();
    assert_eq!(
        made.difference(&seen).collect::<Vec<_>>(),
        Vec::<&PathBuf>::new()
    );
}

#[test]
fn beyond_the_watch_limit_is_polled_and_nothing_is_lost() {
    in_namespaces(
        "beyond_the_watch_limit_is_polled_and_nothing_is_lost",
        || {
            let dir = temp();
            let dirs = make_dirs(dir.path(), 40);
            set_limit("max_inotify_watches", 20);
            let (watcher, mut feed) = watched(dir.path());
            watcher.sync().expect("the barrier is passed");
            let counters = watcher.counters();
            assert!(counters.watches <= 20, "{counters:?}");
            assert!(counters.unwatched >= 46 - 20, "{counters:?}");
            let unnamed: Vec<_> = dirs
                .iter()
                .filter(|dir| !is_named(&watcher, dir, Gap::WatchLimit))
                .collect();
            assert!(unnamed.len() <= 20, "{unnamed:?} cannot all be watched");
            for round in 0..10 {
                assert_all_seen(&watcher, &mut feed, &dirs, &format!("f{round}"));
            }
        },
    );
}

#[test]
fn writes_beyond_the_watch_limit_are_seen() {
    in_namespaces("writes_beyond_the_watch_limit_are_seen", || {
        let dir = temp();
        fs::write(dir.path().join("f"), "0").expect("a file");
        set_limit("max_inotify_watches", 0);
        let (watcher, mut feed) = watched(dir.path());
        for round in 0..20 {
            fs::write(dir.path().join("f"), round.to_string()).expect("written");
            let events = synced(&watcher, &mut feed);
            assert!(
                changes(&events).any(|change| change.path.ends_with("f")),
                "round {round}"
            );
        }
    });
}

#[test]
fn what_grows_beyond_the_watch_limit_is_followed() {
    in_namespaces("what_grows_beyond_the_watch_limit_is_followed", || {
        let dir = temp();
        set_limit("max_inotify_watches", 12);
        let (watcher, mut feed) = watched(dir.path());
        let mut replica = Replica::default();
        for round in 0..10 {
            let own = dir.path().join(format!("r{round}"));
            make_dirs(&own, 10);
            fs::rename(own.join("3"), own.join("moved")).expect("moved");
            fs::remove_dir_all(own.join("2")).expect("removed");
            replica.apply_all(&synced(&watcher, &mut feed));
            let wrong = differences(&replica.tree, &walk(dir.path()));
            assert_eq!(wrong, [""; 0], "round {round}");
        }
    });
}

#[test]
fn a_raised_watch_limit_recovers_by_itself() {
    in_namespaces("a_raised_watch_limit_recovers_by_itself", || {
        let dir = temp();
        let dirs = make_dirs(dir.path(), 40);
        set_limit("max_inotify_watches", 20);
        let (watcher, mut feed) = watched(dir.path());
        let limited: Vec<PathBuf> = coverage(&watcher)
            .into_iter()
            .filter(|(_, _, gap)| *gap == Some(Gap::WatchLimit))
            .map(|(path, _, _)| path)
            .collect();
        assert_ne!(limited, Vec::<PathBuf>::new());
        set_limit("max_inotify_watches", 1000);
        eventually("all is live", || {
            coverage(&watcher) == [(dir.path().into(), CoverageState::Live, None)]
        });
        assert_eq!(watcher.counters().unwatched, 0);
        let events = synced(&watcher, &mut feed);
        for path in &limited {
            let lost = |event: &&Event| {
                is_coverage(event, path, CoverageState::Polled, Some(Gap::WatchLimit))
            };
            let live = |event: &&Event| is_coverage(event, path, CoverageState::Live, None);
            assert_eq!(
                events.iter().filter(lost).count(),
                1,
                "{path:?} is told of once"
            );
            assert_eq!(
                events.iter().filter(live).count(),
                1,
                "{path:?} is told of once"
            );
        }
        assert_eq!(structure(dir.path(), &events), [""; 0]);
        assert_all_seen(&watcher, &mut feed, &dirs, "new");
        fs::write(dirs[39].join("last"), "").expect("a file");
        let events = synced(&watcher, &mut feed);
        let causes: Vec<Cause> = changes(&events).map(|change| change.cause).collect();
        assert_eq!(causes, [Cause::Notified]);
    });
}

#[test]
fn a_root_that_recovered_from_the_watch_limit_is_missed_when_it_is_renamed() {
    let name = "a_root_that_recovered_from_the_watch_limit_is_missed_when_it_is_renamed";
    in_namespaces(name, || {
        let dir = temp();
        let root = dir.path().join("above/root");
        fs::create_dir_all(&root).expect("directories");
        set_limit("max_inotify_watches", 0);
        let (watcher, mut feed) = watched(&root);
        set_limit("max_inotify_watches", 1000);
        eventually("all is live", || {
            coverage(&watcher) == [(root.clone(), CoverageState::Live, None)]
        });
        waiting(&mut feed);
        fs::rename(&root, dir.path().join("above/elsewhere")).expect("moved");
        until(&mut feed, "the root is gone", |event| {
            is_coverage(event, &root, CoverageState::Lost, Some(Gap::RootGone))
        });
    });
}

#[test]
fn a_root_that_recovered_from_the_watch_limit_is_missed_when_one_above_it_is_renamed() {
    let name = "a_root_that_recovered_from_the_watch_limit_is_missed_when_one_above_it_is_renamed";
    in_namespaces(name, || {
        let dir = temp();
        let root = dir.path().join("above/root");
        fs::create_dir_all(&root).expect("directories");
        set_limit("max_inotify_watches", 0);
        let (watcher, mut feed) = watched(&root);
        set_limit("max_inotify_watches", 1000);
        eventually("all is live", || {
            coverage(&watcher) == [(root.clone(), CoverageState::Live, None)]
        });
        waiting(&mut feed);
        fs::rename(dir.path().join("above"), dir.path().join("elsewhere")).expect("moved");
        until(&mut feed, "the root is gone", |event| {
            is_coverage(event, &root, CoverageState::Lost, Some(Gap::RootGone))
        });
    });
}

// requirement: S0.1 (linux)
#[test]
fn without_an_inotify_instance_all_is_polled_and_said_so() {
    in_namespaces(
        "without_an_inotify_instance_all_is_polled_and_said_so",
        || {
            let dir = temp();
            let dirs = make_dirs(dir.path(), 10);
            set_limit("max_inotify_instances", 0);
            let (watcher, mut feed) = watched(dir.path());
            assert_eq!(watcher.backend(), Backend::Poll);
            let expected = (
                dir.path().to_owned(),
                CoverageState::Polled,
                Some(Gap::InstanceLimit),
            );
            assert_eq!(coverage(&watcher), [expected]);
            for round in 0..10 {
                assert_all_seen(&watcher, &mut feed, &dirs, &format!("f{round}"));
            }
            set_limit("max_inotify_instances", 10);
            eventually("all is live", || {
                coverage(&watcher) == [(dir.path().into(), CoverageState::Live, None)]
            });
            assert_all_seen(&watcher, &mut feed, &dirs, "after");
        },
    );
}

// requirement: S0.1 (linux)
#[test]
fn who_insists_on_inotify_gets_an_error_if_no_instance_is_left() {
    in_namespaces(
        "who_insists_on_inotify_gets_an_error_if_no_instance_is_left",
        || {
            set_limit("max_inotify_instances", 0);
            let options = Options::new().backend(Backend::Inotify);
            let error = options.build().expect_err("there is no instance");
            assert_eq!(error.kind(), ErrorKind::LimitReached);
            assert!(
                error.to_string().contains("fs.inotify.max_user_instances"),
                "{error}"
            );
        },
    );
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("chmod");
}

#[test]
fn an_unreadable_directory_is_lost_by_name_until_it_can_be_read() {
    as_plain_user(
        "an_unreadable_directory_is_lost_by_name_until_it_can_be_read",
        || {
            let dir = temp();
            let closed = dir.path().join("a/closed");
            fs::create_dir_all(closed.join("below")).expect("directories");
            fs::create_dir(dir.path().join("open")).expect("a directory");
            chmod(&closed, 0);
            let (watcher, mut feed) = watched(dir.path());
            assert!(
                is_named(&watcher, &closed, Gap::Unreadable),
                "{:?}",
                coverage(&watcher)
            );
            fs::write(dir.path().join("open/f"), "").expect("a file");
            fs::write(dir.path().join("a/f"), "").expect("a file");
            let events = synced(&watcher, &mut feed);
            assert_eq!(
                structure(dir.path(), &events),
                ["created open/f", "created a/f"]
            );
            assert!(events.iter().any(|event| {
                is_coverage(event, &closed, CoverageState::Lost, Some(Gap::Unreadable))
            }));

            chmod(&closed, 0o700);
            fs::write(closed.join("below/f"), "").expect("a file");
            let events = synced(&watcher, &mut feed);
            let mut seen = structure(dir.path(), &events);
            seen.sort();
            assert_eq!(
                seen,
                ["created a/closed/below/", "created a/closed/below/f"]
            );
            assert!(events.iter().any(|event| is_coverage(
                event,
                &closed,
                CoverageState::Live,
                None
            )));
            assert_eq!(
                coverage(&watcher),
                [(dir.path().to_owned(), CoverageState::Live, None)]
            );
            fs::write(closed.join("below/g"), "").expect("a file");
            let seen = structure(dir.path(), &synced(&watcher, &mut feed));
            assert_eq!(seen, ["created a/closed/below/g"]);
        },
    );
}

#[test]
fn an_unreadable_directory_that_moves_is_named_where_it_is_now() {
    let name = "an_unreadable_directory_that_moves_is_named_where_it_is_now";
    as_plain_user(name, || {
        let dir = temp();
        let (before, after) = (dir.path().join("before/closed"), dir.path().join("after"));
        fs::create_dir_all(&before).expect("directories");
        chmod(&before, 0o300);
        let (watcher, mut feed) = watched(dir.path());
        let mut told = || -> Vec<String> {
            let events = synced(&watcher, &mut feed);
            let of_coverage = events
                .iter()
                .filter(|event| matches!(event, Event::Coverage(_)));
            of_coverage.map(ToString::to_string).collect()
        };
        let closed = |at: &Path| format!("lost {} (unreadable)", at.display());
        assert_eq!(told(), [closed(&before)]);
        fs::rename(dir.path().join("before"), &after).expect("moved");
        fs::create_dir_all(&before).expect("directories");
        assert_eq!(told(), [closed(&after.join("closed"))]);
        chmod(&after.join("closed"), 0o700);
        assert_eq!(told(), [format!("live {}", after.join("closed").display())]);
    });
}

#[test]
fn what_waits_to_be_said_of_a_directory_that_goes_is_not_said_of_the_next_one() {
    let name = "what_waits_to_be_said_of_a_directory_that_goes_is_not_said_of_the_next_one";
    as_plain_user(name, || {
        let (dir, elsewhere) = (temp(), temp());
        let options = Options::new().settle(Duration::from_secs(3600));
        let watcher = options.build().expect("a watcher");
        watcher.watch(dir.path()).expect("watched");
        let mut feed = watcher.feed().expect("a feed");
        let closed = dir.path().join("closed");
        let unreadable = elsewhere.path().join("unreadable");
        fs::create_dir(&unreadable).expect("a directory");
        chmod(&unreadable, 0o300);
        fs::rename(unreadable, &closed).expect("moved");
        // Nothing settles for an hour, so the feed has a note that waits.
        eventually("it is lost", || {
            is_named(&watcher, &closed, Gap::Unreadable)
        });
        fs::remove_dir(&closed).expect("removed");
        fs::create_dir(&closed).expect("a directory");
        let told = synced(&watcher, &mut feed);
        assert!(
            !told.iter().any(|event| matches!(event, Event::Coverage(_))),
            "{told:#?}"
        );
    });
}

#[test]
fn a_directory_that_is_made_unreadable_and_readable_again_has_what_was_made_meanwhile() {
    let name = "a_directory_that_is_made_unreadable_and_readable_again_has_what_was_made_meanwhile";
    as_plain_user(name, || {
        let dir = temp();
        let closed = dir.path().join("closed");
        fs::create_dir_all(closed.join("d")).expect("directories");
        fs::write(closed.join("d/f"), "").expect("a file");
        let (watcher, mut feed) = watched(dir.path());
        let mut replica = Replica::of(walk(dir.path()));
        for round in 0..5 {
            chmod(&closed, 0o300);
            fs::create_dir_all(closed.join(format!("r{round}/x"))).expect("directories");
            fs::rename(closed.join("d"), closed.join(format!("r{round}/x/d"))).expect("moved");
            fs::rename(closed.join(format!("r{round}/x/d")), closed.join("d")).expect("moved");
            replica.apply_all(&synced(&watcher, &mut feed));
            chmod(&closed, 0o700);
            replica.apply_all(&synced(&watcher, &mut feed));
            let wrong = differences(&replica.tree, &walk(dir.path()));
            assert_eq!(wrong, [""; 0], "round {round}");
            assert_eq!(
                coverage(&watcher),
                [(dir.path().to_owned(), CoverageState::Live, None)]
            );
        }
    });
}

#[test]
fn a_root_that_gets_its_search_permission_back_is_live_below_again() {
    as_plain_user(
        "a_root_that_gets_its_search_permission_back_is_live_below_again",
        || {
            let dir = temp();
            let root = dir.path().join("root");
            fs::create_dir_all(root.join("a/b")).expect("directories");
            fs::write(root.join("a/b/f"), "").expect("a file");
            chmod(&root, 0o600);
            let (watcher, mut feed) = watched(&root);
            assert!(
                is_named(&watcher, &root.join("a"), Gap::Unreadable),
                "{:?}",
                coverage(&watcher)
            );
            chmod(&root, 0o700);
            let mut seen = structure(&root, &synced(&watcher, &mut feed));
            seen.sort();
            assert_eq!(seen, ["created a/b/", "created a/b/f"]);
            assert_eq!(coverage(&watcher), [(root, CoverageState::Live, None)]);
        },
    );
}

#[test]
fn entries_of_a_directory_that_may_be_listed_but_not_searched_are_known() {
    as_plain_user(
        "entries_of_a_directory_that_may_be_listed_but_not_searched_are_known",
        || {
            let dir = temp();
            let root = dir.path().join("root");
            fs::create_dir(&root).expect("a directory");
            std::os::unix::fs::symlink("nowhere", root.join("link")).expect("a link");
            fs::write(root.join("file"), "").expect("a file");
            let (watcher, mut feed) = watched(&root);
            let mut replica = Replica::of(walk(&root));
            chmod(&root, 0o400);
            replica.apply_all(&synced(&watcher, &mut feed));
            chmod(&root, 0o700);
            replica.apply_all(&synced(&watcher, &mut feed));
            assert_eq!(
                differences(&without(&root, &replica.tree), &walk(&root)),
                [""; 0]
            );
        },
    );
}

#[test]
fn pseudo_file_systems_as_roots_are_polled_and_said_so() {
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
