//! Directories without a watch, and the polling that stands in for it.
//!
//! Every directory that is not live has an entry of its own here. Consumers are told only of the
//! topmost ones of each kind, and only once things have come to rest: when thousands of watches are
//! missing, or come back, what is said is the difference that it makes in the end.
//!
//! What is said of a path holds until that is removed or moved away. A directory that is not live is
//! named again where it was moved to, and notes that still wait when their path goes are dropped:
//! they would come behind its end, and be taken for news of whatever has the path next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::{Engine, Poll, Stamp};
use crate::change::FileType;
use crate::coverage::{Gap, State, Subtree};
use crate::kernel::Kernel;
use crate::mirror::{Mark, Mirror, NodeId};
use crate::outlet::path_of;

/// What is unreadable is tried again this many times less often than what is polled is listed, in
/// case no record told that it can be read: rights depend on more than permissions.
const RARELY: u32 = 30;

/// What consumers were told of a directory.
#[derive(Debug)]
pub(super) struct Told {
    gap: Gap,
    path: PathBuf,
}

impl<K: Kernel> Engine<K> {
    pub(super) fn gap(&self, id: NodeId) -> Option<Gap> {
        self.gaps.get(&id).copied()
    }

    pub(super) fn set_gap(&mut self, id: NodeId, gap: Gap) {
        if gap.state() == State::Polled {
            self.unwatch(id);
        }
        let before = self.gaps.insert(id, gap);
        if before != Some(gap) {
            self.gaps_changed = true;
            self.count_gap(Some(gap), before);
        }
        if is_block(gap) {
            if !self.resyncs.is_empty() || self.mirror.has(id, Mark::STALE) {
                self.unseen_since.entry(id).or_insert(self.complete);
            }
        } else if before.is_some_and(is_block) {
            self.unblock(id);
        }
    }

    pub(super) fn clear_gap(&mut self, id: NodeId) {
        let Some(gap) = self.gaps.remove(&id) else {
            return;
        };
        self.gaps_changed = true;
        self.count_gap(None, Some(gap));
        if gap.state() == State::Polled {
            self.forget_stamps(id);
        }
        if is_block(gap) {
            self.unblock(id);
        }
    }

    /// The directory can be opened now: what records said of all below could not be verified.
    fn unblock(&mut self, id: NodeId) {
        self.mirror.set(id, Mark::STALE);
        if let Some(since) = self.unseen_since.remove(&id) {
            self.complete = self.complete.min(since);
        }
    }

    /// An entry was found by looking at its name. If it is in a polled directory, the next poll
    /// cannot tell whether it was written since.
    pub(super) fn note_unlisted(&mut self, dir: NodeId, name: &[u8]) {
        if self
            .gap(dir)
            .is_some_and(|gap| gap.state() == State::Polled)
            && let Some(child) = self.mirror.child(dir, name)
            && self.mirror.kind(child) == FileType::File
        {
            self.stamps.entry(child).or_insert(Stamp::UNKNOWN);
        }
    }

    /// The directory is live, and all in it has been compared: from now on records tell.
    pub(super) fn forget_stamps(&mut self, id: NodeId) {
        if self.stamps.is_empty() {
            return;
        }
        let children: Vec<NodeId> = self.mirror.children(id).collect();
        for child in children {
            self.stamps.remove(&child);
        }
    }

    /// The directory goes; so does its gap, without a word.
    pub(super) fn drop_gap(&mut self, id: NodeId) {
        if self.gaps.is_empty() && self.told_gaps.is_empty() {
            return;
        }
        self.unseen_since.remove(&id);
        if let Some(told) = self.told_gaps.remove(&id) {
            self.outlets.forget_coverage(&told.path);
        }
        if let Some(gap) = self.gaps.remove(&id) {
            self.gaps_changed = true;
            self.count_gap(None, Some(gap));
        }
    }

