//! The feed converges: each workload, on each sort of file system.

use crate::names::Names;
use crate::run::{Run, Stopped};
use crate::scratch::Place;
use crate::workload::{Plan, Workload};

fn workload(plan: Plan, seed: u64, operations: usize) -> Workload {
    Workload { plan, names: Names::Plain, seed, operations, writers: 3 }
}

/// Reads a run from words such as `mix tmpfs normal plain seed=3 operations=2000 writers=3`.
fn described(words: &str) -> Run {
    let mut run = Run::new(workload(Plan::Mix, 1, 2000), Place::Tmpfs);
    for word in words.split_whitespace() {
        if let Some(plan) = Plan::ALL.into_iter().find(|plan| plan.name() == word) {
            run.workload.plan = plan;
        } else if let Some(place) = Place::ALL.into_iter().find(|place| place.name() == word) {
            run.place = place;
        } else if let Some(who) = Stopped::ALL.into_iter().find(|who| who.name() == word) {
            run.stopped = who;
        } else if word == "hostile" {
            run.workload.names = Names::Hostile;
        } else if let Some((name, number)) = word.split_once('=') {
            let number: usize = number.parse().expect("a number");
            match name {
                "seed" => run.workload.seed = number as u64,
                "operations" => run.workload.operations = number,
                "writers" => run.workload.writers = number,
                "roots" => run.roots = number,
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
