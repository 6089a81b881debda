//! The directories of one thread: from a packet to what it means and to the next read.
//!
//! A desk belongs to one thread, has no locks, and does not know how packets come: that is its
//! [`Source`]. Each directory has a key from a counter, which its packets bring back. A packet that
//! comes late, of a read that was given up, can so never be taken for another's: neither handle
//! values nor addresses, which the system uses again, decide.
//!
//! The order in which a directory leaves: its read is cancelled, the completion is taken, the handle
//! is closed, the memory is freed. What the kernel keeps beyond [`RETURN_LIMIT`] is leaked.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use everwatch_proactor::RETURN_LIMIT;
use everwatch_proactor::native::Packet;

use crate::completion::Closed;
use crate::double_buffer::Lane;
use crate::native::{ChangeRead, DirHandle, Pending, Via};
use crate::overlapped::{Outcome, OverlappedRead};
use crate::settings::{Settings, Tag};

/// How often a fence takes what an instantly completed read brought, per directory.
const FENCE_ROUNDS: usize = 16;
/// After this long without an answer a cancel is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// How packets come.
pub(crate) trait Source {
    /// The key of the next directory, which is the `count`-th: one that was never used.
    fn key(&mut self, count: usize) -> usize {
        count
    }

    /// Readies a directory so that the packets of its read come here, with this key.
    fn attach(&mut self, directory: &DirHandle, key: usize) -> Result<Via, u32>;

    /// The read of an attached directory has been issued.
    fn issued(&mut self, _key: usize, _read: &ChangeRead<Pending>) {}

    /// The directory is no longer read. No packet of it comes any more, but that of a read that was
    /// abandoned may.
    fn detach(&mut self, _key: usize, _is_abandoned: bool) {}

    /// Asks for a read to end; its packet still comes.
    fn cancel(&self, read: &ChangeRead<Pending>) -> Result<(), u32> {
        read.cancel()
    }

    /// Waits for packets, or for whatever else ends the wait; `None` waits for ever. Returns the
    /// number of packets.
    fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Packet>) -> usize;
}

struct Slot {
    tag: Tag,
    read: OverlappedRead,
    lane: Arc<Lane>,
}

/// See the head of the module.
pub(crate) struct Desk<S> {
    pub(crate) source: S,
    keys: HashMap<Tag, usize>,
    slots: HashMap<usize, Slot>,
    /// Never used again. 0 is no key of a directory.
    next_key: usize,
    /// Taken from the source, not yet looked at. At most one for each directory, because none is
    /// read again before its packet has been settled.
    arrived: VecDeque<Packet>,
    /// Keys of reads that the kernel did not give back in time; their packets may still come.
    abandoned: HashSet<usize>,
    pub(crate) counts: Closed,
}

/// Gets what a completion of this directory came to.
pub(crate) type Deliver<'a> = &'a mut dyn FnMut(Tag, &Arc<Lane>, Outcome);

impl<S: Source> Desk<S> {
    pub(crate) fn new(source: S) -> Desk<S> {
        Desk {
            source,
            keys: HashMap::new(),
            slots: HashMap::new(),
            next_key: 1,
            arrived: VecDeque::new(),
            abandoned: HashSet::new(),
            counts: Closed::default(),
        }
    }

    pub(crate) fn has(&self, tag: Tag) -> bool {
        self.keys.contains_key(&tag)
    }

