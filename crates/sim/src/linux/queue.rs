//! An inotify instance: watches, masks, and a queue that is too small.
//!
//! As in fs/notify on Linux:
//!
//! - a watch belongs to an inode; adding it again keeps its descriptor and widens its mask;
//! - a record equal to the one at the queue's end is merged into it, cookies not compared;
//! - when the queue is full, the record is dropped and one overflow record is queued. While that one
//!   waits to be read, further losses leave no trace, even if records were queued in between.

use std::collections::{HashMap, VecDeque};

use everwatch_core::entry::Watch;
use everwatch_core::kernel::Purpose;
use everwatch_core::queue::RecordQueue;
use everwatch_core::record::{Action, Cookie, Record};

use crate::disk::Ino;

/// A set of actions that a watch reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mask(u16);

const CREATE: u16 = 1;
const DELETE: u16 = 2;
const MOVED_FROM: u16 = 4;
const MOVED_TO: u16 = 8;
const MODIFY: u16 = 16;
const ATTRIB: u16 = 32;
const MOVE_SELF: u16 = 64;

impl Mask {
    /// What the backend of Linux watches for.
    fn of(purpose: Purpose) -> Mask {
        Mask(match purpose {
            Purpose::Entries => CREATE | DELETE | MOVED_FROM | MOVED_TO | MODIFY | ATTRIB,
            Purpose::Root => Mask::of(Purpose::Entries).0 | MOVE_SELF,
            Purpose::Guard => DELETE | MOVED_FROM | MOVED_TO | MOVE_SELF,
            Purpose::Ancestor => MOVE_SELF,
            Purpose::Rules => Mask::of(Purpose::Guard).0 | CREATE | MODIFY,
        })
    }

