//! The read set: the directories of one thread, from a packet to its outcome and to the next read.
//!
//! A read set belongs to one thread, has no locks, and does not know how packets come: that is its
//! [`PacketSource`]. Each directory has a key that is used once, which its packets bring back. So a late
//! packet, of a read that was given up, is never taken for that of another: neither handles nor addresses
//! decide, because the system reuses both.
//!
//! A directory leaves in this order: its read is cancelled, the completion is taken, the handle is closed, the
//! memory is freed. What the kernel keeps beyond [`RETURN_LIMIT`] is leaked.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use everwatch_proactor::native::Packet;

use crate::completion::Closed;
use crate::double_buffer::DoubleBuffer;
use crate::limits::RETURN_LIMIT;
use crate::native::{ChangeRead, DirHandle, Pending, Via};
use crate::overlapped::{Outcome, OverlappedRead};
use crate::settings::{Settings, Tag};

/// How often a fence reads one directory again that completes each time.
const READS_PER_FENCE: usize = 16;

/// How often a cancel is repeated whose packet does not come.
const CANCEL_EVERY: Duration = Duration::from_millis(50);

/// The news that a read has ended.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// The packet of a read.
    Packet(Packet),
    /// The event of the read with this key was set.
    Signalled(usize),
}

impl Arrival {
    /// The key of the read.
    pub(crate) fn key(&self) -> usize {
        match self {
            Arrival::Packet(packet) => packet.key(),
            Arrival::Signalled(key) => *key,
        }
    }
}

/// The way in which packets come.
pub(crate) trait PacketSource {
    /// The key of the next directory, which is the `count`-th: one that was never used, and not 0.
    fn key(&mut self, count: usize) -> usize {
        count
    }

    /// Prepares a directory, so that the ends of its reads arrive here with this key.
    fn attach(&mut self, directory: &DirHandle, key: usize) -> Result<Via, u32>;

    /// Prepares another handle of a directory in place of the one with this key, whose read is over.
    fn attach_again(&mut self, directory: &DirHandle, key: usize) -> Result<Via, u32> {
        self.attach(directory, key)
    }

    /// The directory is no longer read, and none of its packets comes any more.
    fn detach(&mut self, _key: usize) {}

    /// The directory is no longer read, and the packet of its last read may still come.
    fn abandon(&mut self, key: usize) {
        self.detach(key);
    }

    /// Asks for a read to end. Its packet still comes.
    fn cancel(&self, read: &ChangeRead<Pending>) -> Result<(), u32> {
        read.cancel()
    }

    /// Waits for arrivals, or for anything else that ends the wait; `None` waits forever. Returns how many
    /// there were.
    fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Arrival>) -> usize;
}

/// One directory.
struct Slot {
    tag: Tag,
    settings: Settings,
    read: OverlappedRead,
    buffer: Arc<DoubleBuffer>,
}

impl Slot {
    /// The packet of an arrival. `None` if an event was set for nothing.
    fn packet(&self, arrival: Arrival) -> Option<Packet> {
        match arrival {
            Arrival::Packet(packet) => Some(packet),
            Arrival::Signalled(_) => self.read.pending()?.completed(),
        }
    }
}

/// The directories of one thread.
pub(crate) struct ReadSet<S> {
    pub(crate) source: S,
    keys: HashMap<Tag, usize>,
    /// By key.
    slots: HashMap<usize, Slot>,
    /// How many directories there have been, and one more.
    next_key: usize,
    /// Taken from the source, and not looked at yet. At most one for each directory, because none is read
    /// again before its arrival was settled.
    arrived: VecDeque<Arrival>,
    /// What completions came to while a directory was armed. It is delivered first.
    early: VecDeque<(Tag, Arc<DoubleBuffer>, Outcome)>,
    /// Keys of reads that the kernel did not give back in time. Their packets may still come.
    abandoned: HashSet<usize>,
    pub(crate) counts: Closed,
}

/// Takes what a completion of a directory came to.
pub(crate) type Deliver<'a> = &'a mut dyn FnMut(Tag, &Arc<DoubleBuffer>, Outcome);

impl<S: PacketSource> ReadSet<S> {
    /// A set without directories.
    pub(crate) fn new(source: S) -> ReadSet<S> {
        ReadSet {
            source,
            keys: HashMap::new(),
            slots: HashMap::new(),
            next_key: 1,
            arrived: VecDeque::new(),
            early: VecDeque::new(),
            abandoned: HashSet::new(),
            counts: Closed::default(),
        }
    }

    /// Whether it reads the directory of this tag.
    pub(crate) fn has(&self, tag: Tag) -> bool {
        self.keys.contains_key(&tag)
    }

