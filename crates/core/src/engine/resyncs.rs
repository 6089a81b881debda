//! The running resyncs: comparisons of a directory, and all below it, with the disk.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::pending::Pending;
use super::work::WorkList;
use super::world::World;
use crate::event::ResyncReason;
use crate::mirror::NodeId;

/// A resync that has begun.
#[derive(Debug)]
struct Resync {
    path: PathBuf,
    reason: ResyncReason,
    /// The passes that are not over. While records keep being lost, one follows the other.
    passes: VecDeque<Pass>,
}

/// One comparison of all that a resync is about.
#[derive(Debug)]
struct Pass {
    number: u64,
    /// The step in which all of it had been listed.
    listed: Option<u64>,
}

/// The resyncs that are not over.
#[derive(Debug, Default)]
pub(super) struct Resyncs {
    running: Vec<Resync>,
    /// Passes that were begun, over all resyncs.
    passes: u64,
    /// Resyncs that were begun.
    begun: u64,
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
            listed: None,
        };
        let running = self.running.iter_mut().find(|other| other.path == path);
        if let Some(running) = running {
            running.passes.push_back(pass);
        } else {
            self.begun += 1;
            world.outlets.resync_begins(path.clone(), reason);
            self.running.push(Resync {
                path,
                reason,
                passes: VecDeque::from([pass]),
            });
        }
        work.queue_stale(&mut world.mirror, top);
    }

    /// Ends the passes, and the resyncs, that are listed and decided. Called when the work list is
    /// empty.
    pub(super) fn end_decided(&mut self, step: u64, pending: &Pending, world: &mut World) {
        self.running.retain_mut(|resync| {
            for pass in &mut resync.passes {
                pass.listed.get_or_insert(step);
            }
            while let Some(pass) = resync.passes.front()
                && pass
                    .listed
                    .is_some_and(|listed| pending.has_decided(listed))
            {
                resync.passes.pop_front();
            }
            let is_over = resync.passes.is_empty();
            if is_over {
                world.outlets.resync_ends(&resync.path, resync.reason);
            }
            !is_over
        });
    }
}
