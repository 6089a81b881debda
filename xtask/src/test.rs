//! `cargo xtask test`: what CI runs.

use crate::process::{self, Tally, command};
use crate::stages::{Failure, Outcome, Stages};
use crate::{arguments, guarantees, machine, packages, requirements, sim, wine};

/// The suite that runs the command against the real file system.
pub(crate) const TORTURE: &str = "cargo test --release --package everwatch-torture --test torture";

const SCHEDULES: u32 = 100_000;

/// The command, and the variables it is run with.
type Line = (&'static str, &'static [(&'static str, &'static str)]);

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

const DOCS: &[Line] = &[(
    "cargo doc --workspace --all-features --no-deps",
    &[("RUSTDOCFLAGS", "-D warnings")],
)];

/// All but the torture suite, which has a stage of its own, in release.
const TESTS: &[Line] = &[("cargo test --workspace --all-features", &[])];

/// That they build. Their bodies run for longer than a test may take: `cargo xtask soak`.
const FUZZ: &[Line] = &[("cargo check --manifest-path fuzz/Cargo.toml", &[])];

/// The core's own tests, and the engine over the seeds of the fuzz targets.
const MIRI: &[Line] = &[
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
    // The last line is the summary's; the exit code says the rest.
    done.map_err(|_| String::new())
}

fn all(stages: &mut Stages) -> Result<(), String> {
    stages.run("tools", tools)?;
    stages.run("format and clippy", || each(STYLE))?;
    stages.run("guarantees name tests that exist", || {
        check(guarantees::run(&[]))
    })?;
    stages.run("requirements have tests", || check(requirements::check()))?;
    stages.run("documentation", || each(DOCS))?;
    stages.run("tests", || each(TESTS))?;
    stages.run("torture, release", || each(&[(TORTURE, &[])]))?;
    stages.run("100,000 schedules of the simulator", || {
        let line = format!("{} --count {SCHEDULES}", sim::PROGRAM);
        process::run(command(&line, &[])).map(Outcome::Done)
    })?;
    stages.run("100,000 schedules of the simulated Windows", || {
        let line = format!("{} --kernel windows --count {SCHEDULES}", sim::PROGRAM);
        process::run(command(&line, &[])).map(Outcome::Done)
    })?;
    stages.run("fuzz targets", || each(FUZZ))?;
    stages.run("clippy for Windows", wine::clippy)?;
    stages.run("Windows programs under Wine", wine::stage)?;
    stages.run("packages", packages::stage)?;
    stages.run("Miri", miri)
}

/// Installs what is missing, or says what is.
pub(crate) fn tools() -> Result<Outcome, Failure> {
    check(machine::need_programs().and_then(|()| machine::need_components()))
}

fn miri() -> Result<Outcome, Failure> {
    if let Err(why) = machine::need_miri() {
        return Ok(Outcome::Skipped(why));
    }
    each(MIRI)
}

fn each(lines: &[Line]) -> Result<Outcome, Failure> {
    let mut all = Tally::default();
    for (line, variables) in lines {
        let tally = process::run(command(line, variables)).map_err(|(tally, why)| {
            let passed = all.passed + tally.passed;
            (
                Tally {
                    passed,
                    failed: tally.failed,
                },
                why,
            )
        })?;
        all.passed += tally.passed;
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
