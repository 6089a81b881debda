//! A consumer that knows nothing but the JSON lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What is at each path: `file`, `dir`, `symlink` or `other`.
pub(crate) type Tree = BTreeMap<PathBuf, String>;

/// What is below `root` on disk now.
pub(crate) fn walk(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory is listed") {
            let entry = entry.expect("an entry is read");
            let kind = entry.file_type().expect("the kind of an entry is known");
            let name = match kind {
                kind if kind.is_dir() => "dir",
                kind if kind.is_symlink() => "symlink",
                kind if kind.is_file() => "file",
                _ => "other",
            };
            if kind.is_dir() {
                open.push(entry.path());
            }
            tree.insert(entry.path(), name.to_owned());
        }
    }
    tree
}

#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(crate) tree: Tree,
    /// How often each path was said to have another content, or to be new, since all was armed.
    pub(crate) news: BTreeMap<PathBuf, usize>,
    /// What was last said of each subtree that is or was not live: its state.
    pub(crate) coverage: BTreeMap<PathBuf, String>,
    pub(crate) resyncs: usize,
    pub(crate) is_ready: bool,
}

impl Replica {
    /// Applies the whole lines of `text`, in order; what is behind the last newline is not there yet.
    pub(crate) fn read(text: &[u8]) -> Replica {
        let mut replica = Replica::default();
        let end = text
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        for line in text[..end]
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let line = serde_json::from_slice(line).expect("each line is an object");
            replica.apply(&line);
        }
        replica
    }

    fn apply(&mut self, line: &Value) {
        let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        match &*word("type") {
            "ready" => self.is_ready = true,
            "change" => self.change(line, &word("kind"), word("file_type")),
            "resync" => self.resyncs += 1,
            "coverage" => {
                self.coverage.insert(path(line, "path"), word("state"));
            }
            other => panic!("no such type of line: {other}"),
        }
    }

    fn change(&mut self, line: &Value, kind: &str, file_type: String) {
        let path_now = path(line, "path");
        match kind {
            "removed" => {
                take(&mut self.tree, &path_now);
                take(&mut self.coverage, &path_now);
            }
            "moved" => {
                // How a directory is watched goes with it.
                let from = path(line, "from");
                relocate(&mut self.tree, &from, &path_now);
                relocate(&mut self.coverage, &from, &path_now);
            }
            _ => {
                self.tree.insert(path_now.clone(), file_type);
                *self.news.entry(path_now).or_default() +=
                    usize::from(self.is_ready && kind != "metadata");
            }
        }
    }

    /// Whether a consumer was told that changes at `path` are not seen.
    pub(crate) fn is_lost(&self, path: &Path) -> bool {
        let nearest = path.ancestors().find_map(|above| self.coverage.get(above));
        nearest.is_some_and(|state| state == "lost")
    }

    /// Where this differs from `real` although nobody said that changes there are not seen.
    pub(crate) fn lies(&self, real: &Tree) -> Vec<String> {
        let differs = |path: &&PathBuf| self.tree.get(*path) != real.get(*path);
        let paths: std::collections::BTreeSet<&PathBuf> = self
            .tree
            .keys()
            .chain(real.keys())
            .filter(differs)
            .collect();
        paths
            .into_iter()
            .filter(|path| !self.is_lost(path))
            .map(|path| {
                let (told, is) = (self.tree.get(path), real.get(path));
                format!("{}: told {told:?}, is {is:?}", path.display())
            })
            .collect()
    }
}

/// Takes what is known of `top` and of all below it out of `all`.
fn take(all: &mut BTreeMap<PathBuf, String>, top: &Path) -> BTreeMap<PathBuf, String> {
    let (taken, kept) = std::mem::take(all)
        .into_iter()
        .partition(|(path, _)| path.starts_with(top));
    *all = kept;
    taken
}

fn relocate(all: &mut BTreeMap<PathBuf, String>, from: &Path, to: &Path) {
    let moved = take(all, from);
    take(all, to);
    for (old, what) in moved {
        let below = old.strip_prefix(from).expect("taken from there");
        let is_top = below.as_os_str().is_empty();
        all.insert(
            if is_top {
                to.to_owned()
            } else {
                to.join(below)
            },
            what,
        );
    }
}

/// A path, exactly.
fn path(line: &Value, name: &str) -> PathBuf {
    match line[format!("{name}_bytes")].as_str() {
        Some(hex) => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16).expect("hex") as u8;
            let bytes = hex
                .as_bytes()
                .chunks(2)
                .map(|two| digit(&two[0]) << 4 | digit(&two[1]));
            of_bytes(bytes.collect())
        }
        None => line[name].as_str().expect("a path").into(),
    }
}

#[cfg(unix)]
fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(windows)]
fn of_bytes(bytes: Vec<u8>) -> PathBuf {
    panic!("a name that is no text was made by nobody here: {bytes:?}")
}
