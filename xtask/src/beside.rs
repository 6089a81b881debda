//! `cargo xtask beside`: the stages of `cargo xtask test` that only compile or compute.
//!
//! They run in a process of their own, at the lowest priority and with a target directory of their own,
//! while the other stages wait for file systems and for Wine. No test in them depends on time.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{self, Tally, command};
use crate::stages::{Failure, Outcome, SUMMARY, Stages};
use crate::{api, arguments, features, licences, oldest, packages, prerequisites, test, windows};

const TARGET: &str = "target/beside";

/// What it prints, in the directory above.
const LOG: &str = "log";

/// No stage takes this long, and a run that hangs must end.
const LIMIT: Duration = Duration::from_secs(3600);

/// That they build. Their bodies run for longer than a test may take: `cargo xtask soak`.
const FUZZ: &[test::Line] = &[("cargo check --manifest-path fuzz/Cargo.toml", &[])];

/// The core's own tests, the parser of records, and the engine over the seeds of the fuzz targets.
const MIRI: &[test::Line] = &[
    ("cargo +nightly miri test --package everwatch-core", &[]),
    (
        "cargo +nightly miri test --package everwatch-directory-reads",
        &[],
    ),
    (
        "cargo +nightly miri test --manifest-path fuzz/Cargo.toml --no-default-features",
        &[
            ("EVERWATCH_FUZZ_SECONDS", "0"),
            ("MIRIFLAGS", "-Zmiri-disable-isolation"),
        ],
    ),
];

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    arguments::nothing_else(arguments)?;
    let mut stages = Stages::new();
    let done = all(&mut stages);
    stages.summarise();
    done.map_err(|_| String::new())
}

fn all(stages: &mut Stages) -> Result<(), String> {
    stages.run("licences of dependencies", licences::stage)?;
    stages.run("each set of features", features::stage)?;
    stages.run("the oldest compiler", oldest::stage)?;
    stages.run("documentation for Windows", windows::documentation)?;
    stages.run("public interface on Windows", || {
        api::stage(api::Side::Windows)
    })?;
    stages.run("fuzz targets", || test::each(FUZZ))?;
    stages.run("packages", packages::stage)?;
    stages.run("Miri", miri)
}

fn miri() -> Result<Outcome, Failure> {
    if let Err(why) = prerequisites::need_miri() {
        return Ok(Outcome::Skipped(why));
    }
    test::each(MIRI)
}

/// The stages while they run. Ended when it is dropped.
pub(crate) struct Beside {
    child: Child,
}

impl Beside {
    /// Starts the stages, at the lowest priority where there are priorities.
    pub(crate) fn start() -> Result<Beside, String> {
        let fail = |error: std::io::Error| format!("cannot start other stages: {error}");
        fs::create_dir_all(TARGET).map_err(fail)?;
        let program = std::env::current_exe().map_err(fail)?;
        let mut command = if prerequisites::is_there("nice") {
            let mut nice = Command::new("nice");
            nice.args(["-n", "19"]).arg(program);
            nice
        } else {
            Command::new(program)
        };
        let target = fs::canonicalize(TARGET).map_err(fail)?;
        let log = File::create(Path::new(TARGET).join(LOG)).map_err(fail)?;
        let child = command
            .arg("beside")
            .env("CARGO_TARGET_DIR", target)
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_err(fail)?)
            .stdout(log)
            .spawn()
            .map_err(fail)?;
        Ok(Beside { child })
    }

    /// Waits for the end of the stages and prints what they printed. The lines of their summary are added
    /// to `summary`.
    pub(crate) fn finish(mut self, summary: &mut Vec<String>) -> Result<Outcome, Failure> {
        let refused = |why: String| (Tally::default(), why);
        let until = Instant::now() + LIMIT;
        let status = process::wait_until(&mut self.child, until).map_err(refused)?;
        let log = Path::new(TARGET).join(LOG);
        let log =
            fs::read(&log).map_err(|error| refused(format!("cannot read the log: {error}")))?;
        let log = String::from_utf8_lossy(&log).into_owned();
        print!("{log}");
        let (lines, tally) = read_summary(&log);
        summary.extend(lines);
        match status {
            Some(status) if status.success() => Ok(Outcome::Done(tally)),
            Some(_) => Err((tally, "a stage failed".to_owned())),
            None => Err((tally, format!("killed after {} s", LIMIT.as_secs()))),
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Whether it ended before is known by the call itself.
        let _ = process::wait_until(&mut self.child, Instant::now());
    }
}

/// The lines of the stages in a summary, and its last line.
fn read_summary(log: &str) -> (Vec<String>, Tally) {
    let (_, summary) = log.rsplit_once(SUMMARY).unwrap_or_default();
    let lines = summary
        .lines()
        .skip(2)
        .take_while(|line| !line.ends_with("in all"));
    let lines = lines.map(|line| format!("{line} (beside)")).collect();
    let last = summary.lines().last().unwrap_or_default();
    let count = |word: &str| {
        let (before, _) = last.split_once(word)?;
        before.trim().rsplit(' ').next()?.parse().ok()
    };
    let tally = Tally {
        passed: count(" passed").unwrap_or(0),
        failed: count(" failed").unwrap_or(0),
        ..Tally::default()
    };
    (lines, tally)
}

/// Runs a command line for each of some words, with the words in place of `{}`.
pub(crate) fn for_each(
    line: &str,
    words: impl IntoIterator<Item = String>,
) -> Result<Outcome, Failure> {
    for word in words {
        process::run(command(&line.replace("{}", &word), &[]))?;
    }
    Ok(Outcome::Done(Tally::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_another_run_is_read() {
        let log = "x\n==== summary\n    wall  processor\n   1.0 s      2.0 s  Miri  ok, 3 passed, 0 failed\n   \
                   1.0 s             in all\n\n3 passed, 1 failed\n";
        let (lines, tally) = read_summary(log);
        assert_eq!(
            lines,
            ["   1.0 s      2.0 s  Miri  ok, 3 passed, 0 failed (beside)"]
        );
        assert_eq!((tally.passed, tally.failed), (3, 1));
    }
}
