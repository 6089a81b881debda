//! `cargo xtask test`: the stages of CI, in the order of what they need.
//!
//! Stages that only compile or compute run in a second process; see `beside`.

use crate::beside::Beside;
use crate::process::{self, Tally, command};
use crate::stages::{Failure, Outcome, Stages};
use crate::{api, arguments, guarantees, prerequisites, requirements, sim, windows, wine};

/// The suite that runs the built command on a real file system.
pub(crate) const TORTURE: &str = "cargo test --release --package everwatch-torture --test torture";

const SCHEDULES: u32 = 100_000;

/// Schedules of Windows that stay on one sort of volume.
const VOLUMES: [&str; 6] = ["ntfs", "refs", "fat", "share", "samba", "program"];

/// A command line with its environment variables.
pub(crate) type Line = (&'static str, &'static [(&'static str, &'static str)]);

const STYLE: &[Line] = &[
    ("cargo fmt --all --check", &[]),
    ("cargo fmt --manifest-path fuzz/Cargo.toml --check", &[]),
    (
        "cargo clippy --workspace --all-targets --all-features -- -D warnings",
        &[],
    ),
    (
        "cargo clippy --package everwatch-torture --test torture --test wine -- -D warnings",
        &[],
    ),
];

/// The command's pages have a directory of their own: the library has its name.
const DOCS: &[Line] = &[
    (
        "cargo doc --workspace --all-features --no-deps",
        &[("RUSTDOCFLAGS", "-D warnings")],
    ),
    (
        "cargo rustdoc --package everwatch-cli --bin everwatch --target-dir target/command",
        &[("RUSTDOCFLAGS", "-D warnings")],
    ),
];

/// All suites but torture, which has a stage of its own.
const TESTS: &[Line] = &[("cargo test --workspace --all-features", &[])];

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    arguments::nothing_else(arguments)?;
    let mut stages = Stages::new();
    let done = all(&mut stages);
    stages.summarise();
    // CI reads the last line of the summary; the exit code is enough of an error.
    done.map_err(|_| String::new())
}

fn all(stages: &mut Stages) -> Result<(), String> {
    stages.run("tools", || {
        let tools = tools()?;
        wine::prepare();
        Ok(tools)
    })?;
    let beside = Beside::start()?;
    stages.run("format and clippy", || each(STYLE))?;
    stages.run("guarantees name tests that exist", || {
        check(guarantees::run(&[]))
    })?;
    stages.run("requirements have tests", || check(requirements::check()))?;
    stages.run("documentation", || {
        api::forget_pages(&prerequisites::target_directory().join("doc"));
        each(DOCS)
    })?;
    stages.run("public interface", || api::stage(api::Side::Here))?;
    stages.run(TESTS_STAGE, || each(TESTS))?;
    stages.run("torture, release", || each(&[(TORTURE, &[])]))?;
    stages.run("100,000 schedules of the simulator", || {
        let line = format!("{} --count {SCHEDULES}", sim::PROGRAM);
        process::run(command(&line, &[])).map(Outcome::Done)
    })?;
    stages.run("100,000 schedules of the simulated Windows", || {
        let line = format!("{} --kernel windows --count {SCHEDULES}", sim::PROGRAM);
        process::run(command(&line, &[])).map(Outcome::Done)
    })?;
    stages.run("10,000 schedules of each sort of volume of Windows", || {
        let mut all = Tally::default();
        for sort in VOLUMES {
            let line = format!("{} --kernel {sort} --count 10000", sim::PROGRAM);
            all.add(process::run(command(&line, &[]))?);
        }
        Ok(Outcome::Done(all))
    })?;
    stages.run("clippy for Windows", windows::clippy)?;
    stages.run(WINE_STAGE, wine::stage)?;
    let (linux, wine) = (stages.passed(&[TESTS_STAGE]), stages.passed(&[WINE_STAGE]));
    let shown = requirements::shown(linux.as_ref(), wine.as_ref());
    stages.run("tests of requirements passed", || check(shown))?;
    let mut lines = Vec::new();
    let done = stages.run("what ran beside", || beside.finish(&mut lines));
    stages.add_summary(lines);
    done
}

const TESTS_STAGE: &str = "tests";
const WINE_STAGE: &str = "Windows programs under Wine";

/// Installs missing programs and components.
pub(crate) fn tools() -> Result<Outcome, Failure> {
    check(prerequisites::need_programs().and_then(|()| prerequisites::need_components()))
}

/// Runs lines one after the other, up to the first that fails.
pub(crate) fn each(lines: &[Line]) -> Result<Outcome, Failure> {
    let mut all = Tally::default();
    for (line, variables) in lines {
        match process::run(command(line, variables)) {
            Ok(tally) => all.add(tally),
            Err((tally, why)) => {
                all.add(tally);
                return Err((all, why));
            }
        }
    }
    Ok(Outcome::Done(all))
}

/// A check that runs no tests, as a stage.
pub(crate) fn check(result: Result<(), String>) -> Result<Outcome, Failure> {
    match result {
        Ok(()) => Ok(Outcome::Done(Tally::default())),
        Err(why) => Err((Tally::default(), why)),
    }
}
