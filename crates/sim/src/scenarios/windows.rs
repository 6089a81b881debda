//! Scenarios of documented behaviour of Windows, in a few calls each. The numbers in the names
//! are those of the requirements.

use std::path::Path;

use everwatch_core::kernel::{Kernel as _, Purpose};
use everwatch_core::queue::RecordQueue;
use everwatch_directory_reads::Layout;

use crate::disk::{Disk, FileSystemTraits};
use crate::linux::queue::Queue;
use crate::random::Stream;
use crate::scenarios::Scenario;
use crate::schedule::setup::BEGAN;
use crate::system::System;
use crate::trace::Trace;
use crate::windows::calls::{Nt, Refusals, WindowsTraits};
use crate::windows::habits::Habits;
use crate::windows::machine::{Machine, Model};
use crate::windows::reads::Reads;
use crate::workload::Workload;
use crate::workload::mix::Mix;
use crate::world::{SimulatedKernel, Temper, World};
use everwatch_backends::windows::{FileSystem, Volume, WindowsKernel};

/// No short names, no deferred deletes; every directory whose entries change is reported.
pub(crate) const PLAIN: WindowsTraits = WindowsTraits {
    defers_deletes: 0,
    shortens: 0,
    touches: 1000,
    describes: 1000,
    renumbers: false,
};

pub(crate) const LOCAL: Model = Model {
    layout: Layout::Extended,
    volume: Volume {
        file_system: FileSystem::Ntfs,
        is_remote: false,
        has_wide_numbers: false,
    },
    tardiness: 0,
    shortness: 0,
};

pub(crate) type Windows = Scenario<WindowsKernel<Machine>>;

/// A patient machine with the directories `/w/in` and `/w/out`. Buffers are this many times smaller than
/// asked for, and reads complete in pieces so often.
pub(crate) fn machine(traits: WindowsTraits, model: Model, shrink: u32, slices: u32) -> Windows {
    Scenario::over(kernel(traits, model, shrink, slices))
}

fn kernel(traits: WindowsTraits, model: Model, shrink: u32, slices: u32) -> WindowsKernel<Machine> {
    let disk_traits = FileSystemTraits {
        reuses_numbers: model.volume.is_remote || model.volume.file_system == FileSystem::Fat,
        has_births: true,
        lists_kinds: true,
        lists_by_hash: true,
        replaces_in_place: false,
        tick: 100,
        folds_names: true,
    };
    let timing = Stream::Timing.random(0);
    let disk = Disk::new(disk_traits, BEGAN, None);
    let mut system = System::new(disk, Queue::new(0, 0), Trace::default(), timing.clone(), 0);
    let notices = Stream::Notices.random(0);
    let mut reads = Reads::new(usize::MAX, slices, notices.clone());
    reads.shrink = shrink;
    system.nt = Some(Nt {
        reads,
        delete_pending: Vec::new(),
        deletes_finished: 0,
        random: notices,
        traits,
        habits: Habits::default(),
        whims: Stream::Habits.random(0),
        looked_at: None,
        refusals: Refusals::default(),
    });
    let workload = Workload::new(Stream::Workload.random(0), Mix::Everything, 0);
    let world = World::new(0, system, workload, Temper::PATIENT, timing);
    WindowsKernel::new(Machine::new(world, model, None), None)
}

pub(crate) fn plain() -> Windows {
    machine(PLAIN, LOCAL, 1, 0)
}

fn shortening() -> Windows {
    let traits = WindowsTraits {
        shortens: 1000,
        ..PLAIN
    };
    machine(traits, LOCAL, 1, 0)
}

/// Without what is reported of directories whose entries changed.
pub(crate) fn of(reported: Vec<String>, word: &str) -> Vec<String> {
    reported
        .into_iter()
        .filter(|change| change.starts_with(word))
        .collect()
}

