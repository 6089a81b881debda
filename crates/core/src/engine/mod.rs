//! The engine: believes records where they cannot be wrong, and looks at the disk where they can.
//!
//! # Why this converges
//!
//! A directory is watched before it is listed. So for each name in it, either nothing happened
//! since the listing and the listing is right, or the last thing that happened has a record that
//! is still to come. Records are applied in order, the last one for a name says what is there, and
//! it undoes what older records of that name did to the mirror. A record that
//! says what the mirror already knows is no news.
//!
//! What is more than a name needs more care, because a record says nothing of *which* entry it is
//! about, and names in the queue may be older than the disk:
//!
//! - Directories are opened through their parent's handle and compared by identity. If the way
//!   leads elsewhere the directory is put aside; only what is still astray when all records from
//!   before that moment have been applied is gone for good (`scan`, `pending`).
//! - A record that does not fit the mirror (a change of something unknown, a second half without
//!   its first) makes the engine look at the name and reconcile the two (`records`, `reconcile`).
//! - Lost records make the engine compare everything with the disk (`resync`). What one listing
//!   misses goes only when no other listing has found it (`scan`, `decisions`).
//! - An entry that is found elsewhere by inference leaves a place that is looked at again.
//!
//! # How it runs
//!
//! [`Engine::step`] does a bounded amount of work and says when it wants to be called again. The
//! kernel's queue is emptied at the beginning of each step, so it stays empty during long crawls.

mod ancestor_ignores;
mod arrivals;
mod barrier;
mod contents;
mod decisions;
mod directories;
mod directory_coverage;
mod early_looks;
mod file_clock;
mod gaps;
mod guards;
mod missing_roots;
mod moves;
mod nested;
mod pending;
mod pending_queue;
mod polling;
mod recent_looks;
mod reconcile;
mod records;
mod redistribute;
mod removal;
mod resync;
mod resyncs;
mod root_table;
mod roots;
mod scan;
mod short_names;
mod stamps;
mod step_time;
mod tree_records;
mod undecided;
mod visibility;
mod watches;
mod work;
mod world;

use std::path::PathBuf;
use std::time::Duration;

use crate::delivery::outlet::{Delivery, OutletId};
use crate::entry::FileType;
use crate::event::Event;
use crate::ignore::Filter;
use crate::kernel::{Drained, Kernel};
use crate::log;
use crate::record::Record;
use crate::time::Moment;

pub use barrier::Barrier;
pub use root_table::{RootId, RootSpec};
pub use step_time::Pace;

use directories::Directories;
use directory_coverage::DirectoryCoverage;
use pending::Pending;
use polling::Polling;
use records::Records;
use resyncs::Resyncs;
use root_table::Roots;
use step_time::StepTime;
use visibility::Visibility;
use work::WorkList;
use world::World;

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

/// Units of work in one step: records applied or directories listed.
const STEP: usize = 512;

/// The engine: keeps the mirror of any number of roots in line with the disk, and reports its changes to
/// any number of outlets.
///
/// It is a set of parts, each of which owns its state; methods of the engine are decisions that need
/// several of them. It is not synchronised: one thread owns it and calls [`Engine::step`].
#[derive(Debug)]
pub struct Engine<K: Kernel> {
    /// The kernel, and the directories that are open.
    directories: Directories<K>,
    /// The mirror, and what is reported of it.
    world: World,
    /// What is hidden.
    visibility: Visibility,
    /// The records that have come.
    records: Records,
    roots: Roots,
    /// The directories that have to be scanned.
    work: WorkList,
    /// What cannot be decided yet.
    pending: Pending,
    resyncs: Resyncs,
    /// How directories are covered: by watches, or not.
    coverage: DirectoryCoverage,
    polling: Polling,
    time: StepTime,
    counters: Counters,
}

