//! `cargo xtask requirements`: which test proves which statement, and where it runs.
//!
//! A test proves what its name begins with: `s1_11_move_halves_share_a_cookie` is a test of S1.11.
//! Where it runs follows from the conditions that it is compiled under and from the suites that run
//! under Wine; what is marked as ignored runs nowhere.

mod conditions;
mod source;
mod statements;
mod tree;

use crate::{arguments, wine};
use source::Place;
use statements::{Statement, spelled};
use tree::Package;

const DOCUMENT: &str = "REQUIREMENTS.md";

/// The tests that `cargo xtask models` runs.
const MODELS: &str = "crates/everwatch/src/models.rs";

/// A test that runs somewhere.
struct Proof {
    ids: Vec<String>,
    /// As the documents name tests: file and name.
    name: String,
    is_on_linux: bool,
    is_modelled: bool,
    is_under_wine: bool,
    is_simulated: bool,
}

impl Proof {
    fn places(&self) -> String {
        let linux = if self.is_simulated {
            "simulator"
        } else {
            "linux"
        };
        let places = [
            (linux, self.is_on_linux),
            ("models", self.is_modelled),
            ("wine", self.is_under_wine),
        ];
        let places: Vec<&str> = places
            .iter()
            .filter(|(_, is)| *is)
            .map(|(name, _)| *name)
            .collect();
        places.join(", ")
    }
}

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    arguments::nothing_else(arguments)?;
    let document = std::fs::read_to_string(DOCUMENT)
        .map_err(|error| format!("cannot read {DOCUMENT}: {error}"))?;
    let statements = statements::read(&document)?;
    let mut proofs = Vec::new();
    for package in tree::packages()? {
        collect(&package, &mut proofs);
    }
    let mut mistakes: Vec<String> = proofs
        .iter()
        .filter(|proof| {
            !proof
                .ids
                .iter()
                .all(|id| statements.iter().any(|known| known.id == *id))
        })
        .map(|proof| {
            format!(
                "{} is named after a line that is not in {DOCUMENT}",
                proof.name
            )
        })
        .collect();
    let mut unproven = Vec::new();
    let mut only_elsewhere = 0;
    for statement in &statements {
        let found: Vec<&Proof> = proofs
            .iter()
            .filter(|proof| proof.ids.contains(&statement.id))
            .collect();
        let id = spelled(&statement.id);
        println!("{id:<9} {:<3} {}", statement.wanted, statement.says);
        for proof in &found {
            println!("{:14}{} ({})", "", proof.name, proof.places());
        }
        if found.is_empty() {
            println!("{:14}NO TEST", "");
            unproven.push(id);
        } else if let Some(place) = missing_place(statement, &found) {
            println!("{:14}not shown {place}", "");
            only_elsewhere += 1;
        }
    }
    println!(
        "\n{} lines, {} tests; {} without a test; {only_elsewhere} not shown where they are to be",
        statements.len(),
        proofs.len(),
        unproven.len()
    );
    if !unproven.is_empty() {
        mistakes.push(format!("without a test: {}", unproven.join(", ")));
    }
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(mistakes.join("\n  "))
}

/// Where a statement that has tests should be shown as well and is not.
fn missing_place(statement: &Statement, found: &[&Proof]) -> Option<&'static str> {
    let wants = |mark| statement.wanted.contains(mark);
    if wants('R') {
        return Some("on real Windows");
    }
    if wants('W') && !found.iter().any(|proof| proof.is_under_wine) {
        return Some("under Wine");
    }
    (wants('L')
        && !found
            .iter()
            .any(|proof| proof.is_on_linux || proof.is_modelled))
    .then_some("on Linux")
}

fn collect(package: &Package, proofs: &mut Vec<Proof>) {
    for (path, source) in &package.files {
        if source.tests.is_empty() {
            continue;
        }
        let Some(of_file) = package.condition(path) else {
            continue;
        };
        let under_wine = wine::runs(&package.name, package.suite(path));
        for test in &source.tests {
            let runs = |place, has: &dyn Fn(&str) -> bool| {
                let holds = |condition: &str| conditions::holds(condition, place, has);
                holds(&of_file) && holds(&test.condition) && !holds(&test.ignored)
            };
            let proof = Proof {
                ids: test.ids.clone(),
                name: format!("{}::{}", path.display(), test.name),
                // With all features: that is how `cargo xtask test` runs them.
                is_on_linux: runs(Place::Linux, &|_| true),
                is_modelled: path.ends_with(MODELS) && runs(Place::Models, &|_| false),
                is_under_wine: under_wine
                    .iter()
                    .any(|features| runs(Place::Wine, &|name| features.contains(&name))),
                is_simulated: path.iter().any(|word| word == "sim" || word == "sim.rs"),
            };
            if proof.is_on_linux || proof.is_modelled || proof.is_under_wine {
                proofs.push(proof);
            }
        }
    }
}
