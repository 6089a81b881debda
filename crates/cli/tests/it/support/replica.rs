//! A replica of the tree for a consumer that knows nothing but the JSON lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use everwatch::{Change, ChangeKind, Tree};
use everwatch_torture::line::{Line, parse};

/// The tree as the lines describe it, and what else they say.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(crate) tree: Tree,
    /// How often the content of each path was reported as new or modified after `ready`.
    pub(crate) news: BTreeMap<PathBuf, usize>,
    /// The last reported coverage state of each subtree. It is dropped and moves with the path.
    coverage: BTreeMap<PathBuf, String>,
    /// Changes that make no sense after the lines before them.
    pub(crate) misfits: Vec<String>,
    pub(crate) is_ready: bool,
}

impl Replica {
    /// Applies the complete lines of `text` in order. A last line without a newline is left out.
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
            match parse(line.trim_ascii_end()).expect("each line is one that is documented") {
                Line::Ready => replica.is_ready = true,
                Line::Change(change) => replica.apply(&change),
                Line::Coverage(line) => {
                    replica.coverage.insert(line.path, line.state);
                }
                Line::ResyncBegin { .. } | Line::ResyncEnd => {}
            }
        }
        replica
    }

    fn apply(&mut self, change: &Change) {
        if let Err(misfit) = self.tree.apply_change(change) {
            self.misfits.push(misfit.to_string());
        }
        match &change.kind {
            ChangeKind::Removed => {
                take(&mut self.coverage, &change.path);
            }
            ChangeKind::Moved { from } => relocate(&mut self.coverage, from, &change.path),
            ChangeKind::Created | ChangeKind::Modified if self.is_ready => {
                *self.news.entry(change.path.clone()).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Whether the lines say that changes at `path` are not seen.
    pub(crate) fn is_lost(&self, path: &Path) -> bool {
        let nearest = path.ancestors().find_map(|above| self.coverage.get(above));
        nearest.is_some_and(|state| state == "lost")
    }

    /// The misfits, and the differences from `real` in subtrees whose changes are seen.
    pub(crate) fn lies(&self, real: &Tree) -> Vec<String> {
        let differences = self.tree.diff(real).into_iter();
        let unexplained = differences.filter(|found| !self.is_lost(&found.path));
        let misfits = self.misfits.iter().cloned();
        misfits
            .chain(unexplained.map(|found| found.to_string()))
            .collect()
    }
}

/// Takes the states of `top` and of everything below it out of `states`.
fn take(states: &mut BTreeMap<PathBuf, String>, top: &Path) -> BTreeMap<PathBuf, String> {
    let (taken, kept) = std::mem::take(states)
        .into_iter()
        .partition(|(path, _)| path.starts_with(top));
    *states = kept;
    taken
}

/// Moves the states of `from` and of everything below it, and drops those of what was at `to`.
fn relocate(states: &mut BTreeMap<PathBuf, String>, from: &Path, to: &Path) {
    let moved = take(states, from);
    take(states, to);
    for (old, state) in moved {
        let below = old.strip_prefix(from).expect("taken from there");
        states.insert(to.components().chain(below.components()).collect(), state);
    }
}