    /// Whether [`ReadSet::settle_next`] has something to do.
    pub(crate) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty() || !self.early.is_empty()
    }

    /// Issues the first read of a directory.
    ///
    /// # Errors
    /// The Win32 error of the call. The directory is closed then.
    pub(crate) fn arm(
        &mut self,
        tag: Tag,
        directory: DirHandle,
        settings: Settings,
    ) -> Result<(), u32> {
        let key = self.source.key(self.next_key);
        self.next_key += 1;
        let attached = self.source.attach(&directory, key);
        let started = attached.and_then(|via| OverlappedRead::start(directory, settings, key, via));
        let read = started.inspect_err(|_| self.source.detach(key))?;
        let buffer = DoubleBuffer::new(settings.bytes);
        self.keys.insert(tag, key);
        let slot = Slot {
            tag,
            settings,
            read,
            buffer,
        };
        self.slots.insert(key, slot);
        self.try_layout(key)
    }

    /// Finds out whether the volume has the layout that was asked for, if it is the first directory of it: some
    /// file systems accept the read and end it then. A cancelled read ends as well, and loses nothing.
    ///
    /// # Errors
    /// The Win32 error with which the read has ended. The directory is closed then.
    fn try_layout(&mut self, key: usize) -> Result<(), u32> {
        let is_on_trial = |slot: &Slot| slot.read.is_on_trial();
        if !self.slots.get(&key).is_some_and(is_on_trial) {
            return Ok(());
        }
        self.cancel(key);
        // One that does not come in time goes on: whatever its end is, it is dealt with when it comes.
        let Some(packet) = self.packet_of(key, Instant::now() + RETURN_LIMIT) else {
            return Ok(());
        };
        let mut outcomes = Vec::new();
        self.settle_packet(packet, &mut |tag, buffer, outcome| {
            outcomes.push((tag, Arc::clone(buffer), outcome));
        });
        for (tag, buffer, mut outcome) in outcomes {
            if let Some(code) = outcome.failed {
                self.discard(key, Instant::now());
                return Err(code);
            }
            // The caller does not know of the directory yet, so that nothing of it can be lost.
            outcome.is_lost = false;
            self.early.push_back((tag, buffer, outcome));
        }
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.read.prove_layout();
        }
        Ok(())
    }

    /// Waits for arrivals, or for anything else that ends the source's wait.
    pub(crate) fn pump(&mut self, timeout: Option<Duration>) -> usize {
        self.source.pump(timeout, &mut self.arrived)
    }

    /// Takes everything that has arrived, without waiting. Each read has one arrival: when all are here, the
    /// source is not asked for more.
    pub(crate) fn pump_all(&mut self) {
        while self.arrived.len() < self.slots.len() + self.abandoned.len()
            && self.pump(Some(Duration::ZERO)) > 0
        {}
    }

    /// Settles the next arrival: judges its completion and issues the read again. Returns false when there is
    /// none.
    pub(crate) fn settle_next(&mut self, deliver: Deliver<'_>) -> bool {
        if let Some((tag, buffer, outcome)) = self.early.pop_front() {
            if self.has(tag) {
                deliver(tag, &buffer, outcome);
            }
            return true;
        }
        let arrival = self.arrived.pop_front();
        let is_there = arrival.is_some();
        if let Some(arrival) = arrival {
            self.settle(arrival, deliver);
        }
        is_there
    }

    /// Judges the completion of an arrival, and issues the read again.
    fn settle(&mut self, arrival: Arrival, deliver: Deliver<'_>) {
        let Some(slot) = self.slots.get_mut(&arrival.key()) else {
            self.count_stray(&arrival);
            return;
        };
        if let Some(packet) = slot.packet(arrival) {
            self.settle_packet(packet, deliver);
        }
    }

    /// Judges the completion of a packet, and issues the read again.
    fn settle_packet(&mut self, packet: Packet, deliver: Deliver<'_>) {
        let Some(slot) = self.slots.get_mut(&packet.key()) else {
            return;
        };
        let buffer = &slot.buffer;
        let key = packet.key();
        match slot.read.complete(packet, || buffer.take()) {
            Ok(outcome) => match slot.read.reopen_refused() {
                Some(reopened) => self.start_over(key, reopened, deliver),
                None => deliver(slot.tag, buffer, outcome),
            },
            Err(_) => self.counts.stray_packets += 1,
        }
    }

    /// Reads a directory by another handle. What happened since the first read was issued is lost.
    fn start_over(&mut self, key: usize, reopened: Result<DirHandle, u32>, deliver: Deliver<'_>) {
        let Some(slot) = self.slots.get_mut(&key) else {
            return;
        };
        let source = &mut self.source;
        let started = reopened.and_then(|directory| {
            let via = source.attach_again(&directory, key)?;
            OverlappedRead::start(directory, slot.settings, key, via)
        });
        let mut outcome = Outcome {
            is_lost: true,
            ..Outcome::default()
        };
        match started {
            Ok(read) => slot.read = read,
            Err(code) => outcome.failed = Some(code),
        }
        deliver(slot.tag, &slot.buffer, outcome);
    }

    /// Counts an arrival for no directory, unless it is that of a read that was given up.
    fn count_stray(&mut self, arrival: &Arrival) {
        if let Arrival::Packet(packet) = arrival
            && !self.abandoned.remove(&packet.key())
        {
            self.counts.stray_packets += 1;
        }
    }

    /// Goes on with a directory that starved.
    pub(crate) fn resume(&mut self, tag: Tag, deliver: Deliver<'_>) {
        let slot = self.keys.get(&tag).and_then(|key| self.slots.get_mut(key));
        if let Some(slot) = slot {
            let buffer = &slot.buffer;
            if let Some(outcome) = slot.read.resume(|| buffer.take()) {
                deliver(tag, buffer, outcome);
            }
        }
    }

    /// Whether the read of a directory is in the kernel.
    fn is_pending(&self, key: usize) -> bool {
        self.slots
            .get(&key)
            .is_some_and(|slot| slot.read.pending().is_some())
    }

    /// Asks for the read of a directory to end, if it is pending.
    fn cancel(&mut self, key: usize) {
        if let Some(slot) = self.slots.get_mut(&key) {
            let source = &self.source;
            slot.read.cancel(|read| source.cancel(read));
        }
    }

    /// The packet of a directory, if it has arrived.
    fn take_arrived(&mut self, key: usize) -> Option<Packet> {
        let at = self.arrived.iter().position(|other| other.key() == key)?;
        let arrival = self.arrived.remove(at)?;
        self.slots.get(&key)?.packet(arrival)
    }

    /// Waits for the packet of a cancelled read; `None` when the time is over. Other arrivals are kept.
    fn packet_of(&mut self, key: usize, deadline: Instant) -> Option<Packet> {
        let mut asked = Instant::now();
        loop {
            if let Some(packet) = self.take_arrived(key) {
                return Some(packet);
            }
            let now = Instant::now();
            if now >= deadline {
                self.pump_all();
                return self.take_arrived(key);
            }
            if now >= asked + CANCEL_EVERY {
                self.cancel(key);
                asked = now;
            }
            self.pump(Some(CANCEL_EVERY.min(deadline - now)));
        }
    }

    /// Waits for the end of a read that was cancelled, and closes its directory.
    fn discard(&mut self, key: usize, deadline: Instant) {
        let is_pending = self.is_pending(key);
        let packet = match is_pending {
            true => self.packet_of(key, deadline),
            false => None,
        };
        let Some(slot) = self.slots.remove(&key) else {
            return;
        };
        self.keys.remove(&slot.tag);
        if let Some(packet) = packet {
            let is_stray = slot.read.end(packet).is_err();
            self.counts.stray_packets += u64::from(is_stray);
        } else if is_pending {
            self.counts.leaked += 1;
            self.abandoned.insert(key);
            return self.source.abandon(key);
        }
        self.source.detach(key);
    }

    /// Ends the read of a directory, and closes it.
    pub(crate) fn retire(&mut self, tag: Tag) {
        if let Some(&key) = self.keys.get(&tag) {
            self.cancel(key);
            self.discard(key, Instant::now() + RETURN_LIMIT);
        }
    }

    /// Whether any directory waits for its buffer.
    pub(crate) fn is_starving(&self) -> bool {
        self.slots.values().any(|slot| slot.read.is_starving())
    }

    /// The keys of all directories, in the order in which they were armed.
    fn sorted_keys(&self) -> Vec<usize> {
        let mut keys: Vec<usize> = self.slots.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// Takes what each read has, and reads again until it stays pending.
    pub(crate) fn fence(&mut self, deliver: Deliver<'_>) {
        let deadline = Instant::now() + RETURN_LIMIT;
        let keys = self.sorted_keys();
        for &key in &keys {
            self.cancel(key);
        }
        for key in keys {
            for read in 0..READS_PER_FENCE {
                let packet = match read {
                    _ if !self.is_pending(key) => None,
                    0 => self.packet_of(key, deadline),
                    _ => {
                        self.pump_all();
                        self.take_arrived(key)
                    }
                };
                let Some(packet) = packet else { break };
                self.settle_packet(packet, deliver);
            }
        }
    }

    /// Ends all reads, and closes all directories.
    pub(crate) fn stop(&mut self) {
        let deadline = Instant::now() + RETURN_LIMIT;
        let keys = self.sorted_keys();
        for &key in &keys {
            self.cancel(key);
        }
        for key in keys {
            self.discard(key, deadline);
        }
        while self.pump(Some(Duration::ZERO)) > 0 {}
        for arrival in std::mem::take(&mut self.arrived) {
            self.count_stray(&arrival);
        }
    }
}
