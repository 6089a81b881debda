//! The content of files: which have to be reported as modified because of what looking at them showed.

use super::Engine;
use super::stamps::{Stamp, stamp_of};
use crate::coverage::Gap;
use crate::entry::FileType;
use crate::event::Cause;
use crate::kernel::{ChangedSince, Kernel, Token};
use crate::mirror::{Mirror, NodeId};
use crate::time::may_be_since;

/// Whether the changes of a directory since its last listing left records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tracking {
    /// All of them, unless records were lost.
    Complete,
    /// It was not watched for a while.
    Gaps,
}

impl Tracking {
    /// That of a directory of the mirror.
    pub(super) fn of(mirror: &Mirror, dir: NodeId) -> Tracking {
        match mirror.is_tracked(dir) {
            true => Tracking::Complete,
            false => Tracking::Gaps,
        }
    }
}

/// How the content of a listed entry is compared with what is known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    /// By what was seen of the entry the last time. Otherwise by its change time alone.
    pub(super) by_stamp: bool,
    pub(super) tracking: Tracking,
    /// The entry was reported just now.
    pub(super) is_news: bool,
}

impl<K: Kernel> Engine<K> {
    /// Reports a file whose content may have changed since it was last reported. Fails if that can only
    /// be found out later.
    ///
    /// By stamp, the change is exact: times and size differ, or the last stamp was so fresh that a later
    /// write may look the same. Without a stamp, a change time from which on records may be missing is
    /// enough. Reporting too much is allowed, reporting too little is not.
    pub(super) fn compare_content(
        &mut self,
        dir: NodeId,
        child: NodeId,
        name: &[u8],
        comparison: Comparison,
    ) -> Result<(), Gap> {
        let Comparison {
            by_stamp,
            tracking,
            is_news,
        } = comparison;
        let is_file = self.world.mirror.kind(child) == FileType::File;
        if !by_stamp && (is_news || !is_file || self.roots.is_beginning(&self.world.mirror, child))
        {
            return Ok(());
        }
        self.counters.stats += 1;
        if !by_stamp {
            self.compare_later(dir, child, name);
            return Ok(());
        }
        let stat = match self.directories.stat(&self.world.mirror, dir, name) {
            Ok(stat) => stat,
            Err(error) if error.is_absence() => {
                // A record says where it is now. If it is the first one of a directory that was polled
                // until now, nothing says whether it was written before.
                if self.world.mirror.watch(dir).is_some() {
                    self.world
                        .modified_if_known(&self.roots, child, Cause::Scanned);
                }
                return Ok(());
            }
            Err(error) => {
                self.coverage.stamps.insert(child, Stamp::UNKNOWN);
                return Err(error.gap());
            }
        };
        let now = self.directories.kernel.clock();
        let stamp = stamp_of(&stat, now);
        let before = self.coverage.stamps.insert(child, stamp);
        // An old stamp that is fresh now is that of a clock that was set back: files get the same times once more.
        let is_racy = |before: Stamp| before.is_racy || stamp.is_racy;
        if self.roots.is_beginning(&self.world.mirror, child) {
            return Ok(());
        }
        if is_news {
            // Reported as moved here; the stamps say whether it was written as well.
            let may_differ = |before: Stamp| {
                (before.modified, before.size) != (stamp.modified, stamp.size) || is_racy(before)
            };
            if before.is_some_and(may_differ) {
                self.world.modified(child, Cause::Scanned);
            }
            return Ok(());
        }
        let Some(before) = before else {
            // Without a stamp it was watched until now, or nothing is known.
            if is_file
                && (tracking == Tracking::Gaps
                    || may_be_since(stat.changed, self.resyncs.unrecorded()))
            {
                self.world.modified(child, Cause::Scanned);
            }
            return Ok(());
        };
        if before.modified != stamp.modified || before.size != stamp.size {
            self.world.modified(child, Cause::Scanned);
        } else if before.changed != stamp.changed {
            // Content may have been written and its time set back, so this is not metadata alone.
            if is_file {
                self.world.modified(child, Cause::Scanned);
            } else {
                self.world.metadata(child, Cause::Scanned);
            }
        } else if is_racy(before) && is_file {
            self.world.modified(child, Cause::Scanned);
        }
        Ok(())
    }

    /// Reports a file that was changed since the queue was last known complete, or that cannot be
    /// looked at. A tree has far more files than directories, so the kernel may take its time.
    fn compare_later(&mut self, dir: NodeId, child: NodeId, name: &[u8]) {
        let since = self.resyncs.unrecorded();
        let token = Token(u64::from(child.to_bits()));
        let answer = match self.directories.open_known(&self.world.mirror, dir) {
            Ok((kernel, dir)) => kernel.changed_since(dir, name, since, token),
            Err(_) => ChangedSince::Maybe,
        };
        match answer {
            ChangedSince::No => {}
            ChangedSince::Maybe => self.world.modified(child, Cause::Scanned),
            ChangedSince::Deferred => self.directories.has_deferred = true,
        }
    }

    /// Reports a file that may have been written since the queue was last known complete: records
    /// of that went to the name it had before, if there was a watch.
    pub(super) fn report_if_recent(&mut self, id: NodeId, tracking: Tracking, cause: Cause) {
        if self.world.mirror.kind(id) != FileType::File {
            return;
        }
        let Some(parent) = self.world.mirror.parent(id) else {
            return;
        };
        let name = self.world.mirror.name(id).to_vec();
        let is_suspect = match self.directories.stat(&self.world.mirror, parent, &name) {
            // A rename sets the change time, and a writer can set the modification time back.
            Ok(stat) => {
                let differs = |stamp: &Stamp| {
                    stamp.is_racy || (stamp.modified, stamp.size) != (stat.modified, stat.size)
                };
                (tracking == Tracking::Gaps && self.coverage.stamps.get(id).is_none_or(differs))
                    || may_be_since(stat.modified, self.resyncs.complete())
                    || (self.resyncs.are_running()
                        && may_be_since(stat.changed, self.resyncs.unrecorded()))
            }
            // It has gone on, as a record says that does not know where it was before.
            Err(_) => true,
        };
        if is_suspect {
            self.world.modified_if_known(&self.roots, id, cause);
        }
    }
}
