//! `cargo xtask soak`: long runs of the torture suite, the simulator and the fuzz targets, for hours.

use crate::process::{self, command};
use crate::stages::{Outcome, Stages};
use crate::{arguments, fuzz, prerequisites, sim, test};

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    arguments::nothing_else(arguments)?;
    let mut stages = Stages::new();
    let done = soak(&mut stages);
    stages.summarise();
    done
}

fn soak(stages: &mut Stages) -> Result<(), String> {
    stages.run("tools", test::tools)?;
    stages.run("torture, long", || {
        let line = format!("{} soak -- --nocapture", test::TORTURE);
        process::run(command(&line, &[("EVERWATCH_SOAK", "1")])).map(Outcome::Done)
    })?;
    stages.run("1,000,000 schedules", || {
        let line = format!("{} --count 1000000", sim::PROGRAM);
        process::run(command(&line, &[])).map(Outcome::Done)
    })?;
    stages.run("fuzzing, 20 minutes each", || {
        if let Err(why) =
            prerequisites::need_nightly("fuzzing").and_then(|()| prerequisites::need_cargo_fuzz())
        {
            return Ok(Outcome::Skipped(why));
        }
        fuzz::run(&["--seconds".to_owned(), "1200".to_owned()])
            .map(|()| Outcome::Done(Default::default()))
            .map_err(|why| (Default::default(), why))
    })
}
