//! The command under test: a process whose lines are read into a replica, and that can be stopped.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use everwatch_torture::line::parse;
pub(crate) use everwatch_torture::reading::Pace;
use everwatch_torture::reading::{PATIENCE, Reading};
use everwatch_torture::replica::{Difference, Replica};
use everwatch_torture::scratch::QueueLimit;
use everwatch_torture::walk::{empty_roots, walk};
use rustix::process::{Pid, Signal, kill_process};

/// The longest silence of a command that still has something to report.
const SILENCE: Duration = Duration::from_secs(5);

/// The longest sleep of a command that still has something to do.
const IDLE: Duration = Duration::from_millis(25);

/// The memory and the processor time that the command has used.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Usage {
    /// The peak of resident memory, in KiB.
    pub(crate) peak_kib: u64,
    /// Processor time in user and system mode.
    pub(crate) processor: Duration,
}

/// The limits of the kernel for the command. Held until it has created its queue.
#[derive(Debug)]
pub(crate) struct Limits {
    _queue: QueueLimit,
    /// Number of directories that it may watch; `None` means the limit of the machine.
    watches: Option<u32>,
}

impl Limits {
    /// The limits of the machine.
    pub(crate) fn usual() -> Limits {
        Limits {
            _queue: QueueLimit::shared(),
            watches: None,
        }
    }

    /// A queue of `queue` records and `watches` watches; `None` leaves a limit as it is. Returns `None`, and
    /// prints why, without the right to change them.
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

/// Whether user namespaces may be created here.
fn may_have_own_namespace() -> bool {
    let tried = in_own_namespace(&["true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// Runs a command in a user namespace of its own, where it has limits of its own.
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
    reading: Reading,
}

impl Everwatch {
    /// Starts the command on the roots and waits until it is ready. The replica begins with what is on
    /// disk, or with empty roots if the arguments ask for a snapshot.
    pub(crate) fn start(roots: &[&Path], arguments: &[&str]) -> Everwatch {
        Everwatch::start_with(roots, arguments, Limits::usual())
    }

    /// Like [`Everwatch::start`], with limits.
    pub(crate) fn start_with(roots: &[&Path], arguments: &[&str], limits: Limits) -> Everwatch {
        let known = match arguments.contains(&"--snapshot") {
            true => empty_roots(roots),
            false => walk(roots),
        };
        let replica = Replica::new(&known);
        let everwatch = Everwatch::spawn(replica, roots, arguments, limits.watches);
        // The kernel reads the limit of the queue when the command creates it, which is before `ready`.
        everwatch.reading.wait_until_ready();
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
            None => Command::new(everwatch_torture::program::everwatch()),
            Some(watches) => {
                let script = format!("echo {watches} > {WATCH_LIMIT} && exec \"$0\" \"$@\"");
                let mut command = in_own_namespace(&["sh", "-c", &script]);
                command.arg(everwatch_torture::program::everwatch());
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
        let copy = std::env::var_os("EVERWATCH_LINES").and_then(|path| File::create(path).ok());
        let reading = Reading::of(&mut child, replica, parse, copy);
        Everwatch { child, reading }
    }

    /// Waits until the replica meets a condition. `what` names it in a failure.
    pub(crate) fn wait_for(&self, what: &str, is_met: impl Fn(&Replica) -> bool) {
        self.reading.wait_for(what, is_met);
    }

    /// Waits until there is no difference, or until no line has come for [`SILENCE`]. Returns the difference if
    /// there is one then. `difference` may be slow.
    pub(crate) fn await_equality(
        &self,
        difference: impl Fn(&Replica) -> Difference,
    ) -> Option<Difference> {
        self.reading.await_equality(SILENCE, difference)
    }

    /// Creates a file of this name in `dir` and waits until it is reported: everything that happened before
    /// is reported by then or is being compared with the disk.
    pub(crate) fn pass(&self, dir: &Path, name: &str) {
        let sentinel = dir.join(name);
        std::fs::write(&sentinel, "").expect("create the sentinel");
        self.wait_for("the sentinel", |replica| replica.contains(&sentinel));
    }

    /// Calls `look` with the replica.
    pub(crate) fn replica<T>(&self, look: impl FnOnce(&mut Replica) -> T) -> T {
        self.reading.replica(look)
    }

    /// Changes the pace at which the lines are read.
    pub(crate) fn pace(&self, pace: Pace) {
        self.reading.pace(pace);
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_child(&self.child);
        kill_process(id, signal).expect("signal the command");
    }

    /// Stops the command, as Ctrl-Z does, and waits until it stands.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let deadline = Instant::now() + PATIENCE;
        while self.state_letter() != Some('T') {
            assert!(Instant::now() < deadline, "the command does not stop");
            std::thread::yield_now();
        }
    }

    /// Continues a stopped command.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn proc_file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default()
    }

    fn state_letter(&self) -> Option<char> {
        self.proc_file("stat").rsplit_once(") ")?.1.chars().next()
    }

    /// What the command has used so far. Zero if it has ended.
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

    /// Waits until the command has nothing left to do: none of its threads has run for [`IDLE`].
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

    /// The schedstat lines of all threads, which begin with their run time in nanoseconds.
    fn time_on_processors(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        tasks
            .expect("list the threads")
            .flatten()
            .map(|task| std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default())
            .collect()
    }

    /// The standard error of the command. Empty until it has ended.
    pub(crate) fn complaints(&self) -> String {
        self.reading.complaints()
    }

    /// Sends SIGTERM and waits for the end, however that is.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().expect("wait for the command")
    }

    /// Sends SIGTERM. The command must print everything that has happened, and end with code 0.
    pub(crate) fn finish(mut self) -> Replica {
        self.signal(Signal::TERM);
        self.reading.wait_for_end();
        let status = self.child.wait().expect("wait for the command");
        let replica = self.reading.end();
        assert!(
            status.success(),
            "{status}, signal {:?}: {}",
            status.signal(),
            self.complaints()
        );
        replica
    }
}

impl Drop for Everwatch {
    fn drop(&mut self) {
        // Both fail only where there is nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
