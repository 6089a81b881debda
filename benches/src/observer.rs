//! The observer of a subject: starts its process, measures it from outside, and ends it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;

use crate::process;
use crate::service::{Outcome, Request};
use crate::subject::{Armed, Intake, Name};

/// A subject that has used no run time for this long has nothing left to do.
const QUIET: Duration = Duration::from_millis(300);

/// How often a subject is started again if it ends before it is armed.
const STARTS: usize = 5;

/// The longest time to rest; then the bench fails.
const PATIENCE: Duration = Duration::from_secs(180);

/// A child process that speaks in lines of JSON.
pub(crate) struct Helper {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts a bench program, this one or that of another build, with `root` as the last argument.
    pub(crate) fn start(program: &Path, arguments: &[&str], root: &Path) -> Result<Helper> {
        let mut command = Command::new(program);
        command.args(arguments).arg(root);
        Helper::spawn(command)
    }

    /// Starts a command with both pipes.
    pub(crate) fn spawn(mut command: Command) -> Result<Helper> {
        let mut child = command
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

    /// Reads the next line. Blocks until there is one.
    pub(crate) fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        ensure!(
            self.output.read_line(&mut line)? > 0,
            "a measured process ended early"
        );
        Ok(serde_json::from_str(&line)?)
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a request and reads the reply.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T> {
        let input = self.input.as_mut().context("no input")?;
        writeln!(input, "{}", serde_json::to_string(request)?)?;
        self.hear()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.input = None;
        // It has ended, or ends because its input is closed.
        let _ = self.child.wait();
    }
}

/// A subject that was armed, and its process.
pub(crate) struct Observer {
    helper: Helper,
    pub(crate) armed: Armed,
}

impl Observer {
    /// Starts a subject and waits until it is armed. Tests on the same machine may lower the limits of
    /// inotify for moments, which ends most subjects; then it is started again.
    pub(crate) fn start(
        program: &Path,
        name: Name,
        root: &Path,
        intake: Intake,
    ) -> Result<Observer> {
        let arguments = ["subject", name.argument(), intake.argument()];
        for _ in 0..STARTS {
            let mut helper = Helper::start(program, &arguments, root)?;
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

    /// Ends the subject and returns what it reported.
    pub(crate) fn finish(mut self) -> Result<Outcome> {
        self.helper.ask(&Request::Finish)
    }

    /// The id of the process that does the work of the subject.
    pub(crate) fn worker(&self) -> u32 {
        self.armed.processes[0]
    }

    /// Waits until the subject has used no run time for [`QUIET`]. Returns when that began.
    pub(crate) fn await_rest(&self) -> Result<Instant> {
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

/// A stopped subject, which continues when this is dropped.
pub(crate) struct Frozen<'a>(&'a Observer);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        // A process that has ended needs no signal.
        let _ = self.0.signal(Signal::CONT);
    }
}