// requirement: S1.8 (simulator)
#[test]
fn what_is_made_in_directories_made_later_is_reported() {
    let mut scenario = plain().watched();
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    assert_eq!(scenario.sync(), ["created /w/in/a", "created /w/in/a/b"]);
    scenario.create("/w/in/a/c");
    assert_eq!(
        of(scenario.sync(), "created"),
        ["created /w/in/a/c"],
        "one read reports on all that is below"
    );
}

// requirement: S1.11 (simulator)
#[test]
fn a_move_between_directories_is_one_change() {
    let mut scenario = plain().watched();
    for path in ["/w/in/a", "/w/in/b", "/w/in/a/d"] {
        scenario.mkdir(path);
    }
    scenario.create("/w/in/a/d/f");
    scenario.sync();
    // What was written long ago needs no second look.
    scenario.pass(5);
    scenario.rename("/w/in/a/d", "/w/in/b/e");
    assert_eq!(scenario.sync(), ["moved /w/in/a/d -> /w/in/b/e"]);
    scenario.create("/w/in/b/e/g");
    scenario.rename("/w/in/b/e/f", "/w/in/f");
    assert_eq!(
        scenario.sync(),
        ["created /w/in/b/e/g", "moved /w/in/b/e/f -> /w/in/f"]
    );
}

#[test]
fn the_successor_of_a_directory_that_has_moved_on_is_not_taken_for_it() {
    let mut scenario = plain().watched();
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    scenario.rename("/w/in/a", "/w/in/c");
    scenario.mkdir("/w/in/a");
    scenario.sync();
    scenario.remove("/w/in/c/b");
    scenario.rmdir("/w/in/c");
    scenario.rest();
}

#[test]
fn a_tree_that_moves_to_another_root_is_listed_as_often_as_a_flat_one() {
    let mut scenario = plain().watched();
    scenario.join("/w/out", true);
    let mut path = "/w/in".to_owned();
    for _ in 0..50 {
        path.push_str("/d");
        scenario.mkdir(&path);
    }
    scenario.sync();
    let before = scenario.engine.counters().listings;
    scenario.rename("/w/in/d", "/w/out/d");
    assert_eq!(scenario.sync(), ["moved /w/in/d -> /w/out/d"]);
    let listings = scenario.engine.counters().listings - before;
    // Once for the new root, and once more because it is a move by inference.
    assert!(
        (50..=105).contains(&listings),
        "{listings} for 50 directories"
    );
}

// requirement: S1.11 (simulator)
#[test]
fn the_halves_of_a_rename_in_two_buffers_are_one_change() {
    for seed in 0..20 {
        let mut scenario = machine(PLAIN, LOCAL, 1, 1000).watched();
        scenario.create("/w/in/a");
        scenario.sync();
        let nt = scenario.system().nt_mut();
        nt.reads.reseed(seed);
        scenario.create("/w/in/x");
        scenario.rename("/w/in/a", "/w/in/b");
        let reported = scenario.sync();
        assert_eq!(
            of(reported, "moved"),
            ["moved /w/in/a -> /w/in/b"],
            "{seed}"
        );
    }
}

// requirement: S1.11 (simulator)
#[test]
fn a_move_out_of_the_tree_is_a_removal_in_the_end() {
    let mut scenario = plain().watched();
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/f");
    scenario.sync();
    scenario.rename("/w/in/a", "/w/out/a");
    assert_eq!(scenario.sync(), ["removed /w/in/a"]);
}

// requirement: S1.11 (simulator)
#[test]
fn a_directory_that_moves_in_is_reported_with_all_below() {
    let mut scenario = plain().watched();
    scenario.mkdir("/w/out/a");
    scenario.create("/w/out/a/f");
    scenario.rename("/w/out/a", "/w/in/a");
    assert_eq!(scenario.sync(), ["created /w/in/a", "created /w/in/a/f"]);
}

#[test]
fn a_replaced_file_is_reported_as_one_move() {
    let mut scenario = plain().watched();
    scenario.create("/w/in/f");
    scenario.create("/w/in/.tmp");
    scenario.sync();
    scenario.rename("/w/in/.tmp", "/w/in/f");
    assert_eq!(
        of(scenario.sync(), "moved"),
        ["moved /w/in/.tmp -> /w/in/f"]
    );
}

