//! Circles of imports among the files of one crate's `src`.

use std::collections::BTreeMap;

use super::graph::Graph;
use super::source::{Source, first_word};

/// The graph of imports by `crate::…` and `super::…`, in `use` lines and in paths.
///
/// A path counts for the innermost module of it that is a file. What a file takes from its own children
/// does not count: a parent always knows what it is made of.
pub(super) fn graph(sources: &[Source], package: &str) -> Graph {
    let files: BTreeMap<Vec<String>, &Source> = sources
        .iter()
        .filter(|source| source.is_product && source.package == package)
        .filter_map(|source| Some((source.module()?, source)))
        .collect();
    let mut graph = Graph::default();
    for (module, source) in &files {
        for path in paths(&source.product_code()) {
            let Some(mut target) = absolute(module, &path) else {
                continue;
            };
            while !target.is_empty() && !files.contains_key(&target) {
                target.pop();
            }
            if let Some(file) = files.get(&target) {
                graph.add(&source.path, &file.path);
            }
        }
    }
    graph
}

/// `path` as seen from the root of the crate, if it begins with `crate` or `super`.
fn absolute(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|word| *word == "super").count();
    let base = match path.first().map(String::as_str) {
        Some("crate") => &[],
        Some("super") => &module[..module.len().checked_sub(ups)?],
        _ => return None,
    };
    let rest = &path[ups.max(1)..];
    Some([base, rest].concat())
}

/// All paths in the code that begin with `crate::` or `super::`, with the lists in braces spread out.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if !before
                .is_some_and(|letter| letter == ':' || letter == '_' || letter.is_alphanumeric())
            {
                spread(&code[at..], &[], &mut found);
            }
        }
    }
    found
}

/// Reads one path from the beginning of `code` and gives back what follows.
fn spread<'a>(mut code: &'a str, prefix: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let mut path = prefix.to_vec();
    loop {
        code = code.trim_start();
        if let Some(list) = code.strip_prefix('{') {
            code = list;
            loop {
                code = spread(code, &path, found).trim_start();
                match code.strip_prefix(',') {
                    Some(rest) => code = rest,
                    None => return code.strip_prefix('}').unwrap_or(code),
                }
                if let Some(rest) = code.trim_start().strip_prefix('}') {
                    return rest;
                }
            }
        }
        let word = first_word(code);
        code = &code[word.len()..];
        if !word.is_empty() {
            path.push(word.to_owned());
        }
        match code.strip_prefix("::") {
            Some(rest) if !word.is_empty() => code = rest,
            _ => break,
        }
    }
    code = code.strip_prefix('*').unwrap_or(code);
    if let Some(rest) = code.strip_prefix(" as ") {
        code = &rest[first_word(rest).len()..];
    }
    found.push(path);
    code
}

#[cfg(test)]
mod tests {
    use super::super::source::product;
    use super::*;

    #[test]
    fn lists_are_spread_out() {
        let paths = paths("use crate::a::{b::{c, D as E}, f::*};\nlet x = super::g::h();");
        let paths: Vec<String> = paths.iter().map(|path| path.join("::")).collect();
        assert_eq!(
            paths,
            [
                "crate::a::b::c",
                "crate::a::b::D",
                "crate::a::f",
                "super::g::h"
            ]
        );
    }

    #[test]
    fn files_that_import_each_other_are_a_circle() {
        let sources = [
            product("crates/a/src/lib.rs", "mod b; mod c; use b::B;"),
            product("crates/a/src/b/mod.rs", "use crate::c::C;"),
            product("crates/a/src/b/d.rs", "use super::B;"),
            product("crates/a/src/c.rs", "use crate::b::d::D;"),
        ];
        let circles = graph(&sources, "crates/a").circles();
        assert_eq!(circles.len(), 1);
        assert_eq!(circles[0].len(), 3);
    }
}
