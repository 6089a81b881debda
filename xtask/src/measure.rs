//! `cargo xtask measure`: the order of the house in numbers, and the limits that it must keep.
//!
//! Text is counted, not parsed: the counters are fair for sources that rustfmt formatted, and comparable
//! between one state of the repository and another. "Product" is what users of a published crate compile:
//! `src` without tests, and without the simulator and the crates that only tests use.

mod engine;
mod graph;
mod imports;
mod items;
mod source;
mod words;

use std::collections::BTreeMap;

use items::Share;
use source::Source;

pub(crate) use source::rust_files;

/// A file with more lines should be two.
const LONGEST: usize = 600;

/// The limit of a number.
#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

/// The limits of `--check`, by the names of the rows.
const LIMITS: &[(&str, Limit)] = &[
    ("fields of Engine", Limit::AtMost(14.0)),
    (
        "calls of the engine's methods between its files",
        Limit::AtMost(120.0),
    ),
    (
        "largest circle of calls in the engine, files",
        Limit::AtMost(5.0),
    ),
    ("circles of imports, all crates", Limit::AtMost(0.0)),
    ("types defined twice in one crate", Limit::AtMost(0.0)),
    (
        "functions with two or more bool parameters",
        Limit::AtMost(0.0),
    ),
    ("module heads that open with a question", Limit::AtMost(0.0)),
    (
        "comments that say \"see the module head\"",
        Limit::AtMost(0.0),
    ),
    (
        "unsafe blocks outside native/ and linux/, files",
        Limit::AtMost(0.0),
    ),
    ("names that were given up", Limit::AtMost(0.0)),
    ("comment share of the product, %", Limit::AtLeast(20.0)),
    ("functions with documentation, %", Limit::AtLeast(80.0)),
    ("told in comments, per 50,000 words", Limit::AtMost(11.5)),
    ("nobody in comments, per 50,000 words", Limit::AtMost(7.6)),
    ("whoever in comments, per 50,000 words", Limit::AtMost(2.3)),
    ("so many in comments, per 50,000 words", Limit::AtMost(2.4)),
    ("has X do in comments, per 50,000 words", Limit::AtMost(1.7)),
    (
        "used again in comments, per 50,000 words",
        Limit::AtMost(2.2),
    ),
    ("may not in comments, per 50,000 words", Limit::AtMost(2.0)),
];

struct Row {
    name: String,
    value: f64,
    details: Vec<String>,
}

/// The rows in the order in which they are printed.
#[derive(Default)]
struct Table {
    rows: Vec<Row>,
}

impl Table {
    fn add(&mut self, name: impl Into<String>, value: impl Into<f64>, details: Vec<String>) {
        self.rows.push(Row {
            name: name.into(),
            value: value.into(),
            details,
        });
    }

    fn list(&mut self, name: impl Into<String>, details: Vec<String>) {
        self.add(name, details.len() as f64, details);
    }
}

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let is_known = |argument: &&String| ["--check", "--details"].contains(&argument.as_str());
    if let Some(unknown) = arguments.iter().find(|argument| !is_known(argument)) {
        return Err(format!("unknown argument {unknown:?}"));
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let table = table(&source::all()?)?;
    let mut beyond = Vec::new();
    for Row {
        name,
        value,
        details,
    } in &table.rows
    {
        let limit = LIMITS
            .iter()
            .find(|(limited, _)| limited == name)
            .map(|(_, limit)| *limit);
        let (limit, is_kept) = match limit {
            None => (String::new(), true),
            Some(Limit::AtMost(most)) => (format!("at most {most}"), *value <= most),
            Some(Limit::AtLeast(least)) => (format!("at least {least}"), *value >= least),
        };
        let value = if value.fract() == 0.0 {
            format!("{value}")
        } else {
            format!("{value:.1}")
        };
        println!("{name:<58} {value:>8}   {limit}");
        if has("--details") || (!is_kept && has("--check")) {
            for detail in details {
                println!("    {detail}");
            }
        }
        if !is_kept {
            beyond.push(format!("{name}: {value}, {limit}"));
        }
    }
    if has("--check") && !beyond.is_empty() {
        return Err(format!("beyond the limits:\n  {}", beyond.join("\n  ")));
    }
    Ok(())
}

