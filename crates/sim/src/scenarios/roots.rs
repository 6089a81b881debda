//! The same for several roots of one watcher: consumers have one tree, however many roots are in it.

use std::cell::RefCell;
use std::time::Duration;

use everwatch_core::coverage::Gap;

use crate::scenarios::Scenario;
use crate::system::calls::Kind;

#[test]
fn a_recursive_root_in_a_flat_one_is_reported_once() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watching();
    scenario.join("/w/in", false);
    scenario.join("/w/in/a", true);
    scenario.create("/w/in/a/b");
    scenario.rename("/w/in/a", "/w/in/c");
    let reported = scenario.sync();
    let moves = reported.iter().filter(|change| change.starts_with("moved"));
    assert_eq!(moves.count(), 1, "{reported:?}");
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/d");
    scenario.sync();
}

#[test]
fn a_flat_root_around_a_recursive_one_takes_it_in() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    scenario.mkdir("/w/in/a/b");
    let mut scenario = scenario.watching();
    scenario.join("/w/in/a", true);
    scenario.join("/w/in", false);
    scenario.rename("/w/in/a", "/w/in/c");
    scenario.sync();
    scenario.rename("/w/in/c", "/w/in/a");
    scenario.create("/w/in/a/b/d");
    scenario.sync();
}

#[test]
fn a_root_that_the_outer_one_does_not_know_yet_is_reported_by_that() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    scenario.join("/w/in/a", true);
    scenario.sync();
}

#[test]
fn a_root_with_the_name_that_a_directory_is_about_to_get_is_reported_once() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/b");
    scenario.create("/w/in/b/c");
    let mut scenario = scenario.watched();
    scenario.rename("/w/in/b", "/w/in/a");
    scenario.join("/w/in/a", true);
    scenario.sync();
}

#[test]
fn a_second_root_of_a_path_outlives_the_first_that_is_removed_while_gone() {
    let mut scenario = Scenario::new(100).watching();
    let first = scenario.join("/w/in", true);
    scenario.join("/w/in", true);
    scenario.rename("/w/in", "/w/away");
    scenario.sync();
    scenario.leave(first);
    scenario.rename("/w/away", "/w/in");
    scenario.create("/w/in/a");
    scenario.rest();
}

#[test]
fn a_root_equal_to_one_that_is_back_unnoticed_is_reported_once() {
    let mut scenario = Scenario::new(100).watched();
    scenario.rename("/w/in", "/w/away");
    scenario.sync();
    scenario.mkdir("/w/in");
    scenario.create("/w/in/a");
    scenario.join("/w/in", true);
    let reported = scenario.rest();
    let creations = reported
        .iter()
        .filter(|change| *change == "created /w/in/a");
    assert!(creations.count() <= 1, "{reported:?}");
}

#[test]
fn a_directory_that_goes_goes_from_both_roots_that_lead_to_it() {
    let mut scenario = Scenario::new(100);
    scenario.make("/w/l", Kind::Symlink(b"in"));
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watched();
    scenario.rmdir("/w/in/a");
    scenario.mkdir("/w/in/b");
    scenario.join("/w/l", true);
    scenario.rename("/w/in/b", "/w/in/c");
    scenario.sync();
    scenario.rmdir("/w/in/c");
    scenario.sync();
}

#[test]
fn what_a_guard_reported_before_is_not_taken_for_news_by_a_root() {
    let mut scenario = Scenario::new(100).watched();
    scenario.rmdir("/w/out");
    scenario.mkdir("/w/out");
    scenario.join("/w", true);
    scenario.sync();
}

#[test]
fn what_moved_into_a_new_root_goes_for_those_who_knew_it_elsewhere() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watched();
    scenario.rename("/w/in/a", "/w/out/b");
    scenario.join("/w/out", true);
    scenario.rmdir("/w/out/b");
    scenario.sync();
}

