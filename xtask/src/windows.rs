//! Lints, documentation and packages for Windows targets, without running a program.
//!
//! `wine` runs Windows programs.

mod toolchain;

use std::path::PathBuf;
use std::time::Duration;

use crate::process::{self, Tally, command};
use crate::stages::{Failure, Outcome};
use crate::{api, prerequisites};
pub(crate) use toolchain::Toolchain;

/// The packages that build for Windows, all targets of them.
const ON_WINDOWS: &[&str] = &[
    "everwatch-core",
    "everwatch-proactor",
    "everwatch-directory-reads",
    "everwatch-backends",
    "everwatch",
    "everwatch-pyinotify",
    "everwatch-cli",
];

/// Packages among them that are empty, or nearly so, on other systems.
const FOR_WINDOWS_ALONE: &[&str] = &["everwatch-proactor", "everwatch-directory-reads"];

/// All features but `tls-ring`: ring contains C, and Microsoft's compiler is missing here.
const WITHOUT_C: &str = "--features everwatch-proactor/fault-injection,everwatch-directory-reads/fault-injection,everwatch-proactor/tls";

/// Arguments of `cargo clippy` for the writers of the torture suite.
const WORKLOAD: &str = "-p everwatch-torture --example workload";

/// The time limit of one call of cargo that only compiles.
pub(crate) const BUILDING: Duration = Duration::from_secs(600);

/// Clippy for the GNU and the MSVC target.
pub(crate) fn clippy() -> Result<Outcome, Failure> {
    let toolchain = match Toolchain::get() {
        Ok(toolchain) => toolchain,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let msvc = match toolchain.need_msvc() {
        Ok(msvc) => msvc,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let all = chosen(ON_WINDOWS);
    for (target, features) in [(toolchain.target(), "--all-features"), (msvc, WITHOUT_C)] {
        for built in [&format!("{all} --all-targets {features}"), WORKLOAD] {
            let mut clippy = toolchain.cargo(&format!("clippy {built}"), target);
            clippy.args(["--", "-D", "warnings"]);
            process::run_within(clippy, BUILDING)?;
        }
    }
    Ok(Outcome::Done(Tally::default()))
}

/// Type-checks those of the named packages that build for Windows. Nothing is installed for it.
pub(crate) fn check(names: &[&str]) -> Result<Outcome, Failure> {
    on_windows("check --all-targets", names, &[])
}

/// Packages those of the named packages that build for Windows, and builds them there from the packages.
/// Nothing is installed for it.
pub(crate) fn package(names: &[&str], variables: &[(&str, &str)]) -> Result<Outcome, Failure> {
    on_windows("package --allow-dirty", names, variables)
}

/// Documentation of the libraries as people on Windows read it. Nothing is installed for it.
pub(crate) fn documentation() -> Result<Outcome, Failure> {
    let libraries: Vec<&str> = ON_WINDOWS
        .iter()
        .filter(|it| **it != "everwatch-cli")
        .copied()
        .collect();
    let variables = &[("RUSTDOCFLAGS", "-D warnings")];
    api::forget_pages(&pages());
    on_windows("doc --no-deps --all-features", &libraries, variables)
}

/// The directory of the pages of [`documentation`].
pub(crate) fn pages() -> PathBuf {
    prerequisites::target_directory()
        .join(Toolchain::Rustup.target())
        .join("doc")
}

fn on_windows(line: &str, names: &[&str], variables: &[(&str, &str)]) -> Result<Outcome, Failure> {
    let target = match target() {
        Ok(target) => target,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    let names: Vec<&str> = ON_WINDOWS
        .iter()
        .filter(|name| names.contains(name))
        .copied()
        .collect();
    if names.is_empty() {
        let why = "nothing of it builds for Windows".to_owned();
        return Ok(Outcome::Skipped(why));
    }
    let line = format!("cargo {line}{} --target {target}", chosen(&names));
    process::run(command(&line, variables)).map(Outcome::Done)
}

/// ` -p NAME` for each.
fn chosen(names: &[&str]) -> String {
    names.iter().map(|name| format!(" -p {name}")).collect()
}

/// The target for Windows whose standard library is installed. An error says how to get it.
pub(crate) fn target() -> Result<&'static str, String> {
    let target = Toolchain::Rustup.target();
    let installed = process::output_of("rustup target list --installed").unwrap_or_default();
    if installed.lines().any(|line| line.trim() == target) {
        Ok(target)
    } else {
        Err(format!(
            "no standard library; install it with: rustup target add {target}"
        ))
    }
}

/// Whether a package is empty on other systems, so that its documentation and features are those of Windows.
pub(crate) fn is_alone(name: &str) -> bool {
    FOR_WINDOWS_ALONE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_words_for_cargo() {
        assert_eq!(chosen(&["a", "b"]), " -p a -p b");
        assert!(
            FOR_WINDOWS_ALONE
                .iter()
                .all(|name| ON_WINDOWS.contains(name))
        );
    }
}