#[test]
fn a_change_of_case_is_a_move() {
    let mut scenario = plain().watched();
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/f");
    scenario.sync();
    scenario.rename("/w/in/a", "/w/in/A");
    assert_eq!(scenario.sync(), ["moved /w/in/a -> /w/in/A"]);
    scenario.rename("/w/in/A/f", "/w/in/A/F");
    assert_eq!(scenario.sync(), ["moved /w/in/A/f -> /w/in/A/F"]);
}

#[test]
fn a_change_of_case_is_a_move_whatever_fails_meanwhile() {
    let mut model = LOCAL;
    model.volume.file_system = FileSystem::Fat;
    for skipped in 0..100 {
        let mut scenario = machine(PLAIN, model, 1, 0).watched();
        scenario.create("/w/in/a");
        scenario.fail(100, skipped);
        scenario.step();
        scenario.rename("/w/in/a", "/w/in/A");
        scenario.step();
        scenario.fail(0, 0);
        scenario.rest();
    }
}

#[test]
fn a_change_of_case_whose_records_were_lost_is_found() {
    let mut scenario = machine(PLAIN, LOCAL, 10_000, 0).watched();
    scenario.create("/w/in/a");
    scenario.sync();
    for path in ["/w/in/1", "/w/in/2"] {
        scenario.create(path);
    }
    scenario.rename("/w/in/a", "/w/in/A");
    let reported = scenario.sync();
    assert!(
        reported.contains(&"created /w/in/1".to_owned()),
        "{reported:?}"
    );
}

// requirement: S3.12 (simulator)
#[test]
fn short_names_in_records_are_those_of_their_entries() {
    let mut scenario = shortening().watched();
    scenario.mkdir("/w/in/long directory");
    scenario.create("/w/in/long directory/long file.txt");
    assert_eq!(
        scenario.sync(),
        [
            "created /w/in/long directory",
            "created /w/in/long directory/long file.txt"
        ]
    );
    scenario.write("/w/in/long directory/long file.txt");
    let reported = scenario.sync();
    assert!(
        reported.contains(&"modified /w/in/long directory/long file.txt".to_owned()),
        "{reported:?}"
    );
}

// requirement: S3.12 (simulator)
#[test]
fn what_is_deleted_by_its_short_name_is_reported_as_gone() {
    let mut scenario = shortening().watched();
    scenario.create("/w/in/long file 1.txt");
    scenario.create("/w/in/long file 2.txt");
    scenario.sync();
    scenario.remove("/w/in/long file 1.txt");
    assert_eq!(
        of(scenario.sync(), "removed"),
        ["removed /w/in/long file 1.txt"]
    );
}

// requirement: S3.12 (simulator)
#[test]
fn a_short_name_that_was_given_on_is_not_taken_for_its_new_owner() {
    let mut scenario = shortening().watched();
    scenario.create("/w/in/long file 1.txt");
    scenario.sync();
    scenario.remove("/w/in/long file 1.txt");
    scenario.create("/w/in/long file 2.txt");
    let mut reported = scenario.sync();
    reported.sort();
    assert!(reported.contains(&"removed /w/in/long file 1.txt".to_owned()));
    assert!(reported.contains(&"created /w/in/long file 2.txt".to_owned()));
}

// requirement: S2.7 (simulator)
#[test]
fn no_bytes_are_lost_records_and_what_was_lost_is_found() {
    for shrink in [10_000, 2_000] {
        let mut scenario = machine(PLAIN, LOCAL, shrink, 0).watched();
        scenario.mkdir("/w/in/a");
        scenario.sync();
        for name in 0..40 {
            scenario.create(&format!("/w/in/a/file {name}"));
        }
        let reported = scenario.sync();
        assert_eq!(of(reported, "created").len(), 40);
        let counters = scenario.engine.counters();
        assert!(counters.overflows > 0, "{counters:?}");
    }
}

