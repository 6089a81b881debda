//! The oldest compiler that Cargo.toml promises: the published crates build with it.

use std::fs;

use crate::process::{Tally, command, run};
use crate::stages::{Failure, Outcome};
use crate::{prerequisites, windows, workspace};

/// Checks the published crates with all features, on Linux and for Windows. Tests are left out: what only
/// they depend on may need a newer compiler.
pub(crate) fn stage() -> Result<Outcome, Failure> {
    let refused = |why: String| (Tally::default(), why);
    let manifest = fs::read_to_string("Cargo.toml").map_err(|error| refused(error.to_string()))?;
    let version = version(&manifest).ok_or_else(|| refused("no rust-version".to_owned()))?;
    if let Err(why) = prerequisites::need_toolchain(version) {
        return Ok(Outcome::Skipped(why));
    }
    let published = workspace::published().map_err(refused)?;
    let chosen: String = published
        .iter()
        .map(|package| format!(" -p {}", package.name))
        .collect();
    let line = format!("cargo +{version} check{chosen} --all-features");
    run(command(&line, &[]))?;
    let target = windows::target();
    let target = target.and_then(|it| prerequisites::need_target_in(version, it).map(|()| it));
    match target {
        Ok(target) => run(command(&format!("{line} --target {target}"), &[])).map(Outcome::Done),
        Err(why) => Ok(Outcome::Skipped(format!("the parts for Windows: {why}"))),
    }
}

fn version(manifest: &str) -> Option<&str> {
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))?;
    Some(line.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_manifest() {
        assert_eq!(
            version("[workspace.package]\nrust-version = \"1.88\"\n"),
            Some("1.88")
        );
        assert_eq!(
            version(include_str!("../../Cargo.toml")).map(|it| it.starts_with("1.")),
            Some(true)
        );
    }
}
