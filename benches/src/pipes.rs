//! The section "Pipes under Wine": named pipes of Everwatch, tokio and compio.
//!
//! Both ends of a pipe are programs for Windows, each in a process of its own. The subjects take turns in
//! every round, and ratios within a round are compared. Under Wine, wineserver holds the pipes and the
//! completion ports and does most of the work: a program with fewer requests saves wineserver's time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::figures::{count, middle, time};
use crate::observer::Helper;
use crate::service::{Called, Request};
use crate::{machine, process, report, wine};

/// The programs that the run needs, which `cargo xtask bench pipes` builds, and its options.
#[derive(clap::Args, Debug)]
pub(crate) struct PipesArguments {
    /// This bench, built for Windows.
    #[arg(long)]
    subjects: PathBuf,
    /// The program that starts others under Wine.
    #[arg(long, default_value = "wine")]
    loader: PathBuf,
    /// The share of each workload to do, in percent.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    share: u8,
    /// How often each subject goes through each workload.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The file whose section is replaced; without it, the section is printed.
    #[arg(long)]
    out: Option<PathBuf>,
}

const SUBJECTS: [&str; 3] = ["everwatch", "tokio", "compio"];

/// Name, title, number of messages or blocks, and bytes of one.
const WORKLOADS: [(&str, &str, usize, usize); 2] = [
    (
        "ping-pong",
        "64-byte messages that come back, one at a time",
        20_000,
        64,
    ),
    ("stream", "64 KiB blocks in one direction", 5_000, 64 * 1024),
];

/// The cost of one message or block, in seconds.
#[derive(Clone, Copy)]
struct PipeCost {
    wall: f64,
    /// Run time of both ends.
    own: f64,
    /// Run time of wineserver.
    server: f64,
}

impl PipeCost {
    fn run_time(self) -> f64 {
        self.own + self.server
    }
}

/// The costs in one workload: by subject, then by round.
type PipeCosts = [Vec<PipeCost>; SUBJECTS.len()];

fn play(
    arguments: &PipesArguments,
    subject: &str,
    workload: &str,
    count: usize,
) -> Result<PipeCost> {
    let name = format!(r"\\.\pipe\everwatch-bench-{}", process::monotonic());
    let spawn = |role: &str| {
        let mut command = Command::new(&arguments.loader);
        command.arg(&arguments.subjects).args([
            "pipe",
            role,
            subject,
            workload,
            &count.to_string(),
            &name,
        ]);
        Helper::spawn(command)
    };
    let mut server = spawn("serve")?;
    server.hear::<()>()?;
    let mut client = spawn("call")?;
    client.hear::<()>()?;
    let wine = wine::server()?;
    let used = |client: &Helper| -> Result<(Duration, Duration)> {
        let own = process::run_time(server.id())? + process::run_time(client.id())?;
        Ok((own, process::run_time(wine)?))
    };
    let before = used(&client)?;
    // Any line starts the client.
    let called: Called = client.ask(&Request::RunTime)?;
    let after = used(&client)?;
    let each = |time: Duration| time.as_secs_f64() / count as f64;
    Ok(PipeCost {
        wall: each(called.took),
        own: each(after.0.saturating_sub(before.0)),
        server: each(after.1.saturating_sub(before.1)),
    })
}

/// The median over all rounds.
fn median(outcomes: &[PipeCost], of: impl Fn(PipeCost) -> f64) -> f64 {
    let values: Vec<f64> = outcomes.iter().map(|&outcome| of(outcome)).collect();
    middle(&values).unwrap_or(f64::NAN)
}

/// The median of the ratios within the rounds.
fn ratio(ours: &[PipeCost], theirs: &[PipeCost], of: impl Fn(PipeCost) -> f64) -> f64 {
    let pairs = ours.iter().zip(theirs);
    let ratios: Vec<f64> = pairs.map(|(&one, &other)| of(one) / of(other)).collect();
    middle(&ratios).unwrap_or(f64::NAN)
}

fn throughput(workload: usize, wall: f64) -> String {
    let (.., bytes) = WORKLOADS[workload];
    match bytes {
        64 => format!("{}/s", count(1.0 / wall)),
        _ => format!("{} MiB/s", count(bytes as f64 / wall / f64::from(1 << 20))),
    }
}

