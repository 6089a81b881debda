//! The command under test: started, read line by line into a replica, stopped, ended.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::line::{Line, parse};
use crate::replica::Replica;
use crate::scratch::QueueLimit;
use crate::tree::{Kind, Tree};
use crate::walk::walk;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a command that has something to tell is silent at most.
const SILENCE: Duration = Duration::from_secs(5);

/// Lines that follow each other come more closely than this.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a command that is not idle sleeps at most.
const IDLE: Duration = Duration::from_millis(25);

/// How the pipe is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    Full,
    /// A few lines at a time.
    Slow,
    Stopped,
}

/// What the reading thread and the test share.
#[derive(Debug)]
struct Reading {
    replica: Replica,
    is_ready: bool,
    pace: Pace,
    has_ended: bool,
    /// Why the lines cannot be read.
    broken: Option<String>,
}

#[derive(Debug)]
struct Shared {
    reading: Mutex<Reading>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the command took of the machine so far.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Usage {
    /// Most resident memory ever, in KiB.
    pub(crate) peak_kib: u64,
    /// Processor time in user and system mode.
    pub(crate) processor: Duration,
}

/// What the command gets of the kernel.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Held until the command has made its queue.
    _queue: QueueLimit,
    /// Directories that it may watch.
    watches: Option<u32>,
}

impl Limits {
    pub(crate) fn usual() -> Limits {
        Limits {
            _queue: QueueLimit::shared(),
            watches: None,
        }
    }

    /// So many records in the queue and so many watches; `None` leaves each as it is. Returns `None`,
    /// and says so, where that is not allowed.
    pub(crate) fn of(queue: Option<u32>, watches: Option<u32>) -> Option<Limits> {
        if watches.is_some() && !may_have_own_namespace() {
            println!("not allowed to make a user namespace: nothing was tested");
            return None;
        }
        let queue = match queue {
            None => Some(QueueLimit::shared()),
            Some(records) => QueueLimit::set(records),
        };
        if queue.is_none() {
            println!("not allowed to change fs.inotify.max_queued_events: nothing was tested");
        }
        Some(Limits {
            _queue: queue?,
            watches,
        })
    }
}

/// The limit of watches of a user namespace, namespaces(7).
const WATCH_LIMIT: &str = "/proc/sys/user/max_inotify_watches";

