//! The engine: believes records where they cannot be wrong, and looks at the disk where they can.
//!
//! # Why this converges
//!
//! A directory is watched before it is listed. So for each name in it, either nothing happened
//! since the listing and the listing is right, or the last thing that happened has a record that
//! is still to come. Records are applied in order, the last one for a name says what is there, and
//! whatever older records of that name do to the mirror in between is undone by it. A record that
//! says what the mirror already knows is no news.
//!
//! What is more than a name needs more care, because a record says nothing of *which* entry it is
//! about, and names in the queue may be older than the disk:
//!
//! - Directories are opened through their parent's handle and compared by identity. If the way
//!   leads elsewhere the directory is put aside; only what is still astray when all records from
//!   before that moment have been applied is gone for good (`adopt`, `aside`).
//! - A record that does not fit the mirror (a change of something unknown, a second half without
//!   its first) makes the engine look at the name and reconcile the two (`apply`, `look`).
//! - Lost records make the engine compare everything with the disk (`resync`). What one listing
//!   misses goes only when no other listing has found it (`merge`, `aside`).
//! - An entry that is found elsewhere by inference leaves a place that is looked at again.
//!
//! # How it runs
//!
//! [`Engine::step`] does a bounded amount of work and says when it wants to be called again. The
//! kernel's queue is emptied at the beginning of each step, so it stays empty during long crawls.

mod ancestor_ignores;
mod directories;
mod gaps;
mod guards;
mod merge;
mod moves;
mod nested;
mod pending;
mod pending_queue;
mod reconcile;
mod records;
mod removal;
mod resync;
mod roots;
mod scan;
mod scope;
mod short_names;
mod stamps;
mod tree_records;
mod watches;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use crate::change::{Cause, Event, FileType, ResyncReason};
use crate::coverage::Gap;
use crate::filter::Filter;
use crate::kernel::{Drained, FileTime, Kernel, Listing};
use crate::mirror::{Mirror, NodeId};
use crate::outlet::{OutletId, Outlets, path_of};
use crate::record::{Backlog, Moment, Record};

pub use pending::Barrier;
pub use roots::{RootId, RootSpec};
pub(crate) use stamps::may_be_since;
use stamps::{Stamp, stamp_of};
use watches::Watches;

/// Times, as numbers: the engine has no clock.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Pace {
    /// How long the first half of a move waits for the second. Both are queued together, so this
    /// covers only a processor that was interrupted in between.
    pub pairing: Duration,
    /// How often what cannot be watched is listed.
    pub poll: Duration,
    /// How often a missing root is looked for.
    pub root: Duration,
    /// Listing may take one part in so many of the time.
    pub poll_share: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            pairing: Duration::from_millis(5),
            poll: Duration::from_secs(1),
            root: Duration::from_millis(100),
            poll_share: 10,
        }
    }
}

/// What a step left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Whether there is more to do right away; also while a root is being armed.
    pub more: bool,
    /// Records applied.
    pub records: usize,
    /// When to call again at the latest, even if the kernel has nothing to say.
    pub deadline: Option<Moment>,
}

/// Counts since the engine was made.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Counters {
    /// Records applied.
    pub records: u64,
    /// Times records were lost.
    pub overflows: u64,
    /// Directories listed.
    pub listings: u64,
    /// Entries that were looked at one by one.
    pub stats: u64,
    /// Comparisons of a whole root with the disk.
    pub resyncs: u64,
    /// Entries in the mirror now.
    pub entries: u64,
    /// Watches held now.
    pub watches: u64,
    /// Directories polled now because no watch is left for them.
    pub unwatched: u64,
    /// The number of the last change.
    pub seq: u64,
    /// Bytes the mirror takes now.
    pub mirror_bytes: u64,
}

/// A resync that has begun.
#[derive(Debug)]
struct RunningResync {
    path: PathBuf,
    reason: ResyncReason,
    /// What is not over. While records keep being lost, one comparison follows the other.
    passes: VecDeque<Pass>,
}

