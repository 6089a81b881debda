//! The section "Under Wine": Everwatch and notify for Windows.
//!
//! The subjects are this bench's own, built for Windows. Under Wine, wineserver watches directories and
//! reads them for its programs, so its run time counts as the subject's. A writer under Wine adds to that,
//! alike for all subjects; a native writer does not. Each tree is listed once after it is armed, because
//! Wine reports changes in an old directory only if it was opened since.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use everwatch_testing::scratch::memory;
use everwatch_testing::walk::walk;

use crate::figures::{Figures, Metric, Row, Table, count};
use crate::machine;
use crate::observer::Helper;
use crate::process;
use crate::report::{self, WINE};
use crate::service::{Outcome, Request};
use crate::subject::{Armed, Name};

/// The programs that the run needs, which `cargo xtask bench wine` builds, and its options.
#[derive(clap::Args, Debug)]
pub(crate) struct WineArguments {
    /// This bench, built for Windows.
    #[arg(long)]
    subjects: PathBuf,
    /// The writers of Everwatch's suite under Wine, built for Windows.
    #[arg(long)]
    windows_writer: PathBuf,
    /// The same, built for this system.
    #[arg(long)]
    native_writer: PathBuf,
    /// The program that starts others under Wine.
    #[arg(long, default_value = "wine")]
    loader: PathBuf,
    /// The share of each workload to do, in percent.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    share: u8,
    /// How often each subject goes through each workload.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// The file whose section is replaced; without it, the section is printed.
    #[arg(long)]
    out: Option<PathBuf>,
}

const SUBJECTS: [Name; 4] = [Name::Everwatch, Name::Records, Name::Notify8, Name::Notify9];

/// The writer that changes the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Writer {
    /// A program under the same Wine, at full speed.
    Windows,
    /// A native program at full speed.
    Native,
    /// A native program, 2,000 operations per second.
    Paced,
}

impl Writer {
    const ALL: [Writer; 3] = [Writer::Windows, Writer::Native, Writer::Paced];

    fn title(self) -> &'static str {
        match self {
            Writer::Windows => "Windows writer",
            Writer::Native => "native writer",
            Writer::Paced => "native writer, 2,000 operations/s",
        }
    }
}

/// Name, number of operations, and number of directories that exist before. Wine looks names up one by
/// one, so no directory gets more than some hundred entries.
const WORKLOADS: [(&str, usize, usize); 3] = [
    ("burst", 50_000, 100),
    ("deep", 2_000, 10),
    ("mix", 5_000, 10),
];

/// A subject that used less than [`HARDLY_ANYTHING`] for this long has nothing left to do. Long enough for
/// one that waits for a processor of a busy machine.
const QUIET: Duration = Duration::from_secs(3);

/// The run time of a subject at rest, which may poll now and then.
const HARDLY_ANYTHING: Duration = Duration::from_millis(30);

const SAMPLE: Duration = Duration::from_millis(10);

/// The longest time to rest; then the bench fails.
const PATIENCE: Duration = Duration::from_secs(300);

/// The name that programs under Wine have for a path.
fn outside(path: &Path) -> OsString {
    let path = path.to_string_lossy().replace('/', "\\");
    format!("Z:{path}").into()
}

/// The process id of the server of the prefix.
pub(crate) fn server() -> Result<u32> {
    let prefix = std::env::var("WINEPREFIX").context("WINEPREFIX is not set")?;
    let wanted = format!("WINEPREFIX={prefix}");
    for entry in fs::read_dir("/proc")?.flatten() {
        let of = |file| fs::read(entry.path().join(file)).unwrap_or_default();
        let has = |environment: &[u8]| {
            environment
                .split(|&byte| byte == 0)
                .any(|variable| variable == wanted.as_bytes())
        };
        if of("comm").starts_with(b"wineserver")
            && has(&of("environ"))
            && let Some(id) = entry.file_name().to_str().and_then(|id| id.parse().ok())
        {
            return Ok(id);
        }
    }
    bail!("no server of {prefix} runs")
}

/// Run time of a subject and of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Used {
    own: Duration,
    server: Duration,
}

