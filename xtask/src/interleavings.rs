//! `cargo xtask interleavings`: the threads of everwatch and everwatch-pyinotify in chosen orders.
//!
//! They run with all other tests, in 1,000 schedules of each kind; this runs them alone, in any number.

use crate::process::{self, command};

const LINE: &str = "cargo test --package everwatch-interleavings";

/// The variable for the number of schedules that a test explores.
const ROUNDS: &str = "EVERWATCH_INTERLEAVINGS";

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let mut tests = command(LINE, &[]);
    match arguments {
        [] => {}
        [flag, rounds] if flag == "--rounds" && rounds.parse::<u32>().is_ok() => {
            tests.env(ROUNDS, rounds);
        }
        _ => return Err("the only argument of interleavings is --rounds N".to_owned()),
    }
    process::run(tests).map(drop).map_err(|(_, why)| why)
}
