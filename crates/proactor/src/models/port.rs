//! One completion port, and no thread but the caller's.

use std::collections::VecDeque;
use std::os::windows::io::BorrowedHandle;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::completion::{Closed, Collected, Completion};
use crate::desk::{Desk, Source};
use crate::error::{Error, Stage};
use crate::lane::{Lane, Loan};
use crate::models::{AFTER_A_FAILED_WAIT, BOUND, check};
use crate::native::{CompletionPort, DirHandle, Packet, Via};
use crate::reading::Turn;
use crate::reads::{DirectoryReads, Ring, Waker};
use crate::settings::{Settings, Tag};

/// The key of the waker's packets; no directory has it.
const RING: usize = 0;

/// Posts one packet however often it is rung before that is taken.
struct Bell {
    port: Arc<CompletionPort>,
    is_posted: AtomicBool,
}

impl Ring for Bell {
    fn ring(&self) {
        if !self.is_posted.swap(true, Ordering::AcqRel) && self.port.post(RING).is_err() {
            self.is_posted.store(false, Ordering::Release);
        }
    }
}

struct Packets {
    port: Arc<CompletionPort>,
    bell: Arc<Bell>,
    /// A ring that was taken from the port and has not ended a wait yet.
    is_rung: bool,
}

impl Source for Packets {
    fn attach(&mut self, directory: &DirHandle, key: usize) -> Result<Via, u32> {
        self.port.associate(directory, key)?;
        Ok(Via::Packet)
    }

    fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Packet>) -> usize {
        let mut is_rung = false;
        let count = self.port.dequeue(timeout, |packet| match packet.key() {
            RING => is_rung = true,
            _ => arrived.push_back(packet),
        });
        if is_rung {
            self.bell.is_posted.store(false, Ordering::Release);
            self.is_rung = true;
        }
        count.unwrap_or_else(|_| {
            std::thread::sleep(AFTER_A_FAILED_WAIT);
            0
        })
    }
}

/// See the head of the module.
pub(crate) struct PortReads {
    desk: Desk<Packets>,
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
            is_posted: AtomicBool::new(false),
        });
        let source = Packets {
            port,
            bell,
            is_rung: false,
        };
        Ok(PortReads {
            desk: Desk::new(source),
        })
    }
}

/// Tells what a turn came to; how many completions that were.
fn tell(tag: Tag, lane: &Lane, turn: Turn, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> usize {
    let mut delivered = 0;
    if let Some(filled) = turn.changes {
        let loan = Loan::new(filled, lane);
        let (bytes, layout) = (loan.filled().bytes(), loan.filled().layout());
        deliver(tag, Completion::Changes { bytes, layout });
        delivered += 1;
    }
    if turn.is_lost {
        deliver(tag, Completion::Lost);
        delivered += 1;
    }
    if let Some(code) = turn.failed {
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
        let mut tell = |tag, lane: &Arc<Lane>, turn| delivered += tell(tag, lane, turn, deliver);
        self.desk.pump_all();
        let more = (0..BOUND).all(|_| self.desk.settle_next(&mut tell));
        Collected { delivered, more }
    }

    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        self.desk.fence(&mut |tag, lane, turn| {
            tell(tag, lane, turn, deliver);
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
        Waker(Arc::clone(&self.desk.source.bell) as Arc<dyn Ring>)
    }

    fn close(mut self: Box<Self>) -> Closed {
        self.desk.stop();
        self.desk.counts
    }
}

impl Drop for PortReads {
    fn drop(&mut self) {
        self.desk.stop();
    }
}
