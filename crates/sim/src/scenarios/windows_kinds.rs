//! The same for what records say of an entry, and leave out: links, renames and removals in more records than one.

use everwatch_directory_reads::Layout;

use crate::disk::{Content, Directory};
use crate::scenarios::windows::{LOCAL, PLAIN, Windows, machine, of, plain};
use crate::system::calls::Kind;
use crate::windows::calls::WindowsTraits;
use crate::windows::machine::Model;
use everwatch_backends::windows::FileSystem;

/// A machine whose records have this layout, and `/w/in` watched.
fn reading(layout: Layout) -> Windows {
    machine(PLAIN, Model { layout, ..LOCAL }, 1, 0).watched()
}

// MS-FSA 2.1.5.10.37; the record of the first step is that of a file or directory.
#[test]
fn a_file_becomes_a_link_after_its_record() {
    for layout in [Layout::Plain, Layout::Extended] {
        for begins_as_directory in [0, 1000] {
            let mut scenario = reading(layout);
            scenario.sync();
            let nt = scenario.system().nt_mut();
            nt.habits.makes_directory_links = begins_as_directory;
            scenario.system().hold_calls();
            scenario.make("/w/in/l", Kind::Symlink(b"nowhere"));
            scenario.system().take_turn();
            for _ in 0..3 {
                // The first step is reported, and looked at.
                scenario.step();
            }
            scenario.system().take_turns();
            let reported = scenario.sync();
            assert!(reported.len() <= 3, "{layout:?}: {reported:?}");
        }
    }
}

// mountvol makes a link of a folder that has existed for long.
#[test]
fn an_old_empty_directory_becomes_a_link_and_a_directory_again() {
    for layout in [Layout::Plain, Layout::Extended] {
        let mut scenario = reading(layout);
        scenario.mkdir("/w/in/d");
        scenario.create("/w/in/d/f");
        scenario.remove("/w/in/d/f");
        scenario.sync();
        scenario.pass(5);
        let system = scenario.system();
        let folder = system.disk.resolve(b"/w/in/d").expect("it is there");
        system.become_link(folder, (*b"nowhere").into());
        system.report_closed(folder);
        let expected = ["removed /w/in/d", "created /w/in/d"];
        assert_eq!(scenario.sync(), expected, "{layout:?}");
        // FSCTL_DELETE_REPARSE_POINT.
        let parent = scenario.system().disk.resolve(b"/w/in").ok();
        let system = scenario.system();
        system.disk.inode_mut(folder).content = Content::Dir(Directory {
            entries: Vec::new(),
            parent,
        });
        system.report_closed(folder);
        assert_eq!(scenario.sync(), expected, "{layout:?}");
        scenario.create("/w/in/d/f");
        let reported = scenario.sync();
        assert_eq!(of(reported, "created"), ["created /w/in/d/f"], "{layout:?}");
    }
}

/// Moves what is at `/w/in/f` to another directory long after all else. Returns what was reported.
fn move_on(scenario: &mut Windows) -> Vec<String> {
    scenario.pass(5);
    scenario.rename("/w/in/f", "/w/in/d/f");
    scenario.sync()
}

// MS-FSA 2.1.5.15.12, where the names have the same case. The second file comes from outside the tree.
#[test]
fn a_file_that_is_replaced_is_recorded_as_modified() {
    for layout in [Layout::Plain, Layout::Extended] {
        for from in ["/w/in/new", "/w/out/new"] {
            let mut scenario = reading(layout);
            scenario.mkdir("/w/in/d");
            scenario.create("/w/in/f");
            scenario.create(from);
            scenario.sync();
            scenario.pass(5);
            scenario.system().nt_mut().habits.modifies_replaced = 1000;
            scenario.rename(from, "/w/in/f");
            let reported = scenario.sync();
            let expected = match from {
                "/w/in/new" => vec!["moved /w/in/new -> /w/in/f"],
                _ => vec![],
            };
            assert_eq!(of(reported, "moved"), expected, "{layout:?}");
            let reported = move_on(&mut scenario);
            let moved = ["moved /w/in/f -> /w/in/d/f"];
            assert_eq!(reported, moved, "{layout:?}: its number is known");
        }
    }
}

