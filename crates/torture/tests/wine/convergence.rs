//! Convergence: workloads of a native writer and of one under Wine lead to the tree on disk.
//!
//! With `EVERWATCH_SOAK=1`, each is whole and has five seeds; otherwise, a tenth of it with one.

use everwatch_torture::workload::Plan;

use crate::run::{WineRun, WrittenBy};
use crate::wine::Wine;

/// As fast as Wine keeps up with.
const PACED: WrittenBy = WrittenBy::Native { pace: 2_000 };

/// Whether the full matrix is asked for.
pub(crate) fn is_soak() -> bool {
    std::env::var_os("EVERWATCH_SOAK").is_some()
}

/// Runs the plan with each seed.
fn converges(plan: Plan, writer: WrittenBy) {
    let Some(wine) = Wine::here() else { return };
    let (seeds, scale) = if is_soak() { (5, 100) } else { (1, 10) };
    for seed in 1..=seeds {
        WineRun::of(plan, seed, writer, scale).check(&wine);
    }
}

#[test]
fn a_native_burst_over_a_hundred_directories_converges() {
    converges(Plan::Burst, PACED);
}

#[test]
fn native_chains_of_new_directories_converge() {
    converges(Plan::Deep, PACED);
}

#[test]
fn everything_at_once_by_a_native_writer_converges() {
    converges(Plan::Mix, PACED);
}

#[test]
fn a_burst_by_a_windows_writer_converges() {
    converges(Plan::Burst, WrittenBy::Windows);
}

#[test]
fn chains_of_new_directories_by_a_windows_writer_converge() {
    converges(Plan::Deep, WrittenBy::Windows);
}

#[test]
fn everything_at_once_by_a_windows_writer_converges() {
    converges(Plan::Mix, WrittenBy::Windows);
}

#[test]
fn a_storm_of_renames_and_files_that_come_and_go_converge() {
    let Some(wine) = Wine::here() else { return };
    let (seeds, scale) = if is_soak() { (5, 40) } else { (1, 5) };
    for seed in 1..=seeds {
        for (plan, writer) in [
            (Plan::RenameStorm, PACED),
            (Plan::RenameStorm, WrittenBy::Windows),
            (Plan::Churn, PACED),
            (Plan::Churn, WrittenBy::Windows),
        ] {
            let run = WineRun {
                writers: 2,
                ..WineRun::of(plan, seed, writer, scale)
            };
            run.check(&wine);
        }
    }
}

#[test]
fn a_run_described_by_the_environment_converges() {
    let Some(wine) = Wine::here() else { return };
    let words = std::env::var("EVERWATCH_RUN").unwrap_or_else(|_| "operations=200".to_owned());
    WineRun::described(&words).check(&wine);
}
