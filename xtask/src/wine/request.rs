//! The arguments of `cargo xtask wine`: packages, arguments for cargo and arguments for the tests.

use std::process::Command;

use super::suites::{COMMAND, Kind, PENDING, SUITES, Suite};
use crate::process;
use crate::windows::Toolchain;

/// More test threads gain nothing: one Wine server serves them all, in one thread.
const THREADS: usize = 4;

/// The arguments of one call.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Request {
    /// Empty means all suites of every push.
    packages: Vec<String>,
    for_cargo: Vec<String>,
    for_tests: Vec<String>,
}

impl Request {
    /// Reads `[-p PACKAGE]… [words for cargo test] [-- words for the test programs]`.
    pub(super) fn of(words: &[&str]) -> Request {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let at = words.iter().position(|word| *word == "--");
        let (cargo, tests) = words.split_at(at.unwrap_or(words.len()));
        let mut request = Request {
            packages: Vec::new(),
            for_cargo: Vec::new(),
            for_tests: owned(tests.get(1..).unwrap_or_default()),
        };
        let mut cargo = cargo.iter();
        while let Some(word) = cargo.next() {
            if ["-p", "--package"].contains(word) {
                request
                    .packages
                    .extend(cargo.next().map(|name| (*name).to_owned()));
            } else {
                request.for_cargo.push((*word).to_owned());
            }
        }
        request
    }

    /// All that are expected to pass, or all of the packages that were named. With names of tests, one suite for
    /// each package.
    pub(super) fn suites(&self) -> Result<Vec<&'static Suite>, String> {
        let all = || SUITES.iter().chain(PENDING);
        let known = |name: &String| all().any(|suite| suite.package == name);
        if let Some(unknown) = self.packages.iter().find(|name| !known(name)) {
            let mut names: Vec<&str> = all().map(|suite| suite.package).collect();
            names.dedup();
            return Err(format!(
                "{unknown} does not run under Wine; what does: {}",
                names.join(", ")
            ));
        }
        if self.packages.is_empty() {
            return Ok(SUITES.iter().collect());
        }
        let is_named = |suite: &&Suite| self.packages.iter().any(|name| name == suite.package);
        let mut suites: Vec<&Suite> = all().filter(is_named).collect();
        if self.names_tests() {
            // Suites of one package divide its tests among them; the last one has them all.
            let packages: Vec<&str> = suites.iter().map(|suite| suite.package).collect();
            let mut later = packages.iter();
            suites.retain(|suite| {
                later.next();
                !later.clone().any(|package| *package == suite.package)
            });
        }
        Ok(suites)
    }

    /// Whether single tests were asked for.
    fn names_tests(&self) -> bool {
        self.for_tests.iter().any(|word| !word.starts_with('-'))
    }

    /// The builds that one suite needs, its tests last.
    pub(super) fn builds(&self, suite: &Suite, toolchain: Toolchain) -> Vec<Command> {
        let mut tests = self.cargo_test(suite, toolchain);
        tests.arg("--no-run");
        match suite.kind {
            Kind::Tests => vec![tests],
            Kind::Command => {
                let line = format!("build {COMMAND}");
                vec![toolchain.cargo(&line, toolchain.target()), tests]
            }
        }
    }

    /// `cargo test` for one suite.
    pub(super) fn cargo_test(&self, suite: &Suite, toolchain: Toolchain) -> Command {
        let line = format!("test -p {}", suite.package);
        let mut test = match suite.kind {
            Kind::Tests => toolchain.cargo(&line, toolchain.target()),
            Kind::Command => process::command(&format!("cargo {line}"), &[]),
        };
        test.args(suite.arguments).args(&self.for_cargo);
        test
    }

    /// The words for the test programs of a suite. Names of tests that were asked for replace those of the
    /// suite.
    pub(super) fn for_tests(&self, suite: &Suite) -> Vec<String> {
        let mut words = self.for_tests.clone();
        if !self.names_tests() {
            words.extend(suite.tests.iter().map(|&name| name.to_owned()));
        }
        if !words.iter().any(|word| word.starts_with("--test-threads")) {
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            words.push(format!("--test-threads={}", threads.min(THREADS)));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_for_cargo_up_to_the_dashes_and_then_for_the_tests() {
        let request = Request::of(&["-p", "everwatch-core", "--lib", "--", "a_name", "--exact"]);
        assert_eq!(request.packages, ["everwatch-core"]);
        assert_eq!(request.for_cargo, ["--lib"]);
        assert_eq!(request.for_tests, ["a_name", "--exact"]);
        let suites = request.suites().expect("it is known");
        assert_eq!(suites.len(), 1);
    }

    #[test]
    fn single_tests_run_once_in_a_suite_that_has_all_of_the_package() {
        for suite in SUITES.iter().chain(PENDING) {
            let named = Request::of(&["-p", suite.package, "--", "a_name"]);
            let suites = named.suites().expect("it is known");
            assert_eq!(suites.len(), 1, "{}", suite.package);
            assert_eq!(suites[0].tests.len(), 0, "{}", suite.package);
        }
        let all = Request::of(&["-p", "everwatch"]);
        assert!(all.suites().expect("it is known").len() > 1);
    }

    #[test]
    fn without_a_package_all_suites_are_meant() {
        let suites = Request::of(&["--", "a_name"])
            .suites()
            .expect("all are known");
        assert_eq!(suites.len(), SUITES.len());
    }

    #[test]
    fn a_package_that_does_not_run_under_wine_is_refused() {
        assert!(Request::of(&["-p", "xtask"]).suites().is_err());
    }

    #[test]
    fn a_number_of_threads_that_was_asked_for_is_kept() {
        let words = Request::of(&["--", "--test-threads=1"]).for_tests(&SUITES[0]);
        assert_eq!(words, ["--test-threads=1"]);
    }
}
