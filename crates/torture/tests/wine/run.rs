//! Runs: a workload of a native writer or of one under Wine beside the command, and the verdict.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use everwatch_torture::names::Names;
use everwatch_torture::replica::{Difference, Replica};
use everwatch_torture::scratch::{Place, Scratch};
use everwatch_torture::verdict::Verdict;
use everwatch_torture::walk::walk;
use everwatch_torture::workload::{Plan, Workload};

use crate::command::WineCommand;
use crate::wine::{Wine, outside};

/// The writer of a workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WrittenBy {
    /// Threads of this test, `pace` operations per second.
    Native { pace: u32 },
    /// A program under the same Wine, at full speed.
    Windows,
}

/// A run, determined by its fields but for the order in which the machine runs processes.
#[derive(Clone, Debug)]
pub(crate) struct WineRun {
    pub(crate) plan: Plan,
    pub(crate) seed: u64,
    pub(crate) operations: usize,
    pub(crate) writer: WrittenBy,
    /// Threads that write.
    pub(crate) writers: usize,
    /// Directories in the root that exist before and that the workload fills. With none, it fills the root.
    pub(crate) directories: usize,
    /// Whether the command is stopped during the workload, which then must be more than Wine keeps for it.
    pub(crate) is_stopped: bool,
    /// The completion model by its name on the command line; `None` means the default.
    pub(crate) model: Option<&'static str>,
}

/// All completion models, by their names on the command line.
pub(crate) const MODELS: [&str; 5] = ["port", "apc", "event", "blocking", "isolated"];

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct WineOutcome {
    pub(crate) operations: usize,
    pub(crate) entries: usize,
    verdict: Verdict,
    wrote: Duration,
    /// The time from the end of the workload until the feed was complete.
    completed: Duration,
    /// The time that the command took to end.
    ended: Duration,
    lines: PathBuf,
}

impl WineRun {
    /// The usual run of a plan. `scale` is the share of it that is done, in percent.
    pub(crate) fn of(plan: Plan, seed: u64, writer: WrittenBy, scale: usize) -> WineRun {
        // A directory under Wine has at most 1,000 entries: it looks names up one by one.
        let (operations, directories) = match plan {
            Plan::Burst => (50_000, 100),
            Plan::Deep => (2_000, 4),
            _ => (5_000, 4),
        };
        WineRun {
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
                WrittenBy::Native { pace } => Some(pace),
                WrittenBy::Windows => None,
            },
            is_portable: true,
        }
    }

    /// Runs the workload, and returns the number of operations that succeeded.
    fn write(&self, wine: &Wine, areas: &[PathBuf]) -> usize {
        if let WrittenBy::Native { .. } = self.writer {
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

    /// Runs it.
    pub(crate) fn run(&self, wine: &Wine) -> WineOutcome {
        let scratch = Scratch::new(Place::Memory);
        let root = scratch.dir("root");
        // With long paths, few records fill the buffer of a stopped command.
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
        let everwatch = WineCommand::start(wine, &[&root], &arguments);
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
        let before_end = await_equality(&everwatch, &[&root]);
        let completed = written.elapsed();
        let lines = everwatch.lines.clone();
        let asked = Instant::now();
        let replica = everwatch.finish();
        let disk = walk(&[&root]);
        WineOutcome {
            operations,
            entries: disk.len(),
            verdict: Verdict::new(replica, before_end, &disk),
            wrote,
            completed,
            ended: asked.elapsed(),
            lines,
        }
    }

    /// Runs it and makes sure that nothing is wrong.
    pub(crate) fn check(&self, wine: &Wine) -> WineOutcome {
        let outcome = self.run(wine);
        println!("{}: {}", self.words(), outcome.report());
        assert!(outcome.verdict.is_right(), "{}", self.complaint(&outcome));
        assert!(
            outcome.verdict.replica.overflows > 0 || !self.is_stopped,
            "no overflow was reported: {}",
            self.complaint(&outcome)
        );
        if std::env::var_os("EVERWATCH_LINES").is_none() {
            let _ = std::fs::remove_file(&outcome.lines);
        }
        outcome
    }

    /// The words that describe it.
    fn words(&self) -> String {
        let mut words = vec![
            self.plan.name().to_owned(),
            match self.writer {
                WrittenBy::Native { pace } => format!("pace={pace}"),
                WrittenBy::Windows => "windows".to_owned(),
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

    /// What went wrong, and the command that runs it again.
    fn complaint(&self, outcome: &WineOutcome) -> String {
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

    /// Parses the words that describe a run.
    pub(crate) fn described(words: &str) -> WineRun {
        let mut run = WineRun::of(Plan::Mix, 1, WrittenBy::Windows, 100);
        for word in words.split_whitespace() {
            if let Some(plan) = Plan::ALL.into_iter().find(|plan| plan.name() == word) {
                run = WineRun { plan, ..run };
            } else if let Some(model) = MODELS.into_iter().find(|&model| model == word) {
                run.model = Some(model);
            } else if let Some((name, number)) = word.split_once('=') {
                let number: usize = number.parse().expect("a number");
                match name {
                    "pace" => {
                        run.writer = WrittenBy::Native {
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

/// Waits until the replica equals the disk, which no writer changes any more. Returns the difference if
/// lines cease to come before.
///
/// The disk is walked for each comparison: a file that a program for Windows deletes goes when its last
/// handle is closed, and the command has had some open.
fn await_equality(everwatch: &WineCommand, roots: &[&Path]) -> Option<Difference> {
    everwatch.await_equality(|replica| replica.difference(&walk(roots)))
}

/// Ends the command and makes sure that its feed has led to what is on disk.
pub(crate) fn check(everwatch: WineCommand, roots: &[&Path]) -> Replica {
    let before_end = await_equality(&everwatch, roots);
    let lines = everwatch.lines.clone();
    let verdict = Verdict::new(everwatch.finish(), before_end, &walk(roots));
    assert!(
        verdict.is_right(),
        "{}\nits lines: {}",
        verdict.report(),
        lines.display()
    );
    let _ = std::fs::remove_file(lines);
    verdict.replica
}

impl WineOutcome {
    fn report(&self) -> String {
        format!(
            "{} operations in {:.2?}, {} entries, complete after {:.2?}, ended after {:.2?}, {}",
            self.operations,
            self.wrote,
            self.entries,
            self.completed,
            self.ended,
            self.verdict.report(),
        )
    }
}