// A link is not what it replaced.
#[test]
fn a_file_that_is_replaced_by_a_link_and_recorded_as_modified_is_a_link() {
    for layout in [Layout::Plain, Layout::Extended] {
        for from in ["/w/in/new", "/w/out/new"] {
            let mut scenario = reading(layout);
            scenario.create("/w/in/f");
            scenario.make(from, Kind::Symlink(b"nowhere"));
            scenario.sync();
            scenario.system().nt_mut().habits.modifies_replaced = 1000;
            scenario.rename(from, "/w/in/f");
            scenario.sync();
        }
    }
}

// Samba says nothing of what it replaces.
#[test]
fn a_file_that_is_replaced_and_has_no_record_is_one_move() {
    for layout in [Layout::Plain, Layout::Extended] {
        let mut scenario = reading(layout);
        scenario.mkdir("/w/in/d");
        scenario.create("/w/in/f");
        scenario.create("/w/in/new");
        scenario.sync();
        scenario.pass(5);
        scenario.system().nt_mut().habits.omits_replaced = 1000;
        scenario.rename("/w/in/new", "/w/in/f");
        let moved = ["moved /w/in/new -> /w/in/f"];
        assert_eq!(of(scenario.sync(), "moved"), moved, "{layout:?}");
        let reported = move_on(&mut scenario);
        assert_eq!(reported, ["moved /w/in/f -> /w/in/d/f"], "{layout:?}");
    }
}

// FASTFAT, `FatSetRenameInfo`. No record says what became of the file that was replaced.
#[test]
fn a_file_that_is_replaced_in_another_case_on_fat_is_gone() {
    let mut model = LOCAL;
    model.volume.file_system = FileSystem::Fat;
    let mut scenario = machine(PLAIN, model, 1, 0).watched();
    scenario.create("/w/in/f");
    scenario.create("/w/in/new");
    scenario.sync();
    let habits = &mut scenario.system().nt_mut().habits;
    (habits.modifies_replaced, habits.modifies_any_case) = (1000, 1000);
    scenario.rename("/w/in/new", "/w/in/F");
    let mut reported = scenario.sync();
    reported.sort();
    reported.dedup();
    assert_eq!(
        of(reported, "removed"),
        ["removed /w/in/f", "removed /w/in/new"]
    );
}

// The same, twice in a row. The first name is seen again before the record of the second replacement comes.
#[test]
fn a_file_that_is_replaced_in_another_case_and_back_on_fat_is_one() {
    let mut model = LOCAL;
    model.volume.file_system = FileSystem::Fat;
    let mut scenario = machine(PLAIN, model, 1, 0).watched();
    for name in ["/w/in/A", "/w/in/first", "/w/in/second"] {
        scenario.create(name);
    }
    scenario.sync();
    let habits = &mut scenario.system().nt_mut().habits;
    (habits.modifies_replaced, habits.modifies_any_case) = (1000, 1000);
    scenario.rename("/w/in/first", "/w/in/a");
    scenario.step();
    scenario.system().hold_calls();
    scenario.rename("/w/in/second", "/w/in/A");
    for _ in 0..10 {
        scenario.step();
    }
    scenario.system().take_turns();
    scenario.sync();
}

// The same on a volume that could not be asked what it is.
#[test]
fn a_file_that_is_replaced_in_another_case_is_gone_whatever_failed_before() {
    for skipped in 0..100 {
        let mut model = LOCAL;
        model.volume.file_system = FileSystem::Fat;
        let mut scenario = machine(PLAIN, model, 1, 0);
        scenario.create("/w/in/f");
        scenario.create("/w/in/new");
        scenario.fail(300, skipped);
        scenario.add_root_at_last("/w/in");
        scenario.fail(0, 0);
        scenario.arm();
        scenario.rest();
        scenario.pass(3);
        let habits = &mut scenario.system().nt_mut().habits;
        (habits.modifies_replaced, habits.modifies_any_case) = (1000, 1000);
        scenario.rename("/w/in/new", "/w/in/F");
        scenario.sync();
    }
}

