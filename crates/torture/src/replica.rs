//! The replica: a [`Tree`] to which the command's lines are applied, and the checks beyond it.
//!
//! [`Tree`] applies a change as the documentation of the lines says, and refuses one that makes no sense
//! in it. A replica counts these, and two more sorts of lines that no reader could distinguish from lost ones: a
//! number that does not rise, and the creation of an entry that exists. It remembers when the content of
//! each file was last reported, so that a write without a report is found by comparing that with the
//! file's time on disk.

use std::path::Path;
use std::time::SystemTime;

use everwatch::{Change, ChangeKind, Tree};

use crate::line::{CoverageLine, Line};
use crate::walk::{Moment, WalkedTree};

/// How many wrong lines, and how many differences, a failure quotes.
const QUOTED: usize = 12;

/// How often each kind of change was reported.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the kinds by their own names")]
pub struct Tally {
    pub created: usize,
    pub modified: usize,
    pub metadata: usize,
    pub removed: usize,
    pub moved: usize,
}

impl Tally {
    /// Number of changes of all kinds.
    pub fn total(&self) -> usize {
        self.created + self.modified + self.metadata + self.removed + self.moved
    }
}

/// The tree as a reader of the lines knows it.
#[derive(Debug, Default)]
pub struct Replica {
    /// The value of an entry is the time at which its content was last reported.
    tree: Tree<Moment>,
    last_seq: u64,
    /// The changes so far, by kind.
    pub tally: Tally,
    /// Resyncs that began because of an overflow.
    pub overflows: usize,
    /// Resyncs that began.
    pub resyncs: usize,
    /// All lines about coverage, in order.
    pub coverage: Vec<CoverageLine>,
    /// Number of lines that make no sense after the lines before them. A correct feed has none.
    pub misfits: usize,
    /// The first of them, for people.
    pub quotes: Vec<String>,
    /// Changes since [`Replica::keep`] was called first.
    kept: Option<Vec<Change>>,
}

impl Replica {
    /// A replica that begins with what a walk found, whose contents count as reported now.
    pub fn new(known: &WalkedTree) -> Replica {
        let mut tree = Tree::default();
        let now = now();
        for (path, entry) in known.iter() {
            tree.insert(&path, entry.file_type);
            report(&mut tree, &path, now);
        }
        Replica {
            tree,
            ..Replica::default()
        }
    }

    /// Whether an entry exists at the path.
    pub fn contains(&self, path: &Path) -> bool {
        self.tree.get(path).is_some()
    }

    /// Starts to keep changes, and returns those that were kept so far.
    pub fn keep(&mut self) -> Vec<Change> {
        self.kept.replace(Vec::new()).unwrap_or_default()
    }

    /// Applies a line.
    pub fn apply(&mut self, line: Line) {
        match line {
            Line::Ready | Line::ResyncEnd => {}
            Line::Change(change) => self.apply_change(change),
            Line::ResyncBegin { reason } => {
                self.resyncs += 1;
                self.overflows += usize::from(reason == "overflow");
            }
            Line::Coverage(line) => self.coverage.push(line),
        }
    }

    fn apply_change(&mut self, change: Change) {
        // The entries of a snapshot have the number 0.
        if change.seq <= self.last_seq && change.seq != 0 {
            self.object("a number that is not larger than the one before", &change);
        }
        self.last_seq = self.last_seq.max(change.seq);
        let counter = match &change.kind {
            ChangeKind::Created => &mut self.tally.created,
            ChangeKind::Modified => &mut self.tally.modified,
            ChangeKind::Metadata => &mut self.tally.metadata,
            ChangeKind::Removed => &mut self.tally.removed,
            ChangeKind::Moved { .. } => &mut self.tally.moved,
            other => panic!("a kind of change without documentation: {other:?}"),
        };
        *counter += 1;
        if change.kind == ChangeKind::Created && self.contains(&change.path) {
            self.object("created again", &change);
        }
        if let Err(misfit) = self.tree.apply_change(&change) {
            self.object(&misfit.to_string(), &change);
        }
        if matches!(change.kind, ChangeKind::Created | ChangeKind::Modified) {
            report(&mut self.tree, &change.path, now());
        }
        if let Some(kept) = &mut self.kept {
            kept.push(change);
        }
    }

    fn object(&mut self, why: &str, change: &Change) {
        self.misfits += 1;
        if self.quotes.len() < QUOTED {
            self.quotes.push(format!("{why}: {change:?}"));
        }
    }

    /// How this differs from what a walk found.
    pub fn difference(&self, disk: &WalkedTree) -> Difference {
        let mut difference = Difference::default();
        for found in self.tree.diff(disk) {
            let counter = match (found.here, found.there) {
                (None, _) => &mut difference.missing,
                (_, None) => &mut difference.ghosts,
                _ => &mut difference.wrong_types,
            };
            *counter += 1;
            difference.quote(found.to_string());
        }
        for (path, entry) in disk.iter() {
            let Some(ours) = self.tree.get(&path) else {
                continue;
            };
            if ours.value < entry.value {
                difference.unreported += 1;
                let (written, reported) = (entry.value, ours.value);
                difference.quote(format!(
                    "{path:?}: written at {written:?} ns, reported at {reported:?} ns"
                ));
            }
        }
        difference
    }
}

