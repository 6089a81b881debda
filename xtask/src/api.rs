//! `cargo xtask api`: the public interface of the published libraries, as text that stands in the repository.
//!
//! A change of the interface shows in the review as a change of `xtask/api/*.txt`. The text is taken from
//! the pages that rustdoc writes, because its machine-readable output needs a nightly compiler: for each item
//! its declaration, its own methods, and the traits that it implements.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{self, Tally, command};
use crate::stages::{Failure, Outcome};
use crate::{prerequisites, windows, workspace};

/// Where the snapshots are.
const SNAPSHOTS: &str = "xtask/api";

/// A program, and a crate whose readme says that any release may change it.
const WITHOUT_PROMISE: &[&str] = &["everwatch-cli", "everwatch-backends"];

/// Systems on which documentation is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// The system that this runs on.
    Here,
    /// Packages that have nothing elsewhere.
    Windows,
}

/// What is documented is compared; with `--accept` it becomes the snapshot.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let accept = match arguments {
        [] => Accept::No,
        [flag] if flag == "--accept" => Accept::Yes,
        _ => return Err("the only argument of api is --accept".to_owned()),
    };
    let refused = |(_, why): Failure| why;
    forget_pages(&prerequisites::target_directory().join("doc"));
    let line = "cargo doc --workspace --all-features --no-deps";
    process::run(command(line, &[])).map_err(refused)?;
    compare(Side::Here, accept)?;
    match windows::documentation().map_err(refused)? {
        Outcome::Done(_) => compare(Side::Windows, accept),
        Outcome::Skipped(why) => Err(format!("the parts for Windows: {why}")),
    }
}

/// Deletes the pages of our crates: rustdoc leaves those of items that are gone.
pub(crate) fn forget_pages(documentation: &Path) {
    for entry in fs::read_dir(documentation).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("everwatch") {
            // What cannot be deleted shows as an item that is gone and is still there.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Compares what `cargo doc` wrote before.
pub(crate) fn stage(side: Side) -> Result<Outcome, Failure> {
    if side == Side::Windows && !windows::pages().exists() {
        return Ok(Outcome::Skipped(
            "there is no documentation for Windows".to_owned(),
        ));
    }
    match compare(side, Accept::No) {
        Ok(()) => Ok(Outcome::Done(Tally::default())),
        Err(why) => Err((Tally::default(), why)),
    }
}

/// Whether a difference is an error or becomes the snapshot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accept {
    No,
    Yes,
}

fn compare(side: Side, accept: Accept) -> Result<(), String> {
    let documentation = match side {
        Side::Here => prerequisites::target_directory().join("doc"),
        Side::Windows => windows::pages(),
    };
    let mut differences = String::new();
    for package in workspace::published()? {
        let is_of_windows = windows::is_alone(&package.name);
        let pages = documentation.join(package.name.replace('-', "_"));
        if is_of_windows != (side == Side::Windows)
            || WITHOUT_PROMISE.contains(&package.name.as_str())
            || !pages.join("index.html").exists()
        {
            continue;
        }
        let now = interface(&pages)?;
        let snapshot = Path::new(SNAPSHOTS).join(format!("{}.txt", package.name));
        if accept == Accept::Yes {
            fs::create_dir_all(SNAPSHOTS).map_err(|error| error.to_string())?;
            fs::write(&snapshot, now.join("\n") + "\n").map_err(|error| error.to_string())?;
        }
        let before = fs::read_to_string(&snapshot).unwrap_or_default();
        let difference = difference(&before, &now);
        if !difference.is_empty() {
            differences += &format!("\n{}:\n{difference}", snapshot.display());
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the public interface has changed; if that is meant: cargo xtask api --accept{differences}"
    ))
}

/// Lines that are gone, with `-`, and new ones, with `+`.
fn difference(before: &str, now: &[String]) -> String {
    let before: BTreeSet<&str> = before.lines().collect();
    let now: BTreeSet<&str> = now.iter().map(String::as_str).collect();
    let gone = before.difference(&now).map(|line| format!("  - {line}\n"));
    let new = now.difference(&before).map(|line| format!("  + {line}\n"));
    gone.chain(new).collect()
}

/// What the pages of a crate declare, one line each, in order.
fn interface(pages: &Path) -> Result<Vec<String>, String> {
    let root = pages.parent().unwrap_or(pages);
    let mut lines = BTreeSet::new();
    for page in html_files(pages)? {
        let path = page.strip_prefix(root).unwrap_or(&page).with_extension("");
        let mut path: Vec<&str> = path.iter().filter_map(|word| word.to_str()).collect();
        let Some((kind, name)) = path.pop().and_then(|file| file.split_once('.')) else {
            continue;
        };
        let text = fs::read_to_string(&page)
            .map_err(|error| format!("cannot read {}: {error}", page.display()))?;
        let item = format!("{}::{name}", path.join("::"));
        lines.extend(declarations(&text).map(|line| format!("{item} ({kind}): {line}")));
    }
    Ok(lines.into_iter().collect())
}

fn html_files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |error| format!("cannot list {}: {error}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            files.extend(html_files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "html")
        {
            files.push(path);
        }
    }
    Ok(files)
}

