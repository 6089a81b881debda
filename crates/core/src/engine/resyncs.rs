//! Resyncs: the running comparisons of directories, and all below them, with the disk, and the moment from
//! which on content is compared.

use std::collections::VecDeque;
use std::path::PathBuf;

use hashbrown::HashMap;

use super::file_clock::FileClock;
use super::gaps::Gaps;
use super::pending::Pending;
use super::root_table::Roots;
use super::visibility::Visibility;
use super::work::WorkList;
use super::world::World;
use crate::event::ResyncReason;
use crate::ignore::{Filter, RULES_FILE};
use crate::mirror::{Mirror, NodeId};
use crate::time::{FileTime, Moment};

/// A resync that has begun.
#[derive(Debug)]
struct RunningResync {
    path: PathBuf,
    reason: ResyncReason,
    /// The passes that are not over. While records keep being lost, one follows the other.
    passes: VecDeque<Pass>,
}

/// One comparison of all that a resync is about.
#[derive(Debug)]
struct Pass {
    number: u64,
    /// The directory that is compared with all below it.
    top: NodeId,
    /// All records from before this moment had arrived when it began.
    complete: Moment,
    /// The step in which all of it had been listed.
    listed: Option<u64>,
}

/// The resyncs that are not over, and what they compare content by.
#[derive(Debug, Default)]
pub(super) struct Resyncs {
    running: Vec<RunningResync>,
    /// Passes that were begun, over all resyncs.
    passes: u64,
    /// Resyncs that were begun.
    begun: u64,
    /// The last moment at which all records were known to have arrived.
    complete: Moment,
    /// Where writes are recorded when handles are closed: the moment from which on a file may have been written that
    /// was not reported. That of the first root, or of the last comparison of everything.
    open_since: Option<Moment>,
    /// What files are stamped with.
    pub(super) clock: FileClock,
    /// Directories that could not be opened when records had been lost, and the moment up to which
    /// all records of what is below had arrived.
    unseen_since: HashMap<NodeId, Moment>,
}

impl Resyncs {
    /// How many resyncs were begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Whether anything is being compared.
    pub(super) fn are_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// The number of the last pass that was begun.
    pub(super) fn last_pass(&self) -> u64 {
        self.passes
    }

    /// Whether all passes up to this number are over.
    pub(super) fn are_over(&self, pass: u64) -> bool {
        self.running
            .iter()
            .filter_map(|resync| resync.passes.front())
            .all(|oldest| oldest.number > pass)
    }

    /// Begins to compare a directory and all below it with the disk. The difference comes with the
    /// next steps, between a note at the beginning and one at the end. If the directory is being
    /// compared already, another pass follows.
    pub(super) fn begin(
        &mut self,
        world: &mut World,
        work: &mut WorkList,
        top: NodeId,
        reason: ResyncReason,
    ) {
        let path = world.path(top);
        self.passes += 1;
        let pass = Pass {
            number: self.passes,
            top,
            complete: self.complete,
            listed: None,
        };
        let running = self.running.iter_mut().find(|other| other.path == path);
        if let Some(running) = running {
            running.passes.push_back(pass);
        } else {
            self.begun += 1;
            world.outlets.resync_begins(path.clone(), reason);
            self.running.push(RunningResync {
                path,
                reason,
                passes: VecDeque::from([pass]),
            });
        }
        work.queue_stale(&mut world.mirror, top);
    }

    /// Compares a directory whose ignore rules a record names.
    pub(super) fn note_rules(
        &mut self,
        filter: &Filter,
        world: &mut World,
        work: &mut WorkList,
        dir: NodeId,
        name: &[u8],
    ) {
        if filter.reads_rules() && name == RULES_FILE && world.mirror.contains(dir) {
            self.begin(world, work, dir, ResyncReason::IgnoreRules);
        }
    }

    /// Tries again what could not be read in a directory: directories, and ignore rules.
    pub(super) fn retry_unreadable(
        &mut self,
        gaps: &mut Gaps,
        visibility: &Visibility,
        world: &mut World,
        work: &mut WorkList,
        dir: NodeId,
    ) {
        gaps.retry_unreadable(&mut world.mirror, work, dir);
        if visibility.has_unread_rules(dir) {
            self.begin(world, work, dir, ResyncReason::IgnoreRules);
        }
    }

    /// Ends the passes, and the resyncs, that are listed and decided. Called when the work list is
    /// empty.
    pub(super) fn end_decided(
        &mut self,
        step: u64,
        pending: &Pending,
        roots: &Roots,
        world: &mut World,
    ) {
        let open_since = &mut self.open_since;
        self.running.retain_mut(|resync| {
            for pass in &mut resync.passes {
                pass.listed.get_or_insert(step);
            }
            while let Some(pass) = resync.passes.front()
                && pass
                    .listed
                    .is_some_and(|listed| pending.has_decided(listed))
            {
                // With several trees, a file may have gone from one that was not compared to one that was.
                let is_all = roots.len() == 1 && roots.of_top(pass.top).is_some();
                if is_all && let Some(since) = open_since {
                    *since = (*since).max(pass.complete);
                }
                resync.passes.pop_front();
            }
            let is_over = resync.passes.is_empty();
            if is_over {
                world.outlets.resync_ends(&resync.path, resync.reason);
            }
            !is_over
        });
    }

    /// The earliest time stamp of what was changed since all records were last known to have arrived. A file that
    /// was changed before was reported.
    pub(super) fn complete(&self) -> FileTime {
        self.clock.earliest_since(self.complete)
    }

    /// The earliest time stamp of a file whose content may have been written without a record that arrived. Where
    /// writes are recorded when handles are closed, a handle may have been open since the last comparison of everything,
    /// so that after lost records all that was written meanwhile counts: nothing is missed, and more is reported than
    /// was lost.
    pub(super) fn unrecorded(&self) -> FileTime {
        let narrow = self.complete();
        match self.open_since {
            Some(since) if self.are_running() => narrow.min(self.clock.earliest_since(since)),
            _ => narrow,
        }
    }

    /// All records from before this moment have arrived.
    pub(super) fn complete_at(&mut self, moment: Moment) {
        self.complete = self.complete.max(moment);
    }

    /// Begins with this moment: there was no root before.
    pub(super) fn begin_at(&mut self, moment: Moment) {
        self.complete = moment;
        self.open_since = None;
    }

    /// Writes are recorded when their handles are closed. Called after [`begin_at`](Self::begin_at).
    pub(super) fn expect_open_handles(&mut self) {
        self.open_since = Some(self.complete);
    }

    /// A directory cannot be opened. If it has to be compared with the disk, that is done from this
    /// moment on once it can be opened.
    pub(super) fn cannot_see(&mut self, mirror: &Mirror, dir: NodeId) {
        if self.are_running() || mirror.is_stale(dir) {
            let since = self.open_since.unwrap_or(self.complete);
            let since = since.min(self.complete);
            self.unseen_since.entry(dir).or_insert(since);
        }
    }

    /// A directory can be opened again. Nothing that records said of what is below could be verified, so
    /// it is compared with the disk.
    pub(super) fn can_see(&mut self, mirror: &mut Mirror, dir: NodeId) {
        mirror.mark_stale(dir);
        if let Some(since) = self.unseen_since.remove(&dir) {
            self.complete = self.complete.min(since);
        }
    }

    /// The directory goes.
    pub(super) fn forget(&mut self, dir: NodeId) {
        self.unseen_since.remove(&dir);
    }
}
