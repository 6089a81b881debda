//! A reader of the lines: applies them, in order, exactly as they are documented.
//!
//! created, modified, metadata: the path exists. removed: it goes with all below it. moved: what
//! was at the target goes, and the source comes there with all below it. A replica also notes lines
//! that make no sense to who has applied all lines before, such as the removal of what it never
//! heard of: they would do no harm here, but no reader could tell them from lost ones. And it
//! remembers when each file was last reported, so that writes which were not can be found.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::line::{Action, Change, Line};
use crate::tree::{Difference, Kind, Tree};

/// Lines that are quoted when something is wrong.
const QUOTED: usize = 12;

/// How often each kind of change was told.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    pub created: usize,
    pub modified: usize,
    pub metadata: usize,
    pub removed: usize,
    pub moved: usize,
}

impl Tally {
    pub fn total(&self) -> usize {
        self.created + self.modified + self.metadata + self.removed + self.moved
    }
}

/// The clock that files are stamped with.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as i64)
}

/// See the module head.
#[derive(Debug)]
pub struct Replica {
    /// From the root directory down, as paths are absolute.
    tree: Tree,
    last_seq: u64,
    pub tally: Tally,
    /// Resyncs begun because of an overflow.
    pub overflows: usize,
    pub resyncs: usize,
    pub coverage: Vec<(PathBuf, String, String)>,
    /// Number of lines that make no sense, and the first few.
    pub nonsense: usize,
    pub quotes: Vec<String>,
    /// Changes since somebody asked to keep them.
    kept: Option<Vec<Change>>,
}

impl Replica {
    /// A replica that knows these trees.
    pub fn new(known: impl IntoIterator<Item = (PathBuf, Option<Tree>)>) -> Replica {
        let mut tree = Tree::new(Kind::Dir);
        let now = now();
        for (path, below) in known {
            if let Some(mut below) = below {
                below.report_all(now);
                tree.put(&path, below);
            }
        }
        Replica {
            tree,
            last_seq: 0,
            tally: Tally::default(),
            overflows: 0,
            resyncs: 0,
            coverage: Vec::new(),
            nonsense: 0,
            quotes: Vec::new(),
            kept: None,
        }
    }

    pub fn contains(&self, path: &Path) -> bool {
        self.tree.get(path).is_some()
    }

    /// Starts keeping changes, and returns those kept so far.
    pub fn keep(&mut self) -> Vec<Change> {
        self.kept.replace(Vec::new()).unwrap_or_default()
    }

    pub fn apply(&mut self, line: Line) {
        match line {
            Line::Ready => {}
            Line::Change(change) => self.apply_change(change),
            Line::Resync {
                reason,
                is_end: false,
            } => {
                self.resyncs += 1;
                self.overflows += usize::from(reason == "overflow");
            }
            Line::Resync { .. } => {}
            Line::Coverage {
                path,
                state,
                reason,
            } => self.coverage.push((path, state, reason)),
        }
    }

    fn apply_change(&mut self, change: Change) {
        if change.seq <= self.last_seq && change.seq != 0 {
            self.object("a number that is not larger than the one before", &change);
        }
        self.last_seq = self.last_seq.max(change.seq);
        match &change.action {
            Action::Created => {
                self.tally.created += 1;
                if self.contains(&change.path) {
                    self.object("created again", &change);
                }
                self.exists(&change);
            }
            Action::Modified | Action::Metadata => {
                let is_metadata = change.action == Action::Metadata;
                self.tally.metadata += usize::from(is_metadata);
                self.tally.modified += usize::from(!is_metadata);
                if !self.contains(&change.path) {
                    self.object("changed, but never created", &change);
                }
                self.exists(&change);
            }
            Action::Removed => {
                self.tally.removed += 1;
                if self.tree.take(&change.path).is_none() {
                    self.object("removed, but not there", &change);
                }
            }
            Action::Moved { from } => {
                self.tally.moved += 1;
                if change.path.starts_with(from) {
                    self.object("moved into itself", &change);
                } else {
                    let source = self.tree.take(from);
                    if source.is_none() {
                        self.object("moved, but not there", &change);
                    }
                    let mut source = source.unwrap_or_else(|| Tree::new(change.kind));
                    source.kind = change.kind;
                    if !self.tree.put(&change.path, source) {
                        self.object("moved to a directory that is not there", &change);
                    }
                }
            }
        }
        if let Some(kept) = &mut self.kept {
            kept.push(change);
        }
    }

    fn exists(&mut self, change: &Change) {
        let content = if change.action == Action::Metadata {
            0
        } else {
            now()
        };
        match self.tree.get_mut(&change.path) {
            Some(entry) => {
                entry.kind = change.kind;
                entry.content = entry.content.max(content);
            }
            None => {
                let mut entry = Tree::new(change.kind);
                entry.content = content;
                if !self.tree.put(&change.path, entry) {
                    self.object("in a directory that is not there", change);
                }
            }
        }
    }

    fn object(&mut self, why: &str, change: &Change) {
        self.nonsense += 1;
        if self.quotes.len() < QUOTED {
            self.quotes.push(format!("{why}: {change:?}"));
        }
    }

    /// Compares with what walks have found.
    pub fn difference(&self, disk: &[(PathBuf, Option<Tree>)]) -> Difference {
        let mut difference = Difference::default();
        for (path, disk) in disk {
            difference.add(path, self.tree.get(path), disk.as_ref());
        }
        difference
    }
}

#[cfg(test)]
fn change(seq: u64, action: Action, path: &str, kind: Kind) -> Line {
    Line::Change(Change {
        seq,
        action,
        path: path.into(),
        kind,
        was_scanned: false,
    })
}

#[test]
fn a_move_drops_what_was_at_the_target_and_brings_all_below() {
    let mut replica = Replica::new([("/r".into(), Some(Tree::new(Kind::Dir)))]);
    replica.apply(change(1, Action::Created, "/r/a", Kind::Dir));
    replica.apply(change(2, Action::Created, "/r/a/f", Kind::File));
    replica.apply(change(3, Action::Created, "/r/b", Kind::Dir));
    replica.apply(change(4, Action::Created, "/r/b/g", Kind::File));
    replica.apply(change(
        5,
        Action::Moved {
            from: "/r/a".into(),
        },
        "/r/b",
        Kind::Dir,
    ));
    assert_eq!(replica.nonsense, 0, "{:?}", replica.quotes);
    let there = ["/r/b/f", "/r/b/g", "/r/a"].map(|path| replica.contains(Path::new(path)));
    assert_eq!(there, [true, false, false]);
}

#[test]
fn lines_that_nobody_could_have_expected_are_noted() {
    let mut replica = Replica::new([("/r".into(), Some(Tree::new(Kind::Dir)))]);
    replica.apply(change(1, Action::Removed, "/r/a", Kind::File));
    replica.apply(change(2, Action::Created, "/r/b/c", Kind::File));
    replica.apply(change(2, Action::Created, "/r/d", Kind::File));
    replica.apply(change(
        3,
        Action::Moved {
            from: "/r/x".into(),
        },
        "/r/y",
        Kind::File,
    ));
    assert_eq!(replica.nonsense, 4, "{:?}", replica.quotes);
}
