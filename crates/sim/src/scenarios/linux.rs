//! Bugs that schedules on Linux found.

use everwatch_core::coverage::Gap;
use everwatch_core::entry::{FileType, Watch};
use everwatch_core::event::{ChangeKind, Event};
use everwatch_core::record::{Action, Cookie, Record};

use super::Scenario;
use crate::system::calls::Kind;

#[test]
fn an_exchange_with_an_unwatched_entry_keeps_the_one_that_came() {
    let mut scenario = Scenario::new(100).watched();
    scenario.create("/w/in/a");
    scenario.mkdir("/w/out/b");
    scenario.create("/w/out/b/c");
    scenario.sync();
    scenario.exchange("/w/in/a", "/w/out/b");
    scenario.sync();
}

#[test]
fn an_exchange_of_watched_entries_keeps_both() {
    let mut scenario = Scenario::new(100).watched();
    for path in ["/w/in/a", "/w/in/b", "/w/in/a/c", "/w/in/b/d"] {
        scenario.mkdir(path);
    }
    scenario.sync();
    scenario.exchange("/w/in/a", "/w/in/b");
    scenario.sync();
    scenario.create("/w/in/a/d/e");
    scenario.create("/w/in/b/c/e");
    scenario.sync();
}

#[test]
fn an_exchange_of_which_one_half_came_before_the_watch_keeps_both() {
    for skipped in 0..100 {
        let mut scenario = Scenario::new(100);
        scenario.create("/w/in/a");
        scenario.create("/w/in/b");
        scenario.exchange("/w/in/a", "/w/in/b");
        let mut scenario = scenario.watched();
        let queue = &mut scenario.system().queue;
        for (action, name) in [(Action::MovedFrom, b"a"), (Action::MovedTo, b"b")] {
            queue.lie(&Record {
                watch: Watch(queue.last_watch()),
                action,
                is_dir: false,
                cookie: Cookie::new(1),
                described: None,
                name,
            });
        }
        scenario.step();
        scenario.fail(300, skipped);
        scenario.step();
        scenario.fail(0, 0);
        scenario.rest();
    }
}

#[test]
fn what_was_exchanged_for_a_file_that_was_never_seen_is_reported_as_written() {
    for skipped in 0..100 {
        let mut scenario = Scenario::new(100).watched();
        scenario.create("/w/in/a");
        scenario.fail(300, skipped);
        scenario.step();
        scenario.fail(0, 0);
        scenario.create("/w/in/b");
        scenario.exchange("/w/in/a", "/w/in/b");
        scenario.rename("/w/in/b", "/w/out/b");
        scenario.rest();
    }
}

#[test]
fn a_file_system_that_the_engine_alone_keeps_is_gone_behind_a_barrier() {
    for steps in 0..5 {
        let mut scenario = Scenario::new(100);
        scenario.mkdir("/w/in/a");
        scenario.mount("/w/in/a");
        scenario.mkdir("/w/in/a/b");
        let mut scenario = scenario.watched();
        scenario.system().queue.overflow();
        for _ in 0..steps {
            scenario.step();
        }
        scenario.unmount_lazily("/w/in/a");
        scenario.sync();
    }
}

#[test]
fn a_symbolic_link_that_was_seen_too_late_is_reported_as_one() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.sync();
    scenario.make("/w/in/a/link", Kind::Symlink(b"nowhere"));
    scenario.rename("/w/in/a", "/w/in/b");
    scenario.sync();
}

#[test]
fn a_write_through_one_name_of_a_file_is_reported_for_the_others() {
    let mut scenario = Scenario::new(100).watched();
    scenario.create("/w/in/a");
    scenario.link("/w/in/a", "/w/in/b");
    scenario.sync();
    scenario.write("/w/in/b");
    let mut reported = scenario.sync();
    reported.sort();
    assert_eq!(reported, ["modified /w/in/a", "modified /w/in/b"]);
}

#[test]
fn a_saved_file_that_was_renamed_on_before_it_was_seen_is_reported_as_new_content() {
    let mut scenario = Scenario::new(100).watched();
    scenario.create("/w/in/f");
    scenario.sync();
    scenario.create("/w/in/.tmp");
    scenario.write("/w/in/.tmp");
    scenario.rename("/w/in/.tmp", "/w/in/f");
    scenario.rename("/w/in/f", "/w/in/g");
    scenario.sync();
}

