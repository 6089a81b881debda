//! Convergence: each workload on each sort of file system leads to the tree on disk.

use everwatch_torture::names::Names;
use everwatch_torture::scratch::Place;
use everwatch_torture::workload::{Plan, Workload};

use crate::run::{Layout, Run, Stopped};

pub(crate) fn workload(plan: Plan, seed: u64, operations: usize) -> Workload {
    Workload {
        plan,
        names: Names::Plain,
        seed,
        operations,
        writers: 3,
        pace: None,
        is_portable: false,
    }
}

fn converges(plan: Plan, operations: usize) {
    for seed in [1, 2] {
        Run::new(workload(plan, seed, operations), Place::Memory).check();
    }
    // Removing what was made takes long on some devices.
    Run::new(workload(plan, 3, operations / 5), Place::Disk).check();
}

#[test]
fn creations_in_one_directory_converge() {
    converges(Plan::Burst, 20_000);
}

#[test]
fn chains_of_new_directories_converge() {
    converges(Plan::Deep, 3_000);
}

#[test]
fn everything_at_once_converges() {
    converges(Plan::Mix, 5_000);
}

#[test]
fn a_storm_of_renames_converges() {
    converges(Plan::RenameStorm, 3_000);
}

#[test]
fn temporary_files_and_rotated_logs_converge() {
    converges(Plan::Churn, 2_000);
}

#[test]
fn hostile_names_converge() {
    for plan in [Plan::Mix, Plan::RenameStorm, Plan::Churn] {
        let hostile = Workload {
            names: Names::Hostile,
            ..workload(plan, 3, 2_000)
        };
        Run::new(hostile, Place::Memory).check();
    }
}

#[test]
fn moves_between_the_roots_of_one_command_converge() {
    for plan in [Plan::Mix, Plan::RenameStorm] {
        let run = Run {
            layout: Layout::Beside(3),
            ..Run::new(workload(plan, 4, 4_000), Place::Memory)
        };
        run.check();
    }
}

#[test]
fn roots_that_are_renamed_and_removed_all_the_time_converge() {
    for plan in [Plan::Mix, Plan::RenameStorm] {
        for seed in [6, 7, 8] {
            let run = Run {
                layout: Layout::Within,
                ..Run::new(workload(plan, seed, 1_000), Place::Memory)
            };
            run.check();
        }
    }
}

#[test]
fn a_single_writer_converges() {
    for plan in [Plan::Mix, Plan::RenameStorm, Plan::Churn] {
        let alone = Workload {
            writers: 1,
            ..workload(plan, 5, 4_000)
        };
        Run::new(alone, Place::Memory).check();
    }
}

/// Parses a run from words such as `mix tmpfs normal plain seed=3 operations=2000 writers=3`.
fn described(words: &str) -> Run {
    let mut run = Run::new(workload(Plan::Mix, 1, 2_000), Place::Memory);
    for word in words.split_whitespace() {
        if let Some(plan) = Plan::ALL.into_iter().find(|plan| plan.name() == word) {
            run.workload.plan = plan;
        } else if let Some(place) = Place::ALL.into_iter().find(|place| place.name() == word) {
            run.place = place;
        } else if let Some(who) = Stopped::ALL.into_iter().find(|who| who.name() == word) {
            run.stopped = who;
        } else if word == "poll" {
            run.arguments = vec!["--backend", "poll", "--poll-interval", "50ms"];
        } else if word == "settle" {
            run.arguments = vec!["--settle", "50ms"];
        } else if word == "blind" {
            run.arguments = vec!["--only", "created,removed,moved"];
        } else if word == "within" {
            run.layout = Layout::Within;
        } else if word == "hostile" {
            run.workload.names = Names::Hostile;
        } else if let Some((name, number)) = word.split_once('=') {
            let number: usize = number.parse().expect("a number");
            match name {
                "seed" => run.workload.seed = number as u64,
                "operations" => run.workload.operations = number,
                "writers" => run.workload.writers = number,
                "roots" => run.layout = Layout::Beside(number),
                "watches" => run.watches = Some(number as u32),
                "queue" => run.queue = Some(number as u32),
                _ => panic!("no such setting: {word}"),
            }
        } else {
            assert_eq!(word, "plain", "no such word");
        }
    }
    run
}

#[test]
fn a_run_described_by_the_environment_converges() {
    let words = std::env::var("EVERWATCH_TORTURE").unwrap_or_default();
    if let Some(outcome) = described(&words).check() {
        println!("{}", outcome.report());
    }
}