/// The time on the clock that files are stamped with.
fn now() -> Moment {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok().map(|since| since.as_nanos() as i64)
}

/// Notes when the content of an entry was reported.
fn report(tree: &mut Tree<Moment>, path: &Path, at: Moment) {
    if let Some(value) = tree.value_mut(path) {
        *value = at;
    }
}

/// How a replica differs from the disk: numbers of entries.
#[derive(Clone, Default, Debug)]
pub struct Difference {
    /// On disk, but not in the replica.
    pub missing: usize,
    /// In the replica, but not on disk.
    pub ghosts: usize,
    /// Of another type on disk.
    pub wrong_types: usize,
    /// Files that were written after their content was last reported.
    pub unreported: usize,
    /// The first of all these, for people.
    pub quotes: Vec<String>,
}

impl Difference {
    /// Whether there is no difference.
    pub fn is_none(&self) -> bool {
        self.missing + self.ghosts + self.wrong_types + self.unreported == 0
    }

    fn quote(&mut self, what: String) {
        if self.quotes.len() < QUOTED {
            self.quotes.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use everwatch::{Cause, FileType};

    use super::*;

    fn replica() -> Replica {
        let mut known = WalkedTree::default();
        for dir in ["/", "/r"] {
            known.insert(dir, FileType::Dir);
        }
        Replica::new(&known)
    }

    fn change(seq: u64, kind: ChangeKind, path: &str, file_type: FileType) -> Line {
        Line::Change(Change::new(seq, kind, path, file_type, Cause::Notified))
    }

    fn moved(from: &str) -> ChangeKind {
        ChangeKind::Moved { from: from.into() }
    }

    #[test]
    fn a_move_drops_what_was_at_the_target_and_brings_all_below() {
        let mut replica = replica();
        replica.apply(change(1, ChangeKind::Created, "/r/a", FileType::Dir));
        replica.apply(change(2, ChangeKind::Created, "/r/a/f", FileType::File));
        replica.apply(change(3, ChangeKind::Created, "/r/b", FileType::Dir));
        replica.apply(change(4, ChangeKind::Created, "/r/b/g", FileType::File));
        replica.apply(change(5, moved("/r/a"), "/r/b", FileType::Dir));
        assert_eq!(replica.misfits, 0, "{:?}", replica.quotes);
        let exist = ["/r/b/f", "/r/b/g", "/r/a"].map(|path| replica.contains(Path::new(path)));
        assert_eq!(exist, [true, false, false]);
    }

    #[test]
    fn lines_that_make_no_sense_are_counted() {
        let mut replica = replica();
        replica.apply(change(1, ChangeKind::Removed, "/r/a", FileType::File));
        replica.apply(change(2, ChangeKind::Created, "/r/b/c", FileType::File));
        replica.apply(change(2, ChangeKind::Created, "/r/d", FileType::File));
        replica.apply(change(3, moved("/r/x"), "/r/y", FileType::File));
        replica.apply(change(4, ChangeKind::Created, "/r/d", FileType::File));
        assert_eq!(replica.misfits, 5, "{:?}", replica.quotes);
    }

    #[test]
    fn a_line_below_a_root_that_is_gone_makes_no_sense() {
        let mut replica = replica();
        replica.apply(change(1, ChangeKind::Removed, "/r", FileType::Dir));
        replica.apply(change(2, ChangeKind::Created, "/r/a", FileType::File));
        assert_eq!(replica.misfits, 1, "{:?}", replica.quotes);
    }

    #[test]
    fn a_difference_counts_each_entry_and_writes_without_a_report() {
        let mut replica = replica();
        replica.apply(change(1, ChangeKind::Created, "/r/ghost", FileType::Dir));
        replica.apply(change(2, ChangeKind::Created, "/r/ghost/b", FileType::File));
        replica.apply(change(3, ChangeKind::Created, "/r/type", FileType::Dir));
        replica.apply(change(4, ChangeKind::Created, "/r/f", FileType::File));
        let mut disk = WalkedTree::default();
        for dir in ["/", "/r", "/r/missing"] {
            disk.insert(dir, FileType::Dir);
        }
        for file in ["/r/missing/c", "/r/type", "/r/f"] {
            disk.insert(file, FileType::File);
        }
        let later = now().map(|now| now + 1_000_000_000);
        report(&mut disk, Path::new("/r/f"), later);
        let difference = replica.difference(&disk);
        let counts = [
            difference.missing,
            difference.ghosts,
            difference.wrong_types,
            difference.unreported,
        ];
        assert_eq!(counts, [2, 2, 1, 1], "{:?}", difference.quotes);
    }
}
