//! Comparing parts of the tree with the disk again: after lost records, mounts, and renames that hid
//! records.

use std::path::{Path, PathBuf};

use super::Engine;
use super::undecided::Undecided;
use crate::event::ResyncReason;
use crate::kernel::Kernel;
use crate::mirror::NodeId;

impl<K: Kernel> Engine<K> {
    /// Compares a directory and all below it with the disk.
    fn resync(&mut self, top: NodeId, reason: ResyncReason) {
        self.resyncs
            .begin(&mut self.world, &mut self.work, top, reason);
    }

    /// Records were lost: every root may have changed anywhere.
    pub(super) fn on_overflow(&mut self) {
        if self.records.queue.overflow_follows() {
            // The comparison after the last loss serves this one as well.
            return;
        }
        let tops: Vec<NodeId> = self.roots.iter().filter_map(|root| root.node).collect();
        for top in tops {
            self.resync(top, ResyncReason::Overflow);
        }
        for root in self.roots.ids() {
            // That a guard has ended may have been lost as well.
            self.guard_root(root);
            self.check_root(root);
        }
    }

    /// Says that something was mounted on, or unmounted from, these paths, which are real ones. They
    /// are compared with the disk if they are below a root.
    pub fn mounts_changed(&mut self, paths: &[PathBuf]) {
        self.coverage.gaps.forget_volumes();
        for path in paths {
            // A directory above may have been renamed before, by a record that is still queued, and may be
            // renamed before that is applied.
            let dirs = self.directories_of_mount(path);
            let path = path.clone();
            self.pending
                .defer(self.time, Undecided::Mount { path, dirs });
        }
        for root in self.roots.ids() {
            self.check_root(root);
        }
    }

    /// Compares the directories where a file system came or went: those that had its path then, and those
    /// that have it now.
    pub(super) fn compare_mount(&mut self, path: &Path, mut dirs: Vec<NodeId>) {
        let mirror = &self.world.mirror;
        dirs.retain(|&dir| mirror.contains(dir) && mirror.is_dir(dir));
        for dir in self.directories_of_mount(path) {
            if !dirs.contains(&dir) {
                dirs.push(dir);
            }
        }
        for dir in dirs {
            if self.roots.reaches(&self.world.mirror, dir) {
                self.resync(dir, ResyncReason::Mounts);
            }
        }
    }

    /// The directories of the mirror at a real path; roots may be spelled through symbolic links.
    fn directories_of_mount(&mut self, path: &Path) -> Vec<NodeId> {
        let roots: Vec<PathBuf> = self.roots.iter().map(|root| root.dir.clone()).collect();
        let mut dirs = Vec::new();
        for root in roots {
            let (_, real) = self.ancestors_of(&root);
            if let Ok(below) = path.strip_prefix(&real)
                && let Some(dir) = self.directory_at(&root.join(below))
                && !dirs.contains(&dir)
            {
                dirs.push(dir);
            }
        }
        dirs
    }

    /// The directory of the mirror at this path.
    fn directory_at(&self, path: &Path) -> Option<NodeId> {
        self.roots.iter().find_map(|root| {
            let top = root.node?;
            let below = path.strip_prefix(self.world.path(top)).ok()?;
            self.world.mirror.find_below(top, below)
        })
    }
}