    fn count_gap(&mut self, now: Option<Gap>, before: Option<Gap>) {
        self.unwatched += u64::from(now == Some(Gap::WatchLimit));
        self.unwatched -= u64::from(before == Some(Gap::WatchLimit));
        self.unreadable += u64::from(now == Some(Gap::Unreadable));
        self.unreadable -= u64::from(before == Some(Gap::Unreadable));
    }

    /// The gap of a directory whose parent does not have the same.
    fn named_gap(&self, id: NodeId) -> Option<Gap> {
        let gap = self.gap(id)?;
        let above = self.mirror.parent(id).and_then(|parent| self.gap(parent));
        (above != Some(gap)).then_some(gap)
    }

    /// Tells consumers what has become of the coverage since they were told last.
    pub(super) fn tell_coverage(&mut self) {
        let moves = self.mirror.directory_moves();
        let have_moved = std::mem::replace(&mut self.moves_told, moves) != moves;
        let is_due = std::mem::take(&mut self.gaps_changed);
        let moved = if have_moved {
            self.moved_gaps()
        } else if is_due {
            HashSet::new()
        } else {
            return;
        };
        let mut news: Vec<(NodeId, Option<Gap>)> = Vec::new();
        for &id in self.gaps.keys() {
            let named = self.named_gap(id);
            let is_told = named == self.told_gaps.get(&id).map(|told| told.gap);
            if named.is_some() && (!is_told || moved.contains(&id)) {
                news.push((id, named));
            }
        }
        for &id in self.told_gaps.keys() {
            if self.named_gap(id).is_none() {
                news.push((id, None));
            }
        }
        news.sort_unstable_by_key(|&(id, _)| id);
        for (id, gap) in news {
            match gap {
                Some(gap) => {
                    let path = path_of(&self.mirror, id);
                    self.outlets.coverage(path.clone(), gap.state(), Some(gap));
                    self.told_gaps.insert(id, Told { gap, path });
                }
                None => {
                    self.told_gaps.remove(&id);
                    // With its gap still there, the directory above speaks for it now.
                    if self.gap(id).is_none() {
                        let path = path_of(&self.mirror, id);
                        self.outlets.coverage(path, State::Live, None);
                    }
                }
            }
        }
    }

    /// The directories that consumers were told of under paths that these no longer have.
    fn moved_gaps(&mut self) -> HashSet<NodeId> {
        let mut moved = HashSet::new();
        for (&id, told) in &self.told_gaps {
            if path_of(&self.mirror, id) != told.path {
                self.outlets.forget_coverage(&told.path);
                moved.insert(id);
            }
        }
        moved
    }

    /// A directory's permissions changed: what could not be read there may be readable now, and
    /// the other way round.
    pub(super) fn retry_unreadable(&mut self, top: NodeId) {
        self.retry_unreadable_if(|mirror, id| mirror.is_within(id, top));
    }

    fn retry_unreadable_if(&mut self, is_meant: impl Fn(&Mirror, NodeId) -> bool) {
        let mut unreadable: Vec<NodeId> = self
            .gaps
            .iter()
            .filter(|&(&id, &gap)| gap == Gap::Unreadable && is_meant(&self.mirror, id))
            .map(|(&id, _)| id)
            .collect();
        unreadable.sort_unstable();
        for id in unreadable {
            self.mirror.set(id, Mark::STALE);
            self.queue(id);
        }
    }

    /// What is not live, and every root that is, in order of their paths.
    pub fn coverage(&self) -> Vec<Subtree> {
        let mut all: BTreeMap<PathBuf, Subtree> = self
            .gaps
            .keys()
            .filter_map(|&id| {
                let gap = self.named_gap(id)?;
                let path = path_of(&self.mirror, id);
                let subtree = Subtree {
                    path: path.clone(),
                    state: gap.state(),
                    gap: Some(gap),
                };
                Some((path, subtree))
            })
            .collect();
        for root in &self.roots {
            let path = root.told_path();
            let gap = match self.node_of(root) {
                None => Some(Gap::RootGone),
                Some(node) => std::iter::successors(Some(node), |&id| self.mirror.parent(id))
                    .find_map(|id| self.gap(id)),
            };
            let state = gap.map_or(State::Live, Gap::state);
            let subtree = Subtree {
                path: path.clone(),
                state,
                gap,
            };
            all.entry(path).or_insert(subtree);
        }
        all.into_values().collect()
    }

