//! Rust sources, taken apart into code and comments without a parser.

use std::fs;
use std::path::{Path, PathBuf};

/// A file below `crates/`, `benches/`, `fuzz/` or `xtask/`.
pub(super) struct Source {
    /// From the top of the repository, with `/`.
    pub(super) path: String,
    /// The directory of its package: `crates/core`.
    pub(super) package: String,
    pub(super) text: String,
    /// The text without comments and without what stands between quotes, line by line as it was.
    pub(super) code: String,
    /// The text of the comments alone, line by line as they stand in the file.
    pub(super) comments: String,
    /// Lines (from 0) that belong to tests inside the file.
    test_lines: Vec<std::ops::Range<usize>>,
    /// Whether users of a published crate run it: below `src`, and compiled without `cfg(test)`.
    pub(super) is_product: bool,
}

impl Source {
    fn new(path: String, text: String) -> Source {
        let (code, comments) = split(&text);
        let test_lines = test_modules(&text, &code);
        let parts: Vec<&str> = path.split('/').collect();
        let depth = if parts[0] == "crates" { 2 } else { 1 };
        let package = parts[..depth].join("/");
        let is_product = parts[0] == "crates"
            && parts.get(2) == Some(&"src")
            && !["sim", "testing", "torture"].contains(&parts[1]);
        Source {
            path,
            package,
            text,
            code,
            comments,
            test_lines,
            is_product,
        }
    }

    /// Whether the line with this number (from 0) is compiled without `cfg(test)`.
    pub(super) fn is_product_line(&self, number: usize) -> bool {
        self.is_product && !self.test_lines.iter().any(|range| range.contains(&number))
    }

    /// The code that is compiled without `cfg(test)`; other lines are empty.
    pub(super) fn product_code(&self) -> String {
        let lines = self.code.lines().enumerate();
        let kept = lines.map(|(at, line)| if self.is_product_line(at) { line } else { "" });
        kept.collect::<Vec<_>>().join("\n")
    }

    /// The path below `src` as the words of a module path; none for the root of the crate.
    pub(super) fn module(&self) -> Option<Vec<String>> {
        let inside = self
            .path
            .strip_prefix(&self.package)?
            .strip_prefix("/src/")?;
        let mut words: Vec<String> = inside
            .strip_suffix(".rs")?
            .split('/')
            .map(str::to_owned)
            .collect();
        if words
            .last()
            .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
        {
            words.pop();
        }
        Some(words)
    }
}

/// All sources of the repository, in order of their paths.
pub(super) fn all() -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for top in ["benches", "crates", "fuzz", "xtask"] {
        for path in rust_files(Path::new(top))? {
            let text = fs::read_to_string(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let path = path.display().to_string();
            sources.push(Source::new(path.replace('\\', "/"), text));
        }
    }
    unmark_tests(&mut sources);
    Ok(sources)
}

