//! Compiled ignore rules: what the lines of one text, or the globs of a caller, say of a path.
//!
//! Git's rules are git's business, so the crate `ignore`, which ripgrep stands on, matches them. Without the
//! feature `globs` there are no rules, and a type without values takes their place.

#[cfg(feature = "globs")]
pub(super) use self::git::GitRules as Rules;

#[cfg(not(feature = "globs"))]
pub(super) use self::NoRules as Rules;

/// Rules, of which there are none without the feature `globs`.
#[cfg(not(feature = "globs"))]
#[derive(Clone, Debug)]
pub(super) enum NoRules {}

#[cfg(not(feature = "globs"))]
impl NoRules {
    /// No text has rules.
    pub(super) fn parse(_text: &[u8]) -> Option<NoRules> {
        None
    }

    /// Never called.
    pub(super) fn verdict(&self, _path: &std::path::Path, _is_dir: bool) -> Option<bool> {
        match *self {}
    }
}

/// A glob that cannot be understood.
#[cfg(feature = "globs")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadGlob {
    /// The glob.
    pub glob: String,
    /// What is wrong with it.
    pub reason: String,
}

#[cfg(feature = "globs")]
impl std::fmt::Display for BadGlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.glob, self.reason)
    }
}

#[cfg(feature = "globs")]
impl std::error::Error for BadGlob {}

/// The file of rules that `core.excludesFile` names in the configuration of the user or of the system, or the one
/// that git reads by default. There may be no such file.
#[cfg(feature = "globs")]
pub fn excludes_file_of_user() -> Option<std::path::PathBuf> {
    ::ignore::gitignore::gitconfig_excludes_path()
}

#[cfg(feature = "globs")]
mod git {
    use std::path::Path;

    use ::ignore::Error;
    use ::ignore::gitignore::{Gitignore, GitignoreBuilder};

    use super::BadGlob;
    use crate::ignore::line::translated;

    /// GitRules in the syntax of gitignore(5), of which there is at least one.
    #[derive(Clone, Debug)]
    pub(in super::super) struct GitRules(Gitignore);

    impl GitRules {
        /// The rules in the text of an ignore file; `None` if it has none. A line that makes no sense hides
        /// nothing, as with git.
        pub(in super::super) fn parse(text: &[u8]) -> Option<GitRules> {
            let mut builder = GitignoreBuilder::new("");
            let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            for line in text.split(|&byte| byte == b'\n') {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if let Some(line) = std::str::from_utf8(line).ok().and_then(translated) {
                    let _ = builder.add_line(None, &line);
                }
            }
            let rules = builder.build().ok().filter(|rules| !rules.is_empty())?;
            Some(GitRules(rules))
        }

        /// The rules that globs are; `None` if there is no glob.
        pub(in super::super) fn of_globs<S: AsRef<str>>(
            globs: &[S],
        ) -> Result<Option<GitRules>, BadGlob> {
            if globs.is_empty() {
                return Ok(None);
            }
            let mut builder = GitignoreBuilder::new("");
            for glob in globs {
                let glob = glob.as_ref();
                builder.add_line(None, glob).map_err(|error| BadGlob {
                    glob: glob.to_owned(),
                    reason: reason(error),
                })?;
            }
            let rules = builder.build().map_err(|error| BadGlob {
                glob: String::new(),
                reason: error.to_string(),
            })?;
            Ok(Some(GitRules(rules)))
        }

        /// Whether the rules hide the entry (`true`) or show it (`false`); `None` if they do not mention it.
        pub(in super::super) fn verdict(&self, path: &Path, is_dir: bool) -> Option<bool> {
            let matched = self.0.matched(path, is_dir);
            match (matched.is_ignore(), matched.is_whitelist()) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            }
        }
    }

    /// What is wrong with a glob, without the glob itself.
    fn reason(error: Error) -> String {
        match error {
            Error::Glob { err, .. } => err,
            Error::WithLineNumber { err, .. } | Error::WithPath { err, .. } => reason(*err),
            other => other.to_string(),
        }
    }
}
