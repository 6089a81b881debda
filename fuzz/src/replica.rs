//! A consumer: applies the feed by the rules that the README gives, and believes nothing else.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use everwatch_core::change::{Change, ChangeKind, Event, FileType};

/// The tree as the consumer sees it.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(crate) tree: BTreeMap<PathBuf, FileType>,
    last: u64,
}

impl Replica {
    pub(crate) fn apply(&mut self, events: Vec<Event>) {
        for event in events {
            if let Event::Change(change) = event {
                self.apply_change(change);
            }
        }
    }

    fn apply_change(&mut self, change: Change) {
        assert!(
            change.seq > self.last,
            "numbers do not rise: {change:?} after {}",
            self.last
        );
        self.last = change.seq;
        match change.kind {
            ChangeKind::Removed => drop(self.take(&change.path)),
            ChangeKind::Moved { ref from } => {
                let moved = self.take(from);
                assert!(
                    !moved.is_empty(),
                    "moved from {from:?}, which nobody told of: {change:?}"
                );
                self.take(&change.path);
                for (path, file_type) in moved {
                    let below = path.strip_prefix(from).expect("it is below");
                    let path = if below.as_os_str().is_empty() {
                        change.path.clone()
                    } else {
                        change.path.join(below)
                    };
                    self.tree.insert(path, file_type);
                }
            }
            ChangeKind::Created => {
                self.tree.insert(change.path, change.file_type);
            }
            _ => {
                let known = self.tree.contains_key(&change.path);
                assert!(known, "told of a change of what nobody told of: {change:?}");
                self.tree.insert(change.path, change.file_type);
            }
        }
    }

    /// Takes out an entry and all below it.
    fn take(&mut self, top: &Path) -> Vec<(PathBuf, FileType)> {
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
