//! A completion loop whose cancellation cannot bite.
//!
//! ```text
//!   future ──── Submission ──┐             ┌──────────── kernel ────────────┐
//!   (any executor)           │ number,     │  OVERLAPPED      buffers       │
//!                            ▼ generation  └──────▲──────────────▲──────────┘
//!   Proactor ──▶ table: slot ──────────────── its own      Box<Operation> ──▶ Endpoint (handle)
//!      ▲                  │                                 owned by the slot until the packet
//!      └── packets ◀── completion port ◀──────────────────── was dequeued
//! ```
//!
//! - The *operation* owns its buffers and keeps its endpoint open.
//! - The *slot* owns the operation from the call until the packet was dequeued, whatever becomes of the
//!   future.
//! - The *future* has a number. Dropped, it asks for the end and goes.
//! - *Nothing* is freed that the kernel has: what it does not give back in time when the proactor closes
//!   is leaked, and counted.
//!
//! One thread polls ([`Proactor::poll`], [`Proactor::block_on`], or a [`Runner`]'s); operations are
//! submitted and awaited from any. Wakers are std's and are woken without a lock held. One that panics
//! ends the poll with its panic after all others were woken.
//!
//! Operations live on when the thread that issued them ends.

mod changes;
mod endpoint;
mod file;
mod operation;
mod pipe;
mod remote;
mod runner;
mod stream;
mod submission;
mod table;
mod timers;
mod transfer;
mod turn;

pub use changes::DirectoryChanges;
pub use endpoint::{Endpoint, Packets};
pub use file::File;
pub use operation::{Cancelled, Ended, Operation};
pub use pipe::{
    AcceptPipe, MessagePart, PipeAccess, PipeInstance, PipeMode, PipeOptions, PipeServer,
    PipeStream, connect_pipe,
};
pub(crate) use pipe::{Toward, pair};
pub use remote::Remote;
pub(crate) use remote::Route;
pub use runner::Runner;
pub use stream::Stream;
pub use submission::Submission;
pub use timers::Sleep;
pub(crate) use transfer::{Read, Write};

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::completion::Closed;
use crate::error::{Error, Stage};
use crate::models::{AFTER_A_FAILED_WAIT, RETURN_LIMIT};
use crate::native::{CompletionPort, Packet};
use remote::{BELL, Shared, conclude};
use table::Landing;

/// After this long without their packets, cancelled operations are asked again to end.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What a poll came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Polled {
    /// How many packets of operations were dequeued.
    pub packets: usize,
    /// How many timers ended.
    pub timers: usize,
    /// It was ended by [`Remote::wake`].
    pub is_woken: bool,
}

/// See the head of the module.
pub struct Proactor {
    remote: Remote,
    /// Used by each poll anew.
    arrived: Vec<Packet>,
    is_closed: bool,
}

impl fmt::Debug for Proactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Proactor")
    }
}

impl Proactor {
    /// Makes a completion port, and nothing else.
    ///
    /// # Errors
    /// The system gives no port.
    pub fn new() -> Result<Proactor, Error> {
        let port = CompletionPort::new().map_err(|code| Error {
            stage: Stage::Start,
            code,
        })?;
        let shared = Arc::new(Shared::new(port));
        Ok(Proactor {
            remote: Remote { shared },
            arrived: Vec::new(),
            is_closed: false,
        })
    }

    /// The way to this proactor.
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// [`Remote::submit`].
    pub fn submit<O: Operation>(&self, operation: O) -> Submission<O> {
        self.remote.submit(operation)
    }

    /// [`Remote::wake`].
    pub fn wake(&self) {
        self.remote.wake();
    }

