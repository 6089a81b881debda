//! Runs: a workload beside the command, on a file system, under a disturbance, and the verdict.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use everwatch_torture::replica::Replica;
use everwatch_torture::scratch::{Place, Scratch};
use everwatch_torture::verdict::Verdict;
use everwatch_torture::walk::{WalkedTree, walk, walk_directories};
use everwatch_torture::workload::Workload;

use crate::command::{Everwatch, Limits, Pace, Usage};

/// The disturbance while the workload runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stopped {
    /// None.
    Nothing,
    /// The pipe is not read.
    Reader,
    /// The command is stopped by SIGSTOP.
    Command,
    /// The pipe is read slowly.
    Dawdling,
    /// The command is stopped and continued, every few milliseconds.
    Stuttering,
}

impl Stopped {
    pub(crate) const ALL: [Stopped; 5] = [
        Stopped::Nothing,
        Stopped::Reader,
        Stopped::Command,
        Stopped::Dawdling,
        Stopped::Stuttering,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Stopped::Nothing => "normal",
            Stopped::Reader => "reader-stopped",
            Stopped::Command => "command-stopped",
            Stopped::Dawdling => "dawdling",
            Stopped::Stuttering => "stuttering",
        }
    }

    /// Does the work under the disturbance.
    fn during<T>(self, everwatch: &Everwatch, work: impl FnOnce() -> T) -> T {
        match self {
            Stopped::Nothing => work(),
            Stopped::Reader => {
                everwatch.pace(Pace::Stopped);
                let result = work();
                everwatch.pace(Pace::Full);
                result
            }
            Stopped::Dawdling => {
                everwatch.pace(Pace::Slow);
                let result = work();
                everwatch.pace(Pace::Full);
                result
            }
            Stopped::Command => {
                everwatch.stop();
                let result = work();
                everwatch.go_on();
                result
            }
            Stopped::Stuttering => std::thread::scope(|scope| {
                let (done, is_done) = mpsc::channel::<()>();
                scope.spawn(move || {
                    while is_done.try_recv() == Err(mpsc::TryRecvError::Empty) {
                        everwatch.stop();
                        std::thread::sleep(STUTTER);
                        everwatch.go_on();
                        std::thread::sleep(STUTTER);
                    }
                });
                let result = work();
                drop(done);
                result
            }),
        }
    }
}

/// How long a stuttering command runs, and how long it stands.
const STUTTER: Duration = Duration::from_millis(3);

/// The layout of the roots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// This many directories beside each other, which the workload fills.
    Beside(usize),
    /// Directories within the one that the workload fills, some within each other. The workload renames,
    /// removes and creates them like any other.
    Within,
}

impl Layout {
    /// Makes the directories that the workload fills, and the roots, and returns both.
    fn make(self, scratch: &Scratch) -> (Vec<PathBuf>, Vec<PathBuf>) {
        match self {
            Layout::Beside(number) => {
                let roots: Vec<_> = (0..number)
                    .map(|number| scratch.dir(&format!("root{number}")))
                    .collect();
                (roots.clone(), roots)
            }
            Layout::Within => {
                let area = scratch.dir("area");
                // Names that workloads use, so that other entries take the place of the roots.
                let inner = ["d3/d4", "d3", "d5", "d5/d6/d7"].map(str::to_owned);
                let names = (10..30).map(|number| format!("d{number}")).chain(inner);
                let roots: Vec<_> = names.map(|name| area.join(name)).collect();
                for root in &roots {
                    std::fs::create_dir_all(root).expect("make a root");
                }
                (vec![area], roots)
            }
        }
    }

    fn name(self) -> String {
        match self {
            Layout::Beside(number) => format!("roots={number}"),
            Layout::Within => "within".to_owned(),
        }
    }
}

/// A run, determined by its fields but for the order in which the machine runs processes.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) workload: Workload,
    pub(crate) place: Place,
    pub(crate) stopped: Stopped,
    pub(crate) layout: Layout,
    /// Records that the kernel's queue holds; `None` means the limit of the machine.
    pub(crate) queue: Option<u32>,
    /// Directories that the command may watch; `None` means the limit of the machine.
    pub(crate) watches: Option<u32>,
    /// Further arguments of the command.
    pub(crate) arguments: Vec<&'static str>,
}

