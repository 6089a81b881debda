//! One run: start the command, do the workload, compare.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::command::{Everwatch, Limits, Pace, Usage};
use everwatch_torture::replica::Replica;
use everwatch_torture::scratch::{Place, Scratch};
use everwatch_torture::tree::{Difference, Kind, Tree};
use everwatch_torture::walk::walk_all;
use everwatch_torture::workload::Workload;

/// Who does not run while the workload does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stopped {
    Nobody,
    /// Nobody reads the pipe.
    Reader,
    /// The command has got SIGSTOP.
    Command,
    /// The pipe is read slowly.
    Dawdling,
    /// The command is stopped and goes on again and again.
    Stuttering,
}

impl Stopped {
    pub(crate) const ALL: [Stopped; 5] = [
        Stopped::Nobody,
        Stopped::Reader,
        Stopped::Command,
        Stopped::Dawdling,
        Stopped::Stuttering,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Stopped::Nobody => "normal",
            Stopped::Reader => "reader-stopped",
            Stopped::Command => "command-stopped",
            Stopped::Dawdling => "dawdling",
            Stopped::Stuttering => "stuttering",
        }
    }

    /// Does the work while whoever it is does not run.
    fn during<T>(self, everwatch: &Everwatch, work: impl FnOnce() -> T) -> T {
        match self {
            Stopped::Nobody => work(),
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

/// How long a stuttering command runs, and stands.
const STUTTER: Duration = Duration::from_millis(3);

/// Where the roots are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// So many directories beside each other, which the workload fills.
    Beside(usize),
    /// Directories within the one that the workload fills, within each other too, which it renames,
    /// removes and makes again as it does with all others.
    Within,
}

impl Layout {
    /// The directories that the workload fills, and the roots.
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
                // Names that workloads use, so that others take the place of the roots.
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

/// What is run, and on what.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) workload: Workload,
    pub(crate) place: Place,
    pub(crate) stopped: Stopped,
    pub(crate) layout: Layout,
    /// Records that the kernel's queue holds; `None` leaves it as it is.
    pub(crate) queue: Option<u32>,
    /// Directories that may be watched; `None` leaves that as it is.
    pub(crate) watches: Option<u32>,
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
            unreported,
            examples,
        } = &self.difference;
        let mut lines = vec![format!(
            "{:?}, {} overflows; {missing} missing, {ghosts} ghosts, {wrong_kinds} wrong kinds, \
             {unreported} unreported writes, {} \
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
            layout: Layout::Beside(1),
            queue: None,
            watches: None,
            arguments: Vec::new(),
        }
    }

    /// Runs it. `None` if that takes more rights than the test has.
    pub(crate) fn run(&self) -> Option<Outcome> {
        let limits = Limits::of(self.queue, self.watches)?;
        let scratch = Scratch::new(self.place);
        let (areas, roots) = self.layout.make(&scratch);
        let paths: Vec<_> = roots.iter().map(PathBuf::as_path).collect();
        let everwatch = Everwatch::start_with(&paths, &self.arguments, limits);
        if self.stopped != Stopped::Nobody {
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
        let mut disk = walk_all(&paths);
        for (_, root) in &mut disk {
            // The roots are directories; what else has such a name is none.
            root.take_if(|tree| tree.kind != Kind::Dir);
        }
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
    fn warm_up(&self, areas: &[PathBuf]) {
        let workload = Workload {
            seed: !self.workload.seed,
            operations: self.workload.operations / 10,
            ..self.workload
        };
        workload.run(areas);
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
