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
//! - The *slot* owns the operation from the call until the packet was dequeued, also after the end of the
//!   future.
//! - The *future* has a number. Dropped, it asks for the end and goes.
//! - *Nothing* is freed that the kernel has: what it does not give back in time when the proactor closes
//!   is leaked, and counted.
//!
//! One thread polls ([`Proactor::poll`], [`Proactor::block_on`], or a [`Runner`]'s); operations are
//! submitted and awaited from any. Wakers are std's and are woken without a lock held.
//!
//! How things end:
//!
//! - *A close from inside*: a waker, or a task in [`Proactor::block_on`], may call [`Remote::close`]. It
//!   blocks for nothing: operations are asked to end, and the thread that polls goes on and takes their packets, so
//!   that those who wait get the error of a cancelled operation. [`Proactor::close`] takes the proactor, which
//!   the loop has, so it cannot be called from inside; [`Runner::close`] on the runner's own thread only asks
//!   for the end. An operation whose call is under way meanwhile is asked to end when it returns.
//! - *A waker that panics*: all others of the same poll or close are woken before its panic goes on, out of
//!   the poll or the close, with nothing lost: the proactor can be polled again, and a close is finished
//!   first. A runner goes on by itself. Of two panics the first goes on, and a panic that is on its way
//!   through a proactor's drop stays the only one.
//! - *A task that panics*: its panic goes out of `block_on`. What it waited for was dropped with it, and is
//!   cancelled; the proactor stays usable.
//! - *A thread that ends*: operations live on when the thread that issued them ends, whether or not a thread
//!   waits for them.
//! - *Ctrl-C*: ends the process, as usual, unless a future listens ([`Remote::ctrl_c`]). What the kernel has of
//!   a process that ends it gives up with it; children end with their jobs ([`Child`]).
//! - *The kernel keeps something*: what does not come back within five seconds of a close is leaked and
//!   counted. Its future never ends.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crate::batch_size::Room;
use crate::deferred_wakes::Aftermath;
use crate::native::{CompletionPort, Packet, of_code};
use crate::operation::Operation;
use crate::remote::{BELL, Remote, Shared};
use crate::submission::Submission;

/// A wait that failed is tried again after this long, so that it cannot take all of a processor.
const AFTER_A_FAILED_WAIT: Duration = Duration::from_millis(10);
/// How long a cancelled operation may stay in the kernel before it is given up and leaked.
pub const RETURN_LIMIT: Duration = Duration::from_secs(5);
/// After this long without their packets, cancelled operations are asked again to end.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What was found when everything was stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Closed {
    /// Operations that the kernel did not give back in time. Their memory is never freed.
    pub leaked: usize,
    /// Packets that belong to nothing. Anything but 0 is a defect.
    pub stray_packets: u64,
}

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
    /// Reused by each poll.
    arrived: Vec<Packet>,
    room: Room,
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
    pub fn new() -> io::Result<Proactor> {
        let port = CompletionPort::new().map_err(of_code)?;
        let shared = Arc::new(Shared::new(port));
        Ok(Proactor {
            remote: Remote { shared },
            arrived: Vec::new(),
            room: Room::default(),
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

    /// Waits until something has completed, a timer is over, [`Remote::wake`] is called, or the time
    /// is over; `None` waits without a limit. Takes all packets that are there, up to 64, and wakes their futures.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Polled {
        self.poll_some(usize::MAX, timeout)
    }

    /// [`Proactor::poll`] for those who poll again soon: it may leave packets for the next one.
    pub(crate) fn poll_on(&mut self, timeout: Option<Duration>) -> Polled {
        let polled = self.poll_some(self.room.packets(), timeout);
        self.room.took(polled.packets);
        polled
    }

    fn poll_some(&mut self, most: usize, timeout: Option<Duration>) -> Polled {
        let shared = Arc::clone(&self.remote.shared);
        shared.is_waiting.store(true, Ordering::SeqCst);
        let (first, most) = {
            let ledger = shared.ledger();
            // A route has one packet at a time, as a directory has one read.
            let most = most.min(ledger.table.flying() + ledger.routes.len());
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
                Ok(landing) => aftermath.add([landing]),
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
        aftermath.wake(due);
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
            self.poll_on(is_set.then_some(Duration::ZERO));
        }
    }

    /// Ends all operations: takes in nothing more, cancels what is in flight, and dequeues until nothing
    /// is, for at most five seconds. What the kernel keeps longer is leaked, and counted. Futures that
    /// still wait are woken, and give the error of a cancelled operation.
    ///
    /// # Panics
    /// With the panic of a waker, when everything is done.
    pub fn close(mut self) -> Closed {
        self.shut_down()
    }

    /// [`Proactor::close`] for a proactor that is a part of something. Afterwards it takes in nothing, and a
    /// second time it gives the same counts.
    ///
    /// # Panics
    /// With the panic of a waker, when everything is done.
    pub fn shut_down(&mut self) -> Closed {
        if let Some(panic) = self.stop() {
            resume_unwind(panic);
        }
        self.closed()
    }

    /// Returns the panic of a waker.
    pub(crate) fn stop(&mut self) -> Option<Panic> {
        if self.is_closed {
            return None;
        }
        self.is_closed = true;
        let mut panics = Panics::default();
        panics.keep(|| self.remote.close());
        let deadline = Instant::now() + RETURN_LIMIT;
        while self.remote.in_flight() > 0 && Instant::now() < deadline {
            panics.keep(|| self.poll(Some(ASK_AGAIN)));
            let mut aftermath = Aftermath::default();
            aftermath.add(self.remote.shared.ledger().table.cancel_all());
            panics.keep(|| drop(aftermath));
        }
        // Packets whose futures were dropped.
        while panics
            .keep(|| self.poll(Some(Duration::ZERO)))
            .is_none_or(|polled| polled.packets > 0)
        {}
        let mut aftermath = Aftermath::default();
        {
            let mut ledger = self.remote.shared.ledger();
            let (lost, wakers) = ledger.table.lose_all();
            ledger.leaked += lost;
            aftermath.wake(wakers);
        }
        panics.keep(|| drop(aftermath));
        panics.first
    }

    pub(crate) fn closed(&self) -> Closed {
        let ledger = self.remote.shared.ledger();
        Closed {
            leaked: ledger.leaked,
            stray_packets: ledger.stray_packets,
        }
    }
}

type Panic = Box<dyn Any + Send>;

/// The first panic of several steps, each of which is taken.
#[derive(Default)]
struct Panics {
    first: Option<Panic>,
}

impl Panics {
    fn keep<T>(&mut self, step: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(step)) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.first.get_or_insert(panic);
                None
            }
        }
    }
}

impl Drop for Proactor {
    fn drop(&mut self) {
        if let Some(panic) = self.stop()
            && !std::thread::panicking()
        {
            resume_unwind(panic);
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
