//! The scenarios: changes to a tree, and measurements of the subject that watches it.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use everwatch_testing::scratch::{Place, scratch};
use serde::{Deserialize, Serialize};

use crate::figures::{Figures, Metric, Row, Table, count, percentile};
use crate::observer::{Helper, Observer};
use crate::process;
use crate::service::say;
use crate::subject::{self, Intake, Name};
use crate::workload::{Scale, Work, large_tree, overflow, queue_length, small_tree};

/// A scenario; [`Scenario::story`] describes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub(crate) enum Scenario {
    Arm,
    Burst,
    Deep,
    Mix,
    Append,
    Idle,
    Latency,
    Resync,
    StartStop,
}

impl Scenario {
    pub(crate) const ALL: [Scenario; 9] = [
        Scenario::Arm,
        Scenario::Burst,
        Scenario::Deep,
        Scenario::Mix,
        Scenario::Append,
        Scenario::Idle,
        Scenario::Latency,
        Scenario::Resync,
        Scenario::StartStop,
    ];

    /// The name in tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Scenario::Arm => "arm",
            Scenario::Burst => "burst",
            Scenario::Deep => "deep",
            Scenario::Mix => "mix",
            Scenario::Append => "append",
            Scenario::Idle => "idle",
            Scenario::Latency => "latency",
            Scenario::Resync => "resync",
            Scenario::StartStop => "start-stop",
        }
    }

    /// A description for the reader of the table.
    pub(crate) fn story(self, scale: Scale) -> String {
        let count = |full: usize| count(scale.of(full) as f64);
        match self {
            Scenario::Arm => format!(
                "Until a tree of {} directories with {} files is watched. For Watchman this includes \
                 the start of its daemon.",
                count(31_010),
                count(150_000)
            ),
            Scenario::Burst => format!("{} creations in one directory.", count(50_000)),
            Scenario::Deep => format!(
                "{} chains of one to eight directories, made one after another, each with a file at \
                 its end.",
                count(20_000)
            ),
            Scenario::Mix => format!(
                "{} random operations: files and nested directories are created, renamed, replaced, \
                 appended to and removed.",
                count(20_000)
            ),
            Scenario::Append => format!("{} writes of 16 bytes to one file.", count(1_000_000)),
            Scenario::Idle => format!(
                "The tree of *arm* is watched and nothing happens for {} seconds.",
                idle_time(scale).as_secs()
            ),
            Scenario::Latency => format!(
                "From before a byte is written to a file, or a file is created, until the consumer \
                 is notified; {} times each, some milliseconds apart.",
                count(1_000)
            ),
            Scenario::Resync => "The queue overflows while the tree of *arm* is watched and the \
                subject is stopped. From the moment at which it goes on until the tree is known \
                again. notify reports the loss and leaves the rest to its user."
                .to_owned(),
            Scenario::StartStop => format!(
                "One of {} cycles: start, watch a tree of 110 entries, stop. *refused* are starts \
                 that failed for want of an inotify instance, because those of earlier cycles were \
                 not given back yet; *left* is what the process still holds right after the last.",
                count(1_000)
            ),
        }
    }

    /// The metric that the ratios compare.
    pub(crate) fn principal(self) -> Metric {
        match self {
            Scenario::Arm | Scenario::Resync | Scenario::StartStop => Metric::Wall,
            Scenario::Latency => Metric::WriteMedian,
            _ => Metric::RunTime,
        }
    }

    /// The number of rounds. *idle* has one: it takes long, and does not vary.
    pub(crate) fn rounds(self, rounds: u64) -> u64 {
        if self == Scenario::Idle { 1 } else { rounds }
    }

    /// Whether the tables of this scenario have a row for the subject.
    pub(crate) fn takes(self, name: Name) -> bool {
        match name {
            Name::Notify8Handler => self == Scenario::Latency,
            Name::Notify8 | Name::Notify9 | Name::Raw => self != Scenario::Resync,
            Name::Watchman => self != Scenario::StartStop,
            Name::Everwatch => true,
            Name::Records => false,
        }
    }

    /// Whether all rounds share one large tree.
    pub(crate) fn shares_large_tree(self) -> bool {
        matches!(self, Scenario::Arm | Scenario::Idle | Scenario::Resync)
    }
}

/// A scenario on a file system, and the figures that it adds to.
pub(crate) struct Stage<'a> {
    /// The bench program that the measured processes are started from.
    pub(crate) program: &'a Path,
    pub(crate) scenario: Scenario,
    pub(crate) place: Place,
    pub(crate) scale: Scale,
    pub(crate) figures: &'a mut Figures,
}