    /// Waits until something has completed, a timer is over, somebody calls [`Remote::wake`], or the time
    /// is over; `None` waits for ever. Takes all packets that are there, up to 64, and wakes their futures.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Polled {
        let shared = Arc::clone(&self.remote.shared);
        shared.is_waiting.store(true, Ordering::SeqCst);
        let (first, most) = {
            let ledger = shared.ledger();
            // Directory reads are not in the table, and may have any number of packets.
            let most = match ledger.routes.is_empty() {
                true => ledger.table.flying(),
                false => usize::MAX,
            };
            (ledger.timers.first(), most)
        };
        let timeout = if shared.is_rung.load(Ordering::SeqCst) {
            Some(Duration::ZERO)
        } else {
            let left = first.map(|first| first.saturating_duration_since(Instant::now()));
            [timeout, left].into_iter().flatten().min()
        };
        let mut arrived = std::mem::take(&mut self.arrived);
        let dequeued = shared
            .port
            .dequeue_some(most, timeout, |packet| match packet.key() {
                BELL => shared.is_posted.store(false, Ordering::SeqCst),
                _ => arrived.push(packet),
            });
        shared.is_waiting.store(false, Ordering::SeqCst);
        if dequeued.is_err() {
            std::thread::sleep(AFTER_A_FAILED_WAIT);
        }
        let packets = arrived.len();
        let mut aftermath = Aftermath::default();
        let timers = self.settle(&mut arrived, &mut aftermath);
        self.arrived = arrived;
        let is_woken = shared.is_rung.swap(false, Ordering::SeqCst);
        drop(aftermath);
        Polled {
            packets,
            timers,
            is_woken,
        }
    }

    /// Finds whose packets they are, and whose time has come.
    fn settle(&self, arrived: &mut Vec<Packet>, aftermath: &mut Aftermath) -> usize {
        let mut ledger = self.remote.shared.ledger();
        let mut routed = Vec::new();
        for packet in arrived.drain(..) {
            match ledger.table.land(packet) {
                Ok(landing) => aftermath.landings.push(landing),
                Err(packet) => match ledger.routes.get(&packet.key()) {
                    Some(route) => routed.push((Arc::clone(route), packet)),
                    None => ledger.stray_packets += 1,
                },
            }
        }
        let due = match ledger.timers.first() {
            Some(_) => ledger.timers.due(Instant::now()),
            None => Vec::new(),
        };
        drop(ledger);
        for (route, packet) in routed {
            route.arrived(packet);
        }
        let timers = due.len();
        let wakes = due.into_iter().map(|waker| Landing::Wake(Some(waker)));
        aftermath.landings.extend(wakes);
        timers
    }

    /// Runs a future on this thread, and the proactor beneath it. Other futures of the proactor go on only
    /// as far as their own executors carry them.
    pub fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        let signal = Arc::new(Signal {
            is_set: AtomicBool::new(true),
            remote: self.remote.clone(),
            thread: std::thread::current().id(),
        });
        let waker = Waker::from(Arc::clone(&signal));
        let mut context = Context::from_waker(&waker);
        loop {
            if signal.is_set.swap(false, Ordering::AcqRel)
                && let Poll::Ready(output) = future.as_mut().poll(&mut context)
            {
                return output;
            }
            let is_set = signal.is_set.load(Ordering::Acquire);
            self.poll(is_set.then_some(Duration::ZERO));
        }
    }

    /// Ends all operations: takes in nothing more, cancels what is in flight, and dequeues until nothing
    /// is, for at most five seconds. What the kernel keeps longer is leaked, and counted. Futures that
    /// still wait are woken, and give the error of a cancelled operation.
    pub fn close(mut self) -> Closed {
        self.stop()
    }

    /// [`Proactor::close`], after which it takes in nothing more.
    pub(crate) fn stop(&mut self) -> Closed {
        if !self.is_closed {
            self.is_closed = true;
            self.remote.close();
            let deadline = Instant::now() + RETURN_LIMIT;
            while self.remote.in_flight() > 0 && Instant::now() < deadline {
                self.poll(Some(ASK_AGAIN));
                let landings = self.remote.shared.ledger().table.cancel_all();
                drop(Aftermath { landings });
            }
            // Packets that nobody waits for any more.
            while self.poll(Some(Duration::ZERO)).packets > 0 {}
            let mut ledger = self.remote.shared.ledger();
            let (lost, wakers) = ledger.table.lose_all();
            ledger.leaked += lost;
            drop(ledger);
            wakers.into_iter().for_each(Waker::wake);
        }
        let ledger = self.remote.shared.ledger();
        Closed {
            leaked: ledger.leaked,
            stray_packets: ledger.stray_packets,
            ..Closed::default()
        }
    }
}

impl Drop for Proactor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What is to be done when the lock is given up. A waker that panics does not keep the others from being
/// woken: they are while it unwinds.
#[derive(Default)]
struct Aftermath {
    landings: Vec<Landing>,
}

impl Drop for Aftermath {
    fn drop(&mut self) {
        struct Rest<'a>(std::vec::Drain<'a, Landing>);
        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                for landing in self.0.by_ref() {
                    let rest = std::panic::AssertUnwindSafe(landing);
                    // A second panic while the first unwinds would end the process.
                    let _ = std::panic::catch_unwind(move || conclude({ rest }.0));
                }
            }
        }
        let mut rest = Rest(self.landings.drain(..));
        for landing in rest.0.by_ref() {
            conclude(landing);
        }
    }
}

/// Wakes a `block_on`.
struct Signal {
    is_set: AtomicBool,
    remote: Remote,
    /// The one that polls. It looks at the signal before it waits, so nothing has to end its wait.
    thread: ThreadId,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_set.swap(true, Ordering::AcqRel) && std::thread::current().id() != self.thread {
            self.remote.wake();
        }
    }
}
