//! Completion models: all report the same changes, and an exact difference after an overflow.

use std::fs;

use everwatch_torture::scratch::{Place, Scratch};
use everwatch_torture::workload::Plan;

use crate::command::WineCommand;
use crate::convergence::is_soak;
use crate::run::{WineRun, WrittenBy, check};
use crate::wine::Wine;

/// The plans, the number of seeds, and the share of each plan in percent.
fn extent() -> (&'static [Plan], u64, usize) {
    match is_soak() {
        true => (&[Plan::Burst, Plan::Deep, Plan::Mix], 5, 100),
        false => (&[Plan::Mix], 1, 10),
    }
}

/// Runs each plan with both writers.
fn converges(model: &'static str) {
    let Some(wine) = Wine::here() else { return };
    if !wine.takes(&["--completion", model]) {
        return;
    }
    let (plans, seeds, scale) = extent();
    for &plan in plans {
        for writer in [WrittenBy::Native { pace: 2_000 }, WrittenBy::Windows] {
            for seed in 1..=seeds {
                let run = WineRun {
                    model: Some(model),
                    ..WineRun::of(plan, seed, writer, scale)
                };
                run.check(&wine);
            }
        }
    }
}

/// The command is stopped while a writer runs. Wine keeps more for it than its buffer holds, so Wine drops
/// the records and reports that.
fn overflows(model: &'static str) {
    let Some(wine) = Wine::here() else { return };
    if !wine.takes(&["--completion", model]) {
        return;
    }
    let plans: &[Plan] = match is_soak() {
        true => &[Plan::Burst, Plan::Mix],
        false => &[Plan::Burst],
    };
    for &plan in plans {
        // A record takes some 400 bytes, and the largest buffer is 1 MiB.
        let run = WineRun {
            model: Some(model),
            is_stopped: true,
            operations: 4_000,
            directories: 10,
            ..WineRun::of(plan, 1, WrittenBy::Windows, 100)
        };
        run.check(&wine);
    }
}

/// Directories that exist before the start have coverage. Without that, polling would converge as well.
fn covers(model: &'static str) {
    let Some(wine) = Wine::here() else { return };
    if !wine.takes(&["--completion", model]) {
        return;
    }
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.dir("root");
    let below = root.join("dir/below");
    fs::create_dir_all(&below).expect("make directories");
    let everwatch = WineCommand::start(&wine, &[&root], &["--completion", model]);
    fs::write(below.join("file"), "").expect("write");
    let replica = check(everwatch, &[&root]);
    assert_eq!(replica.coverage, []);
}

macro_rules! each_model {
    ($($model:ident)*) => {
        $(
            mod $model {
                #[test]
                fn old_directories_are_live() {
                    super::covers(stringify!($model));
                }

                #[test]
                fn the_feed_converges() {
                    super::converges(stringify!($model));
                }

                #[test]
                fn an_overflow_becomes_the_exact_difference() {
                    super::overflows(stringify!($model));
                }
            }
        )*
    };
}

each_model!(port apc event blocking isolated);