// watchdog #1204. The name is given up before it is said to be renamed.
#[test]
fn a_change_of_case_whose_records_are_far_apart_ends_right() {
    for layout in [Layout::Plain, Layout::Extended] {
        let mut scenario = reading(layout);
        scenario.create("/w/in/a");
        scenario.sync();
        scenario.pass(5);
        let system = scenario.system();
        system.nt_mut().habits.removes_recased = 1000;
        system.hold_calls();
        scenario.rename("/w/in/a", "/w/in/A");
        scenario.system().take_turn();
        let mut reported = Vec::new();
        for _ in 0..5 {
            scenario.system().disk.now += 20_000_000;
            let events = scenario.step();
            let changes = events.iter().filter_map(|event| event.change());
            reported.extend(changes.map(ToString::to_string));
        }
        scenario.system().take_turns();
        reported.extend(scenario.sync());
        // To ask the disk for the spelling of each name that is gone would cost a call for every removal.
        assert_eq!(
            reported,
            ["removed /w/in/a", "created /w/in/A"],
            "{layout:?}"
        );
    }
}

// watchdog #1204.
#[test]
fn a_change_of_case_that_begins_with_a_removal_is_one_move() {
    for layout in [Layout::Plain, Layout::Extended] {
        let mut scenario = reading(layout);
        scenario.mkdir("/w/in/a");
        scenario.create("/w/in/a/f");
        scenario.sync();
        scenario.system().nt_mut().habits.removes_recased = 1000;
        scenario.rename("/w/in/a", "/w/in/A");
        assert_eq!(scenario.sync(), ["moved /w/in/a -> /w/in/A"], "{layout:?}");
    }
}

// MS-FSA 2.1.5.15.12, TargetExistsSameFile.
#[test]
fn a_link_renamed_onto_another_one_of_its_file_is_removed() {
    for layout in [Layout::Plain, Layout::Extended] {
        let mut scenario = reading(layout);
        scenario.create("/w/in/a");
        scenario.link("/w/in/a", "/w/in/b");
        scenario.sync();
        scenario.rename("/w/in/a", "/w/in/b");
        let reported = scenario.sync();
        assert_eq!(of(reported, "removed"), ["removed /w/in/a"], "{layout:?}");
    }
}

// Samba's `raw.notify`, `mask-change`, against Windows servers.
#[test]
fn a_rename_that_is_followed_by_a_modification_is_one_move() {
    let mut scenario = plain().watched();
    scenario.create("/w/in/a");
    scenario.sync();
    scenario.system().nt_mut().habits.modifies_renamed = 1000;
    scenario.rename("/w/in/a", "/w/in/b");
    assert_eq!(
        scenario.sync(),
        ["moved /w/in/a -> /w/in/b", "modified /w/in/b"]
    );
}

// gradle/gradle #14003.
#[test]
fn a_removal_that_follows_a_modification_is_one_removal() {
    for layout in [Layout::Plain, Layout::Extended] {
        let mut scenario = reading(layout);
        scenario.create("/w/in/a");
        scenario.sync();
        scenario.system().nt_mut().habits.modifies_removed = 1000;
        scenario.remove("/w/in/a");
        assert_eq!(
            scenario.sync(),
            ["modified /w/in/a", "removed /w/in/a"],
            "{layout:?}"
        );
    }
}

// The numbers of ReFS have 128 bits. What those in records are then is not documented.
#[test]
fn numbers_in_records_that_are_not_those_of_listings_are_not_believed() {
    let traits = WindowsTraits {
        renumbers: true,
        ..PLAIN
    };
    let mut model = LOCAL;
    model.volume.file_system = FileSystem::Refs;
    model.volume.has_wide_numbers = true;
    let mut scenario = machine(traits, model, 1, 0).watched();
    scenario.mkdir("/w/in/d");
    scenario.create("/w/in/f");
    scenario.create("/w/in/g");
    scenario.sync();
    assert_eq!(move_on(&mut scenario), ["moved /w/in/f -> /w/in/d/f"]);
    scenario.rename("/w/in/g", "/w/in/h");
    assert_eq!(scenario.sync(), ["moved /w/in/g -> /w/in/h"]);
}

// libuv's `src/win/fs-event.c` expects it.
#[test]
fn a_record_without_a_name_is_no_change_of_an_entry() {
    for layout in [Layout::Plain, Layout::Extended] {
        let mut scenario = reading(layout);
        let nt = scenario.system().nt_mut();
        (nt.traits.touches, nt.habits.names_roots) = (1000, 1000);
        scenario.create("/w/in/a");
        scenario.rename("/w/in/a", "/w/in/b");
        scenario.remove("/w/in/b");
        scenario.create("/w/in/c");
        let reported = scenario.sync();
        assert!(
            reported.iter().all(|change| !change.ends_with("/w/in")),
            "{reported:?}"
        );
    }
}
