//! The same for what happens to a root, and to its read.

use crate::disk::Ino;
use crate::scenarios::windows::{LOCAL, PLAIN, Windows, machine, plain};
use crate::windows::calls::WindowsTraits;

#[test]
fn a_deleted_root_ends_its_read_and_is_found_again() {
    for defers_deletes in [0, 1000] {
        let traits = WindowsTraits {
            defers_deletes,
            ..PLAIN
        };
        let mut scenario = machine(traits, LOCAL, 1, 0).watched();
        scenario.create("/w/in/a");
        scenario.sync();
        scenario.remove("/w/in/a");
        scenario.rmdir("/w/in");
        let reported = scenario.rest();
        assert!(
            reported.contains(&"removed /w/in".to_owned()),
            "{reported:?}"
        );
        scenario.mkdir("/w/in");
        scenario.create("/w/in/b");
        let reported = scenario.rest();
        assert!(
            reported.contains(&"created /w/in/b".to_owned()),
            "{reported:?}"
        );
    }
}

// requirement: S2.3 (simulator)
#[test]
fn a_deleted_root_is_let_go_of() {
    let traits = WindowsTraits {
        defers_deletes: 1000,
        ..PLAIN
    };
    let mut scenario = machine(traits, LOCAL, 1, 0).watched();
    scenario.sync();
    scenario.rmdir("/w/in");
    let there = |scenario: &mut Windows| scenario.system().disk.resolve(b"/w/in").is_ok();
    assert!(there(&mut scenario), "as long as it is open");
    scenario.rest();
    scenario.system().reap();
    assert!(!there(&mut scenario));
}

#[test]
fn a_renamed_root_reports_nothing_and_its_parent_does() {
    let mut scenario = plain().watched();
    scenario.create("/w/in/a");
    scenario.sync();
    scenario.rename("/w/in", "/w/else");
    scenario.create("/w/else/b");
    assert_eq!(scenario.rest(), ["removed /w/in"]);
    scenario.rename("/w/else", "/w/in");
    let mut reported = scenario.rest();
    reported.sort();
    assert_eq!(
        reported,
        ["created /w/in", "created /w/in/a", "created /w/in/b"]
    );
}

#[test]
fn the_root_may_change_its_case_and_is_guarded_all_the_same() {
    let mut scenario = plain().watched();
    scenario.rename("/w/in", "/w/IN");
    scenario.create("/w/IN/a");
    assert_eq!(scenario.sync(), ["created /w/in/a"]);
    scenario.rename("/w/IN", "/w/else");
    assert_eq!(scenario.rest(), ["removed /w/in"]);
}

#[test]
fn a_directory_that_held_the_root_cannot_be_renamed_while_it_is_watched() {
    let mut scenario = plain().watched();
    assert!(scenario.try_rename("/w", "/v").is_err());
    assert!(scenario.try_rename("/w/out", "/w/else").is_ok());
}

#[test]
fn reads_that_fail_are_begun_again_after_a_while() {
    for code in [64, 59, 1] {
        let mut scenario = plain().watched();
        scenario.create("/w/in/a");
        scenario.sync();
        let reads = scenario.system().nt_mut().reads.dirs();
        for (_, dir, _) in reads {
            scenario.system().nt_mut().reads.fail_all(dir, code);
        }
        scenario.create("/w/in/b");
        let reported = scenario.sync();
        assert!(
            reported.contains(&"created /w/in/b".to_owned()),
            "{code}: {reported:?}"
        );
        scenario.system().disk.now += 3_000_000_000;
        scenario.sync();
        scenario.system().disk.now += 3_000_000_000;
        scenario.sync();
        scenario.create("/w/in/c");
        scenario.sync();
        let armed: Vec<Ino> = scenario
            .system()
            .nt()
            .reads
            .dirs()
            .iter()
            .map(|read| read.1)
            .collect();
        let root = scenario.system().disk.resolve(b"/w/in");
        assert!(armed.contains(&root.expect("it is there")), "{code}");
    }
}

// requirement: S0.1 (simulator)
#[test]
fn a_machine_that_gives_no_read_is_polled_and_says_so() {
    let mut scenario = plain();
    scenario.system().nt_mut().reads.limit(0);
    let mut scenario = scenario.watched();
    scenario.create("/w/in/a");
    assert_eq!(scenario.sync(), ["created /w/in/a"]);
    let coverage = scenario.engine.coverage();
    assert!(coverage.iter().any(|subtree| subtree.gap.is_some()));
}

#[test]
fn what_the_guards_of_a_removed_root_saw_is_not_lost_to_its_heir() {
    let mut scenario = plain().watching();
    scenario.create("/w/in/a");
    let single = scenario.join_single("/w/in", "a");
    scenario.join("/w/in", false);
    scenario.rename("/w/in", "/w/away");
    scenario.leave(single);
    scenario.rest();
}

#[test]
fn what_a_wider_root_finds_fresh_belongs_to_its_beginning() {
    let mut scenario = plain().watching();
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/b");
    scenario.join("/w/in", false);
    scenario.join("/w", true);
    assert!(scenario.rest().is_empty());
}