/// The Rust files below a directory, in order, without what cargo and the fuzzer built there.
pub(crate) fn rust_files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |error| format!("cannot list {}: {error}", directory.display());
    let mut entries = fs::read_dir(directory)
        .and_then(Iterator::collect::<Result<Vec<fs::DirEntry>, _>>)
        .map_err(fail)?;
    entries.sort_by_key(fs::DirEntry::path);
    let mut files = Vec::new();
    for path in entries.iter().map(fs::DirEntry::path) {
        if path.is_dir() {
            if !path.ends_with("target") {
                files.extend(rust_files(&path)?);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

/// Files that `mod name;` declares for tests alone are no product, nor is what is below them.
fn unmark_tests(sources: &mut [Source]) {
    let (mut for_tests, mut for_users) = (Vec::new(), Vec::new());
    for source in sources.iter().filter(|source| source.is_product) {
        let Some(module) = source.module() else {
            continue;
        };
        let mut directory = vec![format!("{}/src", source.package)];
        directory.extend(module);
        let directory = directory.join("/");
        let mut is_test = false;
        for line in source.text.lines().map(str::trim) {
            if line.starts_with("#[cfg(") {
                is_test |= needs_test(line);
            } else if !line.starts_with("#[") && !line.starts_with("//") {
                let name = line.strip_suffix(';').and_then(|it| it.split_once("mod "));
                if let Some((_, name)) = name {
                    let declared = if is_test {
                        &mut for_tests
                    } else {
                        &mut for_users
                    };
                    declared.push(format!("{directory}/{name}"));
                }
                is_test = false;
            }
        }
    }
    for_tests.retain(|prefix| !for_users.contains(prefix));
    for source in sources {
        let is_test = |prefix: &String| {
            let rest = source.path.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        source.is_product &= !for_tests.iter().any(is_test);
    }
}

/// Whether `#[cfg(…)]` never holds without `cfg(test)` and without the feature `sim`.
fn needs_test(attribute: &str) -> bool {
    let condition = attribute
        .strip_prefix("#[cfg(")
        .and_then(|it| it.strip_suffix(")]"));
    condition.is_some_and(|condition| !can_hold(condition))
}

/// Whether some system and some set of features other than `sim` fulfil a condition.
fn can_hold(condition: &str) -> bool {
    let condition = condition.trim().trim_end_matches(',');
    let inside = |name: &str| {
        let list = condition.strip_prefix(name)?.strip_prefix('(')?;
        list.strip_suffix(')')
    };
    if let Some(list) = inside("all") {
        parts(list).all(can_hold)
    } else if let Some(list) = inside("any") {
        parts(list).any(can_hold)
    } else {
        !["test", "feature = \"sim\"", "everwatch_shuttle"].contains(&condition)
    }
}

/// The parts of a list between its own commas.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    list.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .filter(|part| !part.trim().is_empty())
}

/// The lines of each `mod name {` below an attribute with `test`.
fn test_modules(text: &str, code: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut is_test = false;
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in code.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with("#[cfg(") {
            is_test |= needs_test(trimmed);
        } else if !trimmed.is_empty() && !trimmed.starts_with("#[") {
            if is_test && trimmed.starts_with("mod ") && trimmed.ends_with('{') {
                let indentation = line.len() - line.trim_start().len();
                let end = format!("{}}}", " ".repeat(indentation));
                let length = lines[at..].iter().position(|line| *line == end);
                found.push(at..at + length.map_or(lines.len() - at, |length| length + 1));
            }
            is_test = false;
        }
    }
    found
}

/// Code and comments of a text. In each, everything else is blank, and lines keep their numbers.
fn split(text: &str) -> (String, String) {
    let letters: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::new(), String::new());
    let mut at = 0;
    while at < letters.len() {
        let rest = &letters[at..];
        let length = match rest {
            ['/', '/', ..] => until(rest, |rest| rest[0] == '\n', 0),
            ['/', '*', ..] => until(&rest[2..], |rest| rest.starts_with(&['*', '/']), 2) + 2,
            ['"', ..] => quoted(rest),
            ['r', '"' | '#', ..] if !continues_word(&letters, at) => raw(rest).unwrap_or(0),
            ['\'', '\\', _, ..] => 3 + until(&rest[3..], |rest| rest[0] == '\'', 1),
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        let is_comment = length > 1 && rest[0] == '/';
        for &letter in &rest[..length.clamp(1, rest.len())] {
            let shown = |is_there: bool| {
                if is_there || letter == '\n' {
                    letter
                } else {
                    ' '
                }
            };
            code.push(shown(length == 0 || letter == '"'));
            comments.push(shown(is_comment));
        }
        at += length.max(1);
    }
    (code, comments)
}

fn continues_word(letters: &[char], at: usize) -> bool {
    at > 0 && (letters[at - 1].is_alphanumeric() || letters[at - 1] == '_')
}

/// How many letters stand before the first place where `is_end` holds, and `more` for what ends them.
fn until(letters: &[char], is_end: impl Fn(&[char]) -> bool, more: usize) -> usize {
    let end = (0..letters.len()).find(|&at| is_end(&letters[at..]));
    end.map_or(letters.len(), |end| end + more)
}

/// The length of a string literal with its quotes.
fn quoted(letters: &[char]) -> usize {
    let mut at = 1;
    while at < letters.len() && letters[at] != '"' {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(letters.len())
}

/// The length of a raw string literal, if one stands here: `r"…"`, `r#"…"#`.
fn raw(letters: &[char]) -> Option<usize> {
    let hashes = letters[1..]
        .iter()
        .take_while(|letter| **letter == '#')
        .count();
    if letters.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.resize(1 + hashes, '#');
    let begin = 2 + hashes;
    Some(begin + until(&letters[begin..], |rest| rest.starts_with(&end), end.len()))
}

/// The words of a text: letters, digits and underscores.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !is_of_word(letter))
        .filter(|word| !word.is_empty())
}

pub(super) fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The word that a text begins with, which may be empty.
pub(super) fn first_word(text: &str) -> &str {
    text.split(|letter: char| !is_of_word(letter))
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
pub(super) fn product(path: &str, text: &str) -> Source {
    Source::new(path.to_owned(), text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_comments_are_taken_apart() {
        let (code, comments) = split("let a = \"// no\"; // yes\nlet b = 'x'; /* too */ c::<'a>()");
        assert_eq!(
            code.trim_end(),
            "let a = \"     \";       \nlet b =    ;           c::<'a>()"
        );
        assert_eq!(words(&comments).collect::<Vec<_>>(), ["yes", "too"]);
    }

    #[test]
    fn raw_strings_end_where_they_say() {
        let (code, _) = split("f(r#\"a \" fn b\"#, for_r); // c");
        assert_eq!(words(&code).collect::<Vec<_>>(), ["f", "for_r"]);
    }

    #[test]
    fn escaped_quotes_end_nothing() {
        let (code, _) = split("a('\\'', '\"', \"\\\"b\", c)");
        assert_eq!(words(&code).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn inline_tests_are_no_product() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}";
        let source = product("crates/a/src/lib.rs", text);
        assert_eq!(
            words(&source.product_code()).collect::<Vec<_>>(),
            ["fn", "a", "cfg", "test", "fn", "c"]
        );
    }

    #[test]
    fn conditions_that_need_a_test_are_recognised() {
        let needs = |condition: &str| needs_test(&format!("#[cfg({condition})]"));
        assert!(needs("test") && needs("all(unix, test)"));
        assert!(needs("all(any(test, feature = \"sim\"), not(windows))"));
        assert!(!needs("any(windows, test)") && !needs("not(test)") && !needs("unix"));
    }

    #[test]
    fn files_declared_for_tests_are_no_product() {
        let mut sources = [
            product(
                "crates/a/src/b/mod.rs",
                "#[cfg(all(test, unix))]\nmod tests;\nmod c;",
            ),
            product("crates/a/src/b/c.rs", ""),
            product("crates/a/src/b/tests/one.rs", ""),
            product("crates/a/src/b/tests.rs", ""),
        ];
        unmark_tests(&mut sources);
        assert_eq!(
            sources.map(|source| source.is_product),
            [true, true, false, false]
        );
    }
}
