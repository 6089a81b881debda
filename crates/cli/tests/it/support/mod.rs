//! Sessions: a running command, its output as it comes, signals, and its end.

#![allow(dead_code, reason = "each system uses its own part")]

#[cfg(windows)]
pub(crate) mod console;
pub(crate) mod replica;

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use everwatch_testing::scratch::temp;
#[cfg(unix)]
pub(crate) use rustix::process::Signal;
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine; only a failing test waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const COMMAND: &str = env!("CARGO_BIN_EXE_everwatch");

/// A command whose output does not depend on who runs the tests.
pub(crate) fn everwatch<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(COMMAND);
    command
        .args(arguments)
        .env_remove("RUST_BACKTRACE")
        .env("NO_COLOR", "1");
    command
}

/// The exit code and the output of a command that has ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

/// Runs the command to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    Session::bare(command).wait()
}

type Text = Arc<Mutex<Vec<u8>>>;

fn collect(mut from: impl Read + Send + 'static) -> (Text, JoinHandle<()>) {
    let text = Text::default();
    let into = Arc::clone(&text);
    let thread = std::thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            into.lock()
                .expect("not poisoned")
                .extend_from_slice(&chunk[..length]);
        }
    });
    (text, thread)
}

/// `everwatch watch`, armed and running.
#[derive(Debug)]
pub(crate) struct Session {
    child: Child,
    out: Text,
    err: Text,
    readers: Vec<JoinHandle<()>>,
    /// Another root, the last one: a change that is reported there shows that all roots are armed.
    probe: Option<TempDir>,
}

impl Session {
    /// Runs `everwatch watch` with `arguments` on `root` and waits until it is armed.
    pub(crate) fn watch(arguments: &[&str], root: impl AsRef<OsStr>) -> Session {
        let probe = temp();
        let mut command = everwatch(["watch"]);
        command.args(arguments).arg(root).arg(probe.path());
        Session::start(&mut command, probe)
    }

    /// Runs a command whose last root is `probe`, and waits until that one is armed.
    pub(crate) fn start(command: &mut Command, probe: TempDir) -> Session {
        let place = probe.path().to_owned();
        // JSON escapes the separators of a Windows path.
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let mut session = Session::bare(command);
        session.probe = Some(probe);
        let begin = Instant::now();
        let mut attempt = 0;
        while !session.out_contains(&name) || !session.has_seen_probe(attempt) {
            assert!(
                begin.elapsed() < PATIENCE,
                "was not armed: {:?}",
                session.err()
            );
            let path = |kind: &str, at: usize| place.join(format!("probe-{kind}{at}"));
            attempt += 1;
            // A change of each kind for --only, and a net effect for --settle, which needs ever longer quiet.
            std::fs::write(path("moves", attempt), "x").expect("a file");
            std::fs::rename(path("moves", attempt), path("goes", attempt)).expect("moved");
            std::fs::remove_file(path("goes", attempt)).expect("removed");
            std::fs::write(path("stays", attempt), "x").expect("a file");
            std::thread::sleep(Duration::from_millis(10 << attempt.min(6)));
        }
        session
    }

    /// Runs a command without a probe.
    pub(crate) fn bare(command: &mut Command) -> Session {
        #[cfg(windows)]
        console::apart(command);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Session::of(child.spawn().expect("the command runs"))
    }

    fn has_seen_probe(&self, attempts: usize) -> bool {
        (1..=attempts).any(|at| {
            ["moves", "goes", "stays"]
                .iter()
                .any(|kind| self.out_contains(&format!("probe-{kind}{at}")))
        })
    }