// requirement: S1.7 (simulator)
#[test]
fn a_read_that_lost_records_gets_a_larger_buffer_and_a_remote_one_does_not() {
    for (is_remote, more) in [(false, true), (true, false)] {
        let mut model = LOCAL;
        model.volume.is_remote = is_remote;
        let mut scenario = machine(PLAIN, model, 500, 0).watched();
        scenario.mkdir("/w/in/a");
        scenario.sync();
        let mut losses = Vec::new();
        for round in 0..6 {
            for name in 0..20 {
                scenario.create(&format!("/w/in/a/{round} {name}"));
            }
            scenario.sync();
            losses.push(scenario.engine.counters().overflows);
        }
        let has_ended = losses[4] == losses[5];
        assert_eq!(has_ended, more, "{losses:?}");
    }
}

// requirement: S1.10 (simulator)
#[test]
fn a_deleted_directory_is_reported_as_one() {
    let mut scenario = plain().watched();
    scenario.mkdir("/w/in/a");
    scenario.mkdir("/w/in/a/b");
    scenario.create("/w/in/a/f");
    scenario.sync();
    scenario.rename("/w/in/a", "/w/in/c");
    scenario.rmdir("/w/in/c/b");
    scenario.remove("/w/in/c/f");
    scenario.rmdir("/w/in/c");
    let mut reported = scenario.sync_kinds();
    reported.retain(|(change, _)| change.starts_with("removed"));
    let is_dir = |path: &str| reported.iter().find(|(change, _)| change.ends_with(path));
    for (path, dir) in [("/w/in/c/b", true), ("/w/in/c/f", false), ("/w/in/c", true)] {
        if let Some(&(_, kind)) = is_dir(path) {
            assert_eq!(kind, dir, "{path}");
        }
    }
    assert!(!reported.is_empty());
}

// requirement: S1.17 (simulator)
#[test]
fn what_happens_while_a_read_is_replaced_is_reported() {
    let mut scenario = plain().watched();
    // The first directory below makes the read be replaced by one that reaches below.
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/b");
    scenario.create("/w/in/a/c");
    let mut reported = scenario.sync();
    reported.sort();
    assert_eq!(
        reported,
        ["created /w/in/a", "created /w/in/a/c", "created /w/in/b"]
    );
    let reads = scenario.system().nt().reads.len();
    assert_eq!(reads, 2, "the root's, and that of the directory above");
}

// requirement: S1.17 (simulator)
#[test]
fn what_a_replaced_read_had_is_not_waited_for() {
    let mut scenario = plain();
    scenario.mkdir("/w/in/a");
    let kernel = scenario.engine.kernel_mut();
    let root = kernel.open_root(Path::new("/w/in")).expect("it is there");
    kernel.watch(&root, Purpose::Root).expect("watched");
    scenario.create("/w/in/f");
    let kernel = scenario.engine.kernel_mut();
    let below = kernel.open_dir(&root, b"a").expect("it is there");
    kernel.watch(&below, Purpose::Entries).expect("watched");
    assert!(kernel.is_idle(), "no read will complete by itself");
    kernel.sleep(None);
    let mut records = RecordQueue::default();
    kernel.drain(&mut records).expect("drained");
    assert_eq!(records.front().map(|record| record.name), Some(&b"f"[..]));
}

/// A file is removed and another one gets its number.
fn reuse_a_number(volume: Volume) {
    let mut scenario = machine(PLAIN, Model { volume, ..LOCAL }, 1, 0).watched();
    scenario.mkdir("/w/in/d");
    scenario.create("/w/in/a");
    scenario.sync();
    scenario.remove("/w/in/a");
    scenario.create("/w/in/d/b");
    let mut reported = scenario.sync();
    reported.retain(|line| !line.starts_with("modified"));
    reported.sort();
    assert_eq!(reported, ["created /w/in/d/b", "removed /w/in/a"]);
}

