//! The process of one subject, and the handle by which the bench holds it.
//!
//! They speak in lines of JSON over the child's standard input and output. The child ends when its
//! input does, so that nothing is left behind whatever happens to the bench.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process;
use crate::replica::Replica;
use crate::subject::{self, Armed, Intake, Name};

/// No run time used for so long means that a subject has nothing left to do.
const QUIET: Duration = Duration::from_millis(300);

/// How often a subject is started that ends before it is armed.
const STARTS: usize = 5;

/// Nothing takes longer than this.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Serialize, Deserialize, Debug)]
enum Request {
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

/// The child's side.
pub(crate) fn serve(name: Name, root: &Path, intake: Intake) -> Result<()> {
    // Whoever keeps what it is told starts with the tree as it is; the others stay small.
    let mut known = match intake {
        Intake::Keep => Replica::walk(root)?,
        Intake::Count | Intake::Stamp => Replica::default(),
    };
    let (started, before) = (Instant::now(), process::own_run_time());
    let subject = subject::arm(name, root, intake)?;
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
                let mut missing_and_ghosts = None;
                if let Some(steps) = told.steps.filter(|_| intake == Intake::Keep) {
                    steps.into_iter().for_each(|step| known.apply(step));
                    missing_and_ghosts = Some(known.compare(&Replica::walk(root)?, root));
                }
                told.arrivals.sort();
                return say(&Outcome {
                    events: told.events,
                    losses: told.losses,
                    missing_and_ghosts,
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

/// A child of this program, of any kind.
pub(crate) struct Helper {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Helper {
    pub(crate) fn start(arguments: &[&str], root: &Path) -> Result<Helper> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .arg(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Helper {
            child,
            input,
            output,
        })
    }

    pub(crate) fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        ensure!(
            self.output.read_line(&mut line)? > 0,
            "a measured process ended early"
        );
        Ok(serde_json::from_str(&line)?)
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T> {
        let input = self.input.as_mut().context("no input")?;
        writeln!(input, "{}", serde_json::to_string(request)?)?;
        self.hear()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.input = None;
        // It ended already, or ends because its input did.
        let _ = self.child.wait();
    }
}

/// The bench's side.
pub(crate) struct Observer {
    helper: Helper,
    pub(crate) armed: Armed,
}

impl Observer {
    /// Starts a subject and waits until it is armed. Whoever tests something on the same machine
    /// may have lowered the limits of inotify for a moment, which ends most subjects.
    pub(crate) fn start(name: Name, root: &Path, intake: Intake) -> Result<Observer> {
        let arguments = ["subject", name.argument(), intake.argument()];
        for _ in 0..STARTS {
            let mut helper = Helper::start(&arguments, root)?;
            if let Ok(armed) = helper.hear() {
                return Ok(Observer { helper, armed });
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        bail!("{} cannot be armed on {}", name.title(), root.display())
    }

    /// Run time of the subject so far.
    pub(crate) fn run_time(&mut self) -> Result<Duration> {
        self.helper.ask(&Request::RunTime)
    }

    /// Ends the subject.
    pub(crate) fn finish(mut self) -> Result<Outcome> {
        self.helper.ask(&Request::Finish)
    }

    /// The process whose work is the subject's.
    pub(crate) fn worker(&self) -> u32 {
        self.armed.processes[0]
    }

    /// Waits until the subject has nothing left to do. Returns the moment from which on it had not.
    pub(crate) fn settle(&self) -> Result<Instant> {
        let begun = Instant::now();
        let mut last = (Duration::ZERO, begun);
        loop {
            let mut used = Duration::ZERO;
            for &process in &self.armed.processes {
                used += process::run_time(process)?;
            }
            let now = Instant::now();
            if used != last.0 {
                last = (used, now);
            } else if now - last.1 > QUIET {
                return Ok(last.1);
            }
            if begun.elapsed() > PATIENCE {
                bail!("the subject does not come to rest");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Stops all processes of the subject where they are.
    pub(crate) fn freeze(&self) -> Result<Frozen<'_>> {
        self.signal(Signal::STOP)?;
        Ok(Frozen(self))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        for &process in &self.armed.processes {
            let process = Pid::from_raw(process as i32).context("no process")?;
            kill_process(process, signal)?;
        }
        Ok(())
    }
}

/// A subject that is stopped, and goes on when this is dropped.
pub(crate) struct Frozen<'a>(&'a Observer);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        // A process that is gone needs no signal.
        let _ = self.0.signal(Signal::CONT);
    }
}
