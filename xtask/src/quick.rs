//! `cargo xtask quick`: what a person runs while working, in less than three minutes.
//!
//! Packages with changes are formatted, linted and tested. Packages that stand on them are linted, and
//! tested where that is cheap. What needs a release build, Wine or Miri is left to `cargo xtask test`.

use crate::process::{self, command, output_of};
use crate::stages::{Outcome, Stages};
use crate::test::check;
use crate::workspace::{self, Package};
use crate::{guarantees, requirements, windows};

/// Packages whose whole suite takes a few seconds: tested also when only what they stand on has changed.
const CHEAP: &[&str] = &[
    "everwatch-core",
    "everwatch-backends",
    "everwatch-sim",
    "everwatch-pyinotify",
];

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let revision = match arguments {
        [] => default_revision()?,
        [revision] => revision.clone(),
        [_, unknown, ..] => return Err(format!("unknown argument {unknown:?}")),
    };
    let packages = workspace::packages()?;
    let changed = changed(&packages, &changed_files(&revision)?);
    let dependents = dependents(&packages, &changed);
    println!("changed since {revision}: {}", listed(&changed));
    println!("packages that depend on them: {}", listed(&dependents));
    let mut stages = Stages::new();
    let done = all(&mut stages, &changed, &dependents);
    stages.summarise();
    done.map_err(|_| String::new())
}

fn all(stages: &mut Stages, changed: &[&Package], dependents: &[&Package]) -> Result<(), String> {
    let run = |line: String| process::run(command(&line, &[])).map(Outcome::Done);
    stages.run("format", || run("cargo fmt --all --check".to_owned()))?;
    stages.run("guarantees name tests that exist", || {
        check(guarantees::run(&[]))
    })?;
    stages.run("requirements have tests", || check(requirements::check()))?;
    if changed.is_empty() {
        return Ok(());
    }
    let both = [changed, dependents].concat();
    stages.run("clippy", || {
        let chosen = chosen(&both);
        run(format!(
            "cargo clippy{chosen} --all-targets --all-features -- -D warnings"
        ))
    })?;
    let tested: Vec<&Package> = both
        .iter()
        .filter(|package| is_in(changed, package) || CHEAP.contains(&package.name.as_str()))
        .copied()
        .collect();
    stages.run("tests", || {
        run(format!("cargo test{} --all-features", chosen(&tested)))
    })?;
    let names: Vec<&str> = changed
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    stages.run("types on Windows", || windows::check(&names))
}

fn is_in(packages: &[&Package], package: &Package) -> bool {
    packages.iter().any(|other| other.name == package.name)
}

/// ` -p NAME` for each.
fn chosen(packages: &[&Package]) -> String {
    packages
        .iter()
        .map(|package| format!(" -p {}", package.name))
        .collect()
}

fn listed(packages: &[&Package]) -> String {
    let names: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// Where this branch left the branch of others; the last commit if it did not leave it.
fn default_revision() -> Result<String, String> {
    let of = |line: &str| output_of(line).map(|output| output.trim().to_owned());
    let head = of("git rev-parse HEAD").ok_or("git does not know this directory")?;
    let base = ["origin/HEAD", "origin/main"]
        .iter()
        .find_map(|branch| of(&format!("git merge-base HEAD {branch}")));
    let is_clean = of("git status --porcelain").is_some_and(|output| output.is_empty());
    match base {
        Some(base) if base != head || !is_clean => Ok(base),
        _ => Ok("HEAD~1".to_owned()),
    }
}

/// Files that differ from a revision, those that git does not know yet included.
fn changed_files(revision: &str) -> Result<Vec<String>, String> {
    let differing = output_of(&format!("git diff --name-only {revision}"))
        .ok_or_else(|| format!("git knows no revision {revision:?}"))?;
    let new = output_of("git ls-files --others --exclude-standard").unwrap_or_default();
    Ok(differing
        .lines()
        .chain(new.lines())
        .map(str::to_owned)
        .collect())
}

/// The packages that files belong to. The manifest of the workspace belongs to all.
fn changed<'a>(packages: &'a [Package], files: &[String]) -> Vec<&'a Package> {
    let is_of = |package: &&Package| {
        files.iter().any(|file| {
            let rest = file.strip_prefix(&package.directory);
            file == "Cargo.toml" || rest.is_some_and(|rest| rest.starts_with('/'))
        })
    };
    packages.iter().filter(is_of).collect()
}

/// The packages that stand on others of the list, directly or not, and are not among them.
fn dependents<'a>(packages: &'a [Package], changed: &[&'a Package]) -> Vec<&'a Package> {
    let mut reached: Vec<&Package> = changed.to_vec();
    loop {
        let next = packages.iter().find(|package| {
            let stands = |other: &&Package| package.dependencies.contains(&other.name);
            !is_in(&reached, package) && reached.iter().any(stands)
        });
        match next {
            Some(package) => reached.push(package),
            None => return reached.split_off(changed.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            directory: format!("crates/{name}"),
            dependencies: dependencies.iter().map(|&name| name.to_owned()).collect(),
            features: Vec::new(),
            is_published: true,
        }
    }

    #[test]
    fn packages_that_stand_on_changed_ones_are_found() {
        let packages = [
            package("a", &[]),
            package("b", &["a"]),
            package("c", &["b"]),
            package("d", &[]),
        ];
        let files = ["crates/a/src/lib.rs".to_owned(), "README.md".to_owned()];
        let changed = changed(&packages, &files);
        assert_eq!(listed(&changed), "a");
        assert_eq!(listed(&dependents(&packages, &changed)), "b, c");
    }

    #[test]
    fn a_directory_that_begins_alike_is_another_package() {
        let packages = [package("a", &[]), package("ab", &[])];
        assert_eq!(
            listed(&changed(&packages, &["crates/ab/x".to_owned()])),
            "ab"
        );
        assert_eq!(
            listed(&changed(&packages, &["Cargo.toml".to_owned()])),
            "a, ab"
        );
    }
}
