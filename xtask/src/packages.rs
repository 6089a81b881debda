//! `cargo xtask packages`: whether every published crate can be published as it stands.
//!
//! The registry accepts more than its users can live with: a package without the text of its licence, a
//! readme whose links lead nowhere, a file that is included from outside and builds only here. These are
//! checked first; then cargo packages the workspace and builds each crate from its package.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::measure::rust_files;
use crate::process::{self, Tally, command};
use crate::stages::{Failure, Outcome};
use crate::workspace::{self, Package};
use crate::{arguments, prerequisites, windows};

/// The registry takes no longer keyword, and no more of them.
const LONGEST_KEYWORD: usize = 20;
const MOST_KEYWORDS: usize = 5;

/// Where the documents stand for people who read them elsewhere.
const DOCUMENTS: &str = "https://github.com/everwatch/everwatch/blob/main/";

/// What each manifest says, itself or by the workspace.
const KEYS: &[&str] = &[
    "categories",
    "description",
    "include",
    "keywords",
    "license",
    "readme",
    "repository",
    "rust-version",
];

/// The package of the command, whose dependencies take as long to build as all others together.
const COMMAND: &str = "everwatch-cli";

/// Packages are built once and thrown away.
const WITHOUT_DEBUG: &[(&str, &str)] = &[("CARGO_PROFILE_DEV_DEBUG", "0")];

const LICENCES: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT"];

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    arguments::nothing_else(arguments)?;
    stage().map(drop).map_err(|(_, why)| why)
}

pub(crate) fn stage() -> Result<Outcome, Failure> {
    let refused = |why| (Tally::default(), why);
    let published = workspace::published().map_err(refused)?;
    let mut mistakes = Vec::new();
    for package in &published {
        mistakes.extend(mistakes_of(package).map_err(refused)?);
    }
    if !mistakes.is_empty() {
        return Err(refused(format!(
            "cannot be published:\n  {}",
            mistakes.join("\n  ")
        )));
    }
    forget_earlier_builds(&published).map_err(refused)?;
    // What is not committed yet is packaged as well: the stage is for working copies, too.
    let line = "cargo publish --workspace --dry-run --allow-dirty";
    process::run(command(line, WITHOUT_DEBUG))?;
    // Files that only Windows compiles are in the packages as well. The command has none.
    let names = published.iter().map(|package| package.name.as_str());
    let names: Vec<&str> = names.filter(|name| *name != COMMAND).collect();
    forget_earlier_builds(&published).map_err(refused)?;
    windows::package(&names, WITHOUT_DEBUG)?;
    Ok(Outcome::Done(Tally::default()))
}