#[test]
fn a_temporary_name_that_is_used_again_gives_each_entry_its_own_kind() {
    let mut scenario = Scenario::new(100).watched();
    scenario.make("/w/in/.tmp", Kind::Symlink(b"nowhere"));
    scenario.rename("/w/in/.tmp", "/w/in/a");
    scenario.create("/w/in/.tmp");
    scenario.rename("/w/in/.tmp", "/w/in/b");
    scenario.create("/w/in/.tmp");
    scenario.rename("/w/in/.tmp", "/w/in/b");
    scenario.sync();
}

#[test]
fn a_directory_that_moves_out_of_an_unreadable_one_is_covered() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.mkdir("/w/in/a/b");
    scenario.sync();
    scenario.permit("/w/in/a", false);
    scenario.mkdir("/w/in/a/b/c");
    scenario.sync();
    scenario.rename("/w/in/a/b", "/w/in/b");
    scenario.sync();
    scenario.create("/w/in/b/c/d");
    scenario.sync();
}

#[test]
fn a_directory_that_becomes_readable_again_is_covered() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.permit("/w/in/a", false);
    scenario.sync();
    scenario.mkdir("/w/in/a/b");
    scenario.permit("/w/in/a", true);
    scenario.sync();
    scenario.create("/w/in/a/b/c");
    scenario.sync();
}

#[test]
fn what_takes_the_name_of_the_directory_it_was_in_is_kept() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.mkdir("/w/in/a/b");
    scenario.create("/w/in/a/b/c");
    scenario.sync();
    scenario.rename("/w/in/a/b", "/w/in/t");
    scenario.rmdir("/w/in/a");
    scenario.rename("/w/in/t", "/w/in/a");
    scenario.sync();
}

#[test]
fn after_lost_records_a_directory_with_a_used_again_number_is_watched() {
    let mut scenario = Scenario::new(2);
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watched();
    for path in ["/w/in/1", "/w/in/2", "/w/in/3"] {
        scenario.create(path);
    }
    // Nothing of this is reported, and the new directory is the old one to all appearances.
    scenario.rmdir("/w/in/a");
    scenario.mkdir("/w/in/b");
    scenario.sync();
    scenario.create("/w/in/b/c");
    scenario.sync();
}

#[test]
fn a_barrier_is_passed_although_a_single_file_root_went_while_it_was_armed() {
    let mut scenario = Scenario::new(100);
    scenario.add_root("/w/in", Some("a"));
    scenario.rename("/w/in", "/w/elsewhere");
    scenario.arm();
    scenario.sync();
}

#[test]
fn a_renamed_directory_is_one_change_whatever_is_below() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.mkdir("/w/in/a/b");
    scenario.create("/w/in/a/b/c");
    scenario.sync();
    scenario.rename("/w/in/a", "/w/in/d");
    let reported = scenario.sync();
    assert_eq!(reported, ["moved /w/in/a -> /w/in/d"]);
}

#[test]
fn an_entry_that_came_and_went_unseen_leaves_no_trace_in_the_end() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.rmdir("/w/in/a");
    scenario.sync();
    let entries = scenario.engine.counters().entries;
    assert_eq!(entries, 1, "the root");
}

#[test]
fn a_consumer_that_hears_the_kind_hears_the_right_one() {
    let mut scenario = Scenario::new(100).watched();
    scenario.make("/w/in/pipe", Kind::Other);
    let mut kinds = Vec::new();
    let mut barrier = scenario.engine.barrier();
    while !scenario.engine.is_passed(&mut barrier) {
        for event in scenario.step() {
            if let Event::Change(change) = event {
                assert_eq!(change.kind, ChangeKind::Created);
                kinds.push(change.file_type);
            }
        }
    }
    assert_eq!(kinds, [FileType::Other]);
}

