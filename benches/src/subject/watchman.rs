//! Watchman: a daemon of its own, asked over its socket in JSON.
//!
//! The daemon does the work; this process only keeps what a subscription delivers. The daemon has its
//! socket, state and log in a scratch directory, and ends when the subject does.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use super::{Intake, Reported, Subject, Taken};
use crate::process;
use crate::replica::Step;

/// The longest time of a command.
const PATIENCE: Duration = Duration::from_secs(120);

struct Connection(BufReader<UnixStream>);

impl Connection {
    fn ask(&mut self, command: &Value) -> Result<Value> {
        // In one write: the daemon derives the encoding from what it reads first.
        self.0
            .get_mut()
            .write_all(format!("{command}\n").as_bytes())?;
        let answer = self.next()?.context("the daemon hung up")?;
        match answer.get("error") {
            Some(error) => bail!("watchman: {error}"),
            None => Ok(answer),
        }
    }

    fn next(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }
}

struct Daemon {
    child: Child,
    home: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Result<Daemon> {
        let home = tempfile::tempdir()?;
        let log = std::fs::File::create(home.path().join("output"))?;
        let child = Command::new("watchman")
            .arg("--foreground")
            .arg("--no-save-state")
            .arg("--sockname")
            .arg(home.path().join("socket"))
            .arg("--statefile")
            .arg(home.path().join("state"))
            .arg("--logfile")
            .arg(home.path().join("log"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("watchman does not start")?;
        Ok(Daemon { child, home })
    }

    fn connect(&self) -> Result<Connection> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match UnixStream::connect(self.home.path().join("socket")) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE))?;
                    return Ok(Connection(BufReader::new(stream)));
                }
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended before; it has ended afterwards in any case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) struct Watchman {
    daemon: Daemon,
    root: PathBuf,
    commands: Connection,
    consumer: JoinHandle<Result<Taken<Value>>>,
}

impl Watchman {
    pub(super) fn arm(root: &Path, intake: Intake) -> Result<Watchman> {
        let daemon = Daemon::start()?;
        let mut commands = daemon.connect()?;
        commands.ask(&json!(["watch", root]))?;
        let clock = synchronise(&mut commands, root)?;
        let mut subscription = daemon.connect()?;
        let wanted = json!({ "fields": ["name", "exists"], "since": clock });
        subscription.ask(&json!(["subscribe", root, "bench", wanted]))?;
        subscription.0.get_ref().set_read_timeout(None)?;
        let consumer = std::thread::spawn(move || consume(subscription, intake));
        Ok(Watchman {
            daemon,
            root: root.to_owned(),
            commands,
            consumer,
        })
    }
}

/// Waits until the daemon has seen everything that happened before, and returns its clock.
fn synchronise(commands: &mut Connection, root: &Path) -> Result<Value> {
    let patience = json!({ "sync_timeout": PATIENCE.as_millis() as u64 });
    Ok(commands.ask(&json!(["clock", root, patience]))?["clock"].take())
}

fn consume(mut subscription: Connection, intake: Intake) -> Result<Taken<Value>> {
    let mut taken = Taken::new(intake);
    // An error means that the daemon was killed, which ends the subscription.
    while let Ok(Some(delivery)) = subscription.next() {
        taken.take(delivery);
    }
    Ok(taken)
}

impl Subject for Watchman {
    fn processes(&self) -> Vec<u32> {
        vec![self.daemon.child.id()]
    }

    fn run_time(&self) -> Result<Duration> {
        process::run_time_in_ticks(self.daemon.child.id())
    }

    fn finish(self: Box<Self>) -> Result<Reported> {
        let Watchman {
            daemon,
            root,
            mut commands,
            consumer,
        } = *self;
        synchronise(&mut commands, &root)?;
        drop(daemon);
        let taken = consumer
            .join()
            .map_err(|_| anyhow!("the consumer panicked"))??;
        let mut reported = Reported::default();
        let mut steps = Vec::new();
        for (arrived, delivery) in taken.kept {
            reported.losses += u64::from(delivery["is_fresh_instance"] == true);
            for file in delivery["files"].as_array().into_iter().flatten() {
                let Some(name) = file["name"].as_str() else {
                    continue;
                };
                let path = root.join(name);
                reported.events += 1;
                reported.arrivals.push((arrived, path.clone()));
                steps.push(match file["exists"].as_bool() {
                    Some(false) => Step::Gone(path),
                    _ => Step::Exists(path),
                });
            }
        }
        // Directories come before their entries, and removals in any order.
        steps.sort_by_key(|step| matches!(step, Step::Exists(_)));
        reported.steps = Some(steps);
        Ok(reported)
    }
}
