//! `cargo xtask bench`: the benchmarks. `cargo xtask bench wine` and `cargo xtask bench pipes`: the sections on
//! programs for Windows.

use crate::{process, wine};

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    if let [first, rest @ ..] = arguments
        && first == "wine"
    {
        return wine::bench(rest);
    }
    if let [first, rest @ ..] = arguments
        && first == "pipes"
    {
        return wine::bench_pipes(rest);
    }
    let mut command = process::command(
        "cargo run --release --quiet --package everwatch-bench --",
        &[],
    );
    command.args(arguments);
    process::run_plain(command)
}
