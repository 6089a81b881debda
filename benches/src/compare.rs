//! The comparison of two builds of Everwatch: a base and the one that this program is part of.
//!
//! Each build has its own bench program, and every measured process is started from one of the two.
//! They take turns within a round, in the opposite order in every other round, so that a load on the
//! machine falls on both. The figure that counts is the median of the ratios within the rounds: a slow
//! moment slows both halves of a pair. The quartiles beside it say how much the ratios scatter.
//!
//! The base may be older. It has to understand `subject NAME INTAKE ROOT` and the lines of
//! [`crate::service`], which therefore only ever gain fields with defaults.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use everwatch_testing::scratch::Place;

use crate::figures::{Figures, Metric, Row, Table, middle, percentile};
use crate::machine;
use crate::scenario::{self, Scenario, Stage};
use crate::subject::Name;
use crate::workload::Scale;

/// The command line of `compare`.
#[derive(clap::Args, Debug)]
pub(crate) struct CompareArguments {
    /// The bench program of the base: `target/release/everwatch-bench` of another checkout.
    #[arg(long)]
    base: PathBuf,
    /// Do a twentieth of everything: shows that the comparison works, not how fast anything is.
    #[arg(long)]
    quick: bool,
    /// Only this scenario. May be given several times.
    #[arg(long, value_enum)]
    scenario: Vec<Scenario>,
    /// How often each build goes through each scenario.
    #[arg(long, default_value_t = 15)]
    rounds: u64,
    /// Only this file system: tmpfs or disk. Disks scatter more than tmpfs.
    #[arg(long, default_value = "tmpfs")]
    place: String,
    /// By how many percent a median may be worse than the base.
    #[arg(long, default_value_t = 3.0)]
    limit: f64,
}

/// The scenarios that are compared unless others are asked for.
const USUAL: [Scenario; 5] = [
    Scenario::Arm,
    Scenario::Burst,
    Scenario::Deep,
    Scenario::Mix,
    Scenario::Append,
];

/// The metrics that are compared, where a scenario has them.
const COMPARED: [Metric; 3] = [Metric::Wall, Metric::RunTime, Metric::Resident];

/// The row of both builds in their figures.
const ROW: Row = Row::Subject(Name::Everwatch);

/// One of the two builds, and what was measured of it.
struct Build {
    title: &'static str,
    program: PathBuf,
    figures: Figures,
}

/// Median and quartiles of the ratios head / base, one for each round.
struct Ratios {
    lower: f64,
    median: f64,
    upper: f64,
}

impl Ratios {
    /// `None` unless both builds have values other than zero.
    fn of(base: &[f64], head: &[f64]) -> Option<Ratios> {
        let pairs = base.iter().zip(head).filter(|(base, _)| **base > 0.0);
        let ratios: Vec<f64> = pairs.map(|(base, head)| head / base).collect();
        Some(Ratios {
            lower: percentile(&ratios, 0.25)?,
            median: middle(&ratios)?,
            upper: percentile(&ratios, 0.75)?,
        })
    }
}

/// Runs the comparison and prints its table. An error names what is worse than the limit allows.
pub(crate) fn run(arguments: &CompareArguments) -> Result<()> {
    let place = Place::ALL
        .into_iter()
        .find(|place| place.name() == arguments.place)
        .with_context(|| format!("there is no place {:?} here", arguments.place))?;
    let scale = Scale {
        quick: arguments.quick,
    };
    let scenarios = match arguments.scenario.as_slice() {
        [] => USUAL.to_vec(),
        some => some.to_vec(),
    };
    let base = arguments
        .base
        .canonicalize()
        .with_context(|| format!("no program {}", arguments.base.display()))?;
    let mut builds =
        [("base", base), ("head", std::env::current_exe()?)].map(|(title, program)| Build {
            title,
            program,
            figures: Figures::default(),
        });
    for &scenario in &scenarios {
        measure(scenario, place, scale, arguments.rounds, &mut builds)?;
    }
    let (text, worse) = table(&builds, &scenarios, place, arguments.limit);
    std::io::stdout().write_all(text.as_bytes())?;
    ensure!(
        worse.is_empty(),
        "worse than the base by more than {} %: {}",
        arguments.limit,
        worse.join(", ")
    );
    Ok(())
}

/// Puts both builds through all rounds of one scenario.
fn measure(
    scenario: Scenario,
    place: Place,
    scale: Scale,
    rounds: u64,
    builds: &mut [Build; 2],
) -> Result<()> {
    let limits = machine::limits();
    let large = match scenario.shares_large_tree() {
        true => Some(scenario::prepare_large_tree(place, scale)?),
        false => None,
    };
    let large = large.as_ref().map(tempfile::TempDir::path);
    for round in 0..scenario.rounds(rounds) {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for at in order {
            let Build {
                title,
                program,
                figures,
            } = &mut builds[at];
            eprintln!("{}, round {}: {title}", scenario.title(), round + 1);
            machine::wait_for(&limits)?;
            let mut stage = Stage {
                program: program.as_path(),
                scenario,
                place,
                scale,
                figures,
            };
            stage.play(Name::Everwatch, large, round)?;
            is_complete(&stage, title)?;
        }
    }
    Ok(())
}

/// Makes sure that no round left an entry unknown: a build that does less is not faster.
fn is_complete(stage: &Stage<'_>, title: &str) -> Result<()> {
    for metric in [Metric::Missing, Metric::Ghosts] {
        let worst = stage.figures.worst(stage.table(), ROW, metric);
        ensure!(
            worst.unwrap_or(0.0) == 0.0,
            "{title} has {} in {}",
            metric.title(),
            stage.scenario.title()
        );
    }
    Ok(())
}

/// The table as Markdown, and what is worse than the limit allows.
fn table(
    [base, head]: &[Build; 2],
    scenarios: &[Scenario],
    place: Place,
    limit: f64,
) -> (String, Vec<String>) {
    let mut text = format!(
        "base: `{}`\nhead: `{}`\n\n| scenario | | base | head | head / base | quartiles | |\n\
         |---|---|--:|--:|--:|--:|---|\n",
        base.program.display(),
        head.program.display()
    );
    let mut worse = Vec::new();
    for scenario in scenarios {
        let at: Table = (scenario.title(), place.name());
        for metric in COMPARED {
            let values = |build: &Build| build.figures.values(at, ROW, metric).to_vec();
            let median = |build: &Build| build.figures.median(at, ROW, metric);
            let (Some(ratios), Some(was), Some(is)) = (
                Ratios::of(&values(base), &values(head)),
                median(base),
                median(head),
            ) else {
                continue;
            };
            let is_worse = ratios.median > 1.0 + limit / 100.0;
            let what = format!("{} {}", scenario.title(), metric.title());
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {:.3} | {:.3} to {:.3} | {} |",
                scenario.title(),
                metric.title(),
                metric.show(was),
                metric.show(is),
                ratios.median,
                ratios.lower,
                ratios.upper,
                if is_worse { "**worse**" } else { "" }
            );
            worse.extend(is_worse.then(|| format!("{what} {:.3}", ratios.median)));
        }
    }
    (text, worse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_rounds() {
        // The machine was ten times slower in the third round, for both.
        let ratios = Ratios::of(&[1.0, 1.0, 10.0], &[1.02, 1.01, 10.3]).expect("three ratios");
        assert!((ratios.median - 1.02).abs() < 1e-9, "{}", ratios.median);
    }

    #[test]
    fn a_metric_that_one_build_lacks_has_no_ratio() {
        assert!(Ratios::of(&[1.0], &[]).is_none());
    }
}
