//! Licences of the dependencies of published crates.

use crate::process::{Tally, output_of};
use crate::stages::{Failure, Outcome};
use crate::workspace;

/// Licences that ask for nothing but their own text to be passed on.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Checks each dependency of a published crate, on every system and with all features.
pub(crate) fn stage() -> Result<Outcome, Failure> {
    let refused = |why: String| (Tally::default(), why);
    let published = workspace::published().map_err(refused)?;
    let chosen: String = published
        .iter()
        .map(|package| format!(" -p {}", package.name))
        .collect();
    let tree = output_of(&format!(
        "cargo tree{chosen} --all-features --target all --edges normal,build --prefix none --format {{p}}|{{l}}"
    ))
    .ok_or_else(|| refused("cargo does not list the dependencies".to_owned()))?;
    let mut crates: Vec<&str> = tree.lines().filter(|line| !line.is_empty()).collect();
    crates.sort_unstable();
    crates.dedup_by_key(|line| line.trim_end_matches(" (*)"));
    let refused_crates = crates.iter().filter(|line| !is_allowed(licence(line)));
    let refused_crates: Vec<&str> = refused_crates.copied().collect();
    if refused_crates.is_empty() {
        println!(
            "{} crates, all under licences that are allowed",
            crates.len()
        );
        return Ok(Outcome::Done(Tally::default()));
    }
    Err(refused(format!(
        "licences that are not allowed:\n  {}",
        refused_crates.join("\n  ")
    )))
}

/// The licence of a line `NAME VERSION|LICENCE`. `(*)` marks a crate that was listed before.
fn licence(line: &str) -> &str {
    let (_, licence) = line.split_once('|').unwrap_or_default();
    licence.trim_end_matches(" (*)").trim()
}

/// Whether one of the alternatives of an expression consists of allowed licences alone.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], "").replace('/', " OR ");
    expression.split(" OR ").any(|alternative| {
        // `A AND (B OR C)` without its parentheses: every part is looked at, which is strict enough.
        alternative
            .split(" AND ")
            .all(|part| ALLOWED.contains(&part.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_allowed_alternative_is_enough_and_all_parts_of_it_are_needed() {
        assert!(is_allowed("MIT OR GPL-3.0"));
        assert!(is_allowed("MIT/Apache-2.0"));
        assert!(is_allowed("Apache-2.0 AND ISC"));
        assert!(!is_allowed("GPL-3.0"));
        assert!(!is_allowed("MIT AND GPL-3.0"));
        assert!(!is_allowed(""));
    }

    #[test]
    fn the_licence_stands_behind_the_bar() {
        assert_eq!(
            licence("ring v0.17.14|Apache-2.0 AND ISC (*)"),
            "Apache-2.0 AND ISC"
        );
        assert_eq!(licence("nothing v1.0.0|"), "");
    }
}