    pub(crate) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }

    /// Issues the first read.
    pub(crate) fn arm(
        &mut self,
        tag: Tag,
        directory: DirHandle,
        settings: Settings,
        lane: Arc<Lane>,
    ) -> Result<(), u32> {
        let key = self.source.key(self.next_key);
        self.next_key += 1;
        let via = self.source.attach(&directory, key).inspect_err(|_| {
            self.source.detach(key, false);
        })?;
        match OverlappedRead::start(directory, settings, key, via) {
            Ok(read) => {
                self.keys.insert(tag, key);
                let slot = Slot { tag, read, lane };
                if let Some(read) = slot.read.pending() {
                    self.source.issued(key, read);
                }
                self.slots.insert(key, slot);
                Ok(())
            }
            Err(error) => {
                self.source.detach(key, false);
                Err(error)
            }
        }
    }

    /// Waits for packets or for whatever else ends the source's wait.
    pub(crate) fn pump(&mut self, timeout: Option<Duration>) -> usize {
        self.source.pump(timeout, &mut self.arrived)
    }

    /// Takes everything that has arrived without waiting. Each read has one packet: when all are here,
    /// nobody is asked for more.
    pub(crate) fn pump_all(&mut self) {
        while self.arrived.len() < self.slots.len() + self.abandoned.len()
            && self.pump(Some(Duration::ZERO)) > 0
        {}
    }

    /// Judges the next packet that has arrived. `false` when there is none.
    pub(crate) fn settle_next(&mut self, deliver: Deliver<'_>) -> bool {
        let packet = self.arrived.pop_front();
        let is_there = packet.is_some();
        if let Some(packet) = packet {
            self.settle(packet, deliver);
        }
        is_there
    }

    fn settle(&mut self, packet: Packet, deliver: Deliver<'_>) {
        let key = packet.key();
        let Some(slot) = self.slots.get_mut(&key) else {
            if !self.abandoned.remove(&key) {
                self.counts.stray_packets += 1;
            }
            return;
        };
        let lane = &slot.lane;
        match slot.read.complete(packet, || lane.take()) {
            Ok(outcome) => deliver(slot.tag, lane, outcome),
            Err(_) => self.counts.stray_packets += 1,
        }
    }

    /// Goes on with a directory for which there was no buffer.
    pub(crate) fn resume(&mut self, tag: Tag, deliver: Deliver<'_>) {
        let slot = self.keys.get(&tag).and_then(|key| self.slots.get_mut(key));
        if let Some(slot) = slot {
            let lane = &slot.lane;
            if let Some(outcome) = slot.read.resume(|| lane.take()) {
                deliver(tag, lane, outcome);
            }
        }
    }

    fn is_pending(&self, key: usize) -> bool {
        self.slots
            .get(&key)
            .is_some_and(|slot| slot.read.pending().is_some())
    }

    fn cancel(&mut self, key: usize) {
        if let Some(slot) = self.slots.get_mut(&key) {
            let source = &self.source;
            slot.read.cancel(|read| source.cancel(read));
        }
    }

    fn take_arrived(&mut self, key: usize) -> Option<Packet> {
        let at = self.arrived.iter().position(|packet| packet.key() == key)?;
        self.arrived.remove(at)
    }

    /// The packet of a cancelled read, or `None` when the time is over. Others are kept.
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
            if now >= asked + ASK_AGAIN {
                self.cancel(key);
                asked = now;
            }
            self.pump(Some(ASK_AGAIN.min(deadline - now)));
        }
    }

    /// Ends the read of a directory that is leaving, and closes it.
    fn discard(&mut self, key: usize, deadline: Instant) {
        let is_pending = self.is_pending(key);
        let packet = if is_pending {
            self.packet_of(key, deadline)
        } else {
            None
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
        }
        self.source.detach(key, self.abandoned.contains(&key));
    }

    pub(crate) fn retire(&mut self, tag: Tag) {
        if let Some(&key) = self.keys.get(&tag) {
            self.cancel(key);
            self.discard(key, Instant::now() + RETURN_LIMIT);
        }
    }

    /// Whether a directory waits for its buffer.
    pub(crate) fn is_starving(&self) -> bool {
        self.slots.values().any(|slot| slot.read.is_starving())
    }

    fn keys(&self) -> Vec<usize> {
        let mut keys: Vec<usize> = self.slots.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// Takes what each read has, and reads again until it stays pending.
    pub(crate) fn fence(&mut self, deliver: Deliver<'_>) {
        let deadline = Instant::now() + RETURN_LIMIT;
        let keys = self.keys();
        for &key in &keys {
            self.cancel(key);
        }
        for key in keys {
            for round in 0..FENCE_ROUNDS {
                let packet = match round {
                    _ if !self.is_pending(key) => None,
                    0 => self.packet_of(key, deadline),
                    _ => {
                        self.pump_all();
                        self.take_arrived(key)
                    }
                };
                let Some(packet) = packet else { break };
                self.settle(packet, deliver);
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        let deadline = Instant::now() + RETURN_LIMIT;
        let keys = self.keys();
        for &key in &keys {
            self.cancel(key);
        }
        for key in keys {
            self.discard(key, deadline);
        }
        while self.pump(Some(Duration::ZERO)) > 0 {}
        for packet in std::mem::take(&mut self.arrived) {
            if !self.abandoned.remove(&packet.key()) {
                self.counts.stray_packets += 1;
            }
        }
    }
}
