//! The soak: the matrix of workloads, file systems and disturbances, with many seeds.
//!
//! With `EVERWATCH_SOAK=1`, each has ten seeds of 20,000 operations; otherwise, one short run.

use everwatch_torture::scratch::Place;
use everwatch_torture::workload::Plan;

use crate::convergence::workload;
use crate::run::{Outcome, Run, Stopped};

/// The number in an environment variable, or the usual one.
fn number(name: &str, usual: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(usual)
}

/// A line of the table.
#[derive(Default)]
struct Row {
    operations: usize,
    overflows: usize,
    missing: usize,
    ghosts: usize,
    others: usize,
    peak_kib: u64,
    processor_ms: u128,
    /// The longest time from the last operation until the feed was complete.
    completed_ms: u128,
}

impl Row {
    fn add(&mut self, outcome: &Outcome) {
        let difference = &outcome.verdict.difference;
        self.operations += outcome.operations;
        self.overflows += outcome.verdict.replica.overflows;
        self.missing += difference.missing;
        self.ghosts += difference.ghosts;
        self.others +=
            difference.wrong_types + difference.unreported + outcome.verdict.replica.misfits;
        self.peak_kib = self.peak_kib.max(outcome.usage.peak_kib);
        self.processor_ms += outcome.usage.processor.as_millis();
        self.completed_ms = self.completed_ms.max(outcome.completed.as_millis());
    }
}

#[test]
fn soak() {
    let is_long = std::env::var_os("EVERWATCH_SOAK").is_some();
    let (seeds, operations) = if is_long {
        (
            number("EVERWATCH_SEEDS", 10),
            number("EVERWATCH_OPERATIONS", 20_000),
        )
    } else {
        (1, 500)
    };
    println!(
        "{:<13} {:<6} {:<16} {:>5} {:>10} {:>9} {:>7} {:>6} {:>6} {:>9} {:>8} {:>9}",
        "workload",
        "fs",
        "stopped",
        "seeds",
        "operations",
        "overflows",
        "missing",
        "ghosts",
        "others",
        "peak KiB",
        "CPU ms",
        "after ms"
    );
    let mut failures = Vec::new();
    for stopped in Stopped::ALL {
        for plan in Plan::ALL {
            for place in Place::ALL {
                let mut row = Row::default();
                for seed in 1..=seeds as u64 {
                    let run = Run {
                        stopped,
                        ..Run::new(workload(plan, seed, operations), place)
                    };
                    let Some(outcome) = run.run() else { continue };
                    row.add(&outcome);
                    if !outcome.verdict.is_right() {
                        failures.push(run.complaint(&outcome));
                    }
                }
                println!(
                    "{:<13} {:<6} {:<16} {:>5} {:>10} {:>9} {:>7} {:>6} {:>6} {:>9} {:>8} {:>9}",
                    plan.name(),
                    place.name(),
                    stopped.name(),
                    seeds,
                    row.operations,
                    row.overflows,
                    row.missing,
                    row.ghosts,
                    row.others,
                    row.peak_kib,
                    row.processor_ms,
                    row.completed_ms,
                );
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} runs failed:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}