/// One comparison of all that a resync is about.
#[derive(Debug)]
struct Pass {
    number: u64,
    /// The step in which all of it had been listed.
    listed: Option<u64>,
}

/// A poll under way.
#[derive(Clone, Copy, Debug)]
struct Poll {
    began: Moment,
    /// The step in which all of it had been listed.
    listed: Option<u64>,
}

/// Units of work in one step: records applied or directories listed.
const STEP: usize = 512;

/// See the module head. One engine serves any number of roots and outlets of one [`Kernel`].
#[derive(Debug)]
pub struct Engine<K: Kernel> {
    kernel: K,
    mirror: Mirror,
    outlets: Outlets,
    filter: Filter,
    pace: Pace,
    backlog: Backlog,
    watches: Watches,
    roots: Vec<roots::Root>,
    next_root: u32,
    /// Directories to adopt, last first.
    work: Vec<NodeId>,
    /// Directories opened in this step; see `handles`.
    handles: Vec<(NodeId, K::Dir)>,
    listing: Listing,
    /// The kernel has still to say of some files whether they were changed.
    has_put_off: bool,
    /// The name of the record in hand.
    name: Vec<u8>,
    /// See `aside`.
    aside: pending_queue::Shelf,
    /// Directories that are tried again, and the step since which they have been astray.
    astray_since: HashMap<NodeId, u64>,
    drains: VecDeque<pending::DrainMark>,
    /// The step since which the oddity in hand has been one.
    deciding: Option<u64>,
    /// The number of the step in hand.
    step: u64,
    /// When it began.
    now: Moment,
    /// All records that had come by the drain of this step have been applied.
    decided: u64,
    resyncs: Vec<RunningResync>,
    /// Comparisons that were begun, over all resyncs.
    passes: u64,
    gaps: HashMap<NodeId, Gap>,
    /// The gaps that consumers were told of.
    told_gaps: HashMap<NodeId, gaps::Told>,
    gaps_changed: bool,
    /// Directories that could not be opened when records had been lost, and the moment up to which
    /// all records of what is below had arrived.
    unseen_since: HashMap<NodeId, FileTime>,
    /// [`Mirror::directory_moves`] when consumers were told.
    moves_told: u64,
    volumes: HashMap<u64, Option<Gap>>,
    stamps: HashMap<NodeId, Stamp>,
    /// Roots whose directory counts only for these names.
    only: HashMap<NodeId, HashSet<Vec<u8>>>,
    /// The last moment at which all records were known to have arrived.
    complete: FileTime,
    /// Where the last moves went, to tell an exchange from a move back. Moves of other processors
    /// may be queued between the two halves of an exchange.
    recent_arrivals: VecDeque<(NodeId, Vec<u8>)>,
    /// A root is being armed: what is found is its beginning, not a change.
    arming: Option<RootId>,
    polling: Option<Poll>,
    poll_wanted: bool,
    polls_begun: u64,
    polls_done: u64,
    next_poll: Option<Moment>,
    /// No watch could be had in this round; not tried again before the next.
    is_out_of_watches: bool,
    /// Directories whose gap is the limit of watches.
    unwatched: u64,
    /// Directories whose gap is that they may not be read.
    unreadable: u64,
    /// When these are tried again.
    next_retry: Option<Moment>,
    counters: Counters,
}

