//! Stopped readers and stopped commands: nothing is lost, and memory stays bounded.

use everwatch_torture::scratch::{Place, Scratch};
use everwatch_torture::workload::Plan;

use crate::command::{Everwatch, Pace};
use crate::convergence::workload;
use crate::run::{Outcome, Run, Stopped, check};

/// The limit of peak memory for the small trees here.
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
        stopped(Stopped::Reader, plan, 4_000, Place::Memory);
    }
    stopped(Stopped::Reader, Plan::Mix, 3_000, Place::Disk);
}

#[test]
fn a_command_that_is_stopped_during_the_workload_loses_nothing() {
    for plan in Plan::ALL {
        stopped(Stopped::Command, plan, 4_000, Place::Memory);
    }
    stopped(Stopped::Command, Plan::Mix, 3_000, Place::Disk);
}

#[test]
fn a_reader_that_dawdles_loses_nothing() {
    for plan in [Plan::Deep, Plan::Mix, Plan::RenameStorm] {
        stopped(Stopped::Dawdling, plan, 6_000, Place::Memory);
    }
}

#[test]
fn a_command_that_is_stopped_and_continued_all_the_time_loses_nothing() {
    for plan in Plan::ALL {
        stopped(Stopped::Stuttering, plan, 4_000, Place::Memory);
    }
}

#[test]
fn a_stopped_command_finds_out_what_an_overflow_hid() {
    for plan in [Plan::Burst, Plan::RenameStorm, Plan::Churn] {
        let outcome = stopped(Stopped::Command, plan, 20_000, Place::Memory);
        assert!(
            outcome.verdict.replica.overflows > 0,
            "{}",
            outcome.report()
        );
    }
}

/// Peak memory after `rounds` of changes in a tree of constant size, while the reader stands. The command
/// is idle between rounds, so that records which it has not read yet do not count.
fn peak_after(rounds: u64) -> u64 {
    let scratch = Scratch::new(Place::Memory);
    let roots = [scratch.dir("root")];
    let everwatch = Everwatch::start(&[&roots[0]], &[]);
    everwatch.pace(Pace::Stopped);
    for round in 0..rounds {
        for plan in [Plan::Churn, Plan::Mix] {
            let fresh = roots[0].join(plan.name());
            std::fs::create_dir_all(&fresh).expect("make a directory");
            workload(plan, round, 1_000).run(std::slice::from_ref(&fresh));
            everwatch.wait_until_idle();
            std::fs::remove_dir_all(&fresh).expect("remove it");
        }
        everwatch.wait_until_idle();
    }
    let peak = everwatch.usage().peak_kib;
    everwatch.pace(Pace::Full);
    everwatch.pass(&roots[0], "sentinel");
    check(everwatch, &[&roots[0]]);
    peak
}

#[test]
fn the_memory_for_a_stopped_reader_depends_on_the_tree_and_not_on_what_happens_in_it() {
    let (short, long) = (peak_after(4), peak_after(44));
    // If the 80,000 further changes were kept, they would take twice this. What the engine holds of a burst
    // that it has not read yet varies by half of it.
    assert!(
        long < short + 6 * 1024,
        "{short} KiB, after eleven times as many changes {long} KiB"
    );
}
