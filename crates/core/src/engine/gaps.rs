//! Gaps: the directories that are not live, why, and what consumers know of them.
//!
//! Every directory that is not live has an entry of its own here. Consumers hear only of the topmost
//! ones of each kind, and only once the engine has caught up: when thousands of watches are missing,
//! or come back, the report is the difference that it makes.
//!
//! What is reported of a path holds until that path is removed or moved away. A directory that is not
//! live is named again where it was moved to. Notes that still wait when their path goes are dropped:
//! they would come behind its end, and be taken for news of the next entry with the path.

use std::path::PathBuf;

use hashbrown::{HashMap, HashSet};

use super::work::WorkList;
use super::world::World;
use crate::coverage::{CoverageState, Gap};
use crate::kernel::Kernel;
use crate::mirror::{Mirror, NodeId};

/// What consumers know of a directory.
#[derive(Debug)]
struct Reported {
    gap: Gap,
    path: PathBuf,
}

/// The gap of each directory that has one, and what was reported of them.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    of: HashMap<NodeId, Gap>,
    reported: HashMap<NodeId, Reported>,
    /// Those of the directories that must not be opened, and that are the tops of other file systems.
    closed_mounts: HashSet<NodeId>,
    /// A gap came, went or changed since the last report.
    have_changed: bool,
    /// [`Mirror::directory_moves`] at the last report.
    moves_reported: u64,
    /// Whether the directories of a device can be watched, by device.
    volumes: HashMap<u64, Option<Gap>>,
    /// Directories whose gap is the limit of watches.
    unwatched: u64,
    /// Directories whose gap is that they must not be read.
    unreadable: u64,
}

impl Gaps {
    /// The gap of a directory, if it has one.
    pub(super) fn get(&self, id: NodeId) -> Option<Gap> {
        self.of.get(&id).copied()
    }

    /// Whether the directory is polled.
    pub(super) fn is_polled(&self, id: NodeId) -> bool {
        self.get(id)
            .is_some_and(|gap| gap.state() == CoverageState::Polled)
    }

    /// Whether nothing is known of the changes of the directory.
    pub(super) fn is_lost(&self, id: NodeId) -> bool {
        self.get(id)
            .is_some_and(|gap| gap.state() == CoverageState::Lost)
    }

