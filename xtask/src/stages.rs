//! Stages of a long run: each has a heading and a time; the summary ends in one line that programs read.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::process::Tally;

/// The result of a stage that did not fail.
pub(crate) enum Outcome {
    /// The stage passed, with these tests.
    Done(Tally),
    /// The stage cannot run on this machine, for this reason.
    Skipped(String),
}

/// The tests of a stage that failed, and the reason.
pub(crate) type Failure = (Tally, String);

/// A finished stage as the summary shows it.
struct Finished {
    name: String,
    wall: Duration,
    /// Processor time of all programs of the stage. None on systems without `/proc`.
    processor: Option<Duration>,
    /// `ok`, `FAILED`, or `SKIPPED` with the reason.
    word: String,
    tally: Tally,
    is_skipped: bool,
}

/// Runs stages one after the other.
pub(crate) struct Stages {
    began: Instant,
    finished: Vec<Finished>,
    /// Summary lines of stages that another process ran.
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

    /// Runs a stage. On an error the caller must start no further stage.
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

    /// Adds summary lines of another process.
    pub(crate) fn add_summary(&mut self, lines: Vec<String>) {
        self.of_others.extend(lines);
    }

    /// Prints a table of all stages with wall time and processor time. The last line holds the numbers of tests
    /// and checks that passed and failed.
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
            for what in &stage.tally.skipped {
                println!("{:>19}  skipped {what}", "");
            }
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

/// Processor time of all children that have been waited for, and of their children.
fn processor_time() -> Option<Duration> {
    // USER_HZ of proc(5): 100 on every architecture that Rust supports.
    const TICKS: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // proc(5): field 2 is the name in parentheses, fields 16 and 17 are cutime and cstime.
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
