//! The rules of one ignore file, and of the files above a root.

use ::ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::path::{Path, PathBuf};

/// The name of the files with ignore rules.
pub(crate) const RULES_FILE: &[u8] = b".gitignore";

/// Largest file of rules that is read.
pub(crate) const RULES_LIMIT: usize = 1 << 20;

/// Rules of a directory above a root, which apply below it as well.
#[derive(Clone, Debug)]
pub struct AncestorIgnores {
    /// The root's path relative to the directory that the rules are written for.
    pub(super) prefix: PathBuf,
    /// Where they are written, if they are read again when that changes.
    pub(super) file: Option<RulesFile>,
    /// What the rules were made of.
    pub(super) text: Option<Vec<u8>>,
    pub(super) rules: Gitignore,
}

/// A file with ignore rules above a root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RulesFile {
    pub(crate) dir: PathBuf,
    pub(crate) name: Vec<u8>,
}

impl AncestorIgnores {
    /// Understands the text of an ignore file. Lines that make no sense are skipped, as git does.
    pub fn new(prefix: PathBuf, text: &[u8]) -> AncestorIgnores {
        AncestorIgnores {
            prefix,
            file: None,
            text: None,
            rules: parse(text),
        }
    }

    /// The rules in the file `name` of `dir`, as they are when the root is added and whenever they
    /// change. There may be no such file.
    pub fn of_file(prefix: PathBuf, dir: PathBuf, name: &str) -> AncestorIgnores {
        AncestorIgnores {
            prefix,
            file: Some(RulesFile {
                dir,
                name: name.as_bytes().to_owned(),
            }),
            text: None,
            rules: Gitignore::empty(),
        }
    }
}

/// Whether the rules hide (`true`) or show (`false`) the entry, or say nothing about it.
pub(super) fn verdict(rules: &Gitignore, path: &Path, is_dir: bool) -> Option<bool> {
    let matched = rules.matched(path, is_dir);
    match (matched.is_ignore(), matched.is_whitelist()) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// The rules of an ignore file; a line that makes no sense hides nothing, as with git.
pub(super) fn parse(text: &[u8]) -> Gitignore {
    let mut builder = GitignoreBuilder::new("");
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Ok(line) = std::str::from_utf8(line) {
            // A line that makes no sense hides nothing; git treats it the same way.
            let _ = builder.add_line(None, line);
        }
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// Without the last line of a text that was cut at the limit: half a rule is another rule.
pub(crate) fn whole_lines(mut text: Vec<u8>) -> Vec<u8> {
    if text.len() >= RULES_LIMIT {
        let end = text.iter().rposition(|&byte| byte == b'\n');
        text.truncate(end.unwrap_or(0));
    }
    text
}
