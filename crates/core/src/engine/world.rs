//! The world: the mirror and the outlets, which change together.
//!
//! A change of the mirror that consumers learn of goes through here, so that the mirror and what was
//! reported of it never differ. Reading goes straight to [`World::mirror`].

use std::path::PathBuf;

use hashbrown::HashSet;

use super::root_table::Roots;
use crate::delivery::fold::At;
use crate::delivery::outlet::Outlets;
pub(super) use crate::delivery::outlet::Report;
use crate::entry::FileType;
use crate::event::Cause;
use crate::mirror::path::path_of;
use crate::mirror::{Mirror, NodeId};

/// The mirror, and the outlets through which its changes are reported.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) mirror: Mirror,
    pub(super) outlets: Outlets,
}

impl World {
    /// The absolute path of an entry.
    pub(super) fn path(&self, id: NodeId) -> PathBuf {
        path_of(&self.mirror, id)
    }

    /// Reports an entry as created.
    pub(super) fn created(&mut self, id: NodeId, cause: Cause) {
        self.outlets.created(&mut self.mirror, id, cause);
    }

    /// Notes an entry that belongs to what a root begins with; as a rule it is not reported.
    pub(super) fn found(&mut self, id: NodeId, cause: Cause) {
        self.outlets.found(&mut self.mirror, id, cause);
    }

    /// Reports that the content of an entry may have changed.
    pub(super) fn modified(&mut self, id: NodeId, cause: Cause) {
        self.outlets.modified(&mut self.mirror, id, cause);
    }

    /// The same, unless the entry belongs to the beginning of a root: consumers do not know it then.
    pub(super) fn modified_if_known(&mut self, roots: &Roots, id: NodeId, cause: Cause) {
        if !roots.is_beginning(&self.mirror, id) {
            self.modified(id, cause);
        }
    }

    /// Reports that an entry's metadata changed.
    pub(super) fn metadata(&mut self, id: NodeId, cause: Cause) {
        self.outlets.metadata(&mut self.mirror, id, cause);
    }

    /// Reports an entry, with the whole `subtree` below it, that is about to be removed.
    pub(super) fn removing(
        &mut self,
        id: NodeId,
        subtree: &[NodeId],
        cause: Cause,
        report: Report,
    ) {
        self.outlets
            .removing(&mut self.mirror, id, subtree, cause, report);
    }

    /// Notes that an entry is about to move and returns its path, for [`World::moved`].
    pub(super) fn moving(&mut self, id: NodeId, cause: Cause) -> PathBuf {
        self.outlets.moving(&mut self.mirror, id, cause)
    }

    /// Reports that an entry moved here from the path `from`.
    pub(super) fn moved(&mut self, id: NodeId, from: &std::path::Path, cause: Cause) {
        self.outlets.moved(&self.mirror, id, from, cause);
    }

    /// What consumers see at one place is at another one from now on, which has the same path.
    pub(super) fn replant(&mut self, from: At<'_>, to: At<'_>) {
        self.outlets.replant(&mut self.mirror, from, to);
    }

    /// What consumers see at a path below the top of a tree is the top of another one from now on.
    pub(super) fn uproot(&mut self, top: At<'_>, below: &[Vec<u8>], path: &[u8]) {
        self.outlets.uproot(&mut self.mirror, top, below, path);
    }

    /// Forgets all in a directory but what has one of the names, without a report.
    pub(super) fn forget_others(&mut self, dir: NodeId, keep: &HashSet<Vec<u8>>) {
        self.outlets.forget_others(&mut self.mirror, dir, keep);
    }

    /// Forgets the tree with this path, which is no longer watched.
    pub(super) fn forget_path(&mut self, path: &[u8]) {
        self.outlets.forget_path(&mut self.mirror, path);
    }

    /// Forgets a tree whose root is no longer watched, without a report.
    pub(super) fn forget(&mut self, top: NodeId) {
        self.outlets.forget(&mut self.mirror, top);
    }

    /// Calls `each` for every entry below `top` that consumers know of, parents before children.
    pub(super) fn entries_below(&self, top: NodeId, each: &mut impl FnMut(PathBuf, FileType)) {
        for id in self.mirror.subtree(top) {
            if id != top && !self.mirror.is_withheld(id) {
                each(self.path(id), self.mirror.kind(id));
            }
        }
    }

    /// Reports a file as modified that left its name, or came to it, and is found there as it was before:
    /// it was away for a moment, where writes left no record, or was taken for its successor. `before`
    /// is what [`Outlets::changes`] was then; if something was reported since, that is enough.
    pub(super) fn report_anew(&mut self, dir: NodeId, name: &[u8], file: NodeId, before: u64) {
        if self.outlets.changes() == before
            && self.mirror.child(dir, name) == Some(file)
            && self.mirror.kind(file) == FileType::File
        {
            self.modified(file, Cause::Notified);
        }
    }
}
