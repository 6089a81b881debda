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

/// The stamp of an entry that was looked at when the clock of files read `now`.
pub(super) fn stamp_of(stat: &Stat, now: FileTime) -> Stamp {
    Stamp {
        changed: stat.changed,
        modified: stat.modified,
        size: stat.size,
        is_racy: may_be_since(stat.changed, now),
    }
}

/// What was seen of the entries of polled directories the last time they were listed.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    of: HashMap<NodeId, Stamp>,
}

impl Stamps {
    /// What was seen of the entry the last time.
    pub(super) fn get(&self, id: NodeId) -> Option<&Stamp> {
        self.of.get(&id)
    }

    /// Whether there is a stamp of the entry.
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

    /// Forgets an entry that goes.
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
}