/// The declaration of an item, its own methods, and the headers of its implementations of traits.
fn declarations(page: &str) -> impl Iterator<Item = String> {
    // What follows holds for every type, or follows from the fields.
    let own = page
        .split("id=\"synthetic-implementations\"")
        .next()
        .unwrap_or(page);
    let own = own
        .split("id=\"blanket-implementations\"")
        .next()
        .unwrap_or(own);
    let own = own.split("id=\"foreign-impls\"").next().unwrap_or(own);
    let item = between(own, "<pre class=\"rust item-decl\">", "</pre>").take(1);
    let methods = own.split("<section id=\"").skip(1).filter_map(|section| {
        let (attributes, rest) = section.split_once('>')?;
        let is_own = attributes.contains("class=\"method\"")
            || attributes.contains("class=\"associatedconstant\"");
        let is_trait = attributes.contains("class=\"impl\"")
            && !rest.starts_with("<h3 class=\"code-header\">impl&lt;T");
        if is_own {
            between(rest, "<h4 class=\"code-header\">", "</h4>").next()
        } else if is_trait {
            between(rest, "<h3 class=\"code-header\">", "</h3>")
                .next()
                .filter(|header| {
                    header.contains(" for ") && !header.contains("StructuralPartialEq")
                })
        } else {
            None
        }
    });
    item.chain(methods)
        .map(text)
        .collect::<Vec<_>>()
        .into_iter()
}

fn between<'a>(text: &'a str, begin: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(begin)
        .skip(1)
        .filter_map(move |rest| rest.split_once(end).map(|(inner, _)| inner))
}

/// The text of a piece of HTML on one line.
fn text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text += before;
        let (tag, after) = tag.split_once('>').unwrap_or_default();
        // The label of a list that can be folded is no part of the declaration.
        rest = if tag.starts_with("summary") {
            after
                .split_once("</summary>")
                .map_or("", |(_, after)| after)
        } else {
            after
        };
        if tag.starts_with("br") || tag.starts_with("/div") || tag.starts_with("span class=\"where")
        {
            text.push(' ');
        }
    }
    text += rest;
    for (entity, letter) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, letter);
    }
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| *word != "§")
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_methods_and_traits_are_read_and_derived_ones_of_all_types_are_not() {
        let page = "<pre class=\"rust item-decl\"><code>pub struct <a>A</a> {\n    <span>/* private fields */</span> }</code></pre>\
                    <section id=\"method.b\" class=\"method\"><a>§</a><h4 class=\"code-header\">pub fn <a>b</a>(&amp;self) -&gt; Vec&lt;u8&gt;</h4></section>\
                    <section id=\"impl-Clone-for-A\" class=\"impl\"><h3 class=\"code-header\">impl Clone for A</h3></section>\
                    <section id=\"method.clone\" class=\"method trait-impl\"><h4 class=\"code-header\">fn clone(&amp;self)</h4></section>\
                    <h2 id=\"synthetic-implementations\"></h2><section id=\"impl-Send-for-A\" class=\"impl\"><h3 class=\"code-header\">impl Send for A</h3></section>";
        let found: Vec<String> = declarations(page).collect();
        assert_eq!(
            found,
            [
                "pub struct A { /* private fields */ }",
                "pub fn b(&self) -> Vec<u8>",
                "impl Clone for A"
            ]
        );
    }

    #[test]
    fn differences_are_lines_that_came_and_went() {
        let now = ["a".to_owned(), "c".to_owned()];
        assert_eq!(difference("a\nb\n", &now), "  - b\n  + c\n");
        assert_eq!(difference("a\nc\n", &now), "");
    }
}
