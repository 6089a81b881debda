//! The tree of a simulated consumer: a [`Tree`], and what the simulator checks beyond it.
//!
//! [`Tree::apply`] refuses what makes no sense. Here the numbers of the changes must grow as well, every root
//! must be known, both names of a move must have been those of one entry, and contents must be up to date: whenever a file is created or modified, the consumer
//! reads it, and when all is quiet it must have read what is on the disk.

use std::path::{Path, PathBuf};

use everwatch_core::entry::FileType;
use everwatch_core::event::{ChangeKind, Event};
use everwatch_core::path::to_bytes;
use everwatch_core::tree::{Difference, MisfitKind, Tree};

use crate::disk::{Content, Disk};
use crate::schedule::expected_tree::ExpectedTree;
use crate::schedule::scope::Scope;

/// Complaints that are kept.
const MOST_COMPLAINTS: usize = 8;

/// What a consumer saw of an entry when it was last reported as created or modified.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
struct Seen {
    /// The version that was read; `None` if there was no file.
    read: Option<u64>,
    /// The version of the last write to any file at that moment.
    latest: u64,
}

impl Seen {
    /// What looking at the path shows now.
    fn at(path: &Path, disk: &Disk) -> Seen {
        let found = disk.resolve(&to_bytes(path)).ok();
        let read = found.and_then(|ino| match disk.inode(ino).content {
            Content::File(version) => Some(version),
            _ => None,
        });
        Seen {
            read,
            latest: disk.version,
        }
    }
}

/// A consumer's tree, built from the events of one outlet and nothing else.
#[derive(Debug, Default)]
pub(crate) struct CheckedTree {
    tree: Tree<Seen>,
    last_seq: u64,
    /// Roots in the trees of other roots. Nothing reports them when they begin, and that they go is
    /// reported sometimes.
    pub(crate) inner_roots: Vec<PathBuf>,
    /// A move may join two entries, as when changes were folded: a file that another one replaced is modified,
    /// so of a fold, a move may join the old name of the one and the new name of the other.
    pub(crate) joins_others: bool,
    /// What made no sense.
    complaints: Vec<String>,
}

impl CheckedTree {
    /// The consumer's tree begins with this entry, unless it has it already.
    pub(crate) fn begin(&mut self, path: &Path, file_type: FileType, disk: &Disk) {
        if self.tree.get(path).is_none() {
            self.tree.insert(path, file_type);
            self.look(path, disk);
        }
    }

    /// A root is no longer watched: entries that no other root has are dropped.
    pub(crate) fn end(&mut self, scope: &Scope, left: &[Scope]) {
        let mut rest = Tree::default();
        for (path, entry) in self.tree.iter() {
            let bytes = to_bytes(&path);
            if !scope.covers(&bytes) || left.iter().any(|other| other.covers(&bytes)) {
                insert(&mut rest, &path, entry.file_type, entry.value);
            }
        }
        self.tree = rest;
    }

    /// Applies an event, as the promise of a feed says.
    pub(crate) fn apply(&mut self, event: &Event, disk: &Disk) {
        let Event::Change(change) = event else { return };
        if change.seq <= self.last_seq {
            self.complain(format!("number {} after {}", change.seq, self.last_seq));
        }
        self.last_seq = change.seq;
        let path = &*change.path;
        let is_inner_root = self.inner_roots.iter().any(|root| root == path);
        let source = match &change.kind {
            ChangeKind::Moved { from } => from,
            _ => path,
        };
        // A `Tree` does not judge roots that were not inserted. These were.
        let is_new = change.kind == ChangeKind::Created;
        let is_optional = change.kind == ChangeKind::Removed && is_inner_root;
        if !is_new && !is_optional && self.tree.get(source).is_none() {
            self.complain(format!("{change}: unknown"));
        }
        if let ChangeKind::Moved { from } = &change.kind
            && !self.joins_others
            && !disk.were_one(&to_bytes(from), &to_bytes(path))
        {
            self.complain(format!("{change}: no entry had both names"));
        }
        if let Err(misfit) = self.tree.apply(event) {
            match misfit.kind() {
                MisfitKind::NoParent if is_new && is_inner_root => {
                    self.tree.insert(path, change.file_type);
                }
                MisfitKind::Unknown if is_optional => {}
                _ => self.complain(format!("{change}: {misfit}")),
            }
        }
        if matches!(change.kind, ChangeKind::Created | ChangeKind::Modified) {
            self.look(path, disk);
        }
    }

    /// The consumer looks at an entry of its tree.
    fn look(&mut self, path: &Path, disk: &Disk) {
        if let Some(seen) = self.tree.value_mut(path) {
            *seen = Seen::at(path, disk);
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < MOST_COMPLAINTS {
            self.complaints.push(complaint);
        }
    }

    /// Where the consumer's tree differs from another one, such as the one that the engine has.
    pub(crate) fn differences_from(&self, other: &Tree) -> Vec<Difference> {
        self.tree.diff(other)
    }

    /// What is wrong with the consumer's tree, now that all is quiet.
    pub(crate) fn differences(&self, disk: &Disk, scopes: &[Scope]) -> Vec<String> {
        let expected = ExpectedTree::of(disk, scopes);
        let mut differences = self.wrong_structure(&expected);
        differences.extend(self.wrong_contents(&expected, disk));
        differences
    }

    /// The same without what is wrong with contents: for when records were not true.
    pub(crate) fn structure_differences(&self, disk: &Disk, scopes: &[Scope]) -> Vec<String> {
        self.wrong_structure(&ExpectedTree::of(disk, scopes))
    }

    /// Entries that are missing, of another type, or known and not there. An entry that need not be known may
    /// be.
    fn wrong_structure(&self, expected: &ExpectedTree) -> Vec<String> {
        let mut differences = self.complaints.clone();
        for difference in self.tree.diff(&expected.tree) {
            let shown = to_bytes(&difference.path).escape_ascii().to_string();
            match (difference.here, difference.there) {
                (None, Some(kind)) => differences.push(format!("missing: {shown} ({kind})")),
                (Some(known), Some(kind)) => {
                    differences.push(format!("kind: {shown} is {kind}, known as {known}"));
                }
                _ if expected.may_be_known(&difference.path) => {}
                _ => differences.push(format!("ghost: {shown}")),
            }
        }
        differences
    }

    /// Files that were written after they were last reported.
    fn wrong_contents(&self, expected: &ExpectedTree, disk: &Disk) -> Vec<String> {
        let mut differences = Vec::new();
        for (path, entry) in expected.tree.iter() {
            let Some((ino, known)) = entry.value.zip(self.tree.get(&path)) else {
                continue;
            };
            let seen = known.value;
            // A write through another name of the file is reported for that name only.
            if let Content::File(version) = disk.inode(ino).content
                && known.file_type == FileType::File
                && !disk.inode(ino).was_linked
                && seen.read != Some(version)
                && seen.latest < version
            {
                differences.push(format!(
                    "content: {} was written ({version}) after it was last reported ({}, read {:?})",
                    to_bytes(&path).escape_ascii(),
                    seen.latest,
                    seen.read
                ));
            }
        }
        differences
    }
}

/// Adds an entry with what was seen of it.
fn insert(tree: &mut Tree<Seen>, path: &Path, file_type: FileType, seen: Seen) {
    tree.insert(path, file_type);
    if let Some(value) = tree.value_mut(path) {
        *value = seen;
    }
}
