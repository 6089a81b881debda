//! `cargo xtask models`: the models of the hand-over and of closing, in chosen orders of threads.

use crate::process::{self, Tally};
use crate::stages::Failure;

/// A build of its own: everything is compiled with another configuration.
const LINE: &str = "cargo test --package everwatch --lib --target-dir target/models models";

const VARIABLES: &[(&str, &str)] = &[("RUSTFLAGS", "--cfg everwatch_shuttle")];

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    crate::arguments::nothing_else(arguments)?;
    all().map(drop).map_err(|(_, why)| why)
}

pub(crate) fn all() -> Result<Tally, Failure> {
    process::run(process::command(LINE, VARIABLES))
}