#[test]
fn a_file_whose_number_is_used_again_is_not_taken_for_the_first() {
    reuse_a_number(Volume {
        file_system: FileSystem::Fat,
        ..LOCAL.volume
    });
}

// Samba calls its file system NTFS, and its numbers are those of a Linux file system.
#[test]
fn a_server_that_calls_itself_ntfs_is_not_trusted_with_numbers() {
    reuse_a_number(Volume {
        is_remote: true,
        ..LOCAL.volume
    });
}

#[test]
fn a_removed_and_remade_directory_is_another_one() {
    let mut scenario = plain().watched();
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/f");
    scenario.sync();
    scenario.remove("/w/in/a/f");
    scenario.rmdir("/w/in/a");
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/g");
    scenario.sync();
    assert!(scenario.engine.kernel().names_paths());
    assert!(scenario.engine.kernel().is_idle());
}

#[test]
fn both_layouts_of_records_mean_the_same() {
    let mut all = Vec::new();
    for layout in [Layout::Plain, Layout::Extended] {
        let model = Model { layout, ..LOCAL };
        let mut scenario = machine(PLAIN, model, 1, 0).watched();
        scenario.mkdir("/w/in/a");
        scenario.create("/w/in/a/\u{e9}\u{1f980}");
        scenario.rename("/w/in/a/\u{e9}\u{1f980}", "/w/in/a/b");
        scenario.sync();
        scenario.pass(5);
        scenario.rename("/w/in/a/b", "/w/in/b");
        all.push(scenario.sync());
    }
    assert_eq!(all[0], ["moved /w/in/a/b -> /w/in/b"]);
    assert_eq!(all[0], all[1]);
}

/// How many entries were looked at while ten files came into being, and how many of them were reported.
fn looked_at(layout: Layout, volume: Volume) -> (u64, usize) {
    let model = Model {
        layout,
        volume,
        ..LOCAL
    };
    let mut scenario = machine(PLAIN, model, 1, 0).watched();
    scenario.sync();
    let before = scenario.engine.counters().stats;
    for number in 0..10 {
        scenario.create(&format!("/w/in/{number}"));
    }
    let reported = scenario.sync();
    let created = reported.iter().filter(|line| line.starts_with("created "));
    (scenario.engine.counters().stats - before, created.count())
}

#[test]
fn new_files_are_what_their_records_say_without_a_look() {
    assert_eq!(looked_at(Layout::Extended, LOCAL.volume), (0, 10));
}

#[test]
fn new_files_are_looked_at_where_records_do_not_say_what_they_are() {
    let refs = Volume {
        file_system: FileSystem::Refs,
        has_wide_numbers: true,
        ..LOCAL.volume
    };
    let fat = Volume {
        file_system: FileSystem::Fat,
        ..LOCAL.volume
    };
    let server = Volume {
        is_remote: true,
        ..LOCAL.volume
    };
    for (layout, volume) in [
        (Layout::Plain, LOCAL.volume),
        (Layout::Extended, refs),
        (Layout::Extended, fat),
        (Layout::Extended, server),
    ] {
        let (looks, reported) = looked_at(layout, volume);
        assert!(looks >= 10, "{layout:?} {volume:?}: {looks}");
        assert_eq!(reported, 10);
    }
}

#[test]
fn a_file_that_was_away_for_a_moment_may_have_been_written_there() {
    let mut scenario = plain().watched();
    scenario.create("/w/in/a");
    scenario.sync();
    scenario.rename("/w/in/a", "/w/out/a");
    // At this step it is known that it departed, and not yet that it came back.
    scenario.step();
    scenario.write("/w/out/a");
    scenario.rename("/w/out/a", "/w/in/a");
    scenario.rename("/w/in/a", "/w/in/b");
    scenario.sync();
}

