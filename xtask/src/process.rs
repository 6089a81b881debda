//! Running other programs with a time limit, and counting the tests that they report.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::descendants;

/// A week: no limit in practice.
const AGES: Duration = Duration::from_secs(7 * 24 * 3600);

/// Counts of tests by their result.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// The names of tests that passed, without their modules.
    pub(crate) names: BTreeSet<String>,
    /// Tests that this machine cannot run, each with the reason. Most count as passed.
    pub(crate) skipped: Vec<String>,
}

impl Tally {
    /// Adds the tests of another program.
    pub(crate) fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.names.extend(other.names);
        self.skipped.extend(other.skipped);
    }
}

/// A command from a line that is split at spaces, with environment variables set.
pub(crate) fn command(line: &str, variables: &[(&str, &str)]) -> Command {
    let mut words = line.split_ascii_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).envs(variables.iter().copied());
    command
}

/// The command as a shell takes it.
fn spelled(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        let value = value.unwrap_or_default().to_string_lossy();
        let quote = if value.contains(' ') { "'" } else { "" };
        line += &format!("{}={quote}{value}{quote} ", name.to_string_lossy());
    }
    line += &command.get_program().to_string_lossy();
    for argument in command.get_args() {
        line += &format!(" {}", argument.to_string_lossy());
    }
    line
}

/// Runs a command, copies its standard output to ours, and returns the tests that it reports.
pub(crate) fn run(command: Command) -> Result<Tally, (Tally, String)> {
    run_within(command, AGES)
}

/// Like [`run`], but kills the command and its descendants after `limit`.
pub(crate) fn run_within(mut command: Command, limit: Duration) -> Result<Tally, (Tally, String)> {
    let until = Instant::now() + limit;
    let line = spelled(&command);
    println!("$ {line}");
    let mut tally = Tally::default();
    let done = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))
        .and_then(|mut child| {
            let lines = lines(&mut child);
            pass_on(lines, &mut child, until, &mut tally);
            wait_until(&mut child, until)
        });
    match done {
        Ok(Some(status)) if status.success() => Ok(tally),
        Ok(Some(status)) => Err((tally, format!("{line}\n  ended with {status}"))),
        Ok(None) => Err((
            tally,
            format!("{line}\n  was killed after {} s", limit.as_secs()),
        )),
        Err(what) => Err((tally, format!("{line}\n  {what}"))),
    }
}

/// Runs a command that prepares something. Its output goes to standard error: programs read the standard
/// output of `cargo xtask wine env`.
pub(crate) fn prepare(mut command: Command, limit: Duration) -> Result<(), String> {
    let line = spelled(&command);
    eprintln!("$ {line}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .spawn()
        .map_err(|error| format!("{line}\n  cannot be started: {error}"))?;
    match wait_until(&mut child, Instant::now() + limit)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{line}\n  ended with {status}")),
        None => Err(format!("{line}\n  was killed after {} s", limit.as_secs())),
    }
}

/// Waits for a child. After `until` it kills the child with its descendants and returns None.
pub(crate) fn wait_until(child: &mut Child, until: Instant) -> Result<Option<ExitStatus>, String> {
    const PAUSE: Duration = Duration::from_millis(10);
    let failed = |error| format!("cannot wait for it: {error}");
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            descendants::kill(child);
            child.wait().map_err(failed)?;
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Like [`run`], for commands without tests.
pub(crate) fn run_plain(command: Command) -> Result<(), String> {
    run(command).map(drop).map_err(|(_, message)| message)
}

/// The lines that a child prints. A thread reads them, because the pipe may stay open after the child has ended:
/// programs under Wine leave it to the Wine server.
fn lines(child: &mut Child) -> Receiver<Vec<u8>> {
    let (sender, lines) = channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    break;
                }
            }
        });
    }
    lines
}

