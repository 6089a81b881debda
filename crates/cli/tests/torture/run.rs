//! One run: start the command, do the workload, compare.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::command::{Everwatch, Usage};
use crate::replica::Replica;
use crate::scratch::{Place, QueueLimit, Scratch};
use crate::tree::{Difference, Tree};
use crate::walk::walk_all;
use crate::workload::Workload;

/// Who does not run while the workload does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stopped {
    Nobody,
    /// Nobody reads the pipe.
    Reader,
    /// The command has got SIGSTOP.
    Command,
}

impl Stopped {
    pub(crate) const ALL: [Stopped; 3] = [Stopped::Nobody, Stopped::Reader, Stopped::Command];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Stopped::Nobody => "normal",
            Stopped::Reader => "reader-stopped",
            Stopped::Command => "command-stopped",
        }
    }
}

/// What is run, and on what.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) workload: Workload,
    pub(crate) place: Place,
    pub(crate) stopped: Stopped,
    pub(crate) roots: usize,
    /// Records that the kernel's queue holds; `None` leaves it as it is.
    pub(crate) queue: Option<u32>,
    pub(crate) arguments: Vec<&'static str>,
}

/// What the replica turned out to be.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) replica: Replica,
    /// How it differed when the command had ended.
    pub(crate) difference: Difference,
    /// How it differed before, if it did so for long.
    pub(crate) unsettled: Option<Difference>,
}

impl Verdict {
    pub(crate) fn is_right(&self) -> bool {
        self.difference.is_none() && self.unsettled.is_none() && self.replica.nonsense == 0
    }

    pub(crate) fn report(&self) -> String {
        let Difference {
            missing,
            ghosts,
            wrong_kinds,
            examples,
        } = &self.difference;
        let mut lines = vec![format!(
            "{:?}, {} overflows; {missing} missing, {ghosts} ghosts, {wrong_kinds} wrong kinds, {} \
             lines without sense",
            self.replica.tally, self.replica.overflows, self.replica.nonsense,
        )];
        if let Some(unsettled) = &self.unsettled {
            lines.push(format!("before it was told to end: {unsettled:?}"));
        }
        lines.extend(examples.iter().chain(&self.replica.quotes).cloned());
        lines.join("\n")
    }
}

/// Waits until the replica is as the disk, which nobody changes any more; ends the command; and
/// compares once more.
fn judge(everwatch: Everwatch, disk: &[(PathBuf, Option<Tree>)]) -> (Verdict, Usage) {
    let is_settled = everwatch.wait_while_lines_come(|replica| replica.difference(disk).is_none());
    let unsettled = (!is_settled).then(|| everwatch.replica(|replica| replica.difference(disk)));
    let usage = everwatch.usage();
    let replica = everwatch.finish();
    (
        Verdict {
            difference: replica.difference(disk),
            unsettled,
            replica,
        },
        usage,
    )
}

/// Ends the command and makes sure that its feed has led to the given trees at its roots.
pub(crate) fn check_against(everwatch: Everwatch, disk: &[(PathBuf, Option<Tree>)]) -> Replica {
    let (verdict, _) = judge(everwatch, disk);
    assert!(verdict.is_right(), "{}", verdict.report());
    verdict.replica
}

/// Ends the command and makes sure that its feed has led to what is on disk.
pub(crate) fn check(everwatch: Everwatch, roots: &[&Path]) -> Replica {
    let disk = walk_all(roots);
    check_against(everwatch, &disk)
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) operations: usize,
    /// Entries on disk in the end.
    pub(crate) entries: usize,
    pub(crate) usage: Usage,
    pub(crate) verdict: Verdict,
    /// How long the workload took.
    pub(crate) wrote: Duration,
    /// How long it took from there until the feed was complete and the command had ended.
    pub(crate) settled: Duration,
}

