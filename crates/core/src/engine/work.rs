//! The work list: the directories that have to be listed, last first.

use super::root_table::Roots;
use crate::mirror::{Mirror, NodeId};

/// Directories that wait to be listed. A directory is on the list exactly if it carries
/// the state "queued", so it is on it once.
///
/// Work is taken from the end, which makes a crawl go depth first and keeps its open handles few.
#[derive(Debug, Default)]
pub(super) struct WorkList {
    list: Vec<NodeId>,
}

impl WorkList {
    /// Puts a directory on the list, once.
    pub(super) fn queue(&mut self, mirror: &mut Mirror, id: NodeId) {
        if mirror.enqueue(id) {
            self.list.push(id);
        }
    }

    /// Puts a directory on the list to be compared with the disk, with all below it.
    pub(super) fn queue_stale(&mut self, mirror: &mut Mirror, id: NodeId) {
        mirror.mark_stale(id);
        self.queue(mirror, id);
    }

    /// Queues a directory to be compared, if it is watched, because for a while its changes left no
    /// records.
    pub(super) fn compare_again(&mut self, roots: &Roots, mirror: &mut Mirror, id: NodeId) {
        if mirror.contains(id) && mirror.is_dir(id) && roots.reaches(mirror, id) {
            self.queue_stale(mirror, id);
        }
    }

    /// Takes the directory that was put there last. It may be gone from the mirror, and carries its
    /// mark until it is scanned.
    pub(super) fn pop(&mut self) -> Option<NodeId> {
        self.list.pop()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
