//! A consumer: applies the feed by the rules that the README gives, and believes nothing else.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use everwatch_core::entry::FileType;
use everwatch_core::event::{Change, ChangeKind, Event};

use crate::disk::Disk;

/// What the consumer knows of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    pub(crate) kind: FileType,
    /// The file that it read when it was last told of a change, and what was in it; `None` if the
    /// file was gone by then.
    pub(crate) content: Option<(usize, Vec<u8>)>,
}

/// The tree as the consumer sees it.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(crate) tree: BTreeMap<PathBuf, Known>,
    last: u64,
}

impl Replica {
    /// Takes in an entry of a snapshot.
    pub(crate) fn begin_with(&mut self, path: PathBuf, kind: FileType, disk: &Disk<'_>) {
        let content = disk.read(&path);
        self.tree.insert(path, Known { kind, content });
    }

    pub(crate) fn apply(&mut self, events: Vec<Event>, disk: &Disk<'_>) {
        for event in events {
            disk.trace(|| format!("  -> {event}"));
            if let Event::Change(change) = event {
                self.apply_change(change, disk);
            }
        }
    }

    fn apply_change(&mut self, change: Change, disk: &Disk<'_>) {
        assert!(
            change.seq > self.last,
            "numbers do not rise: {change:?} after {}",
            self.last
        );
        self.last = change.seq;
        let known = Known {
            kind: change.file_type,
            content: disk.read(&change.path),
        };
        match change.kind {
            ChangeKind::Removed => drop(self.take(&change.path)),
            ChangeKind::Moved { ref from } => {
                let moved = self.take(from);
                assert!(
                    !moved.is_empty(),
                    "moved from where nothing was known: {change:?}"
                );
                self.take(&change.path);
                for (path, mut known) in moved {
                    let below = path.strip_prefix(from).expect("it is below");
                    let mut path = change.path.clone();
                    path.extend(below);
                    // Whoever is late may have found another file, or none, under the former name.
                    let now = disk.read(&path);
                    let file =
                        |content: &Option<(usize, _)>| content.as_ref().map(|(file, _)| *file);
                    if file(&now) != file(&known.content) {
                        known.content = now;
                    }
                    self.tree.insert(path, known);
                }
            }
            ChangeKind::Created => {
                self.tree.insert(change.path, known);
            }
            _ => {
                assert!(
                    self.tree.contains_key(&change.path),
                    "told of the unknown: {change:?}"
                );
                self.tree.insert(change.path, known);
            }
        }
    }

    /// Takes out an entry and all below it.
    fn take(&mut self, top: &Path) -> Vec<(PathBuf, Known)> {
        let paths: Vec<PathBuf> = self
            .tree
            .range::<Path, _>((Bound::Included(top), Bound::Unbounded))
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(top))
            .cloned()
            .collect();
        paths
            .into_iter()
            .filter_map(|path| self.tree.remove_entry(&path))
            .collect()
    }
}
