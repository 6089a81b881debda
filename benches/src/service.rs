//! The process of one subject.
//!
//! It speaks with the bench in lines of JSON over its standard input and output, and ends when its
//! input does, so that nothing is left behind whatever happens to the bench.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use everwatch::Tree;
use everwatch_testing::walk::walk;
use serde::{Deserialize, Serialize};

use crate::process;
use crate::replica::{apply, missing_and_ghosts};
use crate::subject::{self, Armed, Intake, Name};

#[derive(Serialize, Deserialize, Debug)]
pub(crate) enum Request {
    RunTime,
    Finish,
}

/// What a subject has to say at the end.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct Outcome {
    pub(crate) events: u64,
    pub(crate) losses: u64,
    /// Missing entries and ghosts, if the subject tells enough to know.
    pub(crate) missing_and_ghosts: Option<(u64, u64)>,
    /// When each file name was first spoken of.
    pub(crate) arrivals: Vec<(u64, String)>,
    pub(crate) repairs: Vec<u64>,
}

/// `subject NAME INTAKE ROOT`, or on Windows an end of a pipe.
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

/// Has a subject watch the root until the bench has heard of it what it wants.
pub(crate) fn serve(name: Name, root: &Path, intake: Intake) -> Result<()> {
    // Whoever keeps what it is told starts with the tree as it is; the others stay small.
    let mut known = match intake {
        Intake::Keep => walk(root),
        Intake::Count | Intake::Stamp => Tree::new(),
    };
    let (started, before) = (Instant::now(), process::own_run_time());
    let subject = subject::arm(name, root, intake)?;
    // Wine tells nothing of what is in a directory that nobody has opened since it is armed.
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
                let mut told = subject.finish()?;
                let mut difference = None;
                if let Some(steps) = told.steps.filter(|_| intake == Intake::Keep) {
                    for step in steps {
                        apply(&mut known, step)?;
                    }
                    difference = Some(missing_and_ghosts(&known, &walk(root), root));
                }
                told.arrivals.sort();
                return say(&Outcome {
                    events: told.events,
                    losses: told.losses,
                    missing_and_ghosts: difference,
                    arrivals: told
                        .arrivals
                        .iter()
                        .map(|(at, path)| (*at, file_name(path)))
                        .collect(),
                    repairs: told.repairs,
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

/// Writes a line for whoever started this process.
pub(crate) fn say(message: &impl Serialize) -> Result<()> {
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, message)?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}