    /// Whether a watch with this mask reports the action. The end of a watch is always reported.
    fn reports(self, action: Action) -> bool {
        let bit = match action {
            Action::Created => CREATE,
            Action::Removed => DELETE,
            Action::MovedFrom => MOVED_FROM,
            Action::MovedTo => MOVED_TO,
            Action::Modified => MODIFY,
            Action::Metadata => ATTRIB,
            Action::DirectoryMoved => MOVE_SELF,
            Action::Unmounted | Action::WatchEnded => return true,
            _ => return false,
        };
        self.0 & bit != 0
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Queued {
    watch: Watch,
    action: Action,
    is_dir: bool,
    cookie: u32,
    name: Box<[u8]>,
}

impl Queued {
    fn says_the_same(&self, other: &Queued) -> bool {
        self.action != Action::WatchEnded
            && (self.watch, self.action, self.is_dir) == (other.watch, other.action, other.is_dir)
            && self.name == other.name
    }
}

#[derive(Debug)]
pub(crate) struct Queue {
    watches: HashMap<Ino, (Watch, Mask)>,
    last_watch: i32,
    records: VecDeque<Queued>,
    /// Most records that are queued, an overflow not counted.
    room: usize,
    /// An overflow record is among `records`.
    has_overflowed: bool,
    /// All that comes is lost until the queue has been read to its end.
    is_full: bool,
    watch_limit: usize,
}

impl Queue {
    pub(crate) fn new(room: usize, watch_limit: usize) -> Queue {
        Queue {
            watches: HashMap::new(),
            last_watch: 0,
            records: VecDeque::new(),
            room,
            has_overflowed: false,
            is_full: false,
            watch_limit,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.watch_limit < 1000
    }

    pub(crate) fn set_watch_limit(&mut self, limit: usize) {
        self.watch_limit = limit;
    }

    /// Adds a watch, or widens the one there is. `None` if there are too many.
    pub(crate) fn add(&mut self, ino: Ino, purpose: Purpose) -> Option<(Watch, bool)> {
        let mask = Mask::of(purpose);
        if let Some((watch, wider)) = self.watches.get_mut(&ino) {
            wider.0 |= mask.0;
            return Some((*watch, false));
        }
        if self.watches.len() >= self.watch_limit {
            return None;
        }
        self.last_watch += 1;
        let watch = Watch(self.last_watch);
        self.watches.insert(ino, (watch, mask));
        Some((watch, true))
    }

    /// Ends the watch of that descriptor; it says so with a record.
    pub(crate) fn remove(&mut self, watch: Watch) {
        let ino = self
            .watches
            .iter()
            .find(|(_, (other, _))| *other == watch)
            .map(|(&ino, _)| ino);
        if let Some(ino) = ino {
            self.end(ino);
        }
    }

    /// The inode is no more, or its watch is not wanted.
    pub(crate) fn end(&mut self, ino: Ino) -> Option<String> {
        let reported = self.record(ino, Action::WatchEnded, false, 0, b"");
        self.watches.remove(&ino);
        reported
    }

    pub(crate) fn watched(&self) -> Vec<Ino> {
        let mut all: Vec<Ino> = self.watches.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Queues a record about a watched inode. Returns its text, for the trace, if it is watched.
    pub(crate) fn record(
        &mut self,
        about: Ino,
        action: Action,
        is_dir: bool,
        cookie: u32,
        name: &[u8],
    ) -> Option<String> {
        let &(watch, mask) = self.watches.get(&about)?;
        if !mask.reports(action) {
            return None;
        }
        let is_dir = is_dir && action != Action::WatchEnded;
        let queued = Queued {
            watch,
            action,
            is_dir,
            cookie,
            name: name.into(),
        };
        let fate = self.push(queued);
        Some(format!(
            "{} {action:?} \"{}\" {cookie} {fate}",
            watch.0,
            name.escape_ascii()
        ))
    }

    /// Queues a record. One that equals the last one is merged with it, and one for which there is no room is lost
    /// (inotify(7)). Returns what became of it, for the trace.
    fn push(&mut self, queued: Queued) -> &'static str {
        if self.is_full || self.records.len() >= self.room {
            if self.has_overflowed {
                return "dropped";
            }
            self.overflow_now();
            return "overflow";
        }
        if self
            .records
            .back()
            .is_some_and(|last| last.says_the_same(&queued))
        {
            return "merged";
        }
        self.records.push_back(queued);
        ""
    }

    /// Queues IN_Q_OVERFLOW, once until the queue has been read to its end.
    fn overflow_now(&mut self) {
        self.has_overflowed = true;
        self.records.push_back(Queued {
            watch: Watch(-1),
            action: Action::Overflow,
            is_dir: false,
            cookie: 0,
            name: Box::default(),
        });
    }

    /// Loses all that comes from now on until the queue has been read to its end, and says so.
    pub(crate) fn overflow(&mut self) {
        if !self.is_full {
            self.overflow_now();
            self.is_full = true;
        }
    }

    /// Queues a record that need not be true, if there is room.
    pub(crate) fn lie(&mut self, record: &Record<'_>) {
        if !self.is_full {
            self.records.push_back(Queued {
                watch: record.watch,
                action: record.action,
                is_dir: record.is_dir,
                cookie: record.cookie.map_or(0, |cookie| cookie.get()),
                name: record.name.into(),
            });
        }
    }

    /// The number of the last watch that was added.
    pub(crate) fn last_watch(&self) -> i32 {
        self.last_watch
    }

    /// Moves the oldest records into `drained`: `count` of them, but never only some of those
    /// behind an overflow. A reader that has seen the overflow reads on until nothing is left, so
    /// what is lost unheard behind it was lost before the reader was done.
    pub(crate) fn read(&mut self, mut count: usize, drained: &mut RecordQueue) -> usize {
        let overflow = self
            .records
            .iter()
            .position(|queued| queued.action == Action::Overflow);
        if overflow.is_some_and(|at| at < count) {
            count = self.records.len();
        }
        let count = count.min(self.records.len());
        for _ in 0..count {
            self.read_one(drained);
        }
        count
    }

    /// Moves the oldest record into `drained`. Returns whether there was one.
    pub(crate) fn read_one(&mut self, drained: &mut RecordQueue) -> bool {
        let Some(queued) = self.records.pop_front() else {
            return false;
        };
        if queued.action == Action::Overflow {
            self.has_overflowed = false;
        }
        self.is_full &= !self.records.is_empty();
        drained.push(Record {
            watch: queued.watch,
            action: queued.action,
            is_dir: queued.is_dir,
            cookie: Cookie::new(queued.cookie),
            described: None,
            name: &queued.name,
        });
        true
    }
}
