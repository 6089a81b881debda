//! Scenarios of writes on Windows, which are recorded when their handles are closed.

use crate::scenarios::windows::{LOCAL, PLAIN, Windows, machine, of};

/// Writes to `/w/in/a/f` through a handle that stays open, and lets that be long ago for the engine.
fn written_long_ago(scenario: &mut Windows) {
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/f");
    scenario.sync();
    scenario.pass(5);
    scenario.system().nt_mut().habits.keeps_open = 1000;
    scenario.system().hold_calls();
    scenario.write("/w/in/a/f");
    scenario.system().nt_mut().habits.keeps_open = 0;
}

// MS-FSA 2.1.5.4 reports nothing, 2.1.5.5 does.
#[test]
fn what_was_written_before_an_overflow_and_closed_in_it_is_reported() {
    let mut scenario = machine(PLAIN, LOCAL, 10_000, 0).watched();
    written_long_ago(&mut scenario);
    for _ in 0..3 {
        // Nothing is reported while the handle is open, and what was recorded meanwhile has arrived.
        scenario.system().disk.now += 5_000_000_000;
        for _ in 0..10 {
            scenario.step();
        }
    }
    let before = scenario.engine.counters().overflows;
    for name in 0..20 {
        scenario.create(&format!("/w/in/a/file {name}"));
    }
    scenario.system().take_turns();
    for name in 20..40 {
        scenario.create(&format!("/w/in/a/file {name}"));
    }
    let reported = scenario.sync();
    assert!(scenario.engine.counters().overflows > before);
    assert_eq!(of(reported, "modified /w/in/a/f"), ["modified /w/in/a/f"]);
}

// The handle is closed long after the comparison that followed the lost records.
#[test]
fn what_was_written_before_an_overflow_and_closed_after_it_is_reported() {
    let mut scenario = machine(PLAIN, LOCAL, 10_000, 0).watched();
    written_long_ago(&mut scenario);
    let before = scenario.engine.counters().overflows;
    for name in 0..40 {
        scenario.create(&format!("/w/in/a/file {name}"));
    }
    for _ in 0..50 {
        scenario.step();
    }
    assert!(scenario.engine.counters().overflows > before);
    scenario.system().take_turns();
    let reported = scenario.sync();
    assert!(reported.iter().any(|change| change == "modified /w/in/a/f"));
}

// What a comparison reported is not reported again by the next one.
#[test]
fn what_was_compared_after_an_overflow_is_not_reported_after_the_next() {
    let mut scenario = machine(PLAIN, LOCAL, 10_000, 0).watched();
    scenario.mkdir("/w/in/a");
    scenario.create("/w/in/a/f");
    scenario.sync();
    for round in ["first", "second"] {
        scenario.pass(5);
        let before = scenario.engine.counters().overflows;
        for name in 0..40 {
            scenario.create(&format!("/w/in/a/{round} {name}"));
        }
        let reported = scenario.sync();
        assert!(scenario.engine.counters().overflows > before);
        let is_first = round == "first";
        let is_reported = reported.iter().any(|change| change == "modified /w/in/a/f");
        assert_eq!(is_reported, is_first, "{round}");
    }
}