    /// The directories that have a gap, in no order.
    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.of.keys().copied()
    }

    /// How many directories have no watch because of the limit of watches.
    pub(super) fn unwatched(&self) -> u64 {
        self.unwatched
    }

    /// Whether any directory cannot be read for lack of permission.
    pub(super) fn has_unreadable(&self) -> bool {
        self.unreadable > 0
    }

    /// Gives a directory a gap and returns the one it had.
    pub(super) fn insert(&mut self, id: NodeId, gap: Gap) -> Option<Gap> {
        let before = self.of.insert(id, gap);
        if before != Some(gap) {
            self.have_changed = true;
            self.count(Some(gap), before);
        }
        before
    }

    /// Notes whether a directory that must not be opened is the top of another file system.
    pub(super) fn note_mount(&mut self, id: NodeId, is_mount: bool) {
        match is_mount {
            true => self.closed_mounts.insert(id),
            false => self.closed_mounts.remove(&id),
        };
    }

    /// Ends the gap of a directory and returns it.
    pub(super) fn remove(&mut self, id: NodeId) -> Option<Gap> {
        self.closed_mounts.remove(&id);
        let gap = self.of.remove(&id)?;
        self.have_changed = true;
        self.count(None, Some(gap));
        Some(gap)
    }

    /// Whether there is nothing to forget of a directory that goes.
    pub(super) fn is_unused(&self) -> bool {
        self.of.is_empty() && self.reported.is_empty()
    }

    /// Forgets what consumers know of a directory, and returns the path that they know it by.
    pub(super) fn forget_report(&mut self, id: NodeId) -> Option<PathBuf> {
        self.reported.remove(&id).map(|reported| reported.path)
    }

    /// Keeps the counts by kind up to date.
    fn count(&mut self, now: Option<Gap>, before: Option<Gap>) {
        self.unwatched += u64::from(now == Some(Gap::WatchLimit));
        self.unwatched -= u64::from(before == Some(Gap::WatchLimit));
        self.unreadable += u64::from(now == Some(Gap::Unreadable));
        self.unreadable -= u64::from(before == Some(Gap::Unreadable));
    }

    /// The gap of a directory whose parent does not have the same one: consumers hear of these.
    pub(super) fn topmost(&self, mirror: &Mirror, id: NodeId) -> Option<Gap> {
        let gap = self.get(id)?;
        let above = mirror.parent(id).and_then(|parent| self.get(parent));
        (above != Some(gap)).then_some(gap)
    }

    /// Why the directory, or one above it, is known not to be opened at present.
    pub(super) fn block_above(&self, mirror: &Mirror, dir: NodeId) -> Option<Gap> {
        if self.of.is_empty() {
            return None;
        }
        std::iter::successors(Some(dir), |&dir| mirror.parent(dir))
            .filter_map(|dir| self.get(dir))
            .find(|&gap| is_block(gap))
    }

    /// Whether the directories on the device of `dir` can be watched; if not, why. The kernel is asked
    /// once for each device, until [`Gaps::forget_volumes`].
    pub(super) fn of_volume<K: Kernel>(
        &mut self,
        kernel: &mut K,
        dir: &K::Dir,
        device: u64,
    ) -> Option<Gap> {
        if let Some(&gap) = self.volumes.get(&device) {
            return gap;
        }
        let gap = kernel.gap_of_volume(dir);
        self.volumes.insert(device, gap);
        gap
    }

    /// Asks the kernel again about every device.
    pub(super) fn forget_volumes(&mut self) {
        self.volumes.clear();
    }

    /// Reports what has become of the coverage since the last report.
    pub(super) fn report(&mut self, world: &mut World) {
        let moves = world.mirror.directory_moves();
        let have_moved = std::mem::replace(&mut self.moves_reported, moves) != moves;
        let is_due = std::mem::take(&mut self.have_changed);
        let moved = if have_moved {
            self.moved(world)
        } else if is_due {
            HashSet::new()
        } else {
            return;
        };
        let mirror = &world.mirror;
        let mut news: Vec<(NodeId, Option<Gap>)> = Vec::new();
        for &id in self.of.keys() {
            let named = self.topmost(mirror, id);
            let is_known = named == self.reported.get(&id).map(|reported| reported.gap);
            if named.is_some() && (!is_known || moved.contains(&id)) {
                news.push((id, named));
            }
        }
        for &id in self.reported.keys() {
            if self.topmost(mirror, id).is_none() {
                news.push((id, None));
            }
        }
        news.sort_unstable_by_key(|&(id, _)| id);
        for (id, gap) in news {
            match gap {
                Some(gap) => {
                    let path = world.path(id);
                    world.outlets.coverage(path.clone(), gap.state(), Some(gap));
                    self.reported.insert(id, Reported { gap, path });
                }
                None => {
                    self.reported.remove(&id);
                    // With its gap still there, the directory above speaks for it now.
                    if self.get(id).is_none() {
                        let path = world.path(id);
                        world.outlets.coverage(path, CoverageState::Live, None);
                    }
                }
            }
        }
    }

    /// The directories that consumers know under paths that these no longer have.
    fn moved(&self, world: &mut World) -> HashSet<NodeId> {
        let mut moved = HashSet::new();
        for (&id, reported) in &self.reported {
            if world.path(id) != reported.path {
                world.outlets.forget_coverage(&reported.path);
                moved.insert(id);
            }
        }
        moved
    }

    /// Queues what could not be read at or below `top`: permissions changed there.
    pub(super) fn retry_unreadable(&self, mirror: &mut Mirror, work: &mut WorkList, top: NodeId) {
        self.retry_unreadable_if(mirror, work, |mirror, id| mirror.is_within(id, top));
    }

    /// Queues all that could not be read.
    pub(super) fn retry_all_unreadable(&self, mirror: &mut Mirror, work: &mut WorkList) {
        self.retry_unreadable_if(mirror, work, |_, _| true);
    }

    /// Queues the unreadable directories that `is_meant` accepts, in order of their ids.
    fn retry_unreadable_if(
        &self,
        mirror: &mut Mirror,
        work: &mut WorkList,
        is_meant: impl Fn(&Mirror, NodeId) -> bool,
    ) {
        let mut unreadable: Vec<NodeId> = self
            .of
            .iter()
            .filter(|&(&id, &gap)| gap == Gap::Unreadable && is_meant(mirror, id))
            .map(|(&id, _)| id)
            .collect();
        unreadable.sort_unstable();
        for id in unreadable {
            work.queue_stale(mirror, id);
        }
    }

    /// Whether a directory with this gap must be tried again and again. When something unreadable can
    /// be read, a record nearly always says so, unless another file system is mounted there. Nothing
    /// says so of a root: any directory above it may be the one that must not be searched.
    fn needs_polling(&self, mirror: &Mirror, id: NodeId, gap: Gap) -> bool {
        match gap {
            Gap::OpenFiles | Gap::Failing => true,
            Gap::Unreadable => mirror.parent(id).is_none_or(|parent| {
                mirror.watch(parent).is_none() || self.closed_mounts.contains(&id)
            }),
            gap => gap.state() == CoverageState::Polled,
        }
    }

    /// Whether any directory must be polled.
    pub(super) fn needs_any_polling(&self, mirror: &Mirror) -> bool {
        self.of
            .iter()
            .any(|(&id, &gap)| self.needs_polling(mirror, id, gap))
    }

    /// The directories that must be polled, in order of their ids.
    pub(super) fn polled(&self, mirror: &Mirror) -> Vec<NodeId> {
        let mut polled: Vec<NodeId> = self
            .of
            .iter()
            .filter(|&(&id, &gap)| self.needs_polling(mirror, id, gap))
            .map(|(&id, _)| id)
            .collect();
        polled.sort_unstable();
        polled
    }
}

/// Whether nothing below a directory can be reached as long as it has this gap.
pub(super) fn is_block(gap: Gap) -> bool {
    matches!(gap, Gap::Unreadable | Gap::OpenFiles | Gap::Failing)
}
