//! The source files of the workspace's crates, each with the conditions that it is compiled under.
//!
//! A file is compiled if its parent says `mod name;`, and under the conditions of that line; a file
//! that nobody names is no part of anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{self, Source};

/// A crate below `crates/`.
pub(super) struct Package {
    pub(super) name: String,
    /// By path in the repository.
    pub(super) files: BTreeMap<PathBuf, Source>,
    directory: PathBuf,
}

/// Reads all packages.
pub(super) fn packages() -> Result<Vec<Package>, String> {
    let mut packages = Vec::new();
    for directory in listing(Path::new("crates"))? {
        let manifest = directory.join("Cargo.toml");
        let Ok(manifest) = fs::read_to_string(&manifest) else {
            continue;
        };
        let name = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = "))
            .ok_or_else(|| format!("{} has no name", directory.display()))?;
        let mut files = BTreeMap::new();
        for part in ["src", "tests"] {
            collect(&directory.join(part), &mut files)?;
        }
        packages.push(Package {
            name: name.trim_matches('"').to_owned(),
            files,
            directory,
        });
    }
    Ok(packages)
}

fn collect(directory: &Path, files: &mut BTreeMap<PathBuf, Source>) -> Result<(), String> {
    if !directory.is_dir() {
        return Ok(());
    }
    for path in listing(directory)? {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            files.insert(path, source::read(&text));
        }
    }
    Ok(())
}

fn listing(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |error| format!("cannot list {}: {error}", directory.display());
    let entries = fs::read_dir(directory).map_err(fail)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<PathBuf>, _>>()
        .map_err(fail)?;
    paths.sort();
    Ok(paths)
}

impl Package {
    /// The condition that a file is compiled under, or `None` if it is not at all.
    pub(super) fn condition(&self, file: &Path) -> Option<String> {
        let own = &self.files.get(file)?.condition;
        if self.is_top(file) {
            return Some(own.clone());
        }
        let (name, parents) = parents(file)?;
        let mut ways = Vec::new();
        for parent in parents {
            let Some(source) = self.files.get(&parent) else {
                continue;
            };
            for module in source.modules.iter().filter(|module| module.name == name) {
                let outer = self.condition(&parent)?;
                ways.push(format!("all({outer}, {}, {own})", module.condition));
            }
        }
        (!ways.is_empty()).then(|| format!("any({})", ways.join(", ")))
    }

    fn is_top(&self, file: &Path) -> bool {
        let Ok(inside) = file.strip_prefix(&self.directory) else {
            return false;
        };
        let words: Vec<&str> = inside.iter().filter_map(|word| word.to_str()).collect();
        matches!(
            words.as_slice(),
            ["src", "lib.rs" | "main.rs"] | ["tests", _] | ["tests", _, "main.rs"]
        )
    }

    /// The test program that a file belongs to: a file of `tests/`, or a directory with a `main.rs`,
    /// by its name. None for the library and for programs.
    pub(super) fn suite<'a>(&self, file: &'a Path) -> Option<&'a str> {
        let inside = file.strip_prefix(&self.directory).unwrap_or(file);
        let mut words = inside.iter().filter_map(|word| word.to_str());
        let name = words
            .next()
            .filter(|top| *top == "tests")
            .and(words.next())?;
        Some(name.trim_end_matches(".rs"))
    }
}

/// The module's name, and where it may be declared.
fn parents(file: &Path) -> Option<(String, Vec<PathBuf>)> {
    let (mut name, mut directory) = (file.file_stem()?.to_str()?, file.parent()?);
    if name == "mod" {
        name = directory.file_name()?.to_str()?;
        directory = directory.parent()?;
    }
    let mut parents = vec![directory.with_extension("rs")];
    parents.extend(["mod.rs", "lib.rs", "main.rs"].map(|name| directory.join(name)));
    Some((name.to_owned(), parents))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[(&str, &str)]) -> Package {
        let files = files
            .iter()
            .map(|(path, text)| (Path::new("crates/a").join(path), source::read(text)));
        Package {
            name: "a".to_owned(),
            files: files.collect(),
            directory: "crates/a".into(),
        }
    }

    #[test]
    fn conditions_of_all_modules_above_a_file_count() {
        let package = package(&[
            (
                "src/lib.rs",
                "#[cfg(windows)]\nmod sys;\n#[cfg(feature = \"sim\")]\npub mod sys;",
            ),
            ("src/sys/mod.rs", "mod port;"),
            ("src/sys/port.rs", ""),
        ]);
        let condition = package.condition(Path::new("crates/a/src/sys/port.rs"));
        let condition = condition.expect("it is compiled");
        assert!(
            condition.contains("windows") && condition.contains("sim"),
            "{condition}"
        );
    }

    #[test]
    fn a_file_that_nobody_names_is_not_compiled() {
        let package = package(&[("src/lib.rs", ""), ("src/left.rs", "")]);
        assert_eq!(package.condition(Path::new("crates/a/src/left.rs")), None);
    }

    #[test]
    fn files_of_tests_are_suites() {
        let package = package(&[("tests/closing.rs", ""), ("tests/torture/main.rs", "")]);
        let suite = |file: &str| {
            let path = Path::new("crates/a").join(file);
            package.suite(&path).map(str::to_owned)
        };
        assert_eq!(suite("tests/closing.rs").as_deref(), Some("closing"));
        assert_eq!(suite("tests/torture/main.rs").as_deref(), Some("torture"));
        assert_eq!(suite("src/lib.rs"), None);
        assert!(
            package
                .condition(Path::new("crates/a/tests/closing.rs"))
                .is_some()
        );
    }
}