impl Stage<'_> {
    pub(crate) fn table(&self) -> Table {
        (self.scenario.title(), self.place.name())
    }

    /// Puts a subject through the scenario once. `large` is the tree of all rounds.
    pub(crate) fn play(&mut self, name: Name, large: Option<&Path>, round: u64) -> Result<()> {
        let fresh = scratch(self.place);
        let root = large.unwrap_or(fresh.path());
        match self.scenario {
            Scenario::Arm => self.arm(name, root),
            Scenario::Burst => self.work(name, root, Work::Burst, round),
            Scenario::Deep => self.work(name, root, Work::Deep, round),
            Scenario::Mix => self.work(name, root, Work::Mix, round),
            Scenario::Append => self.work(name, root, Work::Append, round),
            Scenario::Idle => self.idle(name, root),
            Scenario::Latency => self.latency(name, root),
            Scenario::Resync => self.resync(name, root),
            Scenario::StartStop => self.start_stop(name, root),
        }
    }

    /// Arms the subject on a large tree.
    fn arm(&mut self, name: Name, root: &Path) -> Result<()> {
        let armed = Observer::start(self.program, name, root, Intake::Count)?.armed;
        let (table, row) = (self.table(), Row::Subject(name));
        self.figures.add_time(table, row, Metric::Wall, armed.wall);
        self.figures
            .add_time(table, row, Metric::RunTime, armed.run_time);
        self.figures
            .add(table, row, Metric::Resident, armed.resident as f64);
        Ok(())
    }

    /// Does the work at full speed beside the subject.
    fn work(&mut self, name: Name, root: &Path, work: Work, round: u64) -> Result<()> {
        let ready = work.prepare(root, self.scale, round)?;
        let intake = if work == Work::Append {
            Intake::Count
        } else {
            Intake::Keep
        };
        let mut observer = Observer::start(self.program, name, root, intake)?;
        observer.await_rest()?;
        let before = observer.run_time()?;
        let begun = Instant::now();
        ready()?;
        let wall = observer.await_rest()?.saturating_duration_since(begun);
        let run_time = observer.run_time()?.saturating_sub(before);
        let outcome = observer.finish()?;
        let (table, row) = (self.table(), Row::Subject(name));
        self.figures.add_time(table, row, Metric::Wall, wall);
        self.figures.add_time(table, row, Metric::RunTime, run_time);
        if name != Name::Watchman || intake == Intake::Keep {
            self.figures
                .add(table, row, Metric::Events, outcome.events as f64);
        }
        if let Some((missing, ghosts)) = outcome.missing_and_ghosts {
            self.figures
                .add(table, row, Metric::Missing, missing as f64);
            self.figures.add(table, row, Metric::Ghosts, ghosts as f64);
            self.figures
                .add(table, row, Metric::Losses, outcome.losses as f64);
        }
        Ok(())
    }

    /// Leaves the subject alone.
    fn idle(&mut self, name: Name, root: &Path) -> Result<()> {
        let observer = Observer::start(self.program, name, root, Intake::Count)?;
        observer.await_rest()?;
        let worker = observer.worker();
        let before = (process::run_time(worker)?, process::wake_ups(worker)?);
        std::thread::sleep(idle_time(self.scale));
        let run_time = process::run_time(worker)?.saturating_sub(before.0);
        let wake_ups = process::wake_ups(worker)?.saturating_sub(before.1);
        let (table, row) = (self.table(), Row::Subject(name));
        self.figures.add_time(table, row, Metric::RunTime, run_time);
        self.figures
            .add(table, row, Metric::WakeUps, wake_ups as f64);
        Ok(())
    }

    /// Writes and creates files, one by one, and measures when the subject reports each.
    fn latency(&mut self, name: Name, root: &Path) -> Result<()> {
        // Watchman holds changes back until nothing has happened for 20 ms.
        let (count, apart) = match name {
            Name::Watchman => (self.scale.of(1_000) / 20, Duration::from_millis(60)),
            _ => (self.scale.of(1_000), Duration::from_millis(2)),
        };
        let mut files = Vec::new();
        for at in 0..count {
            files.push(File::create(root.join(format!("written-{at}")))?);
        }
        let observer = Observer::start(self.program, name, root, Intake::Stamp)?;
        observer.await_rest()?;
        let mut begun = HashMap::new();
        for (at, file) in files.iter_mut().enumerate() {
            std::thread::sleep(apart);
            begun.insert(format!("written-{at}"), process::monotonic());
            file.write_all(b".")?;
            std::thread::sleep(apart);
            let created = format!("created-{at}");
            let path = root.join(&created);
            begun.insert(created, process::monotonic());
            File::create(path)?;
        }
        observer.await_rest()?;
        let (mut written, mut created) = (Vec::new(), Vec::new());
        for (arrived, file) in observer.finish()?.arrivals {
            let Some(begun) = begun.remove(&file) else {
                continue;
            };
            let delay = arrived.saturating_sub(begun) as f64 / 1e9;
            if file.starts_with("written") {
                written.push(delay)
            } else {
                created.push(delay)
            }
        }
        ensure!(
            begun.is_empty(),
            "{} did not report {} changes",
            name.title(),
            begun.len()
        );
        let (table, row) = (self.table(), Row::Subject(name));
        for (metric, delays, share) in [
            (Metric::WriteMedian, &written, 0.5),
            (Metric::WritePercentile99, &written, 0.99),
            (Metric::CreateMedian, &created, 0.5),
            (Metric::CreatePercentile99, &created, 0.99),
        ] {
            if let Some(value) = percentile(delays, share) {
                self.figures.add(table, row, metric, value);
            }
        }
        Ok(())
    }

    /// Overflows the queue of the stopped subject, and measures the repair.
    fn resync(&mut self, name: Name, root: &Path) -> Result<()> {
        let table = self.table();
        for (row, kind) in [(Row::Crawl, "crawl"), (Row::CrawlAndLook, "crawl-and-look")] {
            let crawled: Crawled = Helper::start(self.program, &[kind], root)?.hear()?;
            self.figures
                .add_time(table, row, Metric::Wall, crawled.wall);
            self.figures
                .add_time(table, row, Metric::RunTime, crawled.run_time);
        }
        // The kernel reads the limit when the subject creates its queue.
        let queue_length = queue_length()?;
        let mut observer = Observer::start(self.program, name, root, Intake::Stamp)?;
        observer.await_rest()?;
        let before = observer.run_time()?;
        let frozen = observer.freeze()?;
        overflow(root, queue_length)?;
        let (begun, begun_stamp) = (Instant::now(), process::monotonic());
        drop(frozen);
        let rested = observer.await_rest()?.saturating_duration_since(begun);
        let run_time = observer.run_time()?.saturating_sub(before);
        let outcome = observer.finish()?;
        let repaired = outcome
            .repairs
            .last()
            .map(|&at| Duration::from_nanos(at.saturating_sub(begun_stamp)));
        ensure!(
            name != Name::Everwatch || repaired.is_some(),
            "no resync was reported"
        );
        let row = Row::Subject(name);
        self.figures
            .add_time(table, row, Metric::Wall, repaired.unwrap_or(rested));
        self.figures.add_time(table, row, Metric::RunTime, run_time);
        Ok(())
    }

    /// Starts and stops the subject.
    fn start_stop(&mut self, name: Name, root: &Path) -> Result<()> {
        small_tree(root)?;
        let count = self.scale.of(1_000);
        let arguments = ["cycles", name.argument(), &count.to_string()];
        let cycles: Cycles = Helper::start(self.program, &arguments, root)?.hear()?;
        let (table, row) = (self.table(), Row::Subject(name));
        self.figures
            .add_time(table, row, Metric::Wall, cycles.wall / count as u32);
        self.figures
            .add_time(table, row, Metric::RunTime, cycles.run_time / count as u32);
        self.figures
            .add(table, row, Metric::Refused, cycles.refused as f64);
        self.figures
            .add(table, row, Metric::LeftFiles, cycles.left_files as f64);
        self.figures
            .add(table, row, Metric::LeftThreads, cycles.left_threads as f64);
        Ok(())
    }
}

