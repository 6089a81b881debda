//! The outcome of a schedule.

use std::fmt;

use crate::schedule::platform::Platform;

/// What a schedule that went well was made of.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Report {
    /// System calls of other processes.
    pub calls: u64,
    /// Steps of the engine.
    pub steps: u64,
    /// Events that consumers applied.
    pub events: u64,
    /// Records that the engine applied.
    pub records: u64,
    /// Times that records were lost.
    pub overflows: u64,
    /// Times that a consumer fell behind and its backlog was folded.
    pub folds: u64,
    /// Directories listed.
    pub listings: u64,
    /// Renames of other processes that failed because the engine looked at an entry.
    pub refused_by_looks: u64,
    /// Renames of other processes that failed because the engine held directories open.
    pub refused_by_directories: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Report) {
        self.calls += other.calls;
        self.steps += other.steps;
        self.events += other.events;
        self.records += other.records;
        self.overflows += other.overflows;
        self.folds += other.folds;
        self.listings += other.listings;
        self.refused_by_looks += other.refused_by_looks;
        self.refused_by_directories += other.refused_by_directories;
    }
}

/// A schedule after which a consumer's tree was not the tree on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The schedule.
    pub seed: u64,
    /// The fewest operations after which it fails.
    pub calls: usize,
    /// What is wrong.
    pub differences: Vec<String>,
    /// What happened, line by line.
    pub trace: Vec<String>,
}

/// Lines of the trace that a failure shows.
const SHOWN: usize = 60;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {} fails after {} operations:",
            self.seed, self.calls
        )?;
        for difference in &self.differences {
            writeln!(f, "  {difference}")?;
        }
        let hidden = self.trace.len().saturating_sub(SHOWN);
        if hidden > 0 {
            writeln!(
                f,
                "the end of the trace ({hidden} lines before it are not shown):"
            )?;
        }
        for line in &self.trace[hidden..] {
            writeln!(f, "  {line}")?;
        }
        match Platform::of(self.seed) {
            (Platform::Linux, seed) => write!(f, "replay: cargo xtask sim --seed {seed}"),
            (platform, seed) => {
                write!(
                    f,
                    "replay: cargo xtask sim --kernel {platform} --seed {seed}"
                )
            }
        }
    }
}

impl std::error::Error for Failure {}