impl<K: Kernel> Engine<K> {
    /// An engine without roots.
    pub fn new(kernel: K, filter: Filter, pace: Pace) -> Engine<K> {
        Engine {
            directories: Directories::new(kernel),
            world: World::default(),
            visibility: Visibility::new(filter),
            records: Records::default(),
            roots: Roots::default(),
            work: WorkList::default(),
            pending: Pending::default(),
            resyncs: Resyncs::default(),
            coverage: DirectoryCoverage::default(),
            polling: Polling::default(),
            time: StepTime::new(pace),
            counters: Counters::default(),
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> &K {
        &self.directories.kernel
    }

    /// The kernel, to wait on it or to change it.
    pub fn kernel_mut(&mut self) -> &mut K {
        &mut self.directories.kernel
    }

    /// Takes the records that have come, applies what it can and says what is left. The amount of
    /// work is bounded; `now` is a reading of any monotonic clock.
    pub fn step(&mut self, now: Moment) -> Progress {
        self.step_while(now, || true)
    }

    /// Like [`Engine::step`], and stops before the next directory or record once `goes_on` says no:
    /// a single directory may take long on a slow file system.
    pub fn step_while(&mut self, now: Moment, goes_on: impl Fn() -> bool) -> Progress {
        self.time.begin(now);
        self.pending.early.begin(now);
        self.resyncs
            .clock
            .note(now, self.directories.kernel.clock());
        let records_before = self.counters.records;
        let came = self.drain();
        let is_arming = self.roots.is_arming();
        if is_arming && !came && self.records.queue.is_empty() {
            self.pending.nothing_came();
        }
        if !is_arming {
            self.polling.begin_if_due(
                self.time,
                &mut self.coverage.gaps,
                &mut self.world.mirror,
                &mut self.work,
            );
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
                self.scan(node);
                if self.work.is_empty() && self.resyncs.are_running() {
                    // The comparison is noted before the next loss begins another.
                    is_stopped = true;
                    break;
                }
            } else if self.roots.is_arming() || !self.apply_front(now) {
                break;
            }
        }
        if self.work.is_empty() {
            self.directories.finish_deferred_stats(&mut self.world);
        }
        let is_done = self.work.is_empty() && done < STEP && !is_stopped;
        // Also in the middle of the backlog: on a busy tree there is no end of it.
        if self.work.is_empty() && !self.roots.is_arming() {
            self.decide();
        }
        if is_done {
            self.directories.release();
        }
        let waits_for_half = is_done && !self.roots.is_arming() && !self.records.queue.is_empty();
        let (needs_drain, ripe) = self.pending.next_decision(self.time);
        let more = self.roots.is_arming()
            || !is_done
            || !self.work.is_empty()
            || came
            || (needs_drain && !waits_for_half);
        let half = waits_for_half
            .then(|| self.records.queue.front_came())
            .flatten();
        let half = half.map(|came| came.saturating_add(self.time.pace.pairing));
        let [poll, retry] = self.polling.deadlines();
        let deadlines = [half, ripe, poll, retry, self.roots.next_check()];
        Progress {
            more,
            records: (self.counters.records - records_before) as usize,
            deadline: deadlines.into_iter().flatten().min(),
        }
    }

    /// Returns whether anything came.
    fn drain(&mut self) -> bool {
        let lateness = u64::try_from(self.directories.kernel.lateness()).unwrap_or(0);
        let complete = self.time.now.saturating_sub(Duration::from_nanos(lateness));
        let overflows = self.records.queue.overflows();
        let drained = self
            .directories
            .kernel
            .drain(&mut self.records.queue)
            .unwrap_or_else(|_| {
                // A queue that cannot be read has lost what is in it.
                self.records.queue.push(Record::LOST);
                Drained::All
            });
        if self.records.queue.overflows() != overflows {
            log::overflow(self.records.queue.overflows());
            // While its record of a loss waits to be read, the kernel loses more without another.
            self.records.queue.push_lost_again();
        }
        self.records.queue.stamp(self.time.now);
        self.pending
            .mark_drain(self.time.step, drained, self.records.queue.end(), complete);
        drained != Drained::Nothing
    }

    /// Opens an outlet for a consumer that takes `room` events for now. The consumer's tree is the
    /// mirror's at this moment.
    pub fn open_outlet(&mut self, room: usize, delivery: Delivery) -> OutletId {
        self.world.outlets.open(room, delivery)
    }

    /// Closes an outlet and forgets what it holds.
    pub fn close_outlet(&mut self, outlet: OutletId) {
        self.world.outlets.close(outlet, &mut self.world.mirror);
    }

    /// Says how many events the consumer takes from now on.
    pub fn set_room(&mut self, outlet: OutletId, room: usize) {
        self.world.outlets.set_room(outlet, room);
    }

    /// Writes out what waits in the outlet's fold, as far as there is room.
    pub fn flush(&mut self, outlet: OutletId) {
        self.world.outlets.flush(outlet, &mut self.world.mirror);
    }

    /// Takes the events that the outlet has written.
    pub fn take(&mut self, outlet: OutletId) -> Vec<Event> {
        self.world.outlets.take(outlet)
    }

    /// Whether changes wait in the outlet's fold, and how often the consumer fell behind so far.
    pub fn folded(&self, outlet: OutletId) -> (bool, u64) {
        self.world.outlets.folded(outlet)
    }

    /// How often the mirror changed in a way that consumers learn of.
    pub fn changes(&self) -> u64 {
        self.world.outlets.changes()
    }

    /// Counts of what was done, and sizes as they are now.
    pub fn counters(&self) -> Counters {
        Counters {
            overflows: self.records.queue.overflows(),
            entries: self.world.mirror.len() as u64,
            watches: self.coverage.watches.len() as u64,
            unwatched: self.coverage.gaps.unwatched(),
            seq: self.world.outlets.seq(),
            mirror_bytes: (self.world.mirror.heap_bytes() + self.coverage.watches.heap_bytes())
                as u64,
            resyncs: self.resyncs.begun(),
            ..self.counters
        }
    }

    /// Calls `each` for every entry that consumers know of, parents before children.
    pub fn entries(&self, mut each: impl FnMut(PathBuf, FileType)) {
        for top in self.roots.iter().filter_map(|root| root.node) {
            self.world.entries_below(top, &mut each);
        }
    }
}
