//! Stages: a heading, a time, and a summary that ends in one line for machines.

use std::time::{Duration, Instant};

use crate::process::Tally;

/// What a stage led to, if it did not fail.
pub(crate) enum Outcome {
    /// It ran; so many tests were in it.
    Done(Tally),
    /// It could not run here, for this reason.
    Skipped(String),
}

/// Why a stage failed, and the tests that ran in it.
pub(crate) type Failure = (Tally, String);

struct Finished {
    name: String,
    took: Duration,
    /// A tally, or why the stage was skipped or failed.
    result: Result<Tally, String>,
    is_failure: bool,
}

/// Runs stages one after the other.
pub(crate) struct Stages {
    began: Instant,
    finished: Vec<Finished>,
}

impl Stages {
    pub(crate) fn new() -> Stages {
        Stages {
            began: Instant::now(),
            finished: Vec::new(),
        }
    }

    /// Runs a stage. An error means that the stage failed and no other should follow.
    pub(crate) fn run(
        &mut self,
        name: &str,
        stage: impl FnOnce() -> Result<Outcome, Failure>,
    ) -> Result<(), String> {
        println!("\n==== {name}");
        let began = Instant::now();
        let outcome = stage();
        let took = began.elapsed();
        let (result, is_failure) = match outcome {
            // A stage without tests of its own counts as one.
            Ok(Outcome::Done(tally)) => (
                Ok(Tally {
                    passed: tally.passed.max(1),
                    failed: 0,
                }),
                false,
            ),
            Ok(Outcome::Skipped(why)) => {
                println!("SKIPPED: {why}");
                (Err(format!("SKIPPED: {why}")), false)
            }
            Err((tally, why)) => {
                println!("FAILED: {why}");
                let failed = tally.failed.max(1);
                self.finished.push(Finished {
                    name: name.to_owned(),
                    took,
                    result: Ok(Tally { failed, ..tally }),
                    is_failure: true,
                });
                return Err(format!("{name} failed"));
            }
        };
        println!("==== {name}: {}", seconds(took));
        self.finished.push(Finished {
            name: name.to_owned(),
            took,
            result,
            is_failure,
        });
        Ok(())
    }

    /// Prints what was run and, as the last line, how many tests and other checks passed and failed.
    pub(crate) fn summarise(&self) {
        println!("\n==== summary");
        let mut total = Tally::default();
        for stage in &self.finished {
            let what = match &stage.result {
                Ok(tally) => {
                    total.passed += tally.passed;
                    total.failed += tally.failed;
                    let word = if stage.is_failure { "FAILED" } else { "ok" };
                    format!("{word}, {} passed, {} failed", tally.passed, tally.failed)
                }
                Err(why) => why.clone(),
            };
            println!("{:>8}  {:<44} {what}", seconds(stage.took), stage.name);
        }
        println!("{:>8}  in all\n", seconds(self.began.elapsed()));
        println!("{} passed, {} failed", total.passed, total.failed);
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
