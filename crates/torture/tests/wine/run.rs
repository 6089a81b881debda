//! One run: start the command, have the workload done, compare.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::command::Everwatch;
use crate::wine::{Wine, outside};
use everwatch_torture::names::Names;
use everwatch_torture::replica::Replica;
use everwatch_torture::scratch::{Place, Scratch};
use everwatch_torture::tree::{Difference, Tree};
use everwatch_torture::walk::walk_all;
use everwatch_torture::workload::{Plan, Workload};

/// Who does the workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Writer {
    /// Threads of this test, so many operations in a second.
    Native { pace: u32 },
    /// A program under the same Wine, at full speed.
    Windows,
}

/// What is run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) seed: u64,
    pub(crate) operations: usize,
    pub(crate) writer: Writer,
    /// Number of threads that write.
    pub(crate) writers: usize,
    /// Directories in the root that are there before and that the workload fills. With none, it
    /// fills the root.
    pub(crate) directories: usize,
    /// Whether the command is stopped while the workload is done, which then has to be more than Wine
    /// keeps for it.
    pub(crate) is_stopped: bool,
    /// How the command completes its reads; `None` leaves it the choice.
    pub(crate) model: Option<&'static str>,
}

/// All models there are, by their names on the command line.
pub(crate) const MODELS: [&str; 5] = ["port", "apc", "event", "blocking", "isolated"];

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) operations: usize,
    pub(crate) entries: usize,
    pub(crate) replica: Replica,
    /// How the replica differed when the command had ended.
    difference: Difference,
    /// How it differed before, if it did so for long.
    unsettled: Option<Difference>,
    wrote: Duration,
    /// How long it took from there until the feed was complete.
    settled: Duration,
    /// How long the command took to end.
    ended: Duration,
    lines: PathBuf,
}

impl Run {
    /// The workloads of the issue. `scale` is the share of them that is done, in percent.
    pub(crate) fn of(plan: Plan, seed: u64, writer: Writer, scale: usize) -> Run {
        // A directory under Wine has at most 1,000 entries: it looks names up one by one.
        let (operations, directories) = match plan {
            Plan::Burst => (50_000, 100),
            Plan::Deep => (2_000, 4),
            _ => (5_000, 4),
        };
        Run {
            plan,
            seed,
            operations: operations * scale / 100,
            writer,
            writers: 1,
            directories,
            is_stopped: false,
            model: None,
        }
    }

    fn workload(&self) -> Workload {
        Workload {
            plan: self.plan,
            names: Names::Plain,
            seed: self.seed,
            operations: self.operations,
            writers: self.writers,
            pace: match self.writer {
                Writer::Native { pace } => Some(pace),
                Writer::Windows => None,
            },
            is_portable: true,
        }
    }

    fn write(&self, wine: &Wine, areas: &[PathBuf]) -> usize {
        if let Writer::Native { .. } = self.writer {
            return self.workload().run(areas);
        }
        let numbers = [self.seed, self.operations as u64, self.writers as u64, 0];
        let mut command = wine.workload();
        command
            .arg(self.plan.name())
            .args(numbers.map(|number| number.to_string()))
            .args(areas.iter().map(|area| outside(area)));
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .expect("start the writers");
        assert!(output.status.success(), "the writers: {}", output.status);
        let done = String::from_utf8_lossy(&output.stdout);
        done.trim().parse().expect("the number of operations")
    }

    pub(crate) fn run(&self, wine: &Wine) -> Outcome {
        let scratch = Scratch::new(Place::Tmpfs);
        let root = scratch.dir("root");
        // Long paths fill the buffer of a command that does not run with few records.
        let long = if self.is_stopped {
            "-long".repeat(40)
        } else {
            String::new()
        };
        let mut areas: Vec<_> = (0..self.directories)
            .map(|number| scratch.dir(&format!("root/area{number}{long}")))
            .collect();
        if areas.is_empty() {
            areas.push(root.clone());
        }
        let arguments: Vec<&str> = match self.model {
            None => Vec::new(),
            Some(model) => vec!["--completion", model],
        };
        let everwatch = Everwatch::start(wine, &[&root], &arguments);
        if self.is_stopped {
            everwatch.stop();
        }
        let began = Instant::now();
        let operations = self.write(wine, &areas);
        let wrote = began.elapsed();
        let written = Instant::now();
        if self.is_stopped {
            everwatch.go_on();
        }
        let unsettled = settle(&everwatch, &[&root]);
        let settled = written.elapsed();
        let lines = everwatch.lines.clone();
        let told = Instant::now();
        let replica = everwatch.finish();
        let disk = walk_all(&[&root]);
        Outcome {
            operations,
            entries: disk
                .iter()
                .flat_map(|(_, tree)| tree)
                .map(Tree::count)
                .sum(),
            difference: replica.difference(&disk),
            unsettled,
            replica,
            wrote,
            settled,
            ended: told.elapsed(),
            lines,
        }
    }

