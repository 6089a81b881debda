//! Time stamps of files, and what can be concluded from them.

use hashbrown::HashMap;

use crate::entry::Stat;
use crate::mirror::{Mirror, NodeId};
use crate::time::{FileTime, may_be_since};

/// What was seen of a polled entry the last time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    pub(super) changed: FileTime,
    pub(super) modified: FileTime,
    pub(super) size: u64,
    /// The entry was changed so shortly before that a later change may look the same.
    pub(super) is_racy: bool,
}

impl Stamp {
    /// Differs from every stamp of an entry that could be looked at.
    pub(super) const UNKNOWN: Stamp = Stamp {
        changed: FileTime::MIN,
        modified: FileTime::MIN,
        size: u64::MAX,
        is_racy: true,
    };
}

pub(super) fn stamp_of(stat: &Stat, now: FileTime) -> Stamp {
    Stamp {
        changed: stat.changed,
        modified: stat.modified,
        size: stat.size,
        is_racy: may_be_since(stat.changed, now),
    }
}

/// What is known of the content of files beside the records: the stamps of polled entries, and the
/// moment up to which no record is missing.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    of: HashMap<NodeId, Stamp>,
    /// The last moment at which all records were known to have arrived.
    complete: FileTime,
    /// Directories that could not be opened when records had been lost, and the moment up to which
    /// all records of what is below had arrived.
    unseen_since: HashMap<NodeId, FileTime>,
}

impl Stamps {
    pub(super) fn get(&self, id: NodeId) -> Option<&Stamp> {
        self.of.get(&id)
    }

    pub(super) fn has(&self, id: NodeId) -> bool {
        self.of.contains_key(&id)
    }

    /// Takes over what was seen of an entry and returns what was seen before.
    pub(super) fn insert(&mut self, id: NodeId, stamp: Stamp) -> Option<Stamp> {
        self.of.insert(id, stamp)
    }

    /// Notes that an entry of a polled directory exists and was not looked at.
    pub(super) fn insert_unknown(&mut self, id: NodeId) {
        self.of.entry(id).or_insert(Stamp::UNKNOWN);
    }

    pub(super) fn remove(&mut self, id: NodeId) {
        if !self.of.is_empty() {
            self.of.remove(&id);
        }
    }

    /// Forgets the stamps of the children of a directory, which is live: from now on records report
    /// their changes.
    pub(super) fn forget_children(&mut self, mirror: &Mirror, dir: NodeId) {
        if self.of.is_empty() {
            return;
        }
        for child in mirror.children(dir) {
            self.of.remove(&child);
        }
    }

    /// The last moment at which all records were known to have arrived.
    pub(super) fn complete(&self) -> FileTime {
        self.complete
    }

    /// All records from before this moment have arrived.
    pub(super) fn complete_at(&mut self, moment: FileTime) {
        self.complete = self.complete.max(moment);
    }

    /// Begins with this moment: there was no root before.
    pub(super) fn begin_at(&mut self, moment: FileTime) {
        self.complete = moment;
    }

    /// A directory cannot be opened while it has to be compared with the disk.
    pub(super) fn cannot_see(&mut self, dir: NodeId) {
        self.unseen_since.entry(dir).or_insert(self.complete);
    }

    /// The directory can be opened again: what is below is compared from the moment at which it was
    /// seen last.
    pub(super) fn can_see(&mut self, dir: NodeId) {
        if let Some(since) = self.unseen_since.remove(&dir) {
            self.complete = self.complete.min(since);
        }
    }

    /// The directory goes.
    pub(super) fn forget_unseen(&mut self, dir: NodeId) {
        self.unseen_since.remove(&dir);
    }
}