impl Used {
    fn so_far(subject: u32, server: u32) -> Result<Used> {
        Ok(Used {
            own: process::run_time(subject)?,
            server: process::run_time(server)?,
        })
    }

    fn total(self) -> Duration {
        self.own + self.server
    }
}

/// Waits until the subject and the server are at rest. Returns when that began, and the run times then.
fn await_rest(subject: u32, server: u32) -> Result<(Instant, Used)> {
    let begun = Instant::now();
    let mut samples = VecDeque::new();
    loop {
        let now = (Instant::now(), Used::so_far(subject, server)?);
        samples.push_back(now);
        while let Some(&(at, used)) = samples.front().filter(|first| now.0 - first.0 >= QUIET) {
            if now.1.total().saturating_sub(used.total()) < HARDLY_ANYTHING {
                return Ok((at, used));
            }
            samples.pop_front();
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "the subject does not come to rest"
        );
        std::thread::sleep(SAMPLE);
    }
}

/// A run under Wine, and its figures.
struct WineStage<'a> {
    arguments: &'a WineArguments,
    figures: Figures,
}

impl WineStage<'_> {
    fn share(&self, operations: usize) -> usize {
        operations * usize::from(self.arguments.share) / 100
    }

    /// The command that runs a writer.
    fn writer(&self, writer: Writer, what: &str, seed: u64, count: usize) -> Command {
        let mut command = match writer {
            Writer::Windows => {
                let mut command = Command::new(&self.arguments.loader);
                command.arg(&self.arguments.windows_writer);
                command
            }
            Writer::Native | Writer::Paced => Command::new(&self.arguments.native_writer),
        };
        let pace = if writer == Writer::Paced { 2_000 } else { 0 };
        command.args([
            what,
            &seed.to_string(),
            &count.to_string(),
            "1",
            &pace.to_string(),
        ]);
        command
    }

    /// Puts a subject through a workload once.
    fn play(
        &mut self,
        name: Name,
        writer: Writer,
        (what, operations, dirs): (&'static str, usize, usize),
        round: u64,
    ) -> Result<()> {
        let tree = memory();
        let areas: Vec<PathBuf> = (0..dirs)
            .map(|number| tree.path().join(format!("area-{number}")))
            .collect();
        areas.iter().try_for_each(fs::create_dir)?;
        let mut command = Command::new(&self.arguments.loader);
        command
            .arg(&self.arguments.subjects)
            .args(["subject", name.argument(), "keep"])
            .arg(outside(tree.path()));
        let mut helper = Helper::spawn(command)?;
        helper.hear::<Armed>()?;
        let (subject, server) = (helper.id(), server()?);
        let (_, before) = await_rest(subject, server)?;
        let mut writing = self.writer(writer, what, round + 1, self.share(operations));
        writing.args(areas.iter().map(|area| match writer {
            Writer::Windows => outside(area),
            _ => area.into(),
        }));
        let begun = Instant::now();
        let output = writing.output()?;
        ensure!(output.status.success(), "the writer: {}", output.status);
        let (rest, used) = await_rest(subject, server)?;
        let wall = rest.saturating_duration_since(begun);
        let entries = walk(tree.path()).len() as f64;
        let outcome: Outcome = helper.ask(&Request::Finish)?;
        let (missing, ghosts) = outcome.missing_and_ghosts.context("nothing to compare")?;
        let (table, row): (Table, Row) = ((what, writer.title()), Row::Subject(name));
        let own = used.own.saturating_sub(before.own);
        let total = used.total().saturating_sub(before.total());
        let known = (entries - missing as f64).max(1.0);
        let figures = &mut self.figures;
        figures.add_time(table, row, Metric::Wall, wall);
        figures.add_time(table, row, Metric::RunTime, total);
        figures.add_time(table, row, Metric::OwnTime, own);
        for (metric, value) in [
            (Metric::Events, outcome.events as f64),
            (Metric::Rate, outcome.events as f64 / wall.as_secs_f64()),
            (
                Metric::EventCost,
                total.as_secs_f64() / (outcome.events as f64).max(1.0),
            ),
            (Metric::EntryCost, total.as_secs_f64() / known),
            (Metric::Entries, entries),
            (Metric::Missing, missing as f64),
            (Metric::Ghosts, ghosts as f64),
            (Metric::Losses, outcome.losses as f64),
        ] {
            figures.add(table, row, metric, value);
        }
        Ok(())
    }

    /// Appends the verdict on records of the default model against events of notify, which take equal work.
    fn judge(&self, text: &mut String) {
        text.push_str(
            "### records against notify 8.2\n\nBy a Windows writer, of whose work neither loses \
             anything. The target is at least as many in a second for less CPU each.\n\n\
             | workload | records/s × | CPU/record × | |\n|---|--:|--:|---|\n",
        );
        for (what, _, _) in WORKLOADS {
            let table = (what, Writer::Windows.title());
            let ratio = |metric| {
                let of = |name| self.figures.median(table, Row::Subject(name), metric);
                Some(of(Name::Records)? / of(Name::Notify8)?)
            };
            let (Some(rate), Some(cost)) = (ratio(Metric::Rate), ratio(Metric::EventCost)) else {
                continue;
            };
            let verdict = match rate >= 1.0 && cost < 1.0 {
                true => "met",
                false => "**missed**",
            };
            text.push_str(&format!("| {what} | {rate:.2} | {cost:.2} | {verdict} |\n"));
        }
        text.push('\n');
    }

    fn write(&self, machine: &[(String, String)], rounds: u64) -> String {
        let mut text = format!(
            "{WINE}\n\nGenerated by `cargo xtask bench wine`. Programs for Windows under Wine, \
             trees on tmpfs. *CPU* is that of the subject's process and of wineserver together, \
             *own* that of the process alone. wineserver works for a writer under Wine as well, \
             alike for all subjects. Trees are listed once after they are armed, without which Wine \
             reports nothing of directories that existed before. Wine's own queue loses what \
             native writers do faster than it reads, and says nothing of it. *records* are what the \
             reads of `everwatch-directory-reads` give, and what notify makes its events of: without a look \
             at the disk and without repair. These figures say how the programs compare under \
             Wine, and nothing about Windows.\n\n"
        );
        text.push_str("| | |\n|---|---|\n");
        for (name, value) in machine {
            text.push_str(&format!("| {name} | {value} |\n"));
        }
        text.push_str(&format!("| rounds | {rounds} |\n\n"));
        self.judge(&mut text);
        for (what, operations, dirs) in WORKLOADS {
            text.push_str(&format!(
                "### {what}\n\n{} operations over {dirs} directories.\n\n",
                count(self.share(operations) as f64)
            ));
            for writer in Writer::ALL {
                let table = (what, writer.title());
                report::write_table(&mut text, &self.figures, table, Metric::EntryCost);
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}

pub(crate) fn run(arguments: &WineArguments) -> Result<()> {
    let rounds = arguments.rounds;
    let version = Command::new(&arguments.loader).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let mut machine = machine::describe(&[]);
    machine.retain(|(name, _)| name != "Watchman");
    machine.push(("Wine".to_owned(), version));
    let mut stage = WineStage {
        arguments,
        figures: Figures::default(),
    };
    for round in 0..rounds {
        for workload in WORKLOADS {
            for writer in Writer::ALL {
                // The order rotates, so that no subject always follows the same other one.
                let order = SUBJECTS.iter().cycle().skip(round as usize);
                for &name in order.take(SUBJECTS.len()) {
                    let (what, title) = (workload.0, name.title());
                    eprintln!(
                        "{what} by a {}, round {}: {title}",
                        writer.title(),
                        round + 1
                    );
                    if let Err(error) = stage.play(name, writer, workload, round) {
                        eprintln!("left out: {error:#}");
                    }
                }
            }
        }
        if let Some(path) = &arguments.out {
            report::replace_section(path, WINE, &stage.write(&machine, round + 1))?;
        }
    }
    if arguments.out.is_none() {
        print!("{}", stage.write(&machine, rounds));
    }
    Ok(())
}
