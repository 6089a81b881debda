//! Stages: a heading, a time, and a summary that ends in one line for programs that read it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::process::Tally;

/// The result of a stage that did not fail.
pub(crate) enum Outcome {
    /// It ran, and these tests with it.
    Done(Tally),
    /// It cannot run on this machine, for this reason.
    Skipped(String),
}

/// Why a stage failed, and the tests that ran in it.
pub(crate) type Failure = (Tally, String);

/// A stage that is over, as the summary shows it.
struct Finished {
    name: String,
    wall: Duration,
    /// Time on processors, of all programs that the stage started. None where the system does not say.
    processor: Option<Duration>,
    /// `ok`, `FAILED`, or why it was skipped.
    word: String,
    tally: Tally,
    is_skipped: bool,
}

/// Runs stages one after the other.
pub(crate) struct Stages {
    began: Instant,
    finished: Vec<Finished>,
    /// Lines that other programs printed about stages of theirs.
    of_others: Vec<String>,
}

impl Stages {
    pub(crate) fn new() -> Stages {
        Stages {
            began: Instant::now(),
            finished: Vec::new(),
            of_others: Vec::new(),
        }
    }

    /// Runs a stage. An error means that the stage failed and no other should follow.
    pub(crate) fn run(
        &mut self,
        name: &str,
        stage: impl FnOnce() -> Result<Outcome, Failure>,
    ) -> Result<(), String> {
        println!("\n==== {name}");
        let (began, before) = (Instant::now(), processor_time());
        let outcome = stage();
        let wall = began.elapsed();
        let processor = processor_time()
            .zip(before)
            .map(|(now, before)| now - before);
        let is_skipped = matches!(outcome, Ok(Outcome::Skipped(_)));
        let is_failure = outcome.is_err();
        let (tally, word) = match outcome {
            // A stage without tests of its own counts as one.
            Ok(Outcome::Done(mut tally)) => {
                tally.passed = tally.passed.max(1);
                (tally, "ok".to_owned())
            }
            Ok(Outcome::Skipped(why)) => (Tally::default(), format!("SKIPPED: {why}")),
            Err((mut tally, why)) => {
                println!("FAILED: {why}");
                tally.failed = tally.failed.max(1);
                (tally, "FAILED".to_owned())
            }
        };
        println!("==== {name}: {word}, {}", seconds(wall));
        self.finished.push(Finished {
            name: name.to_owned(),
            wall,
            processor,
            word,
            tally,
            is_skipped,
        });
        if is_failure {
            Err(format!("{name} failed"))
        } else {
            Ok(())
        }
    }

    /// The names of the tests that passed in stages with these names. None if one of them did not run.
    pub(crate) fn passed(&self, stages: &[&str]) -> Option<BTreeSet<&str>> {
        let mut names = BTreeSet::new();
        for stage in stages {
            let found = self
                .finished
                .iter()
                .find(|finished| finished.name == *stage);
            let found = found.filter(|finished| !finished.is_skipped)?;
            names.extend(found.tally.names.iter().map(String::as_str));
        }
        Some(names)
    }

    /// Adds lines of the summary of another program.
    pub(crate) fn add_summary(&mut self, lines: Vec<String>) {
        self.of_others.extend(lines);
    }

    /// Prints each stage with its time and the time on processors. The last line is how many tests and
    /// other checks passed and failed.
    pub(crate) fn summarise(&self) {
        println!("\n{SUMMARY}\n    wall  processor");
        let mut total = Tally::default();
        for stage in &self.finished {
            let Tally { passed, failed, .. } = stage.tally;
            total.passed += passed;
            total.failed += failed;
            let counts = format!(", {passed} passed, {failed} failed");
            let counts = if stage.is_skipped { "" } else { &counts };
            let processor = stage.processor.map_or("".to_owned(), seconds);
            println!(
                "{:>8} {processor:>10}  {:<44} {}{counts}",
                seconds(stage.wall),
                stage.name,
                stage.word
            );
        }
        for line in &self.of_others {
            println!("{line}");
        }
        println!("{:>8}             in all\n", seconds(self.began.elapsed()));
        println!("{} passed, {} failed", total.passed, total.failed);
    }
}

/// The line that a summary begins with.
pub(crate) const SUMMARY: &str = "==== summary";

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// The time that programs took on processors, of those that this one started and waited for.
fn processor_time() -> Option<Duration> {
    // Linux counts in hundredths of a second on every machine, whatever it counts in itself.
    const TICKS: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses that may contain anything; the 16th and 17th are meant.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let ticks = fields
        .get(13..15)?
        .iter()
        .map(|field| field.parse::<u64>().ok());
    let ticks = ticks.sum::<Option<u64>>()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tests_are_known_by_stage_and_skipped_stages_have_none() {
        let mut stages = Stages::new();
        let tally = Tally {
            names: ["it_holds".to_owned()].into(),
            ..Tally::default()
        };
        stages
            .run("a", || Ok(Outcome::Done(tally)))
            .expect("it passes");
        stages
            .run("b", || Ok(Outcome::Skipped("no".to_owned())))
            .expect("it is no failure");
        assert_eq!(stages.passed(&["a"]), Some(["it_holds"].into()));
        assert_eq!(stages.passed(&["a", "b"]), None);
        assert!(
            stages
                .run("c", || Err((Tally::default(), "why".to_owned())))
                .is_err()
        );
    }
}
