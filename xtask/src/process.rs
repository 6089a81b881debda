//! Running other programs, and counting the tests they report.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// How many tests ran, by what they led to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// A command line, split at spaces, with the given variables set.
pub(crate) fn command(line: &str, variables: &[(&str, &str)]) -> Command {
    let mut words = line.split_ascii_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).envs(variables.iter().copied());
    command
}

/// The command as a person would type it.
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

/// Runs a command and passes on what it prints. Returns the tests that it reported.
pub(crate) fn run(mut command: Command) -> Result<Tally, (Tally, String)> {
    let line = spelled(&command);
    println!("$ {line}");
    let fail = |tally, what: String| (tally, format!("{line}\n  {what}"));
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| fail(Tally::default(), format!("cannot be started: {error}")))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        tally = pass_on(output).map_err(|error| fail(tally, format!("cannot be read: {error}")))?;
    }
    let status = child
        .wait()
        .map_err(|error| fail(tally, format!("cannot be waited for: {error}")))?;
    if status.success() {
        Ok(tally)
    } else {
        Err(fail(tally, format!("ended with {status}")))
    }
}

/// Like [`run`], for commands whose tests nobody counts.
pub(crate) fn run_plain(command: Command) -> Result<(), String> {
    run(command).map(drop).map_err(|(_, message)| message)
}

fn pass_on(output: impl std::io::Read) -> std::io::Result<Tally> {
    let mut tally = Tally::default();
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    let mut stdout = std::io::stdout().lock();
    while output.read_until(b'\n', &mut line)? > 0 {
        if let Some(found) = std::str::from_utf8(&line).ok().and_then(test_result) {
            tally.passed += found.passed;
            tally.failed += found.failed;
        }
        stdout.write_all(&line)?;
        stdout.flush()?;
        line.clear();
    }
    Ok(tally)
}

/// Reads the line that a test program ends with.
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
    })
}

/// What a program prints on standard output, or nothing if it fails.
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
                failed: 2
            })
        );
        assert_eq!(test_result("test a_name ... ok"), None);
    }

    #[test]
    fn a_command_is_spelled_as_it_would_be_typed() {
        let command = command("cargo doc --no-deps", &[("RUSTDOCFLAGS", "-D warnings")]);
        assert_eq!(
            spelled(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }
}
