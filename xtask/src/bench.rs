//! `cargo xtask bench`: the benchmarks, and the parts of them that need something built beforehand.
//!
//! `wine` and `pipes` measure programs for Windows; `compare` measures two builds of Everwatch.

use std::path::Path;

use crate::{arguments, process, wine};

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments.split_first() {
        Some((part, rest)) if part == "wine" => wine::bench(rest),
        Some((part, rest)) if part == "pipes" => wine::bench_pipes(rest),
        Some((part, rest)) if part == "compare" => compare(rest),
        _ => bench(arguments),
    }
}

/// `cargo xtask bench compare --base DIR [ARGS]`: builds the bench in another checkout and in this one,
/// then runs both side by side. Each checkout is built with its own lock file and target directory.
fn compare(arguments: &[String]) -> Result<(), String> {
    let mut rest = arguments.to_vec();
    let base = arguments::take_value(&mut rest, "--base")?
        .ok_or("compare wants --base DIR: another checkout of this repository")?;
    let base = Path::new(&base);
    let mut build = process::command(BUILD, &[]);
    build.current_dir(base).env_remove("CARGO_TARGET_DIR");
    process::run_plain(build)?;
    let program = base.join("target/release/everwatch-bench");
    let program = program.to_string_lossy().into_owned();
    bench(
        &[
            vec!["compare".to_owned(), "--base".to_owned(), program],
            rest,
        ]
        .concat(),
    )
}

const BUILD: &str = "cargo build --release --package everwatch-bench";

/// Builds the bench and runs it with these arguments.
fn bench(arguments: &[String]) -> Result<(), String> {
    let mut command = process::command(
        "cargo run --release --quiet --package everwatch-bench --",
        &[],
    );
    command.args(arguments);
    process::run_plain(command)
}
