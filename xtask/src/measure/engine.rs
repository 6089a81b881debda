//! The walls of the engine: its fields, and the calls between its files.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::source::{Source, first_word, is_of_word};

const CORE: &str = "crates/core/src/";
const ENGINE: &str = "crates/core/src/engine/";

/// Methods of the standard library whose names the engine's files use for their own as well.
const OF_STD: &[&str] = &[
    "clear", "contains", "default", "drain", "drop", "extend", "first", "fmt", "from", "get",
    "index", "insert", "is_empty", "iter", "last", "len", "map", "max", "min", "name", "new",
    "next", "pop", "position", "push", "remove", "take",
];

/// The number of fields of `struct Engine`, if the core has one.
pub(super) fn fields(sources: &[Source]) -> Option<usize> {
    let of_core = sources
        .iter()
        .filter(|source| source.path.starts_with(CORE));
    of_core
        .filter(|source| source.is_product)
        .find_map(|source| {
            let (_, body) = ["struct Engine<", "struct Engine "]
                .iter()
                .find_map(|opening| source.code.split_once(opening))?;
            let (_, body) = body.split_once('{')?;
            let is_field = |line: &&str| {
                let line = line
                    .trim_start_matches("pub(crate) ")
                    .trim_start_matches("pub ");
                let name = first_word(line);
                !name.is_empty() && line[name.len()..].starts_with(": ")
            };
            let lines = body.lines().take_while(|line| *line != "}");
            Some(lines.map(str::trim).filter(is_field).count())
        })
}

/// Calls of the engine's own methods between its files: `self.name(`, where an `impl Engine` in another
/// file defines `name`. Calls of the methods of its parts are not among them: a part is given what it needs
/// and cannot call back.
pub(super) fn own_calls(sources: &[Source]) -> usize {
    let product: Vec<(&str, String)> = sources
        .iter()
        .filter(|source| source.is_product && source.path.starts_with(ENGINE))
        .map(|source| (source.path.as_str(), source.product_code()))
        .collect();
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, code) in &product {
        for (at, opening) in code.match_indices("> Engine<K> {\n") {
            let body = &code[at + opening.len()..];
            let body = body.split_once("\n}\n").map_or(body, |(body, _)| body);
            for (at, _) in body.match_indices("fn ") {
                let name = first_word(&body[at + 3..]);
                methods.entry(name).or_default().insert(path);
            }
        }
    }
    let mut calls = 0;
    for (path, code) in &product {
        for (at, of_self) in code.match_indices("self") {
            let rest = code[at + of_self.len()..].trim_start();
            let Some(rest) = rest.strip_prefix('.') else {
                continue;
            };
            let name = first_word(rest);
            let is_call = rest[name.len()..].starts_with('(');
            let files = methods.get(name).filter(|files| !files.contains(path));
            calls += usize::from(is_call && files.is_some());
        }
    }
    calls
}

/// The files of the engine, its parts among them, and the calls of functions between them.
///
/// A call counts if its function is defined in one file of the engine and nowhere else in the core: the
/// names alone say whose it is. Names that the standard library has as well do not count.
pub(super) fn calls(sources: &[Source]) -> (usize, Graph) {
    let product: Vec<(&str, String)> = sources
        .iter()
        .filter(|source| source.is_product && source.path.starts_with(CORE))
        .map(|source| (source.path.as_str(), source.product_code()))
        .collect();
    let mut defined: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, code) in &product {
        for (at, _) in code.match_indices("fn ") {
            let name = first_word(&code[at + 3..]);
            defined.entry(name).or_default().insert(path);
        }
    }
    let mut graph = Graph::default();
    let of_engine = || product.iter().filter(|(path, _)| path.starts_with(ENGINE));
    for (path, code) in of_engine() {
        for (at, _) in code.match_indices('(') {
            let name = code[..at].rsplit(|letter| !is_of_word(letter)).next();
            let name = name.unwrap_or_default();
            let is_definition = code[..at - name.len()].ends_with("fn ");
            let Some(files) = defined.get(name).filter(|_| !is_definition) else {
                continue;
            };
            if let (Some(file), 1) = (files.first(), files.len())
                && file.starts_with(ENGINE)
                && !OF_STD.contains(&name)
            {
                graph.add(path, file);
            }
        }
    }
    (of_engine().count(), graph)
}

#[cfg(test)]
mod tests {
    use super::super::source::product;
    use super::*;

    #[test]
    fn fields_are_counted_and_their_comments_are_not() {
        let text = "pub struct Engine<K> {\n    /// a: b\n    a: u8,\n    pub(crate) b: Vec<K>,\n}\nstruct B {\n    c: u8,\n}";
        assert_eq!(
            fields(&[product("crates/core/src/engine/mod.rs", text)]),
            Some(2)
        );
    }

    #[test]
    fn calls_between_files_count_where_the_name_is_unique() {
        let sources = [
            product(
                "crates/core/src/engine/a.rs",
                "fn one() { self.two(); self.common(); }",
            ),
            product(
                "crates/core/src/engine/b.rs",
                "fn two() { one(); one(); two(); }\nfn common() {}",
            ),
            product("crates/core/src/mirror.rs", "fn common() { two(); }"),
        ];
        let (files, graph) = calls(&sources);
        assert_eq!((files, graph.total(), graph.mutual().len()), (2, 3, 1));
    }
}