    /// A command that was started. Its outputs are read where they are pipes.
    pub(crate) fn of(mut child: Child) -> Session {
        let out: Option<ChildStdout> = child.stdout.take();
        let err: Option<ChildStderr> = child.stderr.take();
        let mut readers = Vec::new();
        let mut reader = |text: Option<(Text, JoinHandle<()>)>| match text {
            Some((text, thread)) => {
                readers.push(thread);
                text
            }
            None => Text::default(),
        };
        let (out, err) = (reader(out.map(collect)), reader(err.map(collect)));
        Session {
            child,
            out,
            err,
            readers,
            probe: None,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn out(&self) -> Vec<u8> {
        self.out.lock().expect("not poisoned").clone()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.err.lock().expect("not poisoned")).into_owned()
    }

    fn out_contains(&self, text: &str) -> bool {
        contains(&self.out.lock().expect("not poisoned"), text.as_bytes())
    }

    /// Waits until standard output contains `text`.
    pub(crate) fn expect(&self, text: &str) {
        self.expect_in("standard output", text, || self.out());
    }

    /// Waits until standard error contains `text`.
    pub(crate) fn expect_err(&self, text: &str) {
        self.expect_in("standard error", text, || self.err().into_bytes());
    }

    fn expect_in(&self, what: &str, text: &str, current: impl Fn() -> Vec<u8>) {
        let begin = Instant::now();
        while !contains(&current(), text.as_bytes()) {
            assert!(
                begin.elapsed() < PATIENCE,
                "{text:?} is not in {what}: {}",
                String::from_utf8_lossy(&current())
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: Signal) {
        use rustix::process::{Pid, kill_process};
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process"), signal).expect("the child is ours");
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_some()
    }

    /// Ends the command by Ctrl-C, and returns what it said.
    #[cfg(unix)]
    pub(crate) fn stop(self) -> Said {
        self.signal(Signal::INT);
        self.wait()
    }

    /// Ends the command by Ctrl-Break. Without a console that sends events, the command is killed and has no
    /// exit code, so a test must expect its output before.
    #[cfg(windows)]
    pub(crate) fn stop(mut self) -> Said {
        if console::interrupt(self.id()) {
            return self.wait();
        }
        self.child.kill().expect("the child is ours");
        Said {
            code: None,
            ..self.wait()
        }
    }

    /// Waits until the command has ended.
    pub(crate) fn wait(mut self) -> Said {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            if begin.elapsed() > PATIENCE {
                self.child.kill().expect("the child is ours");
                panic!("did not end; said {:?}", self.err());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("the reader ends with the process");
        }
        Said {
            code: status.code(),
            out: self.out(),
            err: self.err(),
        }
    }

    /// Where the probe is.
    pub(crate) fn probe(&self) -> PathBuf {
        self.probe
            .as_ref()
            .map(|probe| probe.path().to_owned())
            .unwrap_or_default()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Only a failing test drops a session whose process still runs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len().max(1)).any(|window| window == part)
}

/// The text without what differs from run to run: the root, the lines about the probe, numbers and cursors
/// of JSON lines. A line that repeats the one before is left out, because a write may be reported twice.
pub(crate) fn normal(text: &[u8], root: &Path, probe: &Path) -> String {
    let hex: String = root
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let text = String::from_utf8_lossy(text)
        .replace(&*root.to_string_lossy(), "[ROOT]")
        .replace(&hex, "[ROOT in hex]");
    let probe = probe.to_string_lossy();
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let is_ready = line.contains(r#""type":"ready""#);
        if !probe.is_empty() && line.contains(&*probe) && !is_ready {
            continue;
        }
        let line = blank(line, r#""seq":"#, |c| c.is_ascii_digit());
        let line = blank(&line, r#""cursor":""#, |c| c != '"');
        lines.push(if probe.is_empty() {
            line
        } else {
            line.replace(&*probe, "[PROBE]")
        });
    }
    lines.dedup();
    lines.join("\n")
}

/// Replaces what follows `before` in a line.
fn blank(line: &str, before: &str, is_part: impl Fn(char) -> bool) -> String {
    let Some(at) = line.find(before) else {
        return line.to_owned();
    };
    let (head, tail) = line.split_at(at + before.len());
    format!("{head}[…]{}", tail.trim_start_matches(is_part))
}