fn may_have_own_namespace() -> bool {
    let tried = in_own_namespace(&["true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// In a user namespace of its own the command has a limit of its own.
fn in_own_namespace(command: &[&str]) -> Command {
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--user", "--map-root-user", "--"])
        .args(command);
    unshare
}

/// A running `everwatch watch --format json`. Dropping it kills the process, also a stopped one.
#[derive(Debug)]
pub(crate) struct Everwatch {
    child: Child,
    shared: Arc<Shared>,
    readers: Vec<JoinHandle<()>>,
    complaints: Arc<Mutex<String>>,
}

impl Everwatch {
    /// Starts the command on the roots and waits until it is ready. The replica knows what is there
    /// now, unless the arguments make the command tell it.
    pub(crate) fn start(roots: &[&Path], arguments: &[&str]) -> Everwatch {
        Everwatch::start_with(roots, arguments, Limits::usual())
    }

    /// Like `start`, with limits.
    pub(crate) fn start_with(roots: &[&Path], arguments: &[&str], limits: Limits) -> Everwatch {
        let tells_snapshot = arguments.contains(&"--snapshot");
        let known = roots.iter().map(|root| match tells_snapshot {
            true => (root.to_path_buf(), Some(Tree::new(Kind::Dir))),
            false => (root.to_path_buf(), walk(root)),
        });
        let replica = Replica::new(known);
        let everwatch = Everwatch::spawn(replica, roots, arguments, limits.watches);
        // The limit of the queue counts at the moment at which that is made, and that is before.
        everwatch.wait(|reading| reading.is_ready, "the ready line");
        drop(limits);
        everwatch
    }

    fn spawn(
        replica: Replica,
        roots: &[&Path],
        arguments: &[&str],
        watches: Option<u32>,
    ) -> Everwatch {
        let mut command = match watches {
            None => Command::new(env!("CARGO_BIN_EXE_everwatch")),
            Some(watches) => {
                let script = format!("echo {watches} > {WATCH_LIMIT} && exec \"$0\" \"$@\"");
                let mut command = in_own_namespace(&["sh", "-c", &script]);
                command.arg(env!("CARGO_BIN_EXE_everwatch"));
                command
            }
        };
        command
            .args(["watch", "--format", "json"])
            .args(arguments)
            .args(roots.iter().map(OsStr::new));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("start the command");
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let shared = Arc::new(Shared {
            reading: Mutex::new(Reading {
                replica,
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
            std::thread::spawn(move || read_lines(&mut out, &shared))
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
        Everwatch {
            child,
            shared,
            readers: vec![reader, listener],
            complaints,
        }
    }

    fn wait(&self, is_met: impl Fn(&mut Reading) -> bool, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut reading = self.shared.lock();
        loop {
            assert!(reading.broken.is_none(), "{:?}", reading.broken);
            if is_met(&mut reading) {
                return;
            }
            assert!(
                !reading.has_ended,
                "the command ended before {what}: {}",
                self.complaints()
            );
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited too long for {what}: {}",
                self.state(&reading.replica)
            );
            let result = self.shared.changed.wait_timeout(reading, left);
            reading = result.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self, replica: &Replica) -> String {
        format!(
            "{:?}, {} resyncs, {:?}",
            replica.tally, replica.resyncs, replica.coverage
        )
    }

    /// Waits until the replica is as wanted.
    pub(crate) fn wait_for(&self, what: &str, is_met: impl Fn(&Replica) -> bool) {
        self.wait(|reading| is_met(&reading.replica), what);
    }

    /// Waits until the replica is as wanted, or until no line has come for a while. Tells which.
    /// Looks whenever lines have ceased to come, as looking may take long.
    pub(crate) fn wait_while_lines_come(&self, is_met: impl Fn(&Replica) -> bool) -> bool {
        let mut reading = self.shared.lock();
        let mut silence = Duration::ZERO;
        loop {
            let result = self.shared.changed.wait_timeout(reading, PAUSE);
            let (again, timeout) = result.unwrap_or_else(PoisonError::into_inner);
            reading = again;
            if !timeout.timed_out() && !reading.has_ended {
                silence = Duration::ZERO;
                continue;
            }
            let is_new = silence.is_zero();
            silence += PAUSE;
            if is_new && is_met(&reading.replica) {
                return true;
            }
            if silence > SILENCE || reading.has_ended {
                return false;
            }
        }
    }

    /// Creates a file of this name in `dir` and waits until the feed tells of it: all that happened
    /// before has been told or is being looked into.
    pub(crate) fn pass(&self, dir: &Path, name: &str) {
        let sentinel = dir.join(name);
        std::fs::write(&sentinel, "").expect("create the sentinel");
        self.wait_for("the sentinel", |replica| replica.contains(&sentinel));
    }

    /// Looks at the replica.
    pub(crate) fn replica<T>(&self, look: impl FnOnce(&mut Replica) -> T) -> T {
        look(&mut self.shared.lock().replica)
    }

    /// Says how what the command writes is read from now on.
    pub(crate) fn pace(&self, pace: Pace) {
        self.shared.lock().pace = pace;
        self.shared.changed.notify_all();
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_child(&self.child);
        kill_process(id, signal).expect("signal the command");
    }

    /// Stops the command itself, as Ctrl-Z would.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let deadline = Instant::now() + PATIENCE;
        while self.state_letter() != Some('T') {
            assert!(Instant::now() < deadline, "the command does not stop");
            std::thread::yield_now();
        }
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn proc_file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default()
    }

    fn state_letter(&self) -> Option<char> {
        self.proc_file("stat").rsplit_once(") ")?.1.chars().next()
    }

    pub(crate) fn usage(&self) -> Usage {
        let status = self.proc_file("status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak_kib = peak
            .and_then(|value| value.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or_default();
        let stat = self.proc_file("stat");
        let fields = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.split(' '))
            .into_iter()
            .flatten();
        // User and system time are fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms.
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Usage {
            peak_kib,
            processor: Duration::from_millis(ticks * 10),
        }
    }

    /// Waits until the command has nothing left to do: none of its threads has run for a while.
    pub(crate) fn wait_until_idle(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut before = self.time_on_processors();
        loop {
            std::thread::sleep(IDLE);
            let now = self.time_on_processors();
            if now == before {
                return;
            }
            assert!(Instant::now() < deadline, "the command never rests");
            before = now;
        }
    }

    /// What each thread has run so far, as proc_pid_schedstat has it: in nanoseconds.
    fn time_on_processors(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        tasks
            .expect("list the threads")
            .flatten()
            .map(|task| std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default())
            .collect()
    }

    /// What the command wrote to standard error. Complete once it has ended.
    pub(crate) fn complaints(&self) -> String {
        self.complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sends SIGTERM: the command prints all that has happened and ends well.
    pub(crate) fn finish(mut self) -> Replica {
        self.signal(Signal::TERM);
        self.wait(|reading| reading.has_ended, "the end of the lines");
        let status = self.child.wait().expect("wait for the command");
        for reader in self.readers.drain(..) {
            reader.join().expect("read what the command writes");
        }
        assert!(
            status.success(),
            "{status}, signal {:?}: {}",
            status.signal(),
            self.complaints()
        );
        let empty = Replica::new([]);
        std::mem::replace(&mut self.shared.lock().replica, empty)
    }
}

impl Drop for Everwatch {
    fn drop(&mut self) {
        self.pace(Pace::Full);
        // Both fail only where there is nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

/// Reads until the end, one pipe's worth at a time, so that a pause begins at once.
fn read_lines(out: &mut impl Read, shared: &Shared) {
    let mut buffer = vec![0; 64 * 1024];
    let mut rest: Vec<u8> = Vec::new();
    let mut copy = std::env::var_os("EVERWATCH_LINES").and_then(|path| File::create(path).ok());
    loop {
        let reading = shared
            .changed
            .wait_while(shared.lock(), |reading| reading.pace == Pace::Stopped)
            .unwrap_or_else(PoisonError::into_inner);
        let pace = reading.pace;
        drop(reading);
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
        let mut reading = shared.lock();
        match lines {
            Ok(lines) => {
                for line in lines {
                    reading.is_ready |= matches!(line, Line::Ready);
                    reading.replica.apply(line);
                }
            }
            Err(why) => reading.broken = Some(why),
        }
        if length == 0 {
            reading.has_ended = true;
            if !rest.is_empty() {
                reading.broken = Some("the last line has no end".to_owned());
            }
        }
        let is_over = reading.has_ended;
        drop(reading);
        shared.changed.notify_all();
        if is_over {
            return;
        }
    }
}