impl Run {
    pub(crate) fn new(workload: Workload, place: Place) -> Run {
        Run {
            workload,
            place,
            stopped: Stopped::Nobody,
            roots: 1,
            queue: None,
            arguments: Vec::new(),
        }
    }

    /// Runs it. `None` if that takes more rights than the test has.
    pub(crate) fn run(&self) -> Option<Outcome> {
        let limit = match self.queue {
            Some(records) => QueueLimit::set(records)?,
            None => QueueLimit::shared(),
        };
        let scratch = Scratch::new(self.place);
        let roots: Vec<PathBuf> = (0..self.roots)
            .map(|number| scratch.dir(&format!("root{number}")))
            .collect();
        let paths: Vec<_> = roots.iter().map(PathBuf::as_path).collect();
        let everwatch = Everwatch::start_with(&paths, &self.arguments, limit);
        if self.stopped != Stopped::Nobody {
            self.warm_up(&everwatch, &roots);
        }
        match self.stopped {
            Stopped::Nobody => {}
            Stopped::Reader => everwatch.stop_reading(),
            Stopped::Command => everwatch.stop(),
        }
        let began = Instant::now();
        let operations = self.workload.run(&roots);
        let wrote = began.elapsed();
        match self.stopped {
            Stopped::Nobody => {}
            Stopped::Reader => everwatch.go_on_reading(),
            Stopped::Command => everwatch.go_on(),
        }
        let written = Instant::now();
        for root in &roots {
            everwatch.pass(root, "sentinel");
        }
        let disk = walk_all(&paths);
        let (verdict, usage) = judge(everwatch, &disk);
        Some(Outcome {
            operations,
            entries: disk
                .iter()
                .flat_map(|(_, tree)| tree)
                .map(Tree::count)
                .sum(),
            usage,
            verdict,
            wrote,
            settled: written.elapsed(),
        })
    }

    /// Gives a command that is then stopped something to know: where it watches nothing but an empty
    /// root, little would be queued.
    fn warm_up(&self, everwatch: &Everwatch, roots: &[PathBuf]) {
        let workload = Workload {
            seed: !self.workload.seed,
            operations: self.workload.operations / 10,
            ..self.workload
        };
        workload.run(roots);
        everwatch.pass(&roots[0], "warm");
    }

    /// Runs it and makes sure that nothing is wrong. `None` as in `run`.
    pub(crate) fn check(&self) -> Option<Outcome> {
        let outcome = self.run()?;
        assert!(outcome.verdict.is_right(), "{}", self.complaint(&outcome));
        Some(outcome)
    }

    /// What went wrong, and how to have it again.
    pub(crate) fn complaint(&self, outcome: &Outcome) -> String {
        format!(
            "{}\nto run it again:\n{}",
            outcome.report(),
            self.replay_command()
        )
    }

    fn replay_command(&self) -> String {
        let Workload {
            plan,
            names,
            seed,
            operations,
            writers,
        } = self.workload;
        let mut words = vec![
            plan.name().to_owned(),
            self.place.name().to_owned(),
            self.stopped.name().to_owned(),
            format!("{names:?}").to_lowercase(),
            format!("seed={seed}"),
            format!("operations={operations}"),
            format!("writers={writers}"),
            format!("roots={}", self.roots),
        ];
        words.extend(self.queue.map(|records| format!("queue={records}")));
        format!(
            "EVERWATCH_TORTURE='{}' cargo test --release -p everwatch-cli --test torture -- \
             --exact convergence::a_run_described_by_the_environment_converges --nocapture",
            words.join(" ")
        )
    }
}

impl Outcome {
    pub(crate) fn report(&self) -> String {
        format!(
            "{} operations in {:.2?}, {} entries, settled after {:.2?}, {} KiB, {:.2?} of \
             processor time; {}",
            self.operations,
            self.wrote,
            self.entries,
            self.settled,
            self.usage.peak_kib,
            self.usage.processor,
            self.verdict.report(),
        )
    }
}
