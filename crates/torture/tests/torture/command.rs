//! The command under test: started, read line by line into a replica, stopped, ended.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use everwatch_torture::line::parse;
use everwatch_torture::reading::{PATIENCE, Reading};
use everwatch_torture::replica::Replica;
use everwatch_torture::scratch::QueueLimit;
use everwatch_torture::tree::{Kind, Tree};
use everwatch_torture::walk::walk;

pub(crate) use everwatch_torture::reading::Pace;

/// How long a command that has something to tell is silent at most.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a command that is not idle sleeps at most.
const IDLE: Duration = Duration::from_millis(25);

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
    reading: Reading,
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

    /// Waits until the replica is as wanted.
    pub(crate) fn wait_for(&self, what: &str, is_met: impl Fn(&Replica) -> bool) {
        self.reading.wait_for(what, is_met);
    }

    /// Waits until the replica is as wanted, or until no line has come for a while. Tells which.
    /// Looks whenever lines have ceased to come, as looking may take long.
    pub(crate) fn wait_while_lines_come(&self, is_met: impl Fn(&Replica) -> bool) -> bool {
        self.reading.wait_while_lines_come(SILENCE, is_met)
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
        self.reading.replica(look)
    }

    /// Says how what the command writes is read from now on.
    pub(crate) fn pace(&self, pace: Pace) {
        self.reading.pace(pace);
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
        self.reading.complaints()
    }

    /// Sends SIGTERM: the command prints all that has happened and ends well.
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
