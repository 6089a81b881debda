//! One proactor, polled by the caller's own thread.

use std::collections::VecDeque;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use everwatch_proactor::native::Packet;
use everwatch_proactor::{Proactor, Remote, Route};

use crate::common::{BOUND, add, check, of_loop};
use crate::completion::{Closed, Collected, Completion};
use crate::double_buffer::{Lane, Loan};
use crate::error::{Error, Stage, of_start};
use crate::native::{DirHandle, Via};
use crate::overlapped::Outcome;
use crate::read_set::{Desk, Source};
use crate::reads::{DirectoryReads, Ring, Waker};
use crate::settings::{Settings, Tag};

/// Packets of directories that the proactor has dequeued.
#[derive(Default)]
struct Inbox(Mutex<VecDeque<Packet>>);

impl Inbox {
    fn packets(&self) -> MutexGuard<'_, VecDeque<Packet>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Route for Inbox {
    fn arrived(&self, packet: Packet) {
        self.packets().push_back(packet);
    }
}

struct Packets {
    proactor: Proactor,
    inbox: Arc<Inbox>,
    /// A ring that ended a poll and has not ended a wait yet.
    is_rung: bool,
}

impl Source for Packets {
    fn key(&mut self, _: usize) -> usize {
        self.proactor
            .remote()
            .add_route(Arc::clone(&self.inbox) as Arc<dyn Route>)
    }

    fn attach(&mut self, directory: &DirHandle, key: usize) -> Result<Via, u32> {
        let remote = self.proactor.remote();
        remote.port().associate(directory.as_handle(), key)?;
        Ok(Via::Packet)
    }

    fn detach(&mut self, key: usize, is_abandoned: bool) {
        // The packet of a read that was given up may still come, and is no stray.
        if !is_abandoned {
            self.proactor.remote().remove_route(key);
        }
    }

    fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Packet>) -> usize {
        self.is_rung |= self.proactor.poll(timeout).is_woken;
        let mut packets = self.inbox.packets();
        let count = packets.len();
        arrived.append(&mut packets);
        count
    }
}

impl Ring for Remote {
    fn ring(&self) {
        self.wake();
    }
}

/// See the head of the module.
pub(crate) struct PortReads {
    desk: Desk<Packets>,
}

impl PortReads {
    pub(crate) fn new() -> Result<PortReads, Error> {
        let source = Packets {
            proactor: Proactor::new().map_err(of_start)?,
            inbox: Arc::default(),
            is_rung: false,
        };
        Ok(PortReads {
            desk: Desk::new(source),
        })
    }

    fn stop(&mut self) -> Closed {
        self.desk.stop();
        let mut counts = self.desk.counts;
        add(&mut counts, of_loop(self.desk.source.proactor.shut_down()));
        counts
    }
}

/// Tells what a outcome came to; how many completions that were.
fn tell(
    tag: Tag,
    lane: &Lane,
    outcome: Outcome,
    deliver: &mut dyn FnMut(Tag, Completion<'_>),
) -> usize {
    let mut delivered = 0;
    if let Some(filled) = outcome.changes {
        let loan = Loan::new(filled, lane);
        let (bytes, layout) = (loan.filled().bytes(), loan.filled().layout());
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
        check(self.desk.has(tag), directory, &settings)?;
        let failed = |stage| move |code| Error { stage, code };
        let directory = DirHandle::reopen(directory).map_err(failed(Stage::Open))?;
        let lane = Lane::new(settings.bytes);
        self.desk
            .arm(tag, directory, settings, lane)
            .map_err(failed(Stage::Arm))
    }

    fn retire(&mut self, tag: Tag) {
        self.desk.retire(tag);
    }

    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected {
        let mut delivered = 0;
        let mut tell =
            |tag, lane: &Arc<Lane>, outcome| delivered += tell(tag, lane, outcome, deliver);
        self.desk.pump_all();
        let more = (0..BOUND).all(|_| self.desk.settle_next(&mut tell));
        Collected { delivered, more }
    }

    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        self.desk.fence(&mut |tag, lane, outcome| {
            tell(tag, lane, outcome, deliver);
        });
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        while !self.desk.has_arrived() && !std::mem::take(&mut self.desk.source.is_rung) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return;
            }
            self.desk.pump(left);
        }
    }

    fn waker(&self) -> Waker {
        Waker(Arc::new(self.desk.source.proactor.remote()))
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