fn table(sources: &[Source]) -> Result<Table, String> {
    let mut table = Table::default();
    let mut packages: Vec<&str> = sources
        .iter()
        .map(|source| source.package.as_str())
        .collect();
    packages.dedup();
    walls(&mut table, sources, &packages);
    table.list(
        "types defined twice in one crate",
        items::types_defined_twice(sources),
    );
    table.list(
        "functions with two or more bool parameters",
        items::with_bools(sources, 2),
    );
    table.list(
        "functions with a bool parameter",
        items::with_bools(sources, 1),
    );
    table.list("names that were given up", words::former_names(sources));
    let (by_directory, outside) = items::unsafe_blocks(sources);
    let unsafe_blocks: usize = by_directory.values().sum();
    let listed = by_directory
        .iter()
        .map(|(directory, count)| format!("{directory}: {count}"));
    table.add(
        "unsafe blocks of the product",
        unsafe_blocks as f64,
        listed.collect(),
    );
    table.list("unsafe blocks outside native/ and linux/, files", outside);
    let long = sources.iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > LONGEST).then(|| format!("{} ({lines})", source.path))
    });
    table.list(
        format!("files with more than {LONGEST} lines"),
        long.collect(),
    );
    documentation(&mut table, sources, &packages);
    english(&mut table, sources)?;
    Ok(table)
}

/// Fields, calls and imports.
fn walls(table: &mut Table, sources: &[Source], packages: &[&str]) {
    if let Some(fields) = engine::fields(sources) {
        table.add("fields of Engine", fields as f64, Vec::new());
    }
    let (files, calls) = engine::calls(sources);
    let mutual = calls.mutual();
    let pairs = mutual
        .iter()
        .map(|(one, other)| format!("{one} and {other}"));
    let largest = calls.circles().into_iter().next().unwrap_or_default();
    table.add("files of the engine", files as f64, Vec::new());
    table.add(
        "calls of the engine's methods between its files",
        engine::own_calls(sources) as f64,
        Vec::new(),
    );
    table.add(
        "calls between files of the engine, those of parts included",
        calls.total() as f64,
        calls.listed(),
    );
    table.list(
        "pairs of files of the engine that call each other",
        pairs.collect(),
    );
    table.list("largest circle of calls in the engine, files", largest);
    let mut all = Vec::new();
    for package in packages
        .iter()
        .filter(|package| package.starts_with("crates/"))
    {
        let circles = imports::graph(sources, package).circles();
        let circles = circles
            .iter()
            .map(|circle| format!("{}: {}", circle.len(), circle.join(", ")));
        let circles: Vec<String> = circles.collect();
        all.extend(circles.iter().cloned());
        table.list(format!("circles of imports, {package}"), circles);
    }
    table.list("circles of imports, all crates", all);
}

/// Module heads, comments and documentation.
fn documentation(table: &mut Table, sources: &[Source], packages: &[&str]) {
    let (heads, asking) = items::question_heads(sources);
    table.add("module heads", heads as f64, Vec::new());
    table.list("module heads that open with a question", asking);
    table.list(
        "comments that say \"see the module head\"",
        items::see_module_head(sources),
    );
    let mut all = Share::default();
    for package in packages {
        let share = items::comment_share(sources, package);
        all.having += share.having;
        all.all += share.all;
        if share.all > 0 {
            table.add(
                format!("comment share of the product, {package}, %"),
                share.percent(),
                Vec::new(),
            );
        }
    }
    table.add("comment share of the product, %", all.percent(), Vec::new());
    let mut missing = Vec::new();
    let functions = items::documented_functions(sources, &mut missing);
    table.add(
        "functions with documentation, %",
        functions.percent(),
        missing,
    );
    table.add(
        "types with documentation, %",
        items::documented_types(sources).percent(),
        Vec::new(),
    );
}

/// Phrases of the comments by 50,000 words, and of identifiers and documents as they are.
fn english(table: &mut Table, sources: &[Source]) -> Result<(), String> {
    let comments = words::of_comments(sources);
    let count = comments.len();
    table.add("words of comments", count as f64, Vec::new());
    for (phrase, found) in ordered(words::phrases(&comments)) {
        let found = found as f64 * 50_000.0 / count.max(1) as f64;
        table.add(
            format!("{phrase} in comments, per 50,000 words"),
            found,
            Vec::new(),
        );
    }
    for (phrase, found) in ordered(words::phrases(&words::of_identifiers(sources))) {
        if found > 0 {
            table.add(format!("{phrase} in identifiers"), found as f64, Vec::new());
        }
    }
    let mut documents = String::new();
    let failed = |error: std::io::Error| format!("cannot read the documents: {error}");
    for entry in std::fs::read_dir(".").map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            documents += &std::fs::read_to_string(path).map_err(failed)?;
        }
    }
    let documents: Vec<&str> = source::words(&documents).collect();
    table.add("words of documents", documents.len() as f64, Vec::new());
    for (phrase, found) in ordered(words::phrases(&documents)) {
        if found > 0 {
            table.add(format!("{phrase} in documents"), found as f64, Vec::new());
        }
    }
    Ok(())
}

/// In the order of the list of phrases.
fn ordered(counts: BTreeMap<&'static str, usize>) -> Vec<(&'static str, usize)> {
    words::PHRASES
        .iter()
        .map(|phrase| (*phrase, counts[phrase]))
        .collect()
}
