//! One completion port, and no thread but the caller's.
//!
//! Each directory is associated under a key from a counter, so a packet that comes late, of a read
//! that was given up, can never be taken for another's: neither handle values nor addresses, which
//! the system uses again, decide.

use std::collections::{HashMap, HashSet, VecDeque};
use std::os::windows::io::BorrowedHandle;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::completion::{Closed, Collected, Completion};
use crate::error::{Error, Stage};
use crate::models::{BOUND, RETURN_LIMIT, check};
use crate::native::{Buffer, CompletionPort, DirHandle, Packet, Via};
use crate::reading::{News, Reading, Turn};
use crate::reads::{DirectoryReads, Ring, Waker};
use crate::settings::{Settings, Tag};

/// The key of the waker's packets.
const RING: usize = 0;
/// How often a fence takes what an instantly completed read brought, per directory.
const FENCE_ROUNDS: usize = 16;

struct Slot {
    tag: Tag,
    reading: Reading,
    /// The second buffer; gone only while its records are being delivered.
    spare: Option<Buffer>,
    bytes: u32,
}

impl Slot {
    fn complete(&mut self, packet: Packet) -> Result<Turn, Packet> {
        let (spare, bytes) = (&mut self.spare, self.bytes);
        let spare = || Some(spare.take().unwrap_or_else(|| Buffer::new(bytes)));
        self.reading.complete(packet, spare)
    }
}

/// Posts one packet however often it is rung before that is taken.
struct Bell {
    port: Arc<CompletionPort>,
    is_rung: AtomicBool,
}

impl Ring for Bell {
    fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) && self.port.post(RING).is_err() {
            self.is_rung.store(false, Ordering::Release);
        }
    }
}

/// See the head of the module.
pub(crate) struct PortReads {
    port: Arc<CompletionPort>,
    bell: Arc<Bell>,
    /// A ring that was taken from the port and has not ended a wait yet.
    is_rung: bool,
    keys: HashMap<Tag, usize>,
    slots: HashMap<usize, Slot>,
    /// Never used again.
    next_key: usize,
    /// Taken from the port, not yet looked at.
    arrived: VecDeque<Packet>,
    /// Keys of reads that the kernel did not give back in time; their packets may still come.
    abandoned: HashSet<usize>,
    counts: Closed,
}

impl PortReads {
    pub(crate) fn new() -> Result<PortReads, Error> {
        let port = CompletionPort::new().map_err(|code| Error {
            stage: Stage::Start,
            code,
        })?;
        let port = Arc::new(port);
        let bell = Arc::new(Bell {
            port: Arc::clone(&port),
            is_rung: AtomicBool::new(false),
        });
        Ok(PortReads {
            port,
            bell,
            is_rung: false,
            keys: HashMap::new(),
            slots: HashMap::new(),
            next_key: RING + 1,
            arrived: VecDeque::new(),
            abandoned: HashSet::new(),
            counts: Closed::default(),
        })
    }

    /// Takes packets from the port. Errors (the port is gone, or out of memory) look like silence.
    fn pump(&mut self, timeout: Option<Duration>) -> usize {
        let arrived = &mut self.arrived;
        let mut rings = 0;
        let count = self.port.dequeue(timeout, |packet| match packet.key() {
            RING => rings += 1,
            _ => arrived.push_back(packet),
        });
        if rings > 0 {
            self.bell.is_rung.store(false, Ordering::Release);
            self.is_rung = true;
        }
        count.unwrap_or(0)
    }

    /// Takes everything that is in the port without waiting. That is at most one packet for each
    /// directory, because none is read again before its packet has been settled.
    fn pump_all(&mut self) {
        while self.pump(Some(Duration::ZERO)) > 0 {}
    }

    fn packet_at_once(&mut self, key: usize) -> Option<Packet> {
        self.pump_all();
        let at = self.arrived.iter().position(|packet| packet.key() == key)?;
        self.arrived.remove(at)
    }

