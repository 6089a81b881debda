//! Scenarios of what happens between two questions of the engine, at each moment that there is.

use everwatch_backends::windows::FileSystem;
use everwatch_directory_reads::Layout;

use crate::scenarios::at;
use crate::scenarios::windows::{LOCAL, PLAIN, Windows, machine};
use crate::system::System;
use crate::system::calls::Kind;
use crate::windows::machine::Model;

/// A machine whose records do not say what their entries are, and come late as often as this out of a thousand.
fn reading(tardiness: u32) -> Windows {
    let model = Model {
        layout: Layout::Plain,
        tardiness,
        ..LOCAL
    };
    machine(PLAIN, model, 1, 0)
}

/// Saves a file the way editors do, and begins to save another one.
fn save(system: &mut System, temporary: &str, name: &str) {
    let (from, to) = (at(system, temporary), at(system, name));
    system.rename(from, to, false).expect("it can be renamed");
    let made = system.make(from.0, from.1, Kind::File);
    made.expect("it can be made");
}

#[test]
fn a_file_that_is_saved_while_its_root_is_listed_is_not_moved_as_another_one() {
    for questions in 0.. {
        let mut scenario = reading(0);
        scenario.create("/w/in/.tmp");
        scenario.add_root("/w/in", None);
        scenario.interrupt(questions, |system| save(system, "/w/in/.tmp", "/w/in/b"));
        scenario.arm();
        if !scenario.was_interrupted() {
            break;
        }
        scenario.rename("/w/in/.tmp", "/w/in/e");
        scenario.sync();
    }
}

#[test]
fn a_file_that_is_saved_late_in_a_long_step_is_not_moved_as_another_one() {
    for questions in 0.. {
        let mut scenario = reading(1000).watched();
        scenario.mkdir("/w/out/d");
        scenario.create("/w/out/d/.tmp");
        scenario.sync();
        scenario.rename("/w/out/d", "/w/in/d");
        scenario.step();
        // Its record comes at the next step, those of what is done in that step later.
        scenario.system().disk.now += 1_000_000_000;
        scenario.interrupt(questions, |system| {
            system.disk.now += 1_000_000_000;
            save(system, "/w/in/d/.tmp", "/w/in/d/b");
        });
        scenario.step();
        scenario.step();
        if !scenario.was_interrupted() {
            break;
        }
        scenario.rename("/w/in/d/.tmp", "/w/in/d/e");
        scenario.sync();
    }
}

// A read that waits need not complete with the first half of a rename alone.
#[test]
fn a_file_that_is_renamed_while_a_read_is_replaced_is_not_left_at_its_old_name() {
    for layout in [Layout::Plain, Layout::Extended] {
        for questions in 0.. {
            let mut scenario = machine(PLAIN, Model { layout, ..LOCAL }, 1, 0).watched();
            scenario.create("/w/in/a");
            scenario.sync();
            scenario.system().nt_mut().reads.patience = 1000;
            // The first directory makes the read reach further.
            scenario.mkdir("/w/in/d");
            scenario.interrupt(questions, |system| {
                let (from, to) = (at(system, "/w/in/a"), at(system, "/w/in/b"));
                system.hold_calls();
                system.rename(from, to, false).expect("it can be renamed");
                system.take_turn();
            });
            scenario.step();
            if !scenario.was_interrupted() {
                break;
            }
            scenario.system().take_turns();
            scenario.remove("/w/in/b");
            scenario.sync();
        }
    }
}

// FASTFAT, `FatSetRenameInfo`. A listing that is not one moment shows both names.
#[test]
fn a_file_that_is_replaced_in_another_case_on_fat_while_its_root_is_listed_is_gone() {
    for from in ["/w/in/b", "/w/in/c", "/w/in/d", "/w/in/e"] {
        for questions in 0.. {
            let mut model = LOCAL;
            model.volume.file_system = FileSystem::Fat;
            let mut scenario = machine(PLAIN, model, 1, 0);
            scenario.create("/w/in/a");
            for path in ["/w/in/b", "/w/in/c", "/w/in/d", "/w/in/e"] {
                scenario.create(path);
            }
            let habits = &mut scenario.system().nt_mut().habits;
            (habits.modifies_replaced, habits.modifies_any_case) = (1000, 1000);
            scenario.tear_listings();
            scenario.add_root("/w/in", None);
            scenario.interrupt(
                questions,
                match from {
                    "/w/in/b" => |system| replace(system, "/w/in/b"),
                    "/w/in/c" => |system| replace(system, "/w/in/c"),
                    "/w/in/d" => |system| replace(system, "/w/in/d"),
                    _ => |system| replace(system, "/w/in/e"),
                },
            );
            scenario.arm();
            if !scenario.was_interrupted() {
                break;
            }
            scenario.sync();
        }
    }
}

/// Renames a file over another one, in another case.
fn replace(system: &mut System, path: &str) {
    let (from, to) = (at(system, path), at(system, "/w/in/A"));
    system.rename(from, to, false).expect("it can be renamed");
}

// A rename by POSIX rules replaces an empty directory (WinBtrfs' rename.cpp, checked on NTFS).
#[test]
fn what_records_say_of_a_directory_that_was_replaced_is_not_said_of_its_successor() {
    for layout in [Layout::Plain, Layout::Extended] {
        for questions in 0.. {
            let mut scenario = machine(PLAIN, Model { layout, ..LOCAL }, 1, 0).watched();
            scenario.mkdir("/w/in/d");
            scenario.mkdir("/w/out/e");
            scenario.create("/w/out/e/a");
            scenario.sync();
            let habits = &mut scenario.system().nt_mut().habits;
            (habits.modifies_replaced, habits.replaces_open) = (1000, 1000);
            scenario.create("/w/in/d/x");
            scenario.interrupt(questions, |system| {
                let (dir, name) = at(system, "/w/in/d/a");
                system.make(dir, name, Kind::File).expect("it can be made");
                for path in ["/w/in/d/a", "/w/in/d/x"] {
                    let (dir, name) = at(system, path);
                    system.unlink(dir, name).expect("it can be removed");
                }
                let (from, to) = (at(system, "/w/out/e"), at(system, "/w/in/d"));
                system.rename(from, to, false).expect("it can be renamed");
            });
            for _ in 0..3 {
                scenario.step();
            }
            if !scenario.was_interrupted() {
                break;
            }
            scenario.sync();
        }
    }
}