    /// Whether a directory with this gap is to be tried again and again. Of what is unreadable a
    /// record tells when that changes, nearly always, unless it is where another file system is
    /// mounted.
    fn needs_polling(&self, id: NodeId, gap: Gap) -> bool {
        match gap {
            Gap::OpenFiles | Gap::Failing => true,
            Gap::Unreadable => self
                .mirror
                .parent(id)
                .is_some_and(|parent| self.mirror.watch(parent).is_none() || self.is_mount(id)),
            gap => gap.state() == State::Polled,
        }
    }

    fn is_mount(&self, id: NodeId) -> bool {
        let device = |id| self.mirror.identity(id).map(|identity| identity.device);
        device(id).is_some_and(|own| self.mirror.parent(id).and_then(device) != Some(own))
    }

    pub(super) fn has_polled(&self) -> bool {
        self.gaps
            .iter()
            .any(|(&id, &gap)| self.needs_polling(id, gap))
    }

    /// Sets when the next poll begins, if there is anything to poll and it is not set yet.
    pub(super) fn schedule_poll(&mut self) {
        if self.unreadable == 0 {
            self.next_retry = None;
        } else if self.next_retry.is_none() {
            let pause = self.pace.poll.max(self.pace.root).saturating_mul(RARELY);
            self.next_retry = self.now.checked_add(pause);
        }
        if !self.has_polled() {
            self.next_poll = None;
            self.is_out_of_watches = false;
        } else if self.next_poll.is_none() && self.polling.is_none() {
            self.next_poll = self.now.checked_add(self.pace.poll);
        }
    }

    pub(super) fn begin_poll_if_due(&mut self) {
        if self.polling.is_some() || !self.work.is_empty() {
            return;
        }
        self.schedule_poll();
        if self.next_retry.is_some_and(|due| self.now >= due) {
            self.next_retry = None;
            self.retry_unreadable_if(|_, _| true);
        }
        if !self.has_polled() {
            // Whoever waits for a poll waits for nothing.
            self.polls_done += u64::from(self.poll_wanted);
            self.polls_begun += u64::from(std::mem::take(&mut self.poll_wanted));
            return;
        }
        let is_due = self.next_poll.is_some_and(|due| self.now >= due);
        if !is_due && !self.poll_wanted {
            return;
        }
        self.poll_wanted = false;
        self.polls_begun += 1;
        self.next_poll = None;
        self.polling = Some(Poll {
            began: self.now,
            listed: None,
        });
        self.is_out_of_watches = false;
        self.volumes.clear();
        let mut polled: Vec<NodeId> = self
            .gaps
            .iter()
            .filter(|&(&id, &gap)| self.needs_polling(id, gap))
            .map(|(&id, _)| id)
            .collect();
        polled.sort_unstable();
        for id in polled {
            self.queue(id);
        }
    }

    /// The directory of the mirror at this path.
    pub(super) fn find(&self, path: &Path) -> Option<NodeId> {
        self.roots.iter().find_map(|root| {
            let top = root.node?;
            let below = path.strip_prefix(path_of(&self.mirror, top)).ok()?;
            self.find_below(top, below)
        })
    }

    /// The directory at this path below `top`.
    pub(super) fn find_below(&self, top: NodeId, below: &Path) -> Option<NodeId> {
        self.mirror.find_below(top, below)
    }
}

/// Whether nothing below a directory can be reached as long as it has this gap.
pub(super) fn is_block(gap: Gap) -> bool {
    matches!(gap, Gap::Unreadable | Gap::OpenFiles | Gap::Failing)
}
