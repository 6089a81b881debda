//! Snapshots: the tree at one moment, joined to the feed of everything after it.

use std::path::PathBuf;

use everwatch_core::entry::FileType;
use everwatch_core::event::Change;
use everwatch_core::tree::Tree;

use crate::error::Error;
use crate::feed::Feed;
use crate::shared::Command;
use crate::watcher::Watcher;

/// An entry of a [`Snapshot`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The absolute path, below the root as the caller spelled it.
    pub path: PathBuf,
    /// The type of the entry itself: a symbolic link is not followed.
    pub file_type: FileType,
}

impl Entry {
    /// The `created` change of this entry, with the number 0.
    pub fn as_created(&self) -> Change {
        Change::created(self.path.clone(), self.file_type)
    }
}

/// The tree at one moment, and the feed of everything after that moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// All entries below the roots, parents before children. The roots are not among them.
    pub entries: Vec<Entry>,
    /// The feed from that moment on: no change is missing in between, and none is there twice.
    pub feed: Feed,
}

impl Snapshot {
    /// The entries as a [`Tree`], to which the events of the feed can be applied.
    pub fn tree(&self) -> Tree {
        let entries = self.entries.iter();
        Tree::from_snapshot(entries.map(|entry| (&entry.path, entry.file_type)))
    }
}

impl Watcher {
    /// The tree as it is known now, and the feed of what happens to it from then on.
    ///
    /// Blocks while the engine's thread copies the entries; the copy takes memory for every path.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the watcher is closed.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let (handover, feed) = Feed::of(self);
        let entries = self.ask("take a snapshot", |reply| Command::TakeSnapshot {
            handover,
            reply,
        })?;
        let entries = entries
            .into_iter()
            .map(|(path, file_type)| Entry { path, file_type })
            .collect();
        Ok(Snapshot { entries, feed })
    }
}
