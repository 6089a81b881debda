//! Ignore files: their names, their size, and those above a root that apply to it.

#[cfg(feature = "globs")]
use std::ffi::OsStr;
#[cfg(feature = "globs")]
use std::path::Path;
use std::path::PathBuf;

use super::matcher::Rules;
#[cfg(feature = "globs")]
use crate::path::to_bytes;

/// The name of the files with ignore rules.
pub(crate) const RULES_FILE: &[u8] = b".gitignore";

/// How much of a file with ignore rules is read, in bytes.
pub(crate) const RULES_LIMIT: usize = 1 << 20;

/// Whose ignore files hide entries.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum IgnoreFiles {
    /// No ignore files: only globs hide entries.
    #[default]
    None,
    /// Those of git: `.gitignore` in each directory. `.git` itself is hidden as well.
    Git,
}

/// Rules of a directory above a root, which apply below it as well.
#[derive(Clone, Debug)]
pub struct AncestorIgnores {
    /// The root's path relative to the directory that the rules are written for.
    pub(super) prefix: PathBuf,
    /// Where they are written, if they are read again when that changes.
    pub(super) file: Option<RulesFile>,
    /// What the rules were made of.
    pub(super) text: Option<Vec<u8>>,
    /// The rules, if there are any.
    pub(super) rules: Option<Rules>,
}

/// A file with ignore rules above a root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RulesFile {
    /// The directory that it is in.
    pub(crate) dir: PathBuf,
    /// Its name there.
    pub(crate) name: Vec<u8>,
}

#[cfg(feature = "globs")]
impl AncestorIgnores {
    /// The rules in the text of an ignore file, which never changes. A line that makes no sense is skipped, as
    /// git does. `prefix` is the path of the root relative to the directory that the rules are written for.
    pub fn new(prefix: PathBuf, text: &[u8]) -> AncestorIgnores {
        AncestorIgnores {
            prefix,
            file: None,
            text: None,
            rules: Rules::parse(text),
        }
    }

    /// The rules in the file `name` of `dir`, as they are when the root is added and whenever they
    /// change. There may be no such file.
    pub fn of_file(prefix: PathBuf, dir: PathBuf, name: &OsStr) -> AncestorIgnores {
        AncestorIgnores {
            prefix,
            file: Some(RulesFile {
                dir,
                name: to_bytes(Path::new(name)),
            }),
            text: None,
            rules: None,
        }
    }
}

/// Without the last line of a text that was cut at the limit: half a rule is another rule.
pub(crate) fn whole_lines(mut text: Vec<u8>) -> Vec<u8> {
    if text.len() >= RULES_LIMIT {
        let end = text.iter().rposition(|&byte| byte == b'\n');
        text.truncate(end.unwrap_or(0));
    }
    text
}
