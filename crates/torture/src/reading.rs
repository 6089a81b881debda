//! What a running command writes, applied to a replica line by line on a thread of its own.
//!
//! The same for every command that writes the lines, however it was started: the torture suite's
//! own, and the one for Windows that runs under Wine.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::line::Line;
use crate::replica::Replica;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Lines that follow each other come more closely than this.
const PAUSE: Duration = Duration::from_millis(10);

/// How a line is read. What it cannot be is an error with the line in it.
pub type Parse = fn(&[u8]) -> Result<Line, String>;

/// How the pipe is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    Full,
    /// A few lines at a time.
    Slow,
    Stopped,
}

/// What the reading thread and the test share.
#[derive(Debug)]
struct Progress {
    replica: Replica,
    /// How often lines came.
    arrivals: u64,
    is_ready: bool,
    pace: Pace,
    has_ended: bool,
    /// Why the lines cannot be read.
    broken: Option<String>,
}

#[derive(Debug)]
struct Shared {
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module head.
#[derive(Debug)]
pub struct Reading {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    complaints: Arc<Mutex<String>>,
}

impl Reading {
    /// Takes the command's output, which is piped, and applies it to the replica. The lines are copied
    /// to a file, if there is one.
    pub fn of(child: &mut Child, replica: Replica, parse: Parse, copy: Option<File>) -> Reading {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let shared = Arc::new(Shared {
            progress: Mutex::new(Progress {
                replica,
                arrivals: 0,
                is_ready: false,
                pace: Pace::Full,
                has_ended: false,
                broken: None,
            }),
            changed: Condvar::new(),
        });
        let complaints = Arc::new(Mutex::new(String::new()));
        let reader = {
            let shared = Arc::clone(&shared);
            let mut out = out.expect("standard output is a pipe");
            std::thread::spawn(move || read_lines(&mut out, &shared, parse, copy))
        };
        let listener = {
            let complaints = Arc::clone(&complaints);
            let mut err = err.expect("standard error is a pipe");
            std::thread::spawn(move || {
                let mut text = String::new();
                let _ = err.read_to_string(&mut text);
                *complaints.lock().unwrap_or_else(PoisonError::into_inner) = text;
            })
        };
        Reading {
            shared,
            threads: vec![reader, listener],
            complaints,
        }
    }

    fn wait(&self, is_met: impl Fn(&Progress) -> bool, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut progress = self.shared.lock();
        loop {
            assert!(progress.broken.is_none(), "{:?}", progress.broken);
            if is_met(&progress) {
                return;
            }
            assert!(
                !progress.has_ended,
                "the command ended before {what}: {}",
                self.complaints()
            );
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited too long for {what}: {}",
                state(&progress.replica)
            );
            let result = self.shared.changed.wait_timeout(progress, left);
            progress = result.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the line that says that all roots are armed.
    pub fn wait_until_ready(&self) {
        self.wait(|progress| progress.is_ready, "the ready line");
    }

    /// Waits until the replica is as wanted.
    pub fn wait_for(&self, what: &str, is_met: impl Fn(&Replica) -> bool) {
        self.wait(|progress| is_met(&progress.replica), what);
    }

    /// Waits until there will be no more lines.
    pub fn wait_for_end(&self) {
        self.wait(|progress| progress.has_ended, "the end of the lines");
    }

    /// Waits until the replica is as wanted, or until no line has come for so long. Tells which.
    /// Looks whenever lines have ceased to come, as looking may take long, and then each second.
    pub fn wait_while_lines_come(
        &self,
        longest: Duration,
        is_met: impl Fn(&Replica) -> bool,
    ) -> bool {
        let mut progress = self.shared.lock();
        let (mut silence, mut seen) = (Duration::ZERO, None);
        loop {
            let arrivals = progress.arrivals;
            let result = self.shared.changed.wait_timeout(progress, PAUSE);
            progress = result.unwrap_or_else(PoisonError::into_inner).0;
            if progress.arrivals != arrivals && !progress.has_ended {
                silence = Duration::ZERO;
                continue;
            }
            let is_due = seen != Some(progress.arrivals) || silence.subsec_nanos() == 0;
            if is_due && is_met(&progress.replica) {
                return true;
            }
            seen = Some(progress.arrivals);
            silence += PAUSE;
            if silence > longest || progress.has_ended {
                return false;
            }
        }
    }

    /// Looks at the replica.
    pub fn replica<T>(&self, look: impl FnOnce(&mut Replica) -> T) -> T {
        look(&mut self.shared.lock().replica)
    }

    /// Says how what the command writes is read from now on.
    pub fn pace(&self, pace: Pace) {
        self.shared.lock().pace = pace;
        self.shared.changed.notify_all();
    }

    /// What the command wrote to standard error. Complete once it has ended.
    pub fn complaints(&self) -> String {
        self.complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for the end of both outputs of a command that has ended, and returns the replica.
    pub fn end(&mut self) -> Replica {
        self.pace(Pace::Full);
        for thread in self.threads.drain(..) {
            thread.join().expect("read what the command writes");
        }
        let empty = Replica::new([]);
        std::mem::replace(&mut self.shared.lock().replica, empty)
    }
}

fn state(replica: &Replica) -> String {
    format!(
        "{:?}, {} resyncs, {:?}",
        replica.tally, replica.resyncs, replica.coverage
    )
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.pace(Pace::Full);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Reads until the end, one pipe's worth at a time, so that a pause begins at once.
fn read_lines(out: &mut impl Read, shared: &Shared, parse: Parse, mut copy: Option<File>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let progress = shared
            .changed
            .wait_while(shared.lock(), |progress| progress.pace == Pace::Stopped)
            .unwrap_or_else(PoisonError::into_inner);
        let pace = progress.pace;
        drop(progress);
        let most = match pace {
            Pace::Slow => {
                std::thread::sleep(Duration::from_millis(1));
                2 * 1024
            }
            _ => buffer.len(),
        };
        let length = out.read(&mut buffer[..most]).unwrap_or_default();
        if let Some(copy) = &mut copy {
            copy.write_all(&buffer[..length])
                .expect("write the copy of the lines");
        }
        rest.extend_from_slice(&buffer[..length]);
        let complete = rest
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let lines: Result<Vec<Line>, String> = rest[..complete]
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| parse(line.trim_ascii_end()))
            .collect();
        rest.drain(..complete);
        let mut progress = shared.lock();
        progress.arrivals += 1;
        match lines {
            Ok(lines) => {
                for line in lines {
                    progress.is_ready |= matches!(line, Line::Ready);
                    progress.replica.apply(line);
                }
            }
            Err(why) => progress.broken = Some(why),
        }
        if length == 0 {
            progress.has_ended = true;
            if !rest.is_empty() {
                progress.broken = Some("the last line has no end".to_owned());
            }
        }
        let is_over = progress.has_ended;
        drop(progress);
        shared.changed.notify_all();
        if is_over {
            return;
        }
    }
}
