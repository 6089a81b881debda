//! The reader of a running command: applies its lines to a replica on a thread of its own.
//!
//! It serves the native command and the one that runs under Wine; only the parser of a line differs.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::line::Line;
use crate::replica::{Difference, Replica};

/// How long a test waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than lines of one burst are apart.
const PAUSE: Duration = Duration::from_millis(10);

/// The parser of a line without its newline. The error quotes the line.
pub type Parse = fn(&[u8]) -> Result<Line, String>;

/// The pace at which the pipe is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// As fast as lines come.
    Full,
    /// 2 KiB in a millisecond.
    Slow,
    /// Not at all, so the pipe fills.
    Stopped,
}

/// The state that the reading thread and the test share.
#[derive(Debug)]
struct Progress {
    replica: Replica,
    /// Number of reads that returned lines.
    arrivals: u64,
    is_ready: bool,
    pace: Pace,
    has_ended: bool,
    /// Why a line could not be parsed.
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

/// The threads that read the two outputs of a command. Dropping it waits for both outputs to end.
#[derive(Debug)]
pub struct Reading {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    complaints: Arc<Mutex<String>>,
}

impl Reading {
    /// Starts to read the outputs of `child`, which must be pipes. The lines are applied to `replica`, and
    /// copied to the file if there is one.
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

    /// Waits for a condition. Fails after [`PATIENCE`], when the command ends, or when a line is broken.
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
                summary(&progress.replica)
            );
            let result = self.shared.changed.wait_timeout(progress, left);
            progress = result.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the line `ready`: all roots are armed.
    pub fn wait_until_ready(&self) {
        self.wait(|progress| progress.is_ready, "the ready line");
    }

    /// Waits until the replica meets a condition. `what` names it in a failure.
    pub fn wait_for(&self, what: &str, is_met: impl Fn(&Replica) -> bool) {
        self.wait(|progress| is_met(&progress.replica), what);
    }

    /// Waits until the standard output of the command is closed.
    pub fn wait_for_end(&self) {
        self.wait(|progress| progress.has_ended, "the end of the lines");
    }

    /// Waits until the replica meets a condition or no line has come for `longest`, and returns whether it
    /// met it. The condition may be slow: it is evaluated when lines pause, and then each second.
    fn wait_while_lines_come(&self, longest: Duration, is_met: impl Fn(&Replica) -> bool) -> bool {
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

    /// Waits until there is no difference, or until no line has come for `longest`. Returns the difference if there
    /// is one then. `difference` may be slow.
    pub fn await_equality(
        &self,
        longest: Duration,
        difference: impl Fn(&Replica) -> Difference,
    ) -> Option<Difference> {
        let is_equal = self.wait_while_lines_come(longest, |replica| difference(replica).is_none());
        (!is_equal).then(|| self.replica(|replica| difference(replica)))
    }

    /// Calls `look` with the replica, which no line changes meanwhile.
    pub fn replica<T>(&self, look: impl FnOnce(&mut Replica) -> T) -> T {
        look(&mut self.shared.lock().replica)
    }

    /// Changes the pace of reading.
    pub fn pace(&self, pace: Pace) {
        self.shared.lock().pace = pace;
        self.shared.changed.notify_all();
    }

    /// The standard error of the command. Empty until the command has ended.
    pub fn complaints(&self) -> String {
        self.complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for the end of both outputs of a command that has ended, and takes the replica.
    pub fn end(&mut self) -> Replica {
        self.pace(Pace::Full);
        for thread in self.threads.drain(..) {
            thread.join().expect("read what the command writes");
        }
        std::mem::take(&mut self.shared.lock().replica)
    }
}

/// A summary of a replica for a failure.
fn summary(replica: &Replica) -> String {
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

/// Reads until the end, at most 64 KiB at a time, so that a change of pace takes effect at once.
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
