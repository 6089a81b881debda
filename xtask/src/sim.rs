//! `cargo xtask sim`: schedules of the simulator.

use crate::process;

/// Runs the simulator in release: a schedule takes a tenth of a millisecond.
pub(crate) const PROGRAM: &str = "cargo run --release --quiet --package everwatch-sim --bin sim --";

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let mut command = process::command(PROGRAM, &[]);
    command.args(arguments);
    process::run_plain(command)
}
