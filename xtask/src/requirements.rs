//! `cargo xtask requirements`: the tests of each line of REQUIREMENTS.md, and where they run.
//!
//! A comment above a test claims lines for it: `// requirement: S1.11, S3 bug 7`. Such a test runs on
//! Linux and under Wine, unless the comment names the places: `// requirement: S0.5 (wine)`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::arguments;
use crate::measure::rust_files;

const DOCUMENT: &str = "REQUIREMENTS.md";

/// What a comment may name in parentheses. The simulator and the interleavings run on Linux.
const PLACES: [&str; 4] = ["linux", "wine", "simulator", "interleavings"];

/// A row of the tables of REQUIREMENTS.md.
#[derive(PartialEq, Eq, Debug)]
struct Statement<'a> {
    id: String,
    /// The system that must show it: `L` for Linux, `W` for Wine, `LW`, or `R` for real Windows.
    wanted: &'a str,
    says: &'a str,
}

/// A test below a comment that claims statements.
#[derive(PartialEq, Eq, Debug)]
struct Proof {
    ids: Vec<String>,
    /// As the documents name tests: `path::name`.
    name: String,
    places: Vec<String>,
}

/// What the command prints, and what is wrong.
struct Report {
    listing: String,
    summary: String,
    mistakes: Vec<String>,
}

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    arguments::nothing_else(arguments)?;
    let report = report()?;
    print!("{}", report.listing);
    report.finish()
}

/// Like [`run`], with the summary alone.
pub(crate) fn check() -> Result<(), String> {
    report()?.finish()
}

impl Report {
    fn finish(self) -> Result<(), String> {
        println!("{}", self.summary);
        if self.mistakes.is_empty() {
            return Ok(());
        }
        Err(self.mistakes.join("\n  "))
    }
}

fn report() -> Result<Report, String> {
    let document =
        fs::read_to_string(DOCUMENT).map_err(|error| format!("cannot read {DOCUMENT}: {error}"))?;
    let statements = statements(&document)?;
    let proofs = all_proofs()?;
    let mut mistakes: Vec<String> = Vec::new();
    for proof in &proofs {
        let is_unknown = |id: &&String| statements.iter().all(|statement| statement.id != **id);
        let unknown = proof.ids.iter().filter(is_unknown);
        mistakes.extend(unknown.map(|id| format!("{}: {DOCUMENT} has no {id}", proof.name)));
    }
    let (mut listing, mut unproven, mut only_elsewhere) = (String::new(), Vec::new(), 0);
    for Statement { id, wanted, says } in &statements {
        listing += &format!("{id:<9} {wanted:<3} {says}\n");
        let of_it = |proof: &&Proof| proof.ids.contains(id);
        let found: Vec<&Proof> = proofs.iter().filter(of_it).collect();
        for proof in &found {
            listing += &format!("{:14}{} ({})\n", "", proof.name, proof.places.join(", "));
        }
        if found.is_empty() {
            listing += &format!("{:14}NO TEST\n", "");
            unproven.push(id.as_str());
        } else if let Some(place) = missing_place(wanted, &found) {
            listing += &format!("{:14}not shown {place}\n", "");
            only_elsewhere += 1;
        }
    }
    let summary = format!(
        "{} lines, {} tests; {} without a test; {only_elsewhere} not shown on every system they name",
        statements.len(),
        proofs.len(),
        unproven.len()
    );
    if !unproven.is_empty() {
        mistakes.push(format!("without a test: {}", unproven.join(", ")));
    }
    Ok(Report {
        listing,
        summary,
        mistakes,
    })
}

