//! `everwatch.exe watch` under Wine: a process whose lines are read into a replica, and that can be stopped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use everwatch_torture::reading::{PATIENCE, Reading};
use everwatch_torture::replica::{Difference, Replica};
use everwatch_torture::walk::walk;
use rustix::process::{Pid, Signal, kill_process};

use crate::wine::{Wine, outside, parse};

/// The longest silence of a command that still has something to report.
const SILENCE: Duration = Duration::from_secs(20);

/// A running command. Dropping it kills it, also a stopped one.
#[derive(Debug)]
pub(crate) struct WineCommand {
    child: Child,
    pub(crate) reading: Reading,
    has_worker: bool,
    /// A copy of all its lines.
    pub(crate) lines: PathBuf,
}

impl WineCommand {
    /// Starts the command on the roots and waits until it is ready. The replica begins with what is on disk.
    pub(crate) fn start(wine: &Wine, roots: &[&Path], arguments: &[&str]) -> WineCommand {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let replica = Replica::new(&walk(roots));
        let mut command = wine.everwatch();
        command
            .args(["watch", "--format", "json"])
            .args(arguments)
            .args(roots.iter().map(|root| outside(root)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start Wine");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("everwatch-wine-{}-{number}.jsonl", std::process::id());
        let lines = std::env::temp_dir().join(name);
        let copy = File::create(&lines).expect("make a file for the lines");
        let everwatch = WineCommand {
            reading: Reading::of(&mut child, replica, parse, Some(copy)),
            child,
            has_worker: arguments.contains(&"isolated"),
            lines,
        };
        everwatch.reading.wait_until_ready();
        everwatch
    }

    /// Waits until there is no difference, or until no line has come for [`SILENCE`]. Returns the difference if
    /// there is one then. `difference` may be slow.
    pub(crate) fn await_equality(
        &self,
        difference: impl Fn(&Replica) -> Difference,
    ) -> Option<Difference> {
        self.reading.await_equality(SILENCE, difference)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signal the command");
    }

    /// Stops the command with its workers, and no other process of Wine.
    pub(crate) fn stop(&self) {
        let deadline = Instant::now() + PATIENCE;
        let family = self.family();
        assert!(
            family.len() > usize::from(self.has_worker),
            "its worker is not found: {family:?}"
        );
        for process in family {
            kill_process(process, Signal::STOP).expect("signal the command");
            while !is_stopped(process) {
                assert!(Instant::now() < deadline, "the command does not stop");
                std::thread::yield_now();
            }
        }
    }

    /// Continues a stopped command.
    pub(crate) fn go_on(&self) {
        for process in self.family() {
            kill_process(process, Signal::CONT).expect("signal the command");
        }
    }

    /// The command and its workers, which are found by their arguments and their prefix: under Wine they are
    /// not children of the command.
    fn family(&self) -> Vec<Pid> {
        let command = Pid::from_child(&self.child);
        let prefix = std::env::var("WINEPREFIX").unwrap_or_default();
        let prefix = format!("WINEPREFIX={prefix}");
        let processes = std::fs::read_dir("/proc").expect("list the processes");
        let workers = processes.flatten().filter(|process| {
            let file = |name| std::fs::read(process.path().join(name)).unwrap_or_default();
            let has = |name, word: &str| {
                let words = file(name);
                words
                    .split(|&byte| byte == 0)
                    .any(|it| it == word.as_bytes())
            };
            has("cmdline", "isolated-reads") && has("environ", &prefix)
        });
        let numbers = workers.filter_map(|worker| worker.file_name().to_str()?.parse().ok());
        std::iter::once(command)
            .chain(numbers.filter_map(Pid::from_raw))
            .collect()
    }

    /// Sends SIGINT, of which Wine makes Ctrl-C. The command must print everything that has happened, and end
    /// with code 0.
    pub(crate) fn finish(mut self) -> Replica {
        self.signal(Signal::INT);
        self.reading.wait_for_end();
        let status = self.child.wait().expect("wait for the command");
        let replica = self.reading.end();
        assert!(status.success(), "{status}: {}", self.reading.complaints());
        replica
    }
}

/// Whether all threads of a process are stopped.
fn is_stopped(process: Pid) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero()));
    let is_stopped = |stat: &str| {
        let state = stat.rsplit_once(") ").map(|(_, state)| state);
        state.is_some_and(|state| state.starts_with('T'))
    };
    let mut threads = threads.expect("list its threads").flatten();
    threads.all(|thread| {
        std::fs::read_to_string(thread.path().join("stat")).is_ok_and(|stat| is_stopped(&stat))
    })
}

impl Drop for WineCommand {
    fn drop(&mut self) {
        // Both fail only where there is nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