#[test]
fn an_inner_root_in_a_directory_that_was_made_again_is_reported_again() {
    let mut scenario = Scenario::new(100).watched();
    scenario.rmdir("/w/in");
    scenario.mkdir("/w/in");
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    scenario.join("/w/in/a", true);
    scenario.rest();
}

#[test]
fn roots_in_each_other_are_removed_in_any_order() {
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in orders {
        let mut scenario = Scenario::new(100);
        for path in ["/w/in/a", "/w/in/a/b", "/w/in/a/b/c"] {
            scenario.mkdir(path);
        }
        let mut scenario = scenario.watching();
        let dirs = ["/w/in/a", "/w/in", "/w/in/a/b"];
        let roots = dirs.map(|dir| scenario.join(dir, true));
        for (round, at) in order.into_iter().enumerate() {
            scenario.leave(roots[at]);
            scenario.create(&format!("/w/in/a/b/c/{round}"));
            scenario.rename("/w/in/a/b/c", "/w/in/a/b/d");
            scenario.rename("/w/in/a/b/d", "/w/in/a/b/c");
            scenario.sync();
        }
    }
}

#[test]
fn a_link_above_a_root_that_is_not_guarded_is_looked_at_before_a_barrier_is_passed() {
    let mut scenario = Scenario::new(100);
    scenario.make("/w/l", Kind::Symlink(b"in"));
    scenario.create("/w/in/a");
    scenario.create("/w/out/b");
    scenario.system().queue.set_watch_limit(0);
    scenario.add_root("/w/l", None);
    scenario.system().queue.set_watch_limit(usize::MAX);
    scenario.arm();
    scenario.make("/w/.l", Kind::Symlink(b"out"));
    scenario.rename("/w/.l", "/w/l");
    scenario.sync();
}

#[test]
fn a_directory_that_moves_to_the_path_of_a_root_replaces_what_was_reported_there() {
    let mut scenario = Scenario::new(100).watched();
    // The outer root begins with the directory under another name, and the inner one is not reported.
    scenario.rename("/w/in", "/w/x");
    scenario.join("/w", false);
    scenario.create("/w/x/c");
    scenario.rename("/w/x", "/w/in");
    scenario.rest();
}

#[test]
fn of_two_roots_with_one_path_the_one_that_is_gone_is_named() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watching();
    scenario.join_single("/w/in", "a");
    scenario.join("/w/in/a", true);
    scenario.sync();
    assert_eq!(scenario.gap("/w/in/a"), None);
    scenario.rmdir("/w/in/a");
    scenario.sync();
    assert_eq!(scenario.gap("/w/in/a"), Some(Gap::RootGone));
}

#[test]
fn a_nested_root_that_was_not_reported_yet_is_gone() {
    let mut scenario = Scenario::new(100).watching();
    scenario.mkdir("/w/in/a");
    scenario.join("/w/in", true);
    scenario.join("/w/in/a", true);
    scenario.rmdir("/w/in/a");
    scenario.sync();
    scenario.mkdir("/w/in/a");
    scenario.rmdir("/w/in/a");
    // One record and one directory in each step: the directory is known, and could not be opened.
    for steps in 1..20 {
        let mut left = steps;
        let moment = Duration::from_secs(10 + steps);
        let goes_on = || {
            left -= 1;
            left > 0
        };
        let goes_on = RefCell::new(goes_on);
        scenario
            .engine
            .step_while(moment, || goes_on.borrow_mut()());
        let mut is_known = false;
        scenario
            .engine
            .entries(|path, _| is_known |= path.ends_with("a"));
        let gap = scenario.gap("/w/in/a");
        assert_eq!(is_known, gap != Some(Gap::RootGone), "{gap:?}");
    }
}

#[test]
fn all_of_a_directory_is_left_to_the_roots_that_want_all_of_it() {
    let mut scenario = Scenario::new(100).watching();
    scenario.create("/w/in/a");
    scenario.create("/w/in/b");
    let outer = scenario.join("/w", true);
    scenario.join_single("/w/in", "a");
    scenario.join("/w/in", true);
    scenario.leave(outer);
    scenario.remove("/w/in/b");
    scenario.remove("/w/in/a");
    scenario.sync();
}

