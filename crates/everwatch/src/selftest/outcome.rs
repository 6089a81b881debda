//! The outcome of a self-test: guarantees, verdicts, and the figures that they rest on.

use std::fmt;
use std::time::Duration;

/// A guarantee of GUARANTEES.md.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Guarantee {
    /// G1: applying the feed gives the names, kinds and parents on disk, and what was written is reported.
    Convergence,
    /// G2: `watch` returns armed, and a snapshot and its feed join at one point.
    NoGap,
    /// G3: lost records become the exact difference in the same feed.
    Overflow,
    /// G4: a rename is one `moved`, and unrelated files are never paired.
    Identity,
    /// G5: `sync` returns after everything before it is delivered.
    Barrier,
    /// G6: a consumer that stalls loses nothing, and holds up nothing.
    Bounded,
    /// G7: `close` returns in bounded time, and nothing is delivered after it.
    Stop,
    /// G8: what is not live is named, and is live again when it can be.
    Coverage,
}

impl Guarantee {
    /// All of them, in the order of GUARANTEES.md.
    pub const ALL: [Guarantee; 8] = [
        Guarantee::Convergence,
        Guarantee::NoGap,
        Guarantee::Overflow,
        Guarantee::Identity,
        Guarantee::Barrier,
        Guarantee::Bounded,
        Guarantee::Stop,
        Guarantee::Coverage,
    ];

    /// The id in GUARANTEES.md, such as `G1`.
    pub fn id(self) -> &'static str {
        ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8"][self as usize]
    }

    /// The name in GUARANTEES.md, such as `Convergence`.
    pub fn name(self) -> &'static str {
        [
            "Convergence",
            "No gap",
            "Overflow becomes an exact difference",
            "Identity",
            "Barrier",
            "Bounded",
            "Stop",
            "Coverage",
        ][self as usize]
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id(), self.name())
    }
}

/// Whether a guarantee was held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// Every check passed.
    Held,
    /// A check failed.
    Broken,
    /// A check failed where GUARANTEES.md promises best effort only: moves of polled trees, the
    /// barrier under Wine.
    BestEffort,
    /// No check of it was possible here.
    NotAsked,
}

impl Verdict {
    /// The name in the command's lines: `held`, `broken`, `best-effort` or `not-asked`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Held => "held",
            Verdict::Broken => "broken",
            Verdict::BestEffort => "best-effort",
            Verdict::NotAsked => "not-asked",
        }
    }
}

/// What was found out about one guarantee.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The guarantee.
    pub guarantee: Guarantee,
    /// Whether it was held.
    pub verdict: Verdict,
    /// The number of checks.
    pub checks: u64,
    /// The number of checks that failed.
    pub failures: u64,
    /// Sentences about the first failures, or about why nothing was asked.
    pub notes: Vec<String>,
}

/// The sums over the whole run.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Figures {
    /// Operations on the disk.
    pub operations: u64,
    /// Operations that the system refused at first, and that went through later.
    pub retried: u64,
    /// Events of the feeds.
    pub events: u64,
    /// Entries on disk that the tree does not have.
    pub missing: u64,
    /// Entries of the tree that are not on disk.
    pub ghosts: u64,
    /// Entries whose kind differs.
    pub wrong_kinds: u64,
    /// Files whose content changed and that were not reported.
    pub unreported_writes: u64,
    /// Moves that joined two files, were reported in two halves, or did not happen.
    pub wrong_moves: u64,
    /// Changes that came after the barrier behind which they belong.
    pub late: u64,
    /// Comparisons of a whole root with the disk.
    pub resyncs: u64,
    /// Times records were lost.
    pub overflows: u64,
}

/// An open question about the system, its answer here, and what is expected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question {
    /// The question.
    pub text: &'static str,
    /// What is expected.
    pub expected: &'static str,
    /// The answer, or `None` if it could not be asked here.
    pub answer: Option<String>,
}

/// The outcome of [`Selftest::run`](super::Selftest::run).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The seed, by which the run can be repeated.
    pub seed: u64,
    /// One finding for each guarantee, in order.
    pub findings: Vec<Finding>,
    /// The sums.
    pub figures: Figures,
    /// The open questions. Empty but on Windows.
    pub questions: Vec<Question>,
    /// What was left out, and why.
    pub skipped: Vec<String>,
    /// The file system below which the test ran.
    pub file_system: String,
    /// The time that it took.
    pub took: Duration,
}

impl Outcome {
    /// Whether no guarantee is [`Verdict::Broken`].
    pub fn is_held(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.verdict != Verdict::Broken)
    }
}