/// Waits until the replica equals the disk, which does not change any more, or until lines cease to come;
/// ends the command; and compares once more.
fn judge(everwatch: Everwatch, disk: &WalkedTree) -> (Verdict, Usage) {
    let before_end = everwatch.await_equality(|replica| replica.difference(disk));
    let usage = everwatch.usage();
    let verdict = Verdict::new(everwatch.finish(), before_end, disk);
    (verdict, usage)
}

/// Ends the command and makes sure that its feed has led to this tree.
pub(crate) fn check_against(everwatch: Everwatch, disk: &WalkedTree) -> Replica {
    let (verdict, _) = judge(everwatch, disk);
    assert!(verdict.is_right(), "{}", verdict.report());
    verdict.replica
}

/// Ends the command and makes sure that its feed has led to what is on disk.
pub(crate) fn check(everwatch: Everwatch, roots: &[&Path]) -> Replica {
    let disk = walk(roots);
    check_against(everwatch, &disk)
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Operations that succeeded.
    pub(crate) operations: usize,
    /// Entries on disk at the end.
    pub(crate) entries: usize,
    pub(crate) usage: Usage,
    pub(crate) verdict: Verdict,
    /// The time that the workload took.
    pub(crate) wrote: Duration,
    /// The time from the end of the workload until the feed was complete and the command had ended.
    pub(crate) completed: Duration,
}

impl Run {
    pub(crate) fn new(workload: Workload, place: Place) -> Run {
        Run {
            workload,
            place,
            stopped: Stopped::Nothing,
            layout: Layout::Beside(1),
            queue: None,
            watches: None,
            arguments: Vec::new(),
        }
    }

    /// Runs it. `None` if the test lacks the rights for its limits.
    pub(crate) fn run(&self) -> Option<Outcome> {
        let limits = Limits::of(self.queue, self.watches)?;
        let scratch = Scratch::new(self.place);
        let (areas, roots) = self.layout.make(&scratch);
        let paths: Vec<_> = roots.iter().map(PathBuf::as_path).collect();
        let everwatch = Everwatch::start_with(&paths, &self.arguments, limits);
        if self.stopped != Stopped::Nothing {
            self.warm_up(&areas);
        }
        let began = Instant::now();
        let operations = self
            .stopped
            .during(&everwatch, || self.workload.run(&areas));
        let wrote = began.elapsed();
        let written = Instant::now();
        for root in roots.iter().filter(|root| root.is_dir()) {
            everwatch.pass(root, "sentinel");
        }
        let disk = walk_directories(&paths);
        let (verdict, usage) = judge(everwatch, &disk);
        Some(Outcome {
            operations,
            entries: disk.len(),
            usage,
            verdict,
            wrote,
            completed: written.elapsed(),
        })
    }

    /// Fills the tree before the command is stopped: a command that watches nothing but an empty root has
    /// little queued for it.
    fn warm_up(&self, areas: &[PathBuf]) {
        let workload = Workload {
            seed: !self.workload.seed,
            operations: self.workload.operations / 10,
            ..self.workload
        };
        workload.run(areas);
    }

    /// Runs it and makes sure that nothing is wrong. `None` as in [`Run::run`].
    pub(crate) fn check(&self) -> Option<Outcome> {
        let outcome = self.run()?;
        assert!(outcome.verdict.is_right(), "{}", self.complaint(&outcome));
        Some(outcome)
    }

    /// What went wrong, and the command that runs it again.
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
            ..
        } = self.workload;
        let mut words = vec![
            plan.name().to_owned(),
            self.place.name().to_owned(),
            self.stopped.name().to_owned(),
            format!("{names:?}").to_lowercase(),
            format!("seed={seed}"),
            format!("operations={operations}"),
            format!("writers={writers}"),
            self.layout.name(),
        ];
        words.extend(self.queue.map(|records| format!("queue={records}")));
        words.extend(self.watches.map(|watches| format!("watches={watches}")));
        format!(
            "EVERWATCH_TORTURE='{}' cargo test --release -p everwatch-torture --test torture -- \
             --exact convergence::a_run_described_by_the_environment_converges --nocapture",
            words.join(" ")
        )
    }
}

impl Outcome {
    pub(crate) fn report(&self) -> String {
        format!(
            "{} operations in {:.2?}, {} entries, complete after {:.2?}, {} KiB, {:.2?} of \
             processor time; {}",
            self.operations,
            self.wrote,
            self.entries,
            self.completed,
            self.usage.peak_kib,
            self.usage.processor,
            self.verdict.report(),
        )
    }
}
