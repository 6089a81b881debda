//! The packages of the workspace, as their manifests name them.

use std::fs;

/// A member of the workspace.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// From the top of the repository: `crates/core`.
    pub(crate) directory: String,
    /// Members that it or its tests are built with.
    pub(crate) dependencies: Vec<String>,
    /// Each with what it names: other features, and dependencies.
    pub(crate) features: Vec<(String, Vec<String>)>,
    pub(crate) is_published: bool,
}

/// All members, in the order of the workspace's list: what others stand on comes first.
pub(crate) fn packages() -> Result<Vec<Package>, String> {
    let top = read("Cargo.toml")?;
    let list = top
        .split_once("\nmembers = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .ok_or("Cargo.toml has no list of members")?;
    let directories: Vec<&str> = list.0.split('"').skip(1).step_by(2).collect();
    let mut packages = Vec::new();
    for directory in directories {
        packages.push(package(
            directory,
            &read(&format!("{directory}/Cargo.toml"))?,
        )?);
    }
    let names: Vec<String> = packages
        .iter()
        .map(|package| package.name.clone())
        .collect();
    for package in &mut packages {
        package.dependencies.retain(|name| names.contains(name));
    }
    Ok(packages)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
}

/// Reads one manifest. Its dependencies are still all of them.
fn package(directory: &str, manifest: &str) -> Result<Package, String> {
    let mut package = Package {
        name: String::new(),
        directory: directory.to_owned(),
        dependencies: Vec::new(),
        features: Vec::new(),
        is_published: true,
    };
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        // Lines inside of a list begin with a quote or a space.
        let is_key = !line.starts_with([' ', '"', '#']);
        if section == "package" && key == "name" {
            package.name = value.trim_matches('"').to_owned();
        } else if section == "package" && key == "publish" {
            package.is_published = value != "false";
        } else if section == "features" && is_key {
            package.features.push((key.to_owned(), quoted(value)));
        } else if section.ends_with("dependencies") && is_key {
            let name = key.split('.').next().unwrap_or(key);
            package.dependencies.push(name.to_owned());
        }
    }
    if package.name.is_empty() {
        return Err(format!("{directory}/Cargo.toml names no package"));
    }
    Ok(package)
}

/// What stands between quotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The members that are published.
pub(crate) fn published() -> Result<Vec<Package>, String> {
    let mut packages = packages()?;
    packages.retain(|package| package.is_published);
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_read() {
        let text = "[package]\nname = \"b\"\npublish = false\n\n[features]\n# Why.\ndefault = [\"x\"]\nx = []\n\n\
                    [target.'cfg(windows)'.dependencies]\na = { workspace = true, features = [\n    \"q = r\",\n] }\n\n[dev-dependencies]\nc.workspace = true\n";
        let expected = Package {
            name: "b".to_owned(),
            directory: "crates/b".to_owned(),
            dependencies: vec!["a".to_owned(), "c".to_owned()],
            features: vec![
                ("default".to_owned(), vec!["x".to_owned()]),
                ("x".to_owned(), Vec::new()),
            ],
            is_published: false,
        };
        assert_eq!(package("crates/b", text), Ok(expected));
        assert!(package("crates/b", "[lib]\n").is_err());
    }
}
