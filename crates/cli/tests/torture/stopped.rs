//! Nobody reads, or the command itself does not run, while the workload does: nothing is lost, and
//! memory stays bounded.

use crate::convergence::workload;
use crate::run::{Outcome, Run, Stopped};
use crate::scratch::Place;
use crate::workload::Plan;

/// Most memory a command may ever have had for the small trees here.
const PEAK_KIB: u64 = 96 * 1024;

fn stopped(who: Stopped, plan: Plan, operations: usize, place: Place) -> Outcome {
    let run = Run {
        stopped: who,
        ..Run::new(workload(plan, 11, operations), place)
    };
    let outcome = run.check().expect("takes no rights");
    let peak = outcome.usage.peak_kib;
    assert!(peak < PEAK_KIB, "{peak} KiB for {}", outcome.report());
    outcome
}

#[test]
fn a_reader_that_is_stopped_during_the_workload_loses_nothing() {
    for plan in Plan::ALL {
        stopped(Stopped::Reader, plan, 4_000, Place::Tmpfs);
    }
    stopped(Stopped::Reader, Plan::Mix, 3_000, Place::Disk);
}

#[test]
fn a_command_that_is_stopped_during_the_workload_loses_nothing() {
    for plan in Plan::ALL {
        stopped(Stopped::Command, plan, 4_000, Place::Tmpfs);
    }
    stopped(Stopped::Command, Plan::Mix, 3_000, Place::Disk);
}

#[test]
fn a_stopped_command_finds_out_what_an_overflow_hid() {
    let outcome = stopped(Stopped::Command, Plan::Mix, 30_000, Place::Tmpfs);
    assert!(
        outcome.verdict.replica.overflows > 0,
        "{}",
        outcome.report()
    );
}

#[test]
fn the_memory_for_a_stopped_reader_depends_on_the_tree_and_not_on_what_happens_in_it() {
    let short = stopped(Stopped::Reader, Plan::Churn, 5_000, Place::Tmpfs)
        .usage
        .peak_kib;
    let long = stopped(Stopped::Reader, Plan::Churn, 40_000, Place::Tmpfs)
        .usage
        .peak_kib;
    // The difference is what the engine reads at once when it is late, whoever reads its lines.
    assert!(
        long < short + 8 * 1024,
        "{short} KiB, with eight times as many changes {long} KiB"
    );
}