    /// Runs it and makes sure that nothing is wrong.
    pub(crate) fn check(&self, wine: &Wine) -> Outcome {
        let outcome = self.run(wine);
        println!("{}: {}", self.words(), outcome.report());
        assert!(outcome.is_right(), "{}", self.complaint(&outcome));
        assert!(
            outcome.replica.overflows > 0 || !self.is_stopped,
            "no overflow was told of: {}",
            self.complaint(&outcome)
        );
        if std::env::var_os("EVERWATCH_LINES").is_none() {
            let _ = std::fs::remove_file(&outcome.lines);
        }
        outcome
    }

    fn words(&self) -> String {
        let mut words = vec![
            self.plan.name().to_owned(),
            match self.writer {
                Writer::Native { pace } => format!("pace={pace}"),
                Writer::Windows => "windows".to_owned(),
            },
            format!("seed={}", self.seed),
            format!("operations={}", self.operations),
            format!("writers={}", self.writers),
            format!("directories={}", self.directories),
        ];
        words.extend(self.model.map(str::to_owned));
        words.extend(self.is_stopped.then(|| "stopped".to_owned()));
        words.join(" ")
    }

    /// What went wrong, and how to have it again.
    fn complaint(&self, outcome: &Outcome) -> String {
        format!(
            "{}\n{}\nits lines: {}\nto run it again:\nEVERWATCH_RUN='{}' cargo test --release -p \
             everwatch-torture --test wine -- --exact \
             convergence::a_run_described_by_the_environment_converges --nocapture",
            self.words(),
            outcome.report(),
            outcome.lines.display(),
            self.words()
        )
    }

    /// Reads what `words` has written.
    pub(crate) fn described(words: &str) -> Run {
        let mut run = Run::of(Plan::Mix, 1, Writer::Windows, 100);
        for word in words.split_whitespace() {
            if let Some(plan) = Plan::ALL.into_iter().find(|plan| plan.name() == word) {
                run = Run { plan, ..run };
            } else if let Some(model) = MODELS.into_iter().find(|&model| model == word) {
                run.model = Some(model);
            } else if let Some((name, number)) = word.split_once('=') {
                let number: usize = number.parse().expect("a number");
                match name {
                    "pace" => {
                        run.writer = Writer::Native {
                            pace: number as u32,
                        }
                    }
                    "seed" => run.seed = number as u64,
                    "operations" => run.operations = number,
                    "writers" => run.writers = number,
                    "directories" => run.directories = number,
                    _ => panic!("no such setting: {word}"),
                }
            } else if word == "stopped" {
                run.is_stopped = true;
            } else {
                assert_eq!(word, "windows", "no such word");
            }
        }
        run
    }
}

/// Waits until the replica is as the disk, which no writer changes any more. Returns how it differs if
/// it does so for long.
///
/// The disk is walked again for each look: what a program for Windows deletes goes when the last handle
/// of it is closed, and the command has had some open.
fn settle(everwatch: &Everwatch, roots: &[&Path]) -> Option<Difference> {
    let difference = |replica: &Replica| replica.difference(&walk_all(roots));
    let is_settled = everwatch.wait_while_lines_come(|replica| difference(replica).is_none());
    (!is_settled).then(|| everwatch.reading.replica(|replica| difference(replica)))
}

/// Ends the command and makes sure that its feed has led to what is on disk.
pub(crate) fn check(everwatch: Everwatch, roots: &[&Path]) -> Replica {
    let unsettled = settle(&everwatch, roots);
    let lines = everwatch.lines.clone();
    let replica = everwatch.finish();
    let difference = replica.difference(&walk_all(roots));
    assert!(
        difference.is_none() && unsettled.is_none() && replica.nonsense == 0,
        "{difference:?}, before it was told to end {unsettled:?}, {:?}; its lines: {}",
        replica.quotes,
        lines.display()
    );
    let _ = std::fs::remove_file(lines);
    replica
}

impl Outcome {
    pub(crate) fn is_right(&self) -> bool {
        self.difference.is_none() && self.unsettled.is_none() && self.replica.nonsense == 0
    }

    pub(crate) fn report(&self) -> String {
        let Difference {
            missing,
            ghosts,
            wrong_kinds,
            unreported,
            examples,
        } = &self.difference;
        let mut lines = vec![format!(
            "{} operations in {:.2?}, {} entries, settled after {:.2?}, ended after {:.2?}, {:?}, {} overflows, {} \
             resyncs; {missing} missing, {ghosts} ghosts, {wrong_kinds} wrong kinds, {unreported} \
             unreported writes, {} lines without sense",
            self.operations,
            self.wrote,
            self.entries,
            self.settled,
            self.ended,
            self.replica.tally,
            self.replica.overflows,
            self.replica.resyncs,
            self.replica.nonsense,
        )];
        if let Some(unsettled) = &self.unsettled {
            lines.push(format!("before it was told to end: {unsettled:?}"));
        }
        lines.extend(examples.iter().chain(&self.replica.quotes).cloned());
        lines.join("\n")
    }
}
