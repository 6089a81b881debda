//! `cargo xtask wine`: Windows programs and test suites under Wine.
//!
//! On Debian, as root, it installs Wine and a compiler. A suite that exceeds its time limit is killed. The Wine
//! server of a run ends with the run, also if the run is killed.

mod prefix;
mod request;
mod suites;

use std::process::Command;

use crate::prerequisites::target_directory;
use crate::process::{self, Tally};
use crate::stages::{Failure, Outcome};
use crate::windows::{BUILDING, Toolchain};
use prefix::Prefix;
use request::Request;
use suites::EXECUTABLE;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["env"] | ["--", "env"] => environment(),
        ["run", program, rest @ ..] | ["--", "run", program, rest @ ..] => {
            program_in_wine(program, rest)
        }
        ["run"] | ["--", "run"] => Err("wine run needs a program".to_owned()),
        words => suites_in_wine(Toolchain::get()?, &Request::of(words))
            .map(drop)
            .map_err(|(_, why)| why),
    }
}

/// Installs what the suites and the other stages for Windows need, before anything runs beside them. What is
/// missing is reported by the stages.
pub(crate) fn prepare() {
    let missing = [Toolchain::get().err(), prefix::loader().err()];
    for why in missing.into_iter().flatten() {
        println!("for Windows programs: {why}");
    }
}

/// The suites as a stage, which is skipped without Wine or a compiler.
pub(crate) fn stage() -> Result<Outcome, Failure> {
    let toolchain = match Toolchain::get() {
        Ok(toolchain) => toolchain,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    if let Err(why) = prefix::loader() {
        return Ok(Outcome::Skipped(why));
    }
    suites_in_wine(toolchain, &Request::of(&[])).map(Outcome::Done)
}

/// Prints shell commands that set the environment for building and running Windows programs by hand.
fn environment() -> Result<(), String> {
    let toolchain = Toolchain::get()?;
    let prefix = Prefix::to_keep()?;
    println!("# eval \"$(cargo xtask wine -- env)\"");
    println!(
        "# cargo test --target {} -p everwatch-core",
        toolchain.target()
    );
    for (name, value) in variables(toolchain, &prefix) {
        println!("export {name}='{}'", value.replace('\'', "'\\''"));
    }
    println!("unset DISPLAY");
    Ok(())
}

fn program_in_wine(program: &str, arguments: &[&str]) -> Result<(), String> {
    let prefix = Prefix::for_a_run()?;
    let mut command = Command::new(prefix.loader());
    command.arg(program).args(arguments);
    let status = command
        .env_remove("DISPLAY")
        .envs(prefix.variables())
        .status()
        .map_err(|error| format!("{} cannot be started: {error}", prefix.loader().display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} ended with {status}"))
    }
}

/// The writers of the suite that runs the command for Windows, as a program.
const WRITERS: &str = "--package everwatch-torture --example workload";

/// The bench's subjects.
const BENCH_OUTSIDE: &str = "build --release --package everwatch-bench --bin everwatch-bench";

/// Builds what the bench under Wine needs, for both systems, and runs it.
pub(crate) fn bench(arguments: &[String]) -> Result<(), String> {
    let toolchain = Toolchain::get()?;
    let outside = format!("{BENCH_OUTSIDE} {WRITERS}");
    process::run_plain(toolchain.cargo(&outside, toolchain.target()))?;
    let native = format!("cargo build --release {WRITERS}");
    process::run_plain(process::command(&native, &[]))?;
    let target = target_directory();
    let windows = target.join(toolchain.target()).join("release");
    run_bench(toolchain, "wine", |bench| {
        bench
            .arg("--windows-writer")
            .arg(windows.join("examples/workload.exe"))
            .arg("--native-writer")
            .arg(target.join("release/examples/workload"))
            .args(arguments);
    })
}

/// `cargo xtask bench pipes`: builds the subjects and runs the bench.
pub(crate) fn bench_pipes(arguments: &[String]) -> Result<(), String> {
    let toolchain = Toolchain::get()?;
    process::run_plain(toolchain.cargo(BENCH_OUTSIDE, toolchain.target()))?;
    run_bench(toolchain, "pipes", |bench| {
        bench.args(arguments);
    })
}

/// Runs a part of the bench that starts programs under Wine.
fn run_bench(
    toolchain: Toolchain,
    part: &str,
    add: impl FnOnce(&mut Command),
) -> Result<(), String> {
    let prefix = Prefix::for_a_run()?;
    let windows = target_directory().join(toolchain.target());
    let run = format!("cargo run --release --quiet --package everwatch-bench -- {part}");
    let mut bench = process::command(&run, &[]);
    bench
        .arg("--subjects")
        .arg(windows.join("release/everwatch-bench.exe"))
        .arg("--loader")
        .arg(prefix.loader())
        .env_remove("DISPLAY")
        .envs(prefix.variables());
    add(&mut bench);
    process::run_plain(bench)
}

/// Builds the chosen suites, then runs each of them within its time.
fn suites_in_wine(toolchain: Toolchain, request: &Request) -> Result<Tally, Failure> {
    let nothing = |why| (Tally::default(), why);
    let suites = request.suites().map_err(nothing)?;
    for suite in &suites {
        for build in request.builds(suite, toolchain) {
            process::run_within(build, BUILDING)?;
        }
    }
    let prefix = Prefix::for_a_run().map_err(nothing)?;
    let variables = variables(toolchain, &prefix);
    let mut all = Tally::default();
    for suite in suites {
        let mut test = request.cargo_test(suite, toolchain);
        test.arg("--").args(request.for_tests(suite));
        test.env_remove("DISPLAY").envs(variables.clone());
        match process::run_within(test, suite.limit) {
            Ok(tally) => all.add(tally),
            Err((tally, why)) => {
                all.add(tally);
                return Err((all, why));
            }
        }
    }
    Ok(all)
}

fn variables(toolchain: Toolchain, prefix: &Prefix) -> Vec<(String, String)> {
    let runner = toolchain.target().replace('-', "_").to_ascii_uppercase();
    let loader = prefix.loader().to_string_lossy().into_owned();
    let command = target_directory().join(toolchain.target()).join(EXECUTABLE);
    let mut variables = vec![
        (format!("CARGO_TARGET_{runner}_RUNNER"), loader.clone()),
        ("EVERWATCH_WINE_LOADER".to_owned(), loader),
        (
            "EVERWATCH_WINE_EXE".to_owned(),
            command.to_string_lossy().into_owned(),
        ),
    ];
    let others = prefix.variables().into_iter().chain(toolchain.variables());
    variables.extend(others.map(|(name, value)| (name.to_owned(), value)));
    variables
}
