//! Directories without a watch, and the polling that stands in for it.

use std::path::PathBuf;

use super::Engine;
use crate::coverage::{Gap, State, Subtree};
use crate::kernel::Kernel;
use crate::mirror::{Mark, NodeId};
use crate::outlet::path_of;
use crate::record::Moment;

/// A gap of one directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    gap: Gap,
    /// Consumers were told of this directory, not only of one above it.
    is_named: bool,
}

impl<K: Kernel> Engine<K> {
    pub(super) fn gap(&self, id: NodeId) -> Option<Gap> {
        self.gaps.get(&id).map(|held| held.gap)
    }

    pub(super) fn set_gap(&mut self, id: NodeId, gap: Gap) {
        let before = self.gaps.get(&id).copied();
        if gap.state() == State::Polled {
            self.unwatch(id);
        }
        let is_new = before.is_none_or(|held| held.gap != gap);
        let parent_has_it = self
            .mirror
            .parent(id)
            .is_some_and(|parent| self.gap(parent) == Some(gap));
        let is_named = if is_new {
            !parent_has_it
        } else {
            before.is_some_and(|b| b.is_named)
        };
        self.gaps.insert(id, Held { gap, is_named });
        if is_new {
            self.count_unwatched(gap, 1);
            self.count_unwatched(
                before.map_or(gap, |held| held.gap),
                before.map_or(0, |_| -1),
            );
        }
        if is_new && is_named {
            let path = path_of(&self.mirror, id);
            self.outlets.coverage(path, gap.state(), Some(gap));
        }
    }

    pub(super) fn clear_gap(&mut self, id: NodeId) {
        let Some(held) = self.gaps.remove(&id) else {
            return;
        };
        self.count_unwatched(held.gap, -1);
        if held.is_named {
            let path = path_of(&self.mirror, id);
            self.outlets.coverage(path, State::Live, None);
        }
        if held.gap.state() == State::Polled {
            let children: Vec<NodeId> = self.mirror.children(id).collect();
            for child in children {
                self.stamps.remove(&child);
            }
        }
    }

    /// The directory goes; so does its gap, without a word.
    pub(super) fn drop_gap(&mut self, id: NodeId) {
        if !self.gaps.is_empty()
            && let Some(held) = self.gaps.remove(&id)
        {
            self.count_unwatched(held.gap, -1);
        }
    }

    fn count_unwatched(&mut self, gap: Gap, by: i64) {
        if gap == Gap::WatchLimit {
            self.unwatched = self.unwatched.saturating_add_signed(by);
        }
    }

    /// A directory's permissions changed: what could not be read there may be readable now, and
    /// the other way round.
    pub(super) fn retry_unreadable(&mut self, top: NodeId) {
        let unreadable: Vec<NodeId> = self
            .gaps
            .iter()
            .filter(|(_, held)| held.gap == Gap::Unreadable)
            .map(|(&id, _)| id)
            .filter(|&id| self.mirror.is_within(id, top))
            .collect();
        for id in unreadable {
            self.mirror.set(id, Mark::STALE);
            self.queue(id);
        }
    }

    /// What is not live, and every root that is, in order of their paths.
    pub fn coverage(&self) -> Vec<Subtree> {
        let mut all: Vec<Subtree> = self
            .gaps
            .iter()
            .filter(|(_, held)| held.is_named)
            .map(|(&id, held)| Subtree {
                path: path_of(&self.mirror, id),
                state: held.gap.state(),
                gap: Some(held.gap),
            })
            .collect();
        for root in &self.roots {
            let state = match root.node {
                None if !root.is_joined => {
                    let gap = Some(Gap::RootGone);
                    Subtree {
                        path: root.told_path(),
                        state: State::Lost,
                        gap,
                    }
                }
                Some(node) if self.gaps.contains_key(&node) => continue,
                _ => Subtree {
                    path: root.told_path(),
                    state: State::Live,
                    gap: None,
                },
            };
            all.push(state);
        }
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }

    fn needs_polling(gap: Gap) -> bool {
        gap.state() == State::Polled || matches!(gap, Gap::OpenFiles | Gap::Failing)
    }

    fn has_polled(&self) -> bool {
        self.gaps.values().any(|held| Self::needs_polling(held.gap))
    }

    /// Lists all that is polled in the next steps, as if its time had come.
    pub fn poll_now(&mut self) {
        if self.has_polled() {
            self.next_poll = Some(Moment::ZERO);
        }
    }

    pub(super) fn begin_poll_if_due(&mut self, now: Moment) {
        if self.polling.is_some() {
            return;
        }
        if !self.has_polled() {
            self.next_poll = None;
            return;
        }
        let due = *self.next_poll.get_or_insert(now + self.pace.poll);
        if now < due || !self.work.is_empty() || !self.backlog.is_empty() {
            return;
        }
        self.polling = Some(now);
        self.is_out_of_watches = false;
        self.volumes.clear();
        let polled: Vec<NodeId> = self
            .gaps
            .iter()
            .filter(|(_, held)| Self::needs_polling(held.gap))
            .map(|(&id, _)| id)
            .collect();
        for id in polled {
            self.queue(id);
        }
    }

    /// Sets when the next poll begins: after the interval, and so late that polling does not take
    /// more than its share of the time.
    pub(super) fn end_poll(&mut self, now: Moment) {
        if let Some(began) = self.polling.take() {
            let took = now.saturating_sub(began);
            self.next_poll = Some(now + self.pace.poll.max(took * self.pace.poll_share));
        }
    }

    /// The directory of the mirror at this path.
    pub(super) fn find(&self, path: &std::path::Path) -> Option<NodeId> {
        for root in &self.roots {
            let Some(top) = root.node else { continue };
            let top_path: PathBuf = path_of(&self.mirror, top);
            let Ok(below) = path.strip_prefix(&top_path) else {
                continue;
            };
            let mut id = Some(top);
            for name in below {
                let name = crate::path::to_bytes(std::path::Path::new(name));
                id = id.and_then(|id| self.mirror.child(id, &name));
            }
            if let Some(id) = id.filter(|&id| self.mirror.is_dir(id)) {
                return Some(id);
            }
        }
        None
    }
}
