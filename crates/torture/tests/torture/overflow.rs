//! The limits of the kernel: with a small queue, the same feed continues after an overflow with the exact
//! difference; with few watches, the rest of the tree is polled.

use everwatch::ChangeKind;
use everwatch_torture::scratch::{Place, Scratch};
use everwatch_torture::workload::Plan;

use crate::command::{Everwatch, Limits};
use crate::convergence::workload;
use crate::run::{Run, Stopped, check};

/// Runs each workload with a queue of `records`. Returns the number of overflows, or `None` without the
/// right to change the queue.
fn with_queue(records: u32, stopped: Stopped) -> Option<usize> {
    let mut overflows = 0;
    for plan in Plan::ALL {
        for seed in [21, 22] {
            let run = Run {
                queue: Some(records),
                stopped,
                ..Run::new(workload(plan, seed, 2_000), Place::Memory)
            };
            let outcome = run.check()?;
            overflows += outcome.verdict.replica.overflows;
        }
    }
    Some(overflows)
}

#[test]
fn a_queue_of_sixteen_records_loses_nothing() {
    assert_ne!(
        with_queue(16, Stopped::Nothing),
        Some(0),
        "no overflow happened"
    );
}

#[test]
fn a_queue_of_five_hundred_records_loses_nothing() {
    assert_ne!(
        with_queue(500, Stopped::Command),
        Some(0),
        "no overflow happened"
    );
}

#[test]
fn an_overflow_while_the_reader_stands_loses_nothing() {
    assert_ne!(
        with_queue(64, Stopped::Reader),
        Some(0),
        "no overflow happened"
    );
}

#[test]
fn an_overflow_is_not_reported_as_a_change_of_what_did_not_change() {
    let Some(limits) = Limits::of(Some(16), None) else {
        return;
    };
    let scratch = Scratch::new(Place::Memory);
    let (still, busy) = (scratch.dir("still"), scratch.dir("busy"));
    std::fs::create_dir_all(still.join("a/b")).expect("make directories");
    std::fs::write(still.join("a/b/known"), "").expect("write");
    let everwatch = Everwatch::start_with(&[scratch.path()], &[], limits);
    std::fs::create_dir_all(still.join("new/b")).expect("make directories");
    std::fs::write(still.join("new/b/reported"), "").expect("write");
    everwatch.pass(scratch.path(), "sentinel");
    // Content that changed within a clock tick before the overflow may be reported once more.
    std::thread::sleep(std::time::Duration::from_millis(100));
    everwatch.pass(scratch.path(), "later");
    everwatch.replica(|replica| replica.keep());
    everwatch.stop();
    for number in 0..200 {
        std::fs::write(busy.join(format!("{number}")), "").expect("write");
    }
    everwatch.go_on();
    everwatch.pass(&busy, "last");
    let mut replica = check(everwatch, &[scratch.path()]);
    assert!(replica.overflows > 0, "no overflow happened");
    let reported = replica.keep();
    let wrong: Vec<_> = reported
        .iter()
        .filter(|change| change.path.starts_with(&still))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let created = reported
        .iter()
        .filter(|change| change.kind == ChangeKind::Created);
    assert_eq!(created.count(), 201, "each file once: {reported:?}");
}

#[test]
fn directories_beyond_the_watch_limit_are_polled_and_lose_nothing() {
    for plan in Plan::ALL {
        let run = Run {
            watches: Some(12),
            arguments: vec!["--poll-interval", "50ms"],
            ..Run::new(workload(plan, 23, 400), Place::Memory)
        };
        let Some(outcome) = run.check() else { return };
        let coverage = &outcome.verdict.replica.coverage;
        let is_reported = coverage.iter().any(|line| line.reason == "watch-limit");
        let is_flat = [Plan::Burst, Plan::Churn].contains(&plan);
        assert!(
            is_reported || is_flat,
            "{plan:?} needed no more: {coverage:?}"
        );
    }
}