    /// Judges one packet and delivers what it means. How many deliveries there were.
    fn settle(&mut self, packet: Packet, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> usize {
        let key = packet.key();
        let Some(slot) = self.slots.get_mut(&key) else {
            if !self.abandoned.remove(&key) {
                self.counts.stray_packets += 1;
            }
            return 0;
        };
        let Ok(turn) = slot.complete(packet) else {
            self.counts.stray_packets += 1;
            return 0;
        };
        let tag = slot.tag;
        let mut delivered = 0;
        match turn.news {
            News::Changes(filled) => {
                let (bytes, layout) = (filled.bytes(), filled.layout());
                deliver(tag, Completion::Changes { bytes, layout });
                slot.spare = Some(filled.into_buffer());
                delivered += 1;
            }
            News::Lost => {
                deliver(tag, Completion::Lost);
                delivered += 1;
            }
            News::Nothing | News::Starved => {}
        }
        if let Some(code) = turn.failed {
            deliver(tag, Completion::Failed { code });
            delivered += 1;
        }
        delivered
    }

    /// The packet of this directory's read, or `None` when the time is over. Others are kept.
    fn packet_of(&mut self, key: usize, deadline: Instant) -> Option<Packet> {
        loop {
            let at = self.arrived.iter().position(|packet| packet.key() == key);
            if let Some(at) = at {
                return self.arrived.remove(at);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && self.pump(Some(Duration::ZERO)) == 0 {
                return None;
            }
            self.pump(Some(left.min(Duration::from_millis(50))));
            if let Some(slot) = self.slots.get_mut(&key) {
                // A second cancel does no harm, and helps where the first one failed.
                slot.reading.cancel();
            }
        }
    }

    /// Waits for the cancelled read of a slot that is leaving, and closes its directory.
    fn discard(&mut self, key: usize, deadline: Instant) {
        let is_coming = self
            .slots
            .get(&key)
            .is_some_and(|slot| slot.reading.pending().is_some());
        let packet = if is_coming {
            self.packet_of(key, deadline)
        } else {
            None
        };
        let Some(mut slot) = self.slots.remove(&key) else {
            return;
        };
        self.keys.remove(&slot.tag);
        match packet {
            Some(packet) => {
                if slot.reading.end(packet).is_err() {
                    self.counts.stray_packets += 1;
                }
            }
            None if is_coming => {
                self.counts.leaked += 1;
                self.abandoned.insert(key);
            }
            None => {}
        }
    }

    fn stop(&mut self) {
        let deadline = Instant::now() + RETURN_LIMIT;
        for slot in self.slots.values_mut() {
            slot.reading.cancel();
        }
        let mut keys: Vec<usize> = self.slots.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            self.discard(key, deadline);
        }
        self.pump_all();
        for packet in std::mem::take(&mut self.arrived) {
            if !self.abandoned.remove(&packet.key()) {
                self.counts.stray_packets += 1;
            }
        }
    }
}

impl DirectoryReads for PortReads {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        _: &Path,
        settings: Settings,
    ) -> Result<(), Error> {
        check(self.keys.contains_key(&tag), directory, &settings)?;
        let failed = |stage| move |code| Error { stage, code };
        let directory = DirHandle::reopen(directory).map_err(failed(Stage::Open))?;
        let key = self.next_key;
        self.next_key += 1;
        self.port
            .associate(&directory, key)
            .map_err(failed(Stage::Arm))?;
        let reading =
            Reading::start(directory, settings, Via::Packet).map_err(failed(Stage::Arm))?;
        let slot = Slot {
            tag,
            reading,
            spare: Some(Buffer::new(settings.bytes)),
            bytes: settings.bytes,
        };
        self.slots.insert(key, slot);
        self.keys.insert(tag, key);
        Ok(())
    }

    fn retire(&mut self, tag: Tag) {
        let Some(&key) = self.keys.get(&tag) else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.reading.cancel();
        }
        self.discard(key, Instant::now() + RETURN_LIMIT);
    }

    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected {
        self.pump_all();
        let mut collected = Collected::default();
        for _ in 0..BOUND {
            let Some(packet) = self.arrived.pop_front() else {
                return collected;
            };
            collected.delivered += self.settle(packet, deliver);
        }
        collected.more = true;
        collected
    }

    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        let deadline = Instant::now() + RETURN_LIMIT;
        let mut keys: Vec<usize> = self.slots.keys().copied().collect();
        keys.sort_unstable();
        for slot in self.slots.values_mut() {
            slot.reading.cancel();
        }
        for key in keys {
            for round in 0..FENCE_ROUNDS {
                let is_coming = self
                    .slots
                    .get(&key)
                    .is_some_and(|slot| slot.reading.pending().is_some());
                let packet = match round {
                    _ if !is_coming => None,
                    0 => self.packet_of(key, deadline),
                    _ => self.packet_at_once(key),
                };
                let Some(packet) = packet else { break };
                self.settle(packet, deliver);
            }
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        while self.arrived.is_empty() && !std::mem::take(&mut self.is_rung) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            self.pump(left);
            if left.is_some_and(|left| left.is_zero()) {
                self.is_rung = false;
                return;
            }
        }
    }

    fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.bell) as Arc<dyn Ring>)
    }

    fn close(mut self: Box<Self>) -> Closed {
        self.stop();
        self.counts
    }
}

impl Drop for PortReads {
    fn drop(&mut self) {
        self.stop();
    }
}