/// Copies lines to standard output until the output ends, the time is over, or a child that has ended prints
/// nothing for half a second.
fn pass_on(lines: Receiver<Vec<u8>>, child: &mut Child, until: Instant, tally: &mut Tally) {
    const LAST_WORDS: Duration = Duration::from_millis(500);
    let mut stdout = std::io::stdout().lock();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let had_ended = matches!(child.try_wait(), Ok(Some(_)));
        match lines.recv_timeout(left.min(LAST_WORDS)) {
            Ok(line) => {
                if let Ok(line) = std::str::from_utf8(&line) {
                    tally.add(test_result(line).unwrap_or_default());
                    tally.names.extend(passed(line).map(str::to_owned));
                    tally.skipped.extend(skipped(line).map(str::to_owned));
                }
                // A closed standard output does not end the command: its tests are still counted.
                let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
            }
            Err(RecvTimeoutError::Timeout) if left > LAST_WORDS && !had_ended => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The counts in the last line of a test program.
fn test_result(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        counts
            .split(';')
            .find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok())
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
        ..Tally::default()
    })
}

/// The name of the test that a line reports as passed. Documentation tests have the item's name.
fn passed(line: &str) -> Option<&str> {
    let line = line.strip_prefix("test ")?.trim_end();
    let name = line.strip_suffix(" ... ok")?;
    let name = name.split_once(" (line ").map_or(name, |(name, _)| name);
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    name.rsplit("::").next()
}

/// What a line reports as skipped, with the reason.
fn skipped(line: &str) -> Option<&str> {
    line.strip_prefix("SKIPPED ").map(str::trim_end)
}

/// The standard output of a program, or None if it fails.
pub(crate) fn output_of(line: &str) -> Option<String> {
    let output = command(line, &[]).stderr(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_test_program_is_counted() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(
            test_result(line),
            Some(Tally {
                passed: 3,
                failed: 2,
                ..Tally::default()
            })
        );
        assert_eq!(test_result("test a_name ... ok"), None);
    }

    #[test]
    fn tests_that_passed_are_known_by_their_names() {
        assert_eq!(passed("test port::it_holds ... ok\r\n"), Some("it_holds"));
        assert_eq!(
            passed("test it_holds - should panic ... ok"),
            Some("it_holds")
        );
        assert_eq!(passed("test it_holds ... FAILED"), None);
        let documentation = "test crates/a/src/b.rs - b::C::next (line 256) - compile fail ... ok";
        assert_eq!(passed(documentation), Some("next"));
    }

    #[test]
    fn what_was_skipped_is_known_with_the_reason() {
        let line = "SKIPPED volumes::xfs_converges: mkfs.xfs is missing\n";
        let what = "volumes::xfs_converges: mkfs.xfs is missing";
        assert_eq!(skipped(line), Some(what));
        assert_eq!(skipped("test it_holds ... ok"), None);
    }

    #[test]
    fn a_command_is_spelled_as_it_would_be_typed() {
        let command = command("cargo doc --no-deps", &[("RUSTDOCFLAGS", "-D warnings")]);
        assert_eq!(
            spelled(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }

    #[test]
    fn a_command_is_over_although_somebody_keeps_its_output_open() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "sleep 20 & echo 'test result: ok. 3 passed; 0 failed; 0 ignored'",
        ]);
        let begin = Instant::now();
        let tally = run_within(command, AGES).expect("it succeeds");
        assert_eq!(tally.passed, 3);
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_is_not_done_in_time_is_killed_with_what_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("sh runs");
        let sleeper = lines(&mut child).recv().expect("a line");
        let status = wait_until(&mut child, Instant::now()).expect("it can be waited for");
        assert_eq!(status, None);
        let sleeper = String::from_utf8(sleeper).expect("a number");
        let stat = format!("/proc/{}/stat", sleeper.trim());
        let until = Instant::now() + Duration::from_secs(10);
        // A zombie counts as dead: init reaps it later.
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < until, "{stat} is still there");
            std::thread::yield_now();
        }
    }
}
