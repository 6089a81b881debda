//! The repository of git that a root lies in, and the files in which it has ignore rules for the root.
//!
//! `.git` is the directory of the repository, or a file that names it: in a linked worktree, a submodule, and where
//! `git init --separate-git-dir` put it elsewhere (gitrepository-layout(5)). A linked worktree has a directory of
//! its own below that of the repository, with a file `commondir` that leads to what all worktrees share.
//!
//! Rules come from `.gitignore` in each directory up to the top of the worktree, then from `info/exclude` of the
//! repository, and last from the file that `core.excludesFile` names. The nearest counts most.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use everwatch_core::ignore::{AncestorIgnores, excludes_file_of_user};

/// How much of a file of the repository is read, in bytes. Real ones are far smaller.
const LIMIT: u64 = 1 << 20;

/// A repository, as it is found from a directory in its worktree.
#[derive(Debug)]
pub(crate) struct GitRepository<'a> {
    /// The top of the worktree, in which `.git` is.
    top: &'a Path,
    /// The directory that all worktrees of the repository share.
    common: PathBuf,
}

impl GitRepository<'_> {
    /// The repository whose worktree `path` lies in, if it lies in one. Follows symbolic links, as git does.
    pub(crate) fn of(path: &Path) -> Option<GitRepository<'_>> {
        let top = path.ancestors().find(|dir| dir.join(".git").exists())?;
        let git = top.join(".git");
        let own = match read(&git) {
            // A file that names no directory: git calls it invalid, and only the rules in the tree count.
            Some(text) => top.join(text.strip_prefix("gitdir:").map(path_in)?),
            None => git,
        };
        let common = match read(&own.join("commondir")) {
            Some(text) => own.join(path_in(&text)),
            None => own,
        };
        Some(GitRepository { top, common })
    }

    /// The files whose rules apply to `root`, which lies in the worktree, from outside of it. The nearest comes
    /// first.
    pub(crate) fn ignores(&self, root: &Path) -> Vec<AncestorIgnores> {
        let file = |of: &Path, dir: PathBuf, name: &OsStr| {
            let prefix = root.strip_prefix(of).ok()?.to_owned();
            Some(AncestorIgnores::of_file(prefix, dir, name))
        };
        let above = root.ancestors().skip(1);
        let in_worktree = above
            .take_while(|dir| dir.starts_with(self.top))
            .filter_map(|dir| file(dir, dir.to_owned(), OsStr::new(".gitignore")));
        let excludes = file(self.top, self.common.join("info"), OsStr::new("exclude"));
        let configured = self.excludes_file().and_then(|path| {
            // People keep such files elsewhere and link to them. A link is followed once, here.
            let path = path.canonicalize().unwrap_or(path);
            file(self.top, path.parent()?.to_owned(), path.file_name()?)
        });
        in_worktree.chain(excludes).chain(configured).collect()
    }

    /// What `core.excludesFile` names: in the configuration of the repository, or else in that of the user and of
    /// the system, or else the file that git reads by default.
    fn excludes_file(&self) -> Option<PathBuf> {
        let configuration = read(&self.common.join("config"));
        let own = configuration.as_deref().and_then(excludes_file_in);
        match own {
            Some(path) => Some(self.top.join(path)),
            None => excludes_file_of_user(),
        }
    }
}

/// The text of a small regular file. `None` for anything else, and for what is not UTF-8.
fn read(path: &Path) -> Option<String> {
    // Opening a pipe would wait for its writer.
    path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(LIMIT).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The path that is the rest of a line.
fn path_in(text: &str) -> &Path {
    Path::new(text.trim_start().trim_end_matches(['\r', '\n']))
}

/// The value of `core.excludesFile` in a configuration; git-config(1), "Syntax". The last one counts. Files that
/// the configuration includes are not read.
fn excludes_file_in(configuration: &str) -> Option<PathBuf> {
    let mut is_core = false;
    let mut found = None;
    for line in configuration.lines() {
        let line = line.trim();
        // A key may follow its section on one line.
        let line = match line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            Some((section, rest)) => {
                is_core = section.trim().eq_ignore_ascii_case("core");
                rest.trim()
            }
            None => line,
        };
        if is_core
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case("excludesfile")
        {
            found = Some(unquoted(value.trim()));
        }
    }
    let path = found.filter(|path| !path.is_empty())?;
    match path.strip_prefix("~/") {
        Some(below) => Some(std::env::home_dir()?.join(below)),
        None => Some(PathBuf::from(path)),
    }
}

/// A value without quotes, escapes, and the comment behind it.
fn unquoted(value: &str) -> String {
    let mut plain = String::new();
    let mut kept = 0;
    let mut is_quoted = false;
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => is_quoted = !is_quoted,
            '#' | ';' if !is_quoted => break,
            '\\' => plain.extend(chars.next().map(|escaped| match escaped {
                'n' => '\n',
                't' => '\t',
                other => other,
            })),
            _ => plain.push(char),
        }
        // Blanks before a comment are none of the value.
        if is_quoted || !char.is_whitespace() {
            kept = plain.len();
        }
    }
    plain.truncate(kept);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_a_file_of_rules() {
        let value = |text: &str| excludes_file_in(text).map(|path| path.display().to_string());
        let some = |path: &str| Some(path.to_owned());
        assert_eq!(value("[core]\n\tbare = false\n"), None);
        assert_eq!(value("[core]\n\texcludesFile = a b # c\n"), some("a b"));
        assert_eq!(value("[CORE] ExcludesFile=\"a;\\\"b\"\n"), some("a;\"b"));
        assert_eq!(
            value("[core]\nexcludesfile=a\n[core]\nexcludesfile=b\n"),
            some("b")
        );
        assert_eq!(value("[user]\nexcludesfile=a\n"), None);
        assert_eq!(value("[core]\nexcludesfile=\n"), None);
        assert_eq!(value("[core \"x\"]\nexcludesfile=a\n"), None);
    }
}
