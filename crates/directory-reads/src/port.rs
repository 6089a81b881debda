//! The model `port`: one completion loop, polled by the caller's own thread.

use std::collections::VecDeque;
use std::os::windows::io::BorrowedHandle;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use everwatch_proactor::native::Packet;
use everwatch_proactor::{Proactor, Remote, Route};

use crate::completion::{Closed, Collected, Completion};
use crate::double_buffer::{DoubleBuffer, LentRecords};
use crate::error::{Error, Stage};
use crate::limits::{COMPLETIONS_PER_COLLECT, TagUse, check};
use crate::native::{DirHandle, Via};
use crate::overlapped::Outcome;
use crate::read_set::{Arrival, PacketSource, ReadSet};
use crate::reads::{DirectoryReads, Ring, Waker};
use crate::settings::{Settings, Tag};

/// Packets of directories that the loop has dequeued.
#[derive(Default)]
struct Dequeued(Mutex<VecDeque<Packet>>);

impl Dequeued {
    fn packets(&self) -> MutexGuard<'_, VecDeque<Packet>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Route for Dequeued {
    fn arrived(&self, packet: Packet) {
        self.packets().push_back(packet);
    }
}

/// The loop as a source of packets.
struct LoopPackets {
    proactor: Proactor,
    dequeued: Arc<Dequeued>,
    /// The waker was rung during a poll, and has not ended a wait yet.
    is_rung: bool,
}

impl PacketSource for LoopPackets {
    fn key(&mut self, _: usize) -> usize {
        let route = Arc::clone(&self.dequeued) as Arc<dyn Route>;
        self.proactor.remote().add_route(route)
    }

    fn attach(&mut self, directory: &DirHandle, key: usize) -> Result<Via, u32> {
        self.proactor.remote().associate(directory, key)?;
        Ok(Via::Packet)
    }

    fn detach(&mut self, key: usize) {
        self.proactor.remote().remove_route(key);
    }

    /// The route stays: the packet of a read that was given up may still come, and is no stray.
    fn abandon(&mut self, _: usize) {}

    fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Arrival>) -> usize {
        self.is_rung |= self.proactor.poll(timeout).is_woken;
        let mut packets = self.dequeued.packets();
        let count = packets.len();
        arrived.extend(packets.drain(..).map(Arrival::Packet));
        count
    }
}

impl Ring for Remote {
    fn ring(&self) {
        self.wake();
    }
}

/// Any number of directories on one completion loop. It works on the caller's thread, and makes no other.
pub(crate) struct PortReads {
    reads: ReadSet<LoopPackets>,
}

impl PortReads {
    /// Makes the loop.
    pub(crate) fn new() -> Result<PortReads, Error> {
        let source = LoopPackets {
            proactor: Proactor::new().map_err(|error| Error::of_start(&error))?,
            dequeued: Arc::default(),
            is_rung: false,
        };
        Ok(PortReads {
            reads: ReadSet::new(source),
        })
    }

    /// Ends all reads and the loop. A second call returns the same counts.
    fn stop(&mut self) -> Closed {
        self.reads.stop();
        let mut counts = self.reads.counts;
        counts += self.reads.source.proactor.shut_down().into();
        counts
    }
}

/// Delivers an outcome. Returns how many completions that were.
fn deliver_outcome(
    tag: Tag,
    buffer: &DoubleBuffer,
    outcome: Outcome,
    deliver: &mut dyn FnMut(Tag, Completion<'_>),
) -> usize {
    let mut delivered = 0;
    if let Some(filled) = outcome.changes {
        let records = LentRecords::new(filled, buffer);
        let (bytes, layout) = (records.filled().bytes(), records.filled().layout());
        deliver(tag, Completion::Changes { bytes, layout });
        delivered += 1;
    }
    if outcome.is_lost {
        deliver(tag, Completion::Lost);
        delivered += 1;
    }
    if let Some(code) = outcome.failed {
        deliver(tag, Completion::Failed { code });
        delivered += 1;
    }
    delivered
}

impl DirectoryReads for PortReads {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        _: &Path,
        settings: Settings,
    ) -> Result<(), Error> {
        check(TagUse::of(self.reads.has(tag)), directory, &settings)?;
        let directory = DirHandle::reopen(directory).map_err(Error::at(Stage::Open))?;
        let armed = self.reads.arm(tag, directory, settings);
        armed.map_err(Error::at(Stage::Arm))
    }

    fn retire(&mut self, tag: Tag) {
        self.reads.retire(tag);
    }

    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected {
        let mut delivered = 0;
        let mut deliver = |tag, buffer: &Arc<DoubleBuffer>, outcome| {
            delivered += deliver_outcome(tag, buffer, outcome, deliver);
        };
        self.reads.pump_all();
        let more = (0..COMPLETIONS_PER_COLLECT).all(|_| self.reads.settle_next(&mut deliver));
        Collected { delivered, more }
    }

    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        self.reads.fence(&mut |tag, buffer, outcome| {
            deliver_outcome(tag, buffer, outcome, deliver);
        });
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        while !self.reads.has_arrived() && !std::mem::take(&mut self.reads.source.is_rung) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return;
            }
            self.reads.pump(left);
        }
    }

    fn waker(&self) -> Waker {
        Waker(Arc::new(self.reads.source.proactor.remote()))
    }

    fn close(mut self: Box<Self>) -> Closed {
        self.stop()
    }
}

impl Drop for PortReads {
    fn drop(&mut self) {
        self.stop();
    }
}
