//! Comparing parts of the tree with the disk again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::pending::Oddity;
use super::{Engine, Pass, RunningResync};
use crate::change::ResyncReason;
use crate::kernel::Kernel;
use crate::mirror::{Mark, NodeId};
use crate::outlet::path_of;

impl<K: Kernel> Engine<K> {
    /// Records were lost: every root may have changed anywhere.
    pub(super) fn on_overflow(&mut self) {
        if self.backlog.overflow_follows() {
            // The comparison after the last loss serves this one as well.
            return;
        }
        let tops: Vec<NodeId> = self.roots.iter().filter_map(|root| root.node).collect();
        for top in tops {
            self.resync(top, ResyncReason::Overflow);
        }
        let roots: Vec<_> = self.roots.iter().map(|root| root.id).collect();
        for root in roots {
            self.check_root(root);
        }
    }

    /// Compares a directory and all below it with the disk. The difference comes with the next
    /// steps, between a note at the beginning and one at the end.
    pub(super) fn resync(&mut self, top: NodeId, reason: ResyncReason) {
        let path = path_of(&self.mirror, top);
        self.passes += 1;
        let pass = Pass {
            number: self.passes,
            listed: None,
        };
        let running = self.resyncs.iter_mut().find(|other| other.path == path);
        if let Some(running) = running {
            running.passes.push_back(pass);
        } else {
            self.counters.resyncs += 1;
            self.outlets.resync_begins(path.clone(), reason);
            self.resyncs.push(RunningResync {
                path,
                reason,
                passes: VecDeque::from([pass]),
            });
        }
        self.mirror.set(top, Mark::STALE);
        self.queue(top);
    }

    /// The ignore rules in `dir` changed.
    pub(super) fn rules_changed(&mut self, dir: NodeId) {
        self.resync(dir, ResyncReason::IgnoreRules);
    }

    /// Says that something was mounted on, or unmounted from, these paths, which are real ones. They
    /// are compared with the disk if they are below a root.
    pub fn mounts_changed(&mut self, paths: &[PathBuf]) {
        self.volumes.clear();
        for path in paths {
            // A directory above may have been renamed before, by a record that is still queued.
            self.put_aside(Oddity::Mount(path.clone()));
        }
        let roots: Vec<_> = self.roots.iter().map(|root| root.id).collect();
        for root in roots {
            self.check_root(root);
        }
    }

    /// Compares the directory at a path where a file system came or went. The path is real, roots may
    /// be spelled through symbolic links.
    pub(super) fn look_at_mount(&mut self, path: &Path) {
        let roots: Vec<PathBuf> = self.roots.iter().map(|root| root.dir.clone()).collect();
        for root in roots {
            let (_, real) = self.way_to(&root);
            let Ok(below) = path.strip_prefix(&real) else {
                continue;
            };
            let found = self
                .find(&root.join(below))
                .filter(|&dir| self.reaches(dir));
            if let Some(dir) = found {
                self.resync(dir, ResyncReason::Mounts);
            }
        }
    }
}
