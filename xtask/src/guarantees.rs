//! `cargo xtask guarantees`: what the documents name exists.
//!
//! A test is named in a document as `` `file.rs::name_of_the_test` `` with the file's path in the
//! repository. The name has to be a function behind a `#[test]` in that file. Files and directories
//! are named in all documents by their paths in the repository. A function that a section of
//! ARCHITECTURE.md names has to be in a file that the section names.

use std::path::Path;

use crate::arguments;

const DOCUMENT: &str = "GUARANTEES.md";

const ARCHITECTURE: &str = "ARCHITECTURE.md";

const DOCUMENTS: [&str; 9] = [
    DOCUMENT,
    "REQUIREMENTS.md",
    ARCHITECTURE,
    "DESIGN.md",
    "PLATFORM.md",
    "SECURITY.md",
    "COMPARE.md",
    "CONTRIBUTING.md",
    "README.md",
];

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    arguments::nothing_else(arguments)?;
    let mut count = 0;
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = read(Path::new(document))?;
        let named = references(&text);
        for (file, name) in &named {
            match read(Path::new(file)) {
                Ok(source) if has_test(&source, name) => {}
                Ok(_) => missing.push(format!("{document}: {file} has no test {name}")),
                Err(error) => missing.push(format!("{document}: {error}")),
            }
        }
        if document == DOCUMENT && named.is_empty() {
            return Err(format!("{DOCUMENT} names no test at all"));
        }
        count += named.len();
        let absent = paths(&text)
            .into_iter()
            .filter(|path| !Path::new(path).exists());
        missing.extend(absent.map(|path| format!("{document} names {path}, which does not exist")));
    }
    for section in read(Path::new(ARCHITECTURE))?.split("\n## ") {
        missing.extend(functions_elsewhere(section));
    }
    if missing.is_empty() {
        println!("the documents refer to tests {count} times, and all are there");
        return Ok(());
    }
    let missing = missing.join("\n  ");
    Err(format!(
        "the documents name what does not exist:\n  {missing}"
    ))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// File and name of each reference, in order. Placeholders in angles are none.
fn references(text: &str) -> Vec<(&str, &str)> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|quoted| quoted.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs") && !file.contains('<'))
        .collect()
}

/// What is quoted and begins like a path in the repository. Placeholders in angles are none.
fn paths(text: &str) -> Vec<&str> {
    const TOPS: [&str; 5] = ["crates/", "fuzz/", "xtask/", "benches/", ".ci/"];
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .map(|quoted| quoted.split("::").next().unwrap_or(quoted))
        .filter(|path| TOPS.iter().any(|top| path.starts_with(top)))
        .filter(|path| !path.contains(['<', ' ', '*']))
        .filter(|path| !["fuzz/artifacts", "fuzz/corpus"].contains(path))
        .collect()
}

/// The functions that a section names and that are in none of the files that it names.
fn functions_elsewhere(section: &str) -> Vec<String> {
    let files = paths(section);
    let sources: Vec<String> = files
        .iter()
        .filter(|file| file.ends_with(".rs"))
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .collect();
    let is_module = |name: &str| {
        files
            .iter()
            .any(|file| file.ends_with(&format!("/{name}.rs")))
    };
    functions(section)
        .into_iter()
        .filter(|name| !is_module(name))
        .filter(|name| !sources.iter().any(|source| has_function(source, name)))
        .map(|name| format!("{ARCHITECTURE} names {name} in a section without its file"))
        .collect()
}

/// What is quoted and looks like the name of a function: two words or more, in small letters.
fn functions(text: &str) -> Vec<&str> {
    let is_name = |quoted: &&str| {
        quoted.contains('_')
            && quoted
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_lowercase())
    };
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(is_name).collect()
}

/// Whether a source defines a function of this name.
fn has_function(source: &str, name: &str) -> bool {
    source.split("fn ").skip(1).any(|rest| {
        rest.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['(', '<']))
    })
}

/// Whether a function of this name stands behind a `#[test]`, other attributes between them allowed, or
/// the name stands on a line of its own, given to a macro that makes tests.
fn has_test(source: &str, name: &str) -> bool {
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line.strip_suffix(',') == Some(name) {
            return true;
        }
        if line == "#[test]" {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            if is_test && rest.split(['(', '<']).next() == Some(name) {
                return true;
            }
            is_test = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_quoted_paths_with_a_name() {
        let text = "| G1 | `a/b.rs::it_holds`, `a/c.rs::it_too` | `cargo xtask sim` `x::y` |";
        assert_eq!(
            references(text),
            [("a/b.rs", "it_holds"), ("a/c.rs", "it_too")]
        );
    }

    #[test]
    fn paths_are_quoted_and_begin_at_the_top() {
        let text =
            "`crates/a.rs`, `crates/b.rs::it_holds`, `crates/<x>/c.rs`, `src/d.rs`, crates/e.rs";
        assert_eq!(paths(text), ["crates/a.rs", "crates/b.rs"]);
    }

    #[test]
    fn functions_are_quoted_and_have_two_words() {
        let text = "`apply_named` of `scan` in `crates/a_b.rs`, apply_one, `Kernel::names_paths`";
        assert_eq!(functions(text), ["apply_named"]);
        assert!(has_function(
            "pub(super) fn apply_named(&mut self) {",
            "apply_named"
        ));
        assert!(!has_function("fn apply_named_twice() {}", "apply_named"));
    }

    #[test]
    fn a_function_counts_only_if_it_is_a_test() {
        let source = "fn helper() {}\n#[test]\n#[ignore]\nfn it_holds() {}\nfn other() {}";
        assert!(has_test(source, "it_holds"));
        assert!(!has_test(source, "helper"));
        assert!(!has_test(source, "other"));
        assert!(!has_test(source, "it_holds_not"));
    }
}