#[test]
fn a_root_for_one_entry_takes_in_the_root_whose_directory_that_is() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    let mut scenario = scenario.watching();
    scenario.join_single("/w/in/a", "b");
    scenario.join("/w/in/a", true);
    scenario.join_single("/w/in", "a");
    scenario.remove("/w/in/a/b");
    scenario.rmdir("/w/in/a");
    scenario.sync();
}

#[test]
fn guards_that_ended_unheard_are_not_held() {
    let mut scenario = Scenario::new(3);
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watching();
    scenario.join("/w/in/a", true);
    scenario.rmdir("/w/in/a");
    scenario.step();
    // While the root is gone, the directory above goes, and of that nothing is heard.
    for _ in 0..4 {
        scenario.create("/w/in/b");
        scenario.remove("/w/in/b");
        scenario.rename("/w/in", "/w/in2");
        scenario.rename("/w/in2", "/w/in");
    }
    scenario.rmdir("/w/in");
    scenario.rest();
    let held = scenario.system().queue.watched().len() as u64;
    assert_eq!(held, scenario.engine.counters().watches);
}

#[test]
fn a_root_in_a_directory_that_is_found_to_have_come_back_is_nested_in_it() {
    let mut scenario = Scenario::without_births(100);
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watching();
    scenario.join("/w", true);
    scenario.rename("/w/in", "/w/out/x");
    scenario.sync();
    scenario.rename("/w/out/x", "/w/in");
    scenario.join("/w/in/a", true);
    scenario.rmdir("/w/in/a");
    scenario.sync();
}

#[test]
fn what_is_below_an_entry_goes_with_the_root_that_wanted_it() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    let mut scenario = scenario.watching();
    let outer = scenario.join("/w", true);
    scenario.join_single("/w/in", "a");
    scenario.leave(outer);
    scenario.step();
    scenario.remove("/w/in/a/b");
    scenario.create("/w/in/a/c");
    let events = scenario.sync();
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn roots_for_entries_of_one_directory_and_for_all_of_it_are_reported_once() {
    let mut scenario = Scenario::new(100).watching();
    scenario.create("/w/in/a");
    scenario.create("/w/in/b");
    scenario.join_single("/w/in", "a");
    scenario.join_single("/w/in", "b");
    assert_eq!(scenario.engine.counters().entries, 3, "one tree");
    scenario.join("/w/in", false);
    scenario.remove("/w/in/b");
    scenario.remove("/w/in/a");
    scenario.create("/w/in/b");
    let events = scenario.sync();
    assert_eq!(
        events,
        ["removed /w/in/b", "removed /w/in/a", "created /w/in/b"]
    );
}

#[test]
fn a_link_that_took_the_place_of_a_root_goes_with_the_root_around_it() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watching();
    let outer = scenario.join("/w/in", true);
    scenario.join("/w/in/a", true);
    scenario.rmdir("/w/in/a");
    scenario.make("/w/in/a", Kind::Symlink(b"nowhere"));
    scenario.sync();
    scenario.leave(outer);
    scenario.rest();
}

#[test]
fn who_has_no_room_hears_of_the_link_that_took_the_place_of_a_root() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watching();
    scenario.join("/w/in/a", true);
    let outer = scenario.join("/w/in", true);
    scenario.rename("/w/in/a", "/w/in/b");
    scenario.make("/w/in/a", Kind::Symlink(b"nowhere"));
    scenario.rest();
    let outlet = scenario.outlet.expect("a consumer");
    scenario.engine.set_room(outlet, 0);
    scenario.leave(outer);
    scenario.step();
    scenario.engine.set_room(outlet, usize::MAX);
    scenario.engine.flush(outlet);
    scenario.rest();
}