#[test]
fn rules_that_are_removed_by_a_short_name_hide_nothing_any_more() {
    let traits = WindowsTraits {
        shortens: 1000,
        ..PLAIN
    };
    let mut scenario = Scenario::obeying_rules_over(kernel(traits, LOCAL, 1, 0));
    scenario.mkdir("/w/in/a long name");
    scenario.create("/w/in/a long name/.gitignore");
    while scenario.system().disk.version % 7 != 1 {
        scenario.write("/w/in/a long name/.gitignore");
    }
    scenario.create("/w/in/a long name/a");
    scenario.sync();
    scenario.remove("/w/in/a long name/.gitignore");
    scenario.sync();
}

#[test]
fn rules_whose_move_was_seen_before_its_record_hide_nothing_any_more() {
    for layout in [Layout::Plain, Layout::Extended] {
        let model = Model { layout, ..LOCAL };
        let mut scenario = Scenario::obeying_rules_over(kernel(PLAIN, model, 1, 0));
        scenario.create("/w/in/.gitignore");
        while scenario.system().disk.version % 7 != 1 {
            scenario.write("/w/in/.gitignore");
        }
        scenario.create("/w/in/a");
        scenario.sync();
        scenario.create("/w/in/b");
        scenario.write("/w/in/b");
        scenario.remove("/w/in/b");
        scenario.rename("/w/in/.gitignore", "/w/in/b");
        scenario.sync();
    }
}

// efsw #178 shows OLD1 OLD2 NEW1 NEW2 in the read of one tree.
#[test]
fn renames_in_two_directories_at_once_are_not_mixed_up() {
    for layout in [Layout::Plain, Layout::Extended] {
        let mut scenario = machine(PLAIN, Model { layout, ..LOCAL }, 1, 0).watched();
        for dir in ["/w/in/a", "/w/in/b"] {
            scenario.mkdir(dir);
            scenario.create(&format!("{dir}/{}", &dir[6..]));
        }
        scenario.sync();
        scenario.pass(5);
        scenario.system().hold_calls();
        scenario.rename("/w/in/a/a", "/w/in/a/one");
        scenario.rename("/w/in/b/b", "/w/in/b/two");
        scenario.system().take_turns();
        let mut moved = of(scenario.sync(), "moved");
        moved.sort();
        assert_eq!(
            moved,
            [
                "moved /w/in/a/a -> /w/in/a/one",
                "moved /w/in/b/b -> /w/in/b/two"
            ],
            "{layout:?}"
        );
    }
}

#[test]
fn a_name_that_is_made_again_before_its_records_come_is_not_moved_with_the_first() {
    let model = Model {
        layout: Layout::Plain,
        ..LOCAL
    };
    let mut scenario = machine(PLAIN, model, 1, 0).watched();
    scenario.create("/w/out/x");
    scenario.create("/w/in/.tmp");
    scenario.rename("/w/in/.tmp", "/w/in/b");
    scenario.rename("/w/out/x", "/w/in/.tmp");
    assert_eq!(
        of(scenario.sync(), "moved"),
        ["moved /w/in/.tmp -> /w/in/b"]
    );
}

#[test]
fn a_directory_whose_name_had_another_one_when_it_was_listed_is_listed() {
    let mut scenario = plain().watched();
    scenario.mkdir("/w/out/d");
    scenario.create("/w/out/d/f");
    scenario.sync();
    scenario.rename("/w/out/d", "/w/in/a");
    scenario.rename("/w/in/a", "/w/in/b");
    scenario.mkdir("/w/in/a");
    scenario.sync();
}

#[test]
fn what_is_made_in_the_successor_of_a_directory_does_not_move_with_the_directory() {
    let mut scenario = plain().watched();
    scenario.mkdir("/w/in/a");
    scenario.mkdir("/w/out/b");
    scenario.sync();
    scenario.rename("/w/in/a", "/w/out/a");
    scenario.rename("/w/out/b", "/w/in/a");
    scenario.create("/w/in/a/f");
    scenario.rename("/w/in/a", "/w/out/b");
    scenario.rename("/w/out/a", "/w/in/c");
    scenario.rename("/w/out/b/f", "/w/in/f");
    let reported = scenario.sync();
    assert!(!reported.contains(&"moved /w/in/c/f -> /w/in/f".to_owned()));
}
