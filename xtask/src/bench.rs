//! `cargo xtask bench`: the benchmarks.

use crate::process;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let mut command = process::command(
        "cargo run --release --quiet --package everwatch-bench --",
        &[],
    );
    command.args(arguments);
    process::run_plain(command)
}