#[test]
fn what_is_hidden_leaves_a_name_and_what_came_there_instead_stays() {
    // Rules that hide all but directories named `f`: one is exchanged for a file named `f`.
    let mut scenario = Scenario::obeying_rules();
    scenario.create("/w/in/.gitignore");
    while scenario.system().disk.version % 7 != 5 {
        scenario.write("/w/in/.gitignore");
    }
    scenario.mkdir("/w/out/a");
    scenario.create("/w/in/f");
    scenario.sync();
    scenario.exchange("/w/out/a", "/w/in/f");
    scenario.sync();
}

#[test]
fn a_directory_leaves_a_name_where_it_was_hidden_and_the_file_that_came_instead_stays() {
    let mut scenario = Scenario::obeying_rules();
    scenario.create("/w/in/.gitignore");
    while scenario.system().disk.version % 7 != 2 {
        scenario.write("/w/in/.gitignore");
    }
    scenario.create("/w/out/a");
    scenario.mkdir("/w/in/b");
    scenario.sync();
    scenario.exchange("/w/out/a", "/w/in/b");
    scenario.sync();
}

#[test]
fn ignore_rules_that_could_not_be_read_are_read_once_they_can_be() {
    let mut scenario = Scenario::obeying_rules();
    scenario.mkdir("/w/in/d");
    scenario.create("/w/in/d/a");
    scenario.sync();
    scenario.search("/w/in/d", false);
    scenario.create("/w/in/d/.gitignore");
    while scenario.system().disk.version % 7 != 1 {
        scenario.write("/w/in/d/.gitignore");
    }
    scenario.sync();
    scenario.search("/w/in/d", true);
    scenario.sync();
}

#[test]
fn what_is_mounted_and_cannot_be_read_is_found_once_it_can_be() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    scenario.sync();
    scenario.mount("/w/in/a");
    scenario.create("/w/in/a/c");
    scenario.permit("/w/in/a", false);
    scenario.report_mounts();
    scenario.sync();
    assert_eq!(scenario.gap("/w/in/a"), Some(Gap::Unreadable));
    // No record says so: the directory that is covered is watched, and the mounted one was never opened.
    scenario.permit("/w/in/a", true);
    scenario.pass(2);
    assert_eq!(scenario.gap("/w/in/a"), None);
    scenario.sync();
}

#[test]
fn a_mount_is_found_where_it_is_after_a_directory_above_was_renamed() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.mkdir("/w/in/a/b");
    scenario.create("/w/in/a/b/c");
    scenario.sync();
    scenario.mount("/w/in/a/b");
    scenario.create("/w/in/a/b/d");
    scenario.report_mounts();
    scenario.rename("/w/in/a", "/w/in/e");
    scenario.sync();
}

#[test]
fn a_file_with_the_number_and_the_name_of_one_that_a_listing_missed_is_new_content() {
    let mut scenario = Scenario::without_births(3).watched();
    scenario.create("/w/in/a");
    scenario.sync();
    for _ in 0..4 {
        scenario.create("/w/in/b");
        scenario.remove("/w/in/b");
    }
    scenario.remove("/w/in/a");
    // Listed, and not decided yet.
    scenario.step();
    scenario.create("/w/in/a");
    scenario.sync();
}

#[test]
fn what_came_to_a_name_that_a_listing_missed_stays_where_a_look_is_denied() {
    let mut scenario = Scenario::new(3).watched();
    scenario.mkdir("/w/in/d");
    scenario.create("/w/in/d/a");
    scenario.create("/w/out/b");
    scenario.sync();
    for _ in 0..4 {
        scenario.create("/w/in/b");
        scenario.remove("/w/in/b");
    }
    scenario.remove("/w/in/d/a");
    scenario.step();
    scenario.search("/w/in/d", false);
    scenario.rename("/w/out/b", "/w/in/d/a");
    scenario.sync();
    scenario.search("/w/in/d", true);
    scenario.sync();
}

#[test]
fn a_polled_file_that_is_written_and_renamed_within_a_tick_is_new_content() {
    const SECOND: i64 = 1_000_000_000;
    let mut scenario = Scenario::new(100);
    scenario.create("/w/in/a");
    scenario.system().queue.set_watch_limit(0);
    let mut scenario = scenario.watched();
    scenario.sync();
    // A whole second may be the time of a file system that keeps even seconds only.
    let second = scenario.system().disk.now / SECOND * SECOND + 2 * SECOND;
    scenario.system().disk.now = second;
    scenario.write("/w/in/a");
    scenario.sync();
    scenario.system().disk.now = second + 1_300_000_000;
    scenario.sync();
    scenario.write_unseen("/w/in/a");
    // No poll is due, and all records from before have come.
    scenario.system().disk.now = second + 2_250_000_000;
    scenario.step();
    scenario.rename("/w/in/a", "/w/in/b");
    scenario.sync();
}

