//! Example programs that tests run, as a reader would: started, typed at, and read line by line.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long a line may take: a loaded machine is slow, and a program that hangs must not hang the suite.
const PATIENCE: Duration = Duration::from_secs(60);

/// An example that runs. It is ended when this is dropped.
pub struct Example {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// The path of an example of the crate whose tests run: cargo builds both into neighbouring directories.
fn path_of(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this program");
    let built = test
        .parent()
        .and_then(|directory| directory.parent())
        .expect("a directory above that of the tests");
    let example = built
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        example.exists(),
        "there is no {}: run `cargo test` with `--examples`, or for the whole package",
        example.display()
    );
    example
}

impl Example {
    /// Starts the example `name` of this crate.
    ///
    /// # Panics
    /// If it was not built, or cannot be started.
    pub fn start<A: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = A>) -> Example {
        let mut child = Command::new(path_of(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example can be started");
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Example {
            input: child.stdin.take(),
            child,
            lines,
        }
    }

    /// The next line that it prints; `None` if it ended.
    ///
    /// # Panics
    /// If none comes within a minute.
    pub fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line.trim_end().to_owned()),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(error) => panic!("no line came: {error}"),
        }
    }

    /// Reads lines until one contains the text, and returns that one.
    ///
    /// # Panics
    /// If it ends before.
    pub fn until(&self, text: &str) -> String {
        loop {
            let line = self
                .line()
                .unwrap_or_else(|| panic!("it ended without {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Types a line.
    ///
    /// # Panics
    /// If it does not read.
    pub fn type_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{line}").expect("it reads");
    }

    /// Ends its input, and returns the lines that are left and how it ended.
    pub fn finish(mut self) -> (Vec<String>, ExitStatus) {
        self.input = None;
        let rest = std::iter::from_fn(|| self.line()).collect();
        (rest, self.child.wait().expect("it can be waited for"))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