#[test]
fn who_has_no_room_hears_that_a_root_is_gone_before_what_took_its_place_for_another() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    let mut scenario = scenario.watching();
    scenario.join("/w/in/a", true);
    let outlet = scenario.outlet.expect("a consumer");
    scenario.engine.set_room(outlet, 0);
    scenario.rename("/w/in/a", "/w/out/a");
    scenario.step();
    scenario.make("/w/in/a", Kind::Symlink(b"nowhere"));
    scenario.join("/w/in", false);
    scenario.engine.set_room(outlet, usize::MAX);
    scenario.engine.flush(outlet);
    scenario.rest();
}

#[test]
fn a_root_behind_a_directory_that_cannot_be_searched_is_found_once_it_can_be() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    let mut scenario = scenario.watching();
    // The directory above the root is not searchable any more when the root is opened.
    scenario.add_root("/w/in/a", None);
    scenario.search("/w/in", false);
    scenario.arm();
    assert_eq!(scenario.gap("/w/in/a"), Some(Gap::Unreadable));
    scenario.search("/w/in", true);
    scenario.pass(2);
    assert_eq!(scenario.gap("/w/in/a"), None);
    scenario.sync();
}

#[test]
fn what_stands_where_the_directory_of_a_single_entry_was_is_not_that_root() {
    let mut scenario = Scenario::new(100);
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watching();
    scenario.join_single("/w/in/a", "b");
    scenario.rmdir("/w/in/a");
    scenario.rest();
    scenario.create("/w/in/a");
    let single = scenario.join_single("/w/in", "a");
    scenario.sync();
    scenario.leave(single);
    let events = scenario.sync();
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn a_move_is_reported_to_a_consumer_without_room_once_its_target_is_clear() {
    let mut scenario = Scenario::new(100).watched();
    scenario.rename("/w/in", "/w/x");
    scenario.join("/w", false);
    scenario.rename("/w/x", "/w/in");
    let outlet = scenario.outlet.expect("a consumer");
    // That the inner tree goes takes all the room there is.
    scenario.engine.set_room(outlet, 1);
    for _ in 0..4 {
        scenario.step();
    }
    scenario.engine.set_room(outlet, usize::MAX);
    scenario.engine.flush(outlet);
    scenario.rest();
}

#[test]
fn a_root_joins_the_outermost_tree_that_shows_it() {
    let mut scenario = Scenario::new(100).watching();
    scenario.create("/w/in/a");
    scenario.join_single("/w/in", "a");
    scenario.join("/w", false);
    scenario.join("/w/in", false);
    scenario.rename("/w/in", "/w/b");
    scenario.rest();
}

#[test]
fn a_path_that_leads_through_another_link_to_the_same_directory_is_guarded_again() {
    let mut scenario = Scenario::new(100);
    scenario.make("/w/l", Kind::Symlink(b"in"));
    scenario.make("/w/m", Kind::Symlink(b"in"));
    scenario.create("/w/in/a");
    scenario.add_root("/w/l", None);
    scenario.arm();
    scenario.make("/w/.l", Kind::Symlink(b"m"));
    scenario.rename("/w/.l", "/w/l");
    scenario.sync();
    scenario.make("/w/.m", Kind::Symlink(b"out"));
    scenario.rename("/w/.m", "/w/m");
    scenario.rest();
}

#[test]
fn an_entry_of_an_inner_tree_goes_before_the_directory_around_it() {
    let mut scenario = Scenario::new(100);
    scenario.create("/w/in/a");
    let mut scenario = scenario.watching();
    scenario.join("/w", false);
    scenario.join_single("/w/in", "a");
    let outlet = scenario.outlet.expect("a consumer");
    // A consumer without room: all of this becomes one difference.
    scenario.engine.set_room(outlet, 0);
    scenario.remove("/w/in/a");
    scenario.rmdir("/w/in");
    scenario.mkdir("/w/in");
    scenario.create("/w/in/a");
    for _ in 0..4 {
        scenario.step();
        scenario.engine.set_room(outlet, 0);
        scenario.system().disk.now += 200_000_000;
    }
    scenario.engine.set_room(outlet, usize::MAX);
    scenario.engine.flush(outlet);
    scenario.rest();
}
