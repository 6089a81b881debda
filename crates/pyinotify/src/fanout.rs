//! The fan-out of a change: the events that it is for each watch that covers it.

use std::path::Path;

use everwatch::{Change, ChangeKind, FileType};

use super::event::{self, Mask, RawEvent};
use super::path_key;
use super::registry::Registry;
use super::subscription::Subscription;
use super::sync::Arc;

/// The events of one change, in the order of delivery, each with its watch.
///
/// Also forgets what the watches kept for earlier changes: changes come in the order of their numbers.
pub(super) fn events(registry: &Registry, change: &Change) -> Vec<(Arc<Subscription>, RawEvent)> {
    let mut fanout = Fanout {
        registry,
        seq: change.seq,
        dir: change.file_type == FileType::Dir,
        events: Vec::new(),
    };
    let path = &change.path;
    match &change.kind {
        ChangeKind::Created => {
            fanout.entry(Mask::IN_CREATE, path);
            fanout.itself(Mask::IN_CREATE, path);
        }
        ChangeKind::Modified => {
            fanout.entry(Mask::IN_MODIFY, path);
            fanout.itself(Mask::IN_MODIFY, path);
        }
        ChangeKind::Metadata => {
            fanout.entry(Mask::IN_ATTRIB, path);
            fanout.itself(Mask::IN_ATTRIB, path);
        }
        ChangeKind::Removed => {
            fanout.entry(Mask::IN_DELETE, path);
            fanout.gone(path);
        }
        ChangeKind::Moved { from } => {
            fanout.moved(from, path);
            fanout.gone(from);
            fanout.itself(Mask::IN_CREATE, path);
        }
        _ => {}
    }
    let is_wanted = |(watch, event): &(Arc<Subscription>, RawEvent)| {
        let mut terms = watch.terms();
        terms.forget_before(change.seq);
        let interest = terms.interest_at(change.seq);
        interest.is_some_and(|interest| interest.mask.intersects(event.mask & !Mask::IN_ISDIR))
    };
    fanout.events.retain(is_wanted);
    fanout.events
}

/// The events of one change as they are gathered.
struct Fanout<'a> {
    registry: &'a Registry,
    seq: u64,
    /// Whether the change is about a directory.
    dir: bool,
    events: Vec<(Arc<Subscription>, RawEvent)>,
}

impl Fanout<'_> {
    /// The watches that cover the entry at this path.
    fn covering(&self, path: &Path) -> Vec<Arc<Subscription>> {
        let key = path_key::key(path);
        let covers = |watch: &&Arc<Subscription>| watch.covers(&key, self.seq);
        self.registry.above(&key).filter(covers).cloned().collect()
    }

    /// An event about the entry at this path, for the watches that cover it.
    fn entry(&mut self, kind: Mask, path: &Path) {
        let (watches, dir) = (self.covering(path), self.dir);
        self.add(watches, |watch| {
            RawEvent::of_entry(watch.wd, kind, dir, path)
        });
    }

    /// Both halves of a move if both places are watched, by any watches. Otherwise the entry comes from
    /// nowhere, or goes there.
    fn moved(&mut self, from: &Path, path: &Path) {
        let (leaving, arriving) = (self.covering(from), self.covering(path));
        match (leaving.is_empty(), arriving.is_empty()) {
            (false, false) => {
                let cookie = event::next_cookie();
                let dir = self.dir;
                self.add(leaving, |watch| RawEvent {
                    cookie,
                    ..RawEvent::of_entry(watch.wd, Mask::IN_MOVED_FROM, dir, from)
                });
                self.add(arriving, |watch| RawEvent {
                    cookie,
                    src_pathname: Some(from.to_owned()),
                    ..RawEvent::of_entry(watch.wd, Mask::IN_MOVED_TO, dir, path)
                });
            }
            (false, true) => self.entry(Mask::IN_DELETE, from),
            (true, _) => self.entry(Mask::IN_CREATE, path),
        }
    }

    /// An event about a watched path itself, for the watches of exactly this path.
    fn itself(&mut self, kind: Mask, path: &Path) {
        let watches = self.registry.at(&path_key::key(path)).cloned().collect();
        let dir = self.dir;
        self.add(watches, |watch| {
            RawEvent::of_itself(watch.wd, kind, dir, &watch.path)
        });
    }

    /// `IN_DELETE_SELF` for the watches of this path and of all paths below it.
    fn gone(&mut self, path: &Path) {
        let watches = self.registry.from(&path_key::key(path)).cloned().collect();
        self.add(watches, |watch| {
            RawEvent::of_itself(watch.wd, Mask::IN_DELETE_SELF, watch.is_dir, &watch.path)
        });
    }

    /// Adds an event for each of the watches.
    fn add(&mut self, watches: Vec<Arc<Subscription>>, event: impl Fn(&Subscription) -> RawEvent) {
        for watch in watches {
            let event = event(&watch);
            self.events.push((watch, event));
        }
    }
}
