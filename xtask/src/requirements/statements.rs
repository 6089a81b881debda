//! The list of what has to hold, as REQUIREMENTS.md has it in its tables.

/// One statement, or one bug of the originals that must not come back.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Statement<'a> {
    /// As the names of its tests begin: `s1_11`, `s3_bug_7`.
    pub(super) id: String,
    /// Where it is to be shown: on Linux, under Wine, or on real Windows, which nothing here is.
    pub(super) wanted: &'a str,
    pub(super) says: &'a str,
}

/// The rows of all tables.
pub(super) fn read(document: &str) -> Result<Vec<Statement<'_>>, String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| S"));
    let mut statements: Vec<Statement> = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [id, wanted @ ("L" | "W" | "LW" | "R"), says, ""] = cells.as_slice() else {
            return Err(format!("cannot understand the row: | S{row}"));
        };
        let id = identifier(&format!("S{id}"));
        if statements.iter().any(|other| other.id == id) {
            return Err(format!("there twice: {id}"));
        }
        statements.push(Statement { id, wanted, says });
    }
    Ok(statements)
}

/// `s3_bug_7` for `S3 bug 7`.
pub(super) fn identifier(spelled: &str) -> String {
    spelled.trim().to_ascii_lowercase().replace(['.', ' '], "_")
}

/// `S3 bug 7` for `s3_bug_7`.
pub(super) fn spelled(id: &str) -> String {
    let id = id.to_ascii_uppercase();
    match id.split_once("_BUG_") {
        Some((source, bug)) => format!("{source} bug {}", bug.to_ascii_lowercase()),
        None => id.replace('_', "."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_headings_are_not() {
        let text = "## S0: a\n\n| | | what holds |\n|---|---|---|\n| S0 bug a | LW | it holds |\n";
        let statement = Statement {
            id: "s0_bug_a".to_owned(),
            wanted: "LW",
            says: "it holds",
        };
        assert_eq!(read(text), Ok(vec![statement]));
    }

    #[test]
    fn rows_that_are_twice_there_or_incomplete_are_refused() {
        assert!(read("| S0.1 | L | a |\n| S0.1 | L | b |").is_err());
        assert!(read("| S0.1 | X | a |").is_err());
    }

    #[test]
    fn the_whole_list_is_there() {
        let statements = read(include_str!("../../../REQUIREMENTS.md")).expect("it is understood");
        let expected = (15 + 7) + (20 + 16) + 9 + (13 + 11) + 16;
        assert_eq!(statements.len(), expected);
    }

    #[test]
    fn statements_are_spelled_as_people_write_them() {
        for (id, text) in [
            ("s1_11", "S1.11"),
            ("s0_bug_a", "S0 bug a"),
            ("s3_bug_7", "S3 bug 7"),
        ] {
            assert_eq!(spelled(id), text);
            assert_eq!(identifier(text), id);
        }
    }
}
