//! The process of a subject: arms it, and reports what it took.
//!
//! It speaks with the bench in lines of JSON over its standard input and output, and ends when its input is
//! closed, so that no process outlives the bench. The bench may be that of another build, so fields keep
//! their names and meanings, and new ones have defaults.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use everwatch::Tree;
use everwatch_testing::walk::walk;
use serde::{Deserialize, Serialize};

use crate::process;
use crate::replica::{apply, missing_and_ghosts};
use crate::subject::{self, Armed, Intake, Name};

/// The report of a client of a pipe.
#[cfg(any(target_os = "linux", windows))]
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Called {
    /// The time from the first message or block to the last.
    pub(crate) took: Duration,
}

/// A request of the bench.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) enum Request {
    /// The run time of the subject so far.
    RunTime,
    /// The end.
    Finish,
}

/// The end of a subject: what it reported.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Outcome {
    /// Number of events.
    pub(crate) events: u64,
    /// Number of reported losses.
    pub(crate) losses: u64,
    /// Missing entries and ghosts, if the events of the subject lead to a tree.
    pub(crate) missing_and_ghosts: Option<(u64, u64)>,
    /// The time of each event with the name of its file, on the clock of [`process::monotonic`].
    pub(crate) arrivals: Vec<(u64, String)>,
    /// The times at which repairs of the tree were complete.
    pub(crate) repairs: Vec<u64>,
}

/// Serves `subject NAME INTAKE ROOT`, or on Windows an end of a pipe.
#[cfg(not(target_os = "linux"))]
pub(crate) fn main() -> Result<()> {
    use clap::ValueEnum as _;
    let arguments: Vec<String> = std::env::args().collect();
    #[cfg(windows)]
    if let [_, word, rest @ ..] = &arguments[..]
        && word == "pipe"
    {
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        return crate::echo::main(&rest);
    }
    match &arguments[..] {
        [_, word, name, intake, root] if word == "subject" => {
            let name = Name::from_str(name, false).map_err(anyhow::Error::msg)?;
            let intake = Intake::from_str(intake, false).map_err(anyhow::Error::msg)?;
            serve(name, Path::new(root), intake)
        }
        _ => anyhow::bail!("subject NAME INTAKE ROOT"),
    }
}

/// Watches the root with a subject, and serves requests of the bench until it asks for the end.
pub(crate) fn serve(name: Name, root: &Path, intake: Intake) -> Result<()> {
    // The tree before the first event, for a subject that keeps events. Others need no memory for it.
    let mut known = match intake {
        Intake::Keep => walk(root),
        Intake::Count | Intake::Stamp => Tree::new(),
    };
    let (started, before) = (Instant::now(), process::own_run_time());
    let subject = subject::arm(name, root, intake)?;
    // Wine reports nothing of a directory that was not opened since the subject was armed.
    if cfg!(windows) && intake == Intake::Keep {
        walk(root);
    }
    let wall = started.elapsed();
    let own = process::own_run_time().saturating_sub(before);
    let helpers = subject.processes();
    let worker = helpers.first().copied().unwrap_or(std::process::id());
    let run_time = if helpers.is_empty() {
        own
    } else {
        subject.run_time()?
    };
    let processes = helpers.into_iter().chain([std::process::id()]).collect();
    say(&Armed {
        wall,
        run_time,
        resident: process::resident(worker)?,
        processes,
    })?;
    for line in std::io::stdin().lines() {
        match serde_json::from_str(&line?)? {
            Request::RunTime => say(&subject.run_time()?)?,
            Request::Finish => {
                let mut reported = subject.finish()?;
                let mut difference = None;
                if let Some(steps) = reported.steps.filter(|_| intake == Intake::Keep) {
                    for step in steps {
                        apply(&mut known, step)?;
                    }
                    difference = Some(missing_and_ghosts(&known, &walk(root), root));
                }
                reported.arrivals.sort();
                return say(&Outcome {
                    events: reported.events,
                    losses: reported.losses,
                    missing_and_ghosts: difference,
                    arrivals: reported
                        .arrivals
                        .iter()
                        .map(|(at, path)| (*at, file_name(path)))
                        .collect(),
                    repairs: reported.repairs,
                });
            }
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Writes a line for the process that started this one.
pub(crate) fn say(message: &impl Serialize) -> Result<()> {
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, message)?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}