fn idle_time(scale: Scale) -> Duration {
    Duration::from_secs(if scale.quick { 2 } else { 10 })
}

/// Makes the tree of *arm*, and brings all of it into the caches of the kernel.
pub(crate) fn prepare_large_tree(place: Place, scale: Scale) -> Result<tempfile::TempDir> {
    let tree = scratch(place);
    large_tree(tree.path(), scale)?;
    subject::crawl_and_look(tree.path())?;
    Ok(tree)
}

#[derive(Serialize, Deserialize, Debug)]
struct Crawled {
    wall: Duration,
    run_time: Duration,
}

/// Runs a raw crawl in this process and reports its figures.
pub(crate) fn serve_crawl(root: &Path, crawl: fn(&Path) -> Result<u64>) -> Result<()> {
    let (started, before) = (Instant::now(), process::own_run_time());
    crawl(root)?;
    say(&Crawled {
        wall: started.elapsed(),
        run_time: process::own_run_time().saturating_sub(before),
    })
}

#[derive(Serialize, Deserialize, Debug)]
struct Cycles {
    wall: Duration,
    run_time: Duration,
    refused: usize,
    left_files: usize,
    left_threads: usize,
}

/// The most refusals of a subject; with more, it has another problem.
const MOST_REFUSED: usize = 100_000;

/// Starts and stops a subject `count` times in this process, and reports the figures.
pub(crate) fn serve_cycles(name: Name, root: &Path, count: usize) -> Result<()> {
    let held = process::own_files_and_threads();
    let (started, before) = (Instant::now(), process::own_run_time());
    let mut refused = 0;
    for _ in 0..count {
        // A subject may still hold the resources of earlier cycles, so that there are none for this one.
        while let Err(error) = subject::cycle(name, root) {
            refused += 1;
            ensure!(refused < MOST_REFUSED, error);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let (wall, run_time) = (
        started.elapsed(),
        process::own_run_time().saturating_sub(before),
    );
    let holds = process::own_files_and_threads();
    say(&Cycles {
        wall,
        run_time,
        refused,
        left_files: holds.0.saturating_sub(held.0),
        left_threads: holds.1.saturating_sub(held.1),
    })
}
