//! The same for what happens to a root, and to its read.

use crate::disk::Ino;
use crate::scenarios::windows::{LOCAL, PLAIN, Windows, machine, plain};
use crate::system::calls::Kind;
use crate::windows::calls::WindowsTraits;
use everwatch_backends::windows::FileSystem;
use everwatch_core::engine::RootSpec;

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

/// Renames the directory `/c` above a root, and lets a second pass.
fn rename_above(scenario: &mut Windows) -> Vec<String> {
    scenario.sync();
    let renamed = scenario.try_rename("/c", "/k");
    renamed.expect("nothing below it is open");
    let mut reported = Vec::new();
    for _ in 0..4 {
        scenario.system().disk.now += 1_000_000_000;
        let events = scenario.step();
        let changes = events.iter().filter_map(|event| event.change());
        reported.extend(changes.map(ToString::to_string));
    }
    reported.extend(scenario.sync());
    reported
}

// MS-FSA 2.1.4.2 looks for open files on one volume.
#[test]
fn a_directory_above_a_mounted_volume_may_be_renamed_and_the_root_is_missed() {
    let mut scenario = plain().watching();
    scenario.mkdir("/c");
    scenario.mkdir("/c/m");
    scenario.mount("/c/m");
    scenario.mkdir("/c/m/r");
    scenario.join("/c/m/r", true);
    assert_eq!(rename_above(&mut scenario), ["removed /c/m/r"]);
}

// The volume is mounted at the root itself.
#[test]
fn a_directory_above_a_root_that_is_a_mounted_volume_may_be_renamed() {
    let mut scenario = plain().watching();
    scenario.mkdir("/c");
    scenario.mkdir("/c/m");
    scenario.mount("/c/m");
    scenario.join("/c/m", true);
    assert_eq!(rename_above(&mut scenario), ["removed /c/m"]);
}

// What a link leads to does not keep the directory of the link where it is.
#[test]
fn a_directory_that_has_a_link_to_a_root_may_be_renamed_and_the_root_is_missed() {
    let mut scenario = plain().watching();
    scenario.mkdir("/c");
    scenario.make("/c/l", Kind::Symlink(b"/w/in"));
    scenario.join("/c/l", true);
    assert_eq!(rename_above(&mut scenario), ["removed /c/l"]);
}

// Drivers of user-mode file systems decide for themselves, and servers.
#[test]
fn a_directory_above_a_root_is_looked_at_on_volumes_that_may_rename_it() {
    for (file_system, is_remote) in [(FileSystem::Other, false), (FileSystem::Ntfs, true)] {
        let mut model = LOCAL;
        (model.volume.file_system, model.volume.is_remote) = (file_system, is_remote);
        let mut scenario = machine(PLAIN, model, 1, 0).watching();
        scenario.system().nt_mut().habits.renames_held = 1000;
        scenario.mkdir("/c");
        scenario.mkdir("/c/r");
        scenario.join("/c/r", true);
        assert_eq!(rename_above(&mut scenario), ["removed /c/r"]);
    }
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

#[test]
fn a_root_that_is_removed_leaves_no_read_whatever_failed_while_it_was_guarded() {
    for skipped in 0..300 {
        let mut scenario = plain().watching();
        scenario.fail(300, skipped);
        let added = (0..100).find_map(|_| {
            let root = scenario.engine.add_root(RootSpec {
                dir: "/w/in".into(),
                only: None,
                recursive: true,
                outer: Vec::new(),
            });
            root.ok()
        });
        scenario.engine.remove_root(added.expect("not all fails"));
        assert_eq!(scenario.system().nt().reads.dirs(), [], "{skipped}");
    }
}

// FAT numbers a directory as the one that was in its place.
#[test]
fn a_root_that_was_made_again_while_the_one_above_it_was_removed_stays() {
    let mut model = LOCAL;
    model.volume.file_system = FileSystem::Fat;
    for steps in 0..3 {
        let mut scenario = machine(PLAIN, model, 1, 0).watching();
        scenario.join("/w/in", true);
        let outer = scenario.join("/w", false);
        scenario.sync();
        scenario.rmdir("/w/in");
        scenario.step();
        scenario.mkdir("/w/in");
        scenario.leave(outer);
        for _ in 0..steps {
            scenario.step();
        }
        scenario.join("/w", false);
        scenario.rest();
    }
}
