//! The feature powerset: clippy over each set of features of each published crate.

use std::collections::BTreeSet;

use crate::beside::for_each;
use crate::process::Tally;
use crate::stages::{Failure, Outcome};
use crate::windows;
use crate::workspace::{self, Package};

/// The most sets of one package. More would take too long, and say that it has too many features.
const MOST: usize = 64;

/// Lints the packages, one set of features after the other; packages for Windows with that target.
pub(crate) fn stage() -> Result<Outcome, Failure> {
    let refused = |why: String| (Tally::default(), why);
    let mut skipped = Ok(());
    for package in workspace::published().map_err(refused)? {
        let sets = sets(&package);
        if sets.len() > MOST {
            return Err(refused(format!(
                "{} has {} sets of features",
                package.name,
                sets.len()
            )));
        }
        let target = match windows::target() {
            _ if !windows::is_alone(&package.name) => String::new(),
            Ok(target) => format!(" --target {target}"),
            Err(why) => {
                skipped = Err(why);
                continue;
            }
        };
        let line = format!(
            "cargo clippy --quiet -p {}{target} --no-default-features --features={{}} -- -D warnings",
            package.name
        );
        let sets = sets
            .iter()
            .map(|set| set.iter().copied().collect::<Vec<_>>().join(","));
        for_each(&line, sets)?;
    }
    match skipped {
        Ok(()) => Ok(Outcome::Done(Tally::default())),
        Err(why) => Ok(Outcome::Skipped(format!("the parts for Windows: {why}"))),
    }
}

/// The distinct sets: a feature enables those that it names. `default` adds none.
fn sets(package: &Package) -> BTreeSet<BTreeSet<&str>> {
    let features: Vec<_> = package
        .features
        .iter()
        .filter(|(name, _)| name != "default")
        .collect();
    let mut sets = BTreeSet::from([BTreeSet::new()]);
    for (name, _) in &features {
        let with: Vec<BTreeSet<&str>> = sets
            .iter()
            .map(|set| {
                let mut set = set.clone();
                add(package, name, &mut set);
                set
            })
            .collect();
        sets.extend(with);
    }
    sets
}

fn add<'a>(package: &'a Package, name: &str, set: &mut BTreeSet<&'a str>) {
    let feature = package.features.iter().find(|(other, _)| other == name);
    if let Some((name, includes)) = feature
        && set.insert(name)
    {
        for include in includes {
            add(package, include, set);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_that_come_to_the_same_are_checked_once() {
        let feature = |name: &str, includes: &[&str]| {
            let includes = includes.iter().map(|&name| name.to_owned()).collect();
            (name.to_owned(), includes)
        };
        let package = Package {
            name: "a".to_owned(),
            directory: "crates/a".to_owned(),
            dependencies: Vec::new(),
            features: vec![
                feature("default", &["x"]),
                feature("x", &[]),
                feature("y", &["x", "dep:z"]),
            ],
            is_published: true,
        };
        let expected = [vec![], vec!["x"], vec!["x", "y"]];
        let found = sets(&package);
        let found: Vec<Vec<&str>> = found
            .iter()
            .map(|set| set.iter().copied().collect())
            .collect();
        assert_eq!(found, expected);
    }
}