#[test]
fn a_polled_file_that_gets_an_old_time_again_is_new_content() {
    const SECOND: i64 = 1_000_000_000;
    let mut scenario = Scenario::new(100);
    scenario.create("/w/in/a");
    scenario.system().queue.set_watch_limit(0);
    let mut scenario = scenario.watched();
    let second = scenario.system().disk.now / SECOND * SECOND + 2 * SECOND;
    scenario.system().disk.now = second;
    scenario.write("/w/in/a");
    scenario.sync();
    // The time is so old that a further write could not have it.
    for _ in 0..2 {
        scenario.pass(4);
        scenario.sync();
    }
    let now = scenario.system().disk.now;
    scenario.system().disk.ahead = second - now;
    scenario.write_unseen("/w/in/a");
    assert_eq!(scenario.sync(), ["modified /w/in/a"]);
}

#[test]
fn what_is_written_after_the_clock_was_set_back_is_reported_although_its_record_is_lost() {
    const HOUR: i64 = 3_600_000_000_000;
    let mut scenario = Scenario::new(100);
    scenario.create("/w/in/a");
    scenario.create("/w/in/b");
    scenario.system().disk.ahead = HOUR;
    let mut scenario = scenario.watched();
    // All records have come, at a time that the clock shows again in an hour.
    scenario.write("/w/in/b");
    assert_eq!(scenario.sync(), ["modified /w/in/b"]);
    scenario.pass(10);
    scenario.system().disk.ahead = 0;
    scenario.write_unrecorded("/w/in/a");
    scenario.system().queue.overflow();
    assert!(scenario.sync().contains(&"modified /w/in/a".to_owned()));
}

#[test]
fn a_name_that_is_made_again_before_its_records_come_is_not_moved_with_the_first() {
    let mut scenario = Scenario::new(100).watched();
    scenario.create("/w/out/x");
    // The record of the first one is applied when the name has the second one already.
    scenario.create("/w/in/.tmp");
    scenario.rename("/w/in/.tmp", "/w/in/b");
    scenario.rename("/w/out/x", "/w/in/.tmp");
    let reported = scenario.sync();
    let moves = reported.iter().filter(|change| change.starts_with("moved"));
    assert_eq!(Vec::from_iter(moves), ["moved /w/in/.tmp -> /w/in/b"]);
}

#[test]
fn a_directory_that_has_the_name_of_one_before_its_records_come_is_not_moved_with_it() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/out/x");
    scenario.mkdir("/w/in/.tmp");
    scenario.rename("/w/in/.tmp", "/w/in/b");
    scenario.rename("/w/out/x", "/w/in/.tmp");
    let reported = scenario.sync();
    assert!(!reported.contains(&"moved /w/in/b -> /w/in/.tmp".to_owned()));
    // Each has a watch of its own.
    scenario.create("/w/in/.tmp/c");
    scenario.create("/w/in/b/c");
    scenario.sync();
}

#[test]
fn what_leaves_a_directory_that_could_not_be_compared_is_compared_where_it_goes() {
    for skipped in 0..200 {
        let mut scenario = Scenario::new(100);
        scenario.mkdir("/w/in/e");
        scenario.mkdir("/w/in/e/a");
        scenario.create("/w/in/e/b");
        let mut scenario = scenario.watched();
        scenario.system().queue.overflow();
        scenario.mkdir("/w/in/e/a/c");
        scenario.write_unrecorded("/w/in/e/b");
        scenario.fail(300, skipped);
        scenario.step();
        scenario.fail(0, 0);
        for _ in 0..skipped % 5 {
            scenario.step();
        }
        scenario.rename("/w/in/e/a", "/w/in/a");
        scenario.rename("/w/in/e/b", "/w/in/b");
        scenario.sync();
    }
}