/// Removes what cargo keeps of packages that it took from a registry of its own making.
///
/// Cargo verifies a workspace over a local registry below the target directory. It believes that a version
/// never changes there either: it keeps the unpacked sources in its home, under a name that is made from
/// the registry's path, and never compiles them again. A second checkout at the same path would be verified
/// against the first one's crates.
fn forget_earlier_builds(published: &[Package]) -> Result<(), String> {
    let target = prerequisites::target_directory();
    let mut kept = Vec::new();
    for unpacked in entries(&cargo_home().join("registry/src"))? {
        // The name of a registry that has a host begins with it.
        if is_local_registry(&unpacked) {
            kept.extend(entries(&unpacked)?);
        }
    }
    let windows = target.join(windows::Toolchain::Rustup.target());
    for directory in [&target, &windows] {
        kept.extend(entries(&directory.join("debug/.fingerprint"))?);
    }
    let names: Vec<&str> = published
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    kept.retain(|path| is_of_a_package(path, &names));
    for path in kept.into_iter().chain([target.join("package")]) {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("cannot remove {}: {error}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The paths in a directory. A directory that does not exist has none.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |error| format!("cannot list {}: {error}", directory.display());
    match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(fail(error)),
        Ok(list) => list
            .map(|entry| entry.map(|entry| entry.path()).map_err(fail))
            .collect(),
    }
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// Whether a directory of unpacked sources belongs to a registry without a host: `-3f0390645fd7ee6e`.
fn is_local_registry(directory: &Path) -> bool {
    let name = directory.file_name().unwrap_or_default();
    name.as_encoded_bytes().first() == Some(&b'-')
}

/// Whether a directory is named by a package and what follows a dash: a version, or a hash.
fn is_of_a_package(directory: &Path, names: &[&str]) -> bool {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once('-')
        .is_some_and(|(package, _)| names.contains(&package))
}

fn mistakes_of(package: &Package) -> Result<Vec<String>, String> {
    let directory = Path::new(&package.directory);
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let mut mistakes = of_manifest(&read(&directory.join("Cargo.toml"))?);
    for licence in LICENCES {
        let own = fs::read_to_string(directory.join(licence)).unwrap_or_default();
        if own != read(Path::new(licence))? {
            mistakes.push(format!(
                "{licence} is not there, or not that of the repository"
            ));
        }
    }
    mistakes.extend(of_readme(&read(&directory.join("README.md"))?));
    for file in rust_files(&directory.join("src"))? {
        let inside = file.strip_prefix(directory).unwrap_or(&file);
        mistakes.extend(of_source(inside, &read(&file)?));
    }
    let named = mistakes
        .into_iter()
        .map(|mistake| format!("{}: {mistake}", package.name));
    Ok(named.collect())
}

fn of_manifest(manifest: &str) -> Vec<String> {
    let value = |key: &str| {
        manifest.lines().find_map(|line| {
            let rest = line.strip_prefix(key)?.trim_start();
            rest.strip_prefix(".workspace = ")
                .or(rest.strip_prefix("= "))
        })
    };
    let missing = KEYS.iter().filter(|key| value(key).is_none());
    let mut mistakes: Vec<String> = missing
        .map(|key| format!("the manifest has no {key}"))
        .collect();
    let keywords: Vec<&str> = value("keywords")
        .unwrap_or_default()
        .split('"')
        .skip(1)
        .step_by(2)
        .collect();
    if keywords.len() > MOST_KEYWORDS {
        mistakes.push(format!(
            "{} keywords, and {MOST_KEYWORDS} are allowed",
            keywords.len()
        ));
    }
    let long = keywords
        .iter()
        .filter(|keyword| keyword.len() > LONGEST_KEYWORD);
    mistakes.extend(
        long.map(|keyword| {
            format!("the keyword {keyword} is longer than {LONGEST_KEYWORD} letters")
        }),
    );
    mistakes
}

/// Links that work on the registry: whole addresses, and anchors. Those into the repository exist.
fn of_readme(text: &str) -> Vec<String> {
    let links = text
        .match_indices("](")
        .map(|(at, opening)| &text[at + opening.len()..]);
    let links = links.filter_map(|rest| rest.split(')').next());
    links
        .filter(|link| match link.strip_prefix(DOCUMENTS) {
            Some(path) => !Path::new(path.split('#').next().unwrap_or(path)).exists(),
            None => !link.starts_with("https://") && !link.starts_with('#'),
        })
        .map(|link| format!("the readme's link to {link} leads nowhere on the registry"))
        .collect()
}

/// Files that a source includes from outside its package. `file` is its path in the package.
fn of_source(file: &Path, text: &str) -> Vec<String> {
    let mut mistakes = Vec::new();
    for macro_name in ["include_str!(\"", "include_bytes!(\"", "include!(\""] {
        for (at, opening) in text.match_indices(macro_name) {
            let path = text[at + opening.len()..]
                .split('"')
                .next()
                .unwrap_or_default();
            let above = file.components().count() - 1;
            let ups = Path::new(path)
                .components()
                .filter(|it| *it == Component::ParentDir)
                .count();
            if ups > above {
                mistakes.push(format!(
                    "{} includes {path} from outside the package",
                    file.display()
                ));
            }
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_need_their_keys_and_short_keywords() {
        let mut manifest =
            "keywords = [\"a\", \"ReadDirectoryChangesW\"]\nlicense.workspace = true\n".to_owned();
        assert_eq!(of_manifest(&manifest).len(), KEYS.len() - 2 + 1);
        for key in [
            "categories",
            "description",
            "include",
            "readme",
            "repository",
            "rust-version",
        ] {
            manifest += &format!("{key} = \"x\"\n");
        }
        assert_eq!(of_manifest(&manifest).len(), 1);
        assert_eq!(
            of_manifest(&manifest.replace("ReadDirectoryChangesW", "b")).len(),
            0
        );
    }

    #[test]
    fn links_of_readmes_are_whole() {
        assert_eq!(of_readme("[a](https://example.org) [b](#top)").len(), 0);
        assert_eq!(of_readme("[a](OTHER.md)").len(), 1);
        assert_eq!(
            of_readme(&format!("[a]({DOCUMENTS}no-such-file.md#part)")).len(),
            1
        );
    }

    #[test]
    fn what_cargo_keeps_of_a_package_is_known_by_its_name() {
        let names = ["everwatch", "everwatch-core"];
        let is = |path: &str| is_of_a_package(Path::new(path), &names);
        assert!(is("registry/src/-3f03/everwatch-core-0.1.0"));
        assert!(is("debug/.fingerprint/everwatch-90ab"));
        assert!(!is("debug/.fingerprint/everwatch-sim-90ab"));
        assert!(!is("debug/.fingerprint/rustix"));
        assert!(is_local_registry(Path::new("registry/src/-3f03")));
        assert!(!is_local_registry(Path::new(
            "registry/src/index.crates.io-1949"
        )));
    }

    #[test]
    fn includes_stay_inside_the_package() {
        let text = "#[doc = include_str!(\"../README.md\")]";
        assert_eq!(of_source(Path::new("src/lib.rs"), text).len(), 0);
        let text = text.replace("../R", "../../R");
        assert_eq!(of_source(Path::new("src/lib.rs"), &text).len(), 1);
        assert_eq!(of_source(Path::new("src/a/lib.rs"), &text).len(), 0);
    }
}