fn write_table(text: &mut String, workload: usize, outcomes: &PipeCosts) {
    let ours = &outcomes[0];
    text.push_str(
        "| | throughput | CPU of both ends | of wineserver | **CPU** | throughput of everwatch × | \
         CPU of everwatch × | |\n|---|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for (subject, theirs) in SUBJECTS.iter().zip(outcomes) {
        if theirs.is_empty() {
            continue;
        }
        let faster = ratio(theirs, ours, |outcome| outcome.wall);
        let dearer = ratio(ours, theirs, PipeCost::run_time);
        let verdict = match (faster >= 1.0, dearer < 1.0) {
            _ if *subject == SUBJECTS[0] => "",
            (true, true) => "met",
            _ => "**missed**",
        };
        text.push_str(&format!(
            "| {subject} | {} | {} | {} | {} | {faster:.2} | {dearer:.2} | {verdict} |\n",
            throughput(workload, median(theirs, |outcome| outcome.wall)),
            time(median(theirs, |outcome| outcome.own)),
            time(median(theirs, |outcome| outcome.server)),
            time(median(theirs, PipeCost::run_time)),
        ));
    }
    text.push('\n');
}

fn write(
    arguments: &PipesArguments,
    machine: &[(String, String)],
    rounds: usize,
    outcomes: &[PipeCosts],
) -> String {
    let mut text = format!(
        "{}\n\nGenerated by `cargo xtask bench pipes`. Both ends are programs for Windows under Wine, \
         each a process with one thread. The pipes are what each library makes of them by \
         default: everwatch's hold 256 KiB in each direction, those of the others 64 KiB. *CPU* is for one \
         message or block: that of both ends, of wineserver, which has the pipes and the ports, and of all \
         three. Throughput and CPU are medians of the rounds; the ratios are the medians of those within a \
         round, and the target is at least the throughput with less CPU. These figures say how the programs \
         compare under Wine, and nothing about Windows.\n\n| | |\n|---|---|\n",
        report::PIPES
    );
    for (name, value) in machine {
        text.push_str(&format!("| {name} | {value} |\n"));
    }
    text.push_str(&format!("| rounds | {rounds} |\n\n"));
    for (number, (outcomes, (_, title, count, _))) in outcomes.iter().zip(WORKLOADS).enumerate() {
        let count = crate::figures::count(share(arguments, count) as f64);
        text.push_str(&format!("### {title}\n\n{count} in a round.\n\n"));
        write_table(&mut text, number, outcomes);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn share(arguments: &PipesArguments, count: usize) -> usize {
    (count * usize::from(arguments.share) / 100).max(1)
}

fn describe(loader: &Path) -> Result<Vec<(String, String)>> {
    let mut machine = machine::describe(&[]);
    let is_ours = |name: &str| !matches!(name, "Watchman" | "notify" | "inotify queue");
    machine.retain(|(name, _)| is_ours(name));
    for peer in ["tokio", "compio"] {
        machine.push((peer.to_owned(), machine::locked(peer).join(" and ")));
    }
    let version = Command::new(loader).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    machine.push(("Wine".to_owned(), version));
    Ok(machine)
}

pub(crate) fn run(arguments: &PipesArguments) -> Result<()> {
    let machine = describe(&arguments.loader)?;
    let mut outcomes = [const { [const { Vec::new() }; SUBJECTS.len()] }; WORKLOADS.len()];
    for round in 0..arguments.rounds {
        for (workload, outcomes) in WORKLOADS.iter().zip(&mut outcomes) {
            let (name, _, count, _) = *workload;
            // The order rotates, so that no subject always follows the same other one.
            for turn in 0..SUBJECTS.len() {
                let subject = (turn + round) % SUBJECTS.len();
                let title = SUBJECTS[subject];
                eprintln!("{name}, round {}: {title}", round + 1);
                let outcome = play(arguments, title, name, share(arguments, count))?;
                outcomes[subject].push(outcome);
            }
        }
        if let Some(path) = &arguments.out {
            let text = write(arguments, &machine, round + 1, &outcomes);
            report::replace_section(path, report::PIPES, &text)?;
        }
    }
    if arguments.out.is_none() {
        print!(
            "{}",
            write(arguments, &machine, arguments.rounds, &outcomes)
        );
    }
    Ok(())
}
