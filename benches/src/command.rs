//! The command line of the bench, and a run with all its rounds.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use everwatch_testing::scratch::Place;

use crate::figures::Figures;
use crate::report::Run;
use crate::scenario::{Scenario, Stage};
use crate::subject::{self, Intake, Name};
use crate::workload::Scale;
use crate::{compare, machine, pipes, report, scenario, service, wine};

/// Measures Everwatch, notify 8.2, notify 9, Watchman (if installed) and a bare system call loop.
#[derive(Parser, Debug)]
#[command(name = "everwatch-bench")]
struct Arguments {
    /// Do a twentieth of everything, once: shows that the bench works, not how fast anything is.
    #[arg(long)]
    quick: bool,
    /// Only this scenario. May be given several times.
    #[arg(long, value_enum)]
    scenario: Vec<Scenario>,
    /// Only this subject. May be given several times.
    #[arg(long, value_enum)]
    subject: Vec<Name>,
    /// How often each subject goes through each scenario.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Only this file system: tmpfs or disk.
    #[arg(long)]
    place: Option<String>,
    /// Where to write the tables; they are printed if it is not given.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The parts of the bench that run by themselves or in processes of their own.
#[derive(Subcommand, Debug)]
enum Part {
    /// Everwatch and notify for Windows, under Wine: `cargo xtask bench wine` builds what this needs
    Wine(wine::WineArguments),
    /// Named pipes of Everwatch, tokio and compio, under Wine: `cargo xtask bench pipes` builds what
    /// this needs
    Pipes(pipes::PipesArguments),
    /// Two builds of Everwatch, this one and a base: `cargo xtask bench compare` builds both
    Compare(compare::CompareArguments),
    #[command(hide = true)]
    Subject {
        name: Name,
        intake: Intake,
        root: PathBuf,
    },
    #[command(hide = true)]
    Crawl { root: PathBuf },
    #[command(hide = true)]
    CrawlAndLook { root: PathBuf },
    #[command(hide = true)]
    Cycles {
        name: Name,
        count: usize,
        root: PathBuf,
    },
}

pub(crate) fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Wine(arguments)) => wine::run(&arguments),
        Some(Part::Pipes(arguments)) => pipes::run(&arguments),
        Some(Part::Compare(arguments)) => compare::run(&arguments),
        Some(Part::Subject { name, intake, root }) => service::serve(name, &root, intake),
        Some(Part::Crawl { root }) => scenario::serve_crawl(&root, subject::crawl),
        Some(Part::CrawlAndLook { root }) => scenario::serve_crawl(&root, subject::crawl_and_look),
        Some(Part::Cycles { name, count, root }) => scenario::serve_cycles(name, &root, count),
        None => run(&arguments),
    }
}

/// Runs the chosen scenarios, and writes the tables after each of them.
fn run(arguments: &Arguments) -> Result<()> {
    let scale = Scale {
        quick: arguments.quick,
    };
    let rounds = if arguments.quick { 1 } else { arguments.rounds };
    let scenarios = chosen(&arguments.scenario, &Scenario::ALL);
    let mut subjects = chosen(&arguments.subject, &Name::ALL);
    if machine::watchman_version().is_none() {
        subjects.retain(|&name| name != Name::Watchman);
    }
    let is_chosen = |place: &Place| {
        arguments
            .place
            .as_deref()
            .is_none_or(|only| only == place.name())
    };
    let places: Vec<Place> = Place::ALL.into_iter().filter(is_chosen).collect();
    let machine = machine::describe(&places);
    let limits = machine::limits();
    let program = std::env::current_exe()?;
    let mut figures = Figures::default();
    let report = |figures: &Figures, scenarios: &[Scenario], places: &[Place]| {
        report::write(&Run {
            figures,
            scenarios,
            places,
            scale,
            rounds,
            machine: &machine,
        })
    };
    for &place in &places {
        let shares = scenarios
            .iter()
            .any(|scenario| scenario.shares_large_tree());
        let large = if shares {
            Some(scenario::prepare_large_tree(place, scale)?)
        } else {
            None
        };
        for &scenario in &scenarios {
            let large = large.as_ref().filter(|_| scenario.shares_large_tree());
            let large = large.map(tempfile::TempDir::path);
            let turns: Vec<Name> = subjects
                .iter()
                .copied()
                .filter(|&name| scenario.takes(name))
                .collect();
            for round in 0..scenario.rounds(rounds) {
                // The order rotates, so that no subject always follows the same other one.
                let order = turns.iter().cycle().skip(round as usize).take(turns.len());
                for &name in order {
                    let title = scenario.title();
                    // Standard error may be closed; the run continues for its figures.
                    let _ = writeln!(
                        std::io::stderr(),
                        "{title} on {}, round {}: {}",
                        place.name(),
                        round + 1,
                        name.title()
                    );
                    let mut stage = Stage {
                        program: &program,
                        scenario,
                        place,
                        scale,
                        figures: &mut figures,
                    };
                    machine::wait_for(&limits)?;
                    match stage.play(name, large, round) {
                        // A daemon that fails in one round has figures of the others.
                        Err(error) if name == Name::Watchman => {
                            let _ = writeln!(std::io::stderr(), "left out: {error}");
                        }
                        played => played?,
                    }
                }
            }
            if let Some(path) = &arguments.out {
                report::replace(path, &report(&figures, &scenarios, &places))?;
            }
        }
    }
    if arguments.out.is_none() {
        let text = report(&figures, &scenarios, &places);
        std::io::stdout().write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Those that were asked for, or all.
fn chosen<T: Copy>(some: &[T], all: &[T]) -> Vec<T> {
    if some.is_empty() {
        all.to_vec()
    } else {
        some.to_vec()
    }
}