/// Checks by the names of passed tests that each test ran where its comment says. None stands for a place
/// without a run, which is not checked.
pub(crate) fn shown(
    linux: Option<&BTreeSet<&str>>,
    wine: Option<&BTreeSet<&str>>,
) -> Result<(), String> {
    let mut absent = Vec::new();
    for proof in all_proofs()? {
        for place in &proof.places {
            let passed = if place == "wine" { wine } else { linux };
            let name = proof.name.rsplit("::").next().unwrap_or_default();
            if passed.is_some_and(|passed| !passed.contains(name)) {
                absent.push(format!("{} ({place})", proof.name));
            }
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    let absent = absent.join("\n  ");
    Err(format!(
        "did not run, or did not pass, where its comment says:\n  {absent}"
    ))
}

fn all_proofs() -> Result<Vec<Proof>, String> {
    let mut proofs = Vec::new();
    for file in rust_files(Path::new("crates"))? {
        let text = fs::read_to_string(&file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        proofs.extend(proofs_in(&file.display().to_string(), &text)?);
    }
    Ok(proofs)
}

fn missing_place(wanted: &str, found: &[&Proof]) -> Option<&'static str> {
    let under_wine = |proof: &&Proof| proof.places.iter().any(|place| place == "wine");
    let elsewhere = |proof: &&Proof| proof.places.iter().any(|place| place != "wine");
    if wanted.contains('R') {
        Some("on real Windows")
    } else if wanted.contains('W') && !found.iter().any(under_wine) {
        Some("under Wine")
    } else if wanted.contains('L') && !found.iter().any(elsewhere) {
        Some("on Linux")
    } else {
        None
    }
}

/// The rows of all tables of the document.
fn statements(document: &str) -> Result<Vec<Statement<'_>>, String> {
    let mut statements: Vec<Statement> = Vec::new();
    for row in document.lines().filter(|line| line.starts_with("| S")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let ["", id, wanted @ ("L" | "W" | "LW" | "R"), says, ""] = cells.as_slice() else {
            return Err(format!("cannot read the row: {row}"));
        };
        if statements.iter().any(|other| other.id == *id) {
            return Err(format!("two rows have the id {id}"));
        }
        let id = (*id).to_owned();
        statements.push(Statement { id, wanted, says });
    }
    Ok(statements)
}

/// The tests of one file that claim statements. Read line by line, as rustfmt leaves it.
fn proofs_in(file: &str, text: &str) -> Result<Vec<Proof>, String> {
    let mut proofs = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(claim) = line.strip_prefix("// requirement: ") else {
            continue;
        };
        let (ids, places) = match claim.strip_suffix(')').and_then(|it| it.split_once(" (")) {
            Some((ids, places)) => (ids, places),
            None => (claim, "linux, wine"),
        };
        let split = |list: &str| list.split(", ").map(str::to_owned).collect::<Vec<_>>();
        let (ids, places) = (split(ids), split(places));
        let is_known = |place: &String| PLACES.contains(&place.as_str());
        let name = item_below(&mut lines)
            .filter(|_| places.iter().all(is_known))
            .ok_or_else(|| format!("{file}: cannot understand: {line}"))?;
        let name = format!("{file}::{name}");
        proofs.push(Proof { ids, name, places });
    }
    Ok(proofs)
}

/// The name of the next function, or of the test that a line gives to a macro: `name,`, `suite!(name);`.
fn item_below<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut depth = 0;
    let is_item = |line: &&str| {
        let is_above = depth > 0 || line.starts_with("#[") || line.starts_with("//");
        depth += line.matches('[').count();
        depth = depth.saturating_sub(line.matches(']').count());
        !is_above
    };
    let line = lines.find(is_item)?;
    let opening = ["fn ", "!("].map(|opening| Some(line.split_once(opening)?.1));
    let name = opening.into_iter().flatten().next().unwrap_or(line);
    let of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name = name.split(|letter| !of_word(letter)).next();
    name.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Proof {
        let mut proofs = proofs_in("a.rs", text).expect("it is understood");
        assert_eq!(proofs.len(), 1, "{proofs:?}");
        proofs.remove(0)
    }

    #[test]
    fn a_comment_claims_statements_for_the_test_below() {
        let proof = only("// requirement: S0.12, S3 bug 7\n#[test]\nfn it_holds() {}");
        assert_eq!(proof.ids, ["S0.12", "S3 bug 7"]);
        assert_eq!(proof.places, ["linux", "wine"]);
        assert_eq!(proof.name, "a.rs::it_holds");
    }

    #[test]
    fn attributes_and_documentation_may_stand_between() {
        let text = "// requirement: S0.12 (wine)\n/// ```\n/// ```\n#[cfg_attr(\n    windows,\n    \
                    ignore = \"why\"\n)]\npub async fn next() {}";
        let proof = only(text);
        assert_eq!(proof.name, "a.rs::next");
        assert_eq!(proof.places, ["wine"]);
    }

    #[test]
    fn names_given_to_macros_are_tests() {
        let listed = only("suite! {\n    // requirement: S0.2\n    it_stops,\n}");
        assert_eq!(listed.name, "a.rs::it_stops");
        assert_eq!(
            only("// requirement: S0.2\neach!(it_stops);").name,
            "a.rs::it_stops"
        );
    }

    #[test]
    fn an_unknown_place_or_a_comment_above_nothing_is_refused() {
        assert!(proofs_in("a.rs", "// requirement: S0.2 (mars)\nfn a() {}").is_err());
        assert!(proofs_in("a.rs", "// requirement: S0.2").is_err());
    }

    #[test]
    fn rows_are_read_and_headings_are_not() {
        let text = "## S0: a\n\n| | | what holds |\n|---|---|---|\n| S0 bug a | LW | it holds |\n";
        let statement = Statement {
            id: "S0 bug a".to_owned(),
            wanted: "LW",
            says: "it holds",
        };
        assert_eq!(statements(text), Ok(vec![statement]));
        assert!(statements("| S0.1 | L | a |\n| S0.1 | L | b |").is_err());
        assert!(statements("| S0.1 | X | a |").is_err());
    }

    #[test]
    fn the_whole_list_is_there() {
        let statements = statements(include_str!("../../REQUIREMENTS.md")).expect("understood");
        let expected = (15 + 7) + (20 + 16) + 9 + (13 + 11) + 16;
        assert_eq!(statements.len(), expected);
    }
}
