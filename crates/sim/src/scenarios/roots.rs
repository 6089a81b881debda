//! The same for several roots of one watcher: consumers have one tree, however many roots are in it.

use crate::scenarios::Scenario;
use crate::system::calls::Kind;

#[test]
fn a_recursive_root_in_a_flat_one_is_told_once() {
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
fn a_root_that_the_outer_one_has_not_heard_of_is_told_by_that() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    scenario.join("/w/in/a", true);
    scenario.sync();
}

#[test]
fn a_root_with_the_name_that_a_directory_is_about_to_get_is_told_once() {
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
    scenario.leave(first, "/w/in");
    scenario.rename("/w/away", "/w/in");
    scenario.create("/w/in/a");
    scenario.rest();
}

#[test]
fn a_root_equal_to_one_that_is_back_unnoticed_is_told_once() {
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
fn an_inner_root_in_a_directory_that_was_made_again_is_told_again() {
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
            scenario.leave(roots[at], dirs[at]);
            scenario.create(&format!("/w/in/a/b/c/{round}"));
            scenario.rename("/w/in/a/b/c", "/w/in/a/b/d");
            scenario.rename("/w/in/a/b/d", "/w/in/a/b/c");
            scenario.sync();
        }
    }
}