impl<K: Kernel> Engine<K> {
    /// An engine without roots.
    pub fn new(kernel: K, filter: Filter, pace: Pace) -> Engine<K> {
        Engine {
            kernel,
            mirror: Mirror::default(),
            outlets: Outlets::default(),
            filter,
            pace,
            backlog: Backlog::default(),
            watches: Watches::default(),
            roots: Vec::new(),
            next_root: 0,
            work: Vec::new(),
            handles: Vec::new(),
            listing: Listing::default(),
            has_put_off: false,
            name: Vec::new(),
            aside: pending_queue::Shelf::default(),
            astray_since: HashMap::new(),
            drains: VecDeque::new(),
            deciding: None,
            step: 0,
            now: Moment::ZERO,
            decided: 0,
            resyncs: Vec::new(),
            passes: 0,
            told_gaps: HashMap::new(),
            gaps_changed: false,
            unseen_since: HashMap::new(),
            moves_told: 0,
            gaps: HashMap::new(),
            volumes: HashMap::new(),
            stamps: HashMap::new(),
            only: HashMap::new(),
            complete: 0,
            recent_arrivals: VecDeque::new(),
            arming: None,
            polling: None,
            poll_wanted: false,
            polls_begun: 0,
            polls_done: 0,
            next_poll: None,
            is_out_of_watches: false,
            unwatched: 0,
            unreadable: 0,
            next_retry: None,
            counters: Counters::default(),
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> &K {
        &self.kernel
    }

    /// The kernel, to wait on it or to change it.
    pub fn kernel_mut(&mut self) -> &mut K {
        &mut self.kernel
    }

    /// Takes the records that have come, applies what it can and says what is left. The amount of
    /// work is bounded; `now` is a reading of any monotonic clock.
    pub fn step(&mut self, now: Moment) -> Progress {
        self.step_while(now, || true)
    }

    /// Like [`Engine::step`], and stops before the next directory or record once `goes_on` says no:
    /// a single directory may take long on a slow file system.
    pub fn step_while(&mut self, now: Moment, goes_on: impl Fn() -> bool) -> Progress {
        self.step += 1;
        self.now = now;
        let records_before = self.counters.records;
        let came = self.drain();
        if self.arming.is_none() {
            self.begin_poll_if_due();
            self.look_for_roots();
        }
        let mut done = 0;
        let mut is_stopped = false;
        while done < STEP {
            is_stopped = !goes_on();
            if is_stopped {
                break;
            }
            done += 1;
            if let Some(node) = self.work.pop() {
                self.adopt(node);
                if self.work.is_empty() && !self.resyncs.is_empty() {
                    // The comparison is noted before the next loss begins another.
                    is_stopped = true;
                    break;
                }
            } else if self.arming.is_some() || !self.apply_front(now) {
                break;
            }
        }
        if self.work.is_empty() {
            self.recall();
        }
        let is_done = self.work.is_empty() && done < STEP && !is_stopped;
        // Also in the middle of the backlog: on a busy tree there is no end of it.
        if self.work.is_empty() && self.arming.is_none() {
            self.settle();
        }
        if is_done {
            self.handles.clear();
            self.kernel.rest();
        }
        let waits_for_half = is_done && self.arming.is_none() && !self.backlog.is_empty();
        let (needs_drain, ripe) = self.next_decision();
        let more = self.arming.is_some()
            || !is_done
            || !self.work.is_empty()
            || came
            || (needs_drain && !waits_for_half);
        let half = waits_for_half.then(|| self.backlog.front_came()).flatten();
        let half = half.map(|came| came.saturating_add(self.pace.pairing));
        let retry = self.next_retry;
        let deadlines = [half, ripe, self.next_poll, retry, self.next_root_check()];
        Progress {
            more,
            records: (self.counters.records - records_before) as usize,
            deadline: deadlines.into_iter().flatten().min(),
        }
    }

    /// Returns whether anything came.
    fn drain(&mut self) -> bool {
        let clock = self.kernel.clock() - self.kernel.lateness();
        let overflows = self.backlog.overflows();
        let drained = self.kernel.drain(&mut self.backlog).unwrap_or_else(|_| {
            // A queue that cannot be read has lost what is in it.
            self.backlog.push(Record::LOST);
            Drained::All
        });
        if self.backlog.overflows() != overflows {
            // While its record of a loss waits to be read, the kernel loses more without another.
            self.backlog.push_lost_again();
        }
        self.backlog.stamp(self.now);
        self.mark_drain(drained, clock);
        drained != Drained::Nothing
    }

    /// Opens an outlet. The consumer's tree is the mirror's at this moment.
    pub fn open_outlet(&mut self, room: usize, settles: bool) -> OutletId {
        self.outlets.open(room, settles)
    }

    /// Closes an outlet and forgets what it holds.
    pub fn close_outlet(&mut self, outlet: OutletId) {
        self.outlets.close(outlet, &mut self.mirror);
    }

    /// Says how many events the consumer takes from now on.
    pub fn set_room(&mut self, outlet: OutletId, room: usize) {
        self.outlets.set_room(outlet, room);
    }

    /// Writes out what waits in the outlet's fold, as far as there is room.
    pub fn flush(&mut self, outlet: OutletId) {
        self.outlets.flush(outlet, &mut self.mirror);
    }

    /// Takes the events that the outlet has written.
    pub fn take(&mut self, outlet: OutletId) -> Vec<Event> {
        self.outlets.take(outlet)
    }

    /// Whether changes wait in the outlet's fold, and how often the consumer fell behind so far.
    pub fn folded(&self, outlet: OutletId) -> (bool, u64) {
        self.outlets.folded(outlet)
    }

    /// How often the mirror changed in a way that consumers learn of.
    pub fn changes(&self) -> u64 {
        self.outlets.changes()
    }

    /// Counts of what was done, and sizes as they are now.
    pub fn counters(&self) -> Counters {
        Counters {
            overflows: self.backlog.overflows(),
            entries: self.mirror.len() as u64,
            watches: self.watches.len() as u64,
            unwatched: self.unwatched,
            seq: self.outlets.seq(),
            mirror_bytes: (self.mirror.heap_bytes() + self.watches.heap_bytes()) as u64,
            ..self.counters
        }
    }

    /// Calls `each` for every entry that consumers know of, parents before children.
    pub fn entries(&self, mut each: impl FnMut(PathBuf, FileType)) {
        for root in &self.roots {
            let Some(top) = root.node else { continue };
            for id in self.mirror.subtree(top) {
                if id != top && !self.mirror.has(id, crate::mirror::Mark::UNANNOUNCED) {
                    each(path_of(&self.mirror, id), self.mirror.kind(id));
                }
            }
        }
    }

    /// Removes an entry and all below it from the mirror. `told` says whether consumers learn of
    /// it; `implied`, that they do from the move that takes its place.
    fn remove(&mut self, id: NodeId, cause: Cause, told: bool, implied: bool) {
        let told = told
            && !self.mirror.has(id, crate::mirror::Mark::UNANNOUNCED)
            && !self.is_beginning(id);
        if told {
            self.clear_below(id);
        }
        let subtree = self.mirror.subtree(id);
        if told {
            self.outlets
                .removing(&mut self.mirror, id, &subtree, cause, implied);
        }
        for &id in subtree.iter().rev() {
            self.release(id);
            self.mirror.remove(id);
        }
    }

    /// Gives up what the engine holds for an entry that is about to go.
    fn release(&mut self, id: NodeId) {
        if self.mirror.is_dir(id) {
            self.unwatch(id);
            self.close_handle(id);
            self.filter.forget(id);
            self.only.remove(&id);
            self.drop_gap(id);
            if self.mirror.has(id, crate::mirror::Mark::ROOT) {
                self.root_left(id);
            }
        }
        if !self.stamps.is_empty() {
            self.stamps.remove(&id);
        }
    }

    fn unwatch(&mut self, id: NodeId) {
        if let Some(watch) = self.mirror.watch(id) {
            self.mirror.set_watch(id, None);
            if self.watches.unbind(watch, id) {
                self.kernel.unwatch(watch);
            }
        }
    }

    /// Puts a directory on the work list, once.
    fn queue(&mut self, id: NodeId) {
        if !self.mirror.has(id, crate::mirror::Mark::QUEUED) {
            self.mirror.set(id, crate::mirror::Mark::QUEUED);
            self.work.push(id);
        }
    }
}
