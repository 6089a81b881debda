//! The completion loop.
//!
//! One thread polls ([`Proactor::poll`], [`Proactor::block_on`], or a [`Runner`](crate::Runner)'s). Operations
//! are submitted and awaited from any thread. Wakers are std's, and are woken without a lock held.
//!
//! How things end:
//!
//! - *A close from inside*: a waker, or a task in [`Proactor::block_on`], may call [`Remote::close`]. It does
//!   not block: operations are asked to end, and the thread that polls takes their packets, so that those who
//!   wait get the error of a cancelled operation. [`Proactor::close`] takes the proactor, which the loop has,
//!   so it cannot be called from inside. [`Runner::close`](crate::Runner::close) on the runner's own thread
//!   only asks for the end. An operation whose call is running meanwhile is asked to end when it returns.
//! - *A waker that panics*: all others of the same poll or close are woken before its panic goes on, out of
//!   the poll or the close. Nothing is lost: the proactor can be polled again, and a close is finished first. A
//!   runner continues by itself. Of two panics the first goes on, and a panic that unwinds through the drop of
//!   a proactor stays the only one.
//! - *A task that panics*: its panic goes out of `block_on`. What it waited for was dropped with it and is
//!   cancelled; the proactor can be used again.
//! - *A thread that ends*: operations outlive the thread that issued them, whether or not anything waits for
//!   them.
//! - *Ctrl-C*: ends the process as usual, unless something listens ([`Remote::ctrl_c`]). The kernel gives up
//!   what it has of a process that ends; children end with their jobs ([`Child`](crate::process::Child)).
//! - *The kernel keeps an operation*: what does not come back within [`RETURN_LIMIT`] of a close is leaked and
//!   counted. Its future never resolves.

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

use crate::batch_size::BatchSize;
use crate::deferred_wakes::DeferredWakes;
use crate::native::{CompletionPort, Packet, io_error};
use crate::operation::Operation;
use crate::remote::Remote;
use crate::shared::{Shared, WAKE_KEY};
use crate::submission::Submission;

/// How long the kernel may keep an operation after it was cancelled. What it keeps longer is leaked.
pub const RETURN_LIMIT: Duration = Duration::from_secs(5);

/// The pause after a wait that failed, so that the next one does not take all of a processor.
const AFTER_A_FAILED_WAIT: Duration = Duration::from_millis(10);

/// How often operations are cancelled again whose packets do not come.
const CANCEL_EVERY: Duration = Duration::from_millis(50);

/// The counts of a loop that was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Closed {
    /// Operations that the kernel did not give back in time. Their memory is never freed.
    pub leaked: usize,
    /// Packets that belonged to nothing. Anything but 0 is a defect.
    pub stray_packets: u64,
}

/// The counts of one poll.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Polled {
    /// How many packets of operations were dequeued.
    pub packets: usize,
    /// How many timers ended.
    pub timers: usize,
    /// Whether [`Remote::wake`] ended it.
    pub is_woken: bool,
}

/// A loop over one completion port. It makes no thread: it works while it is polled, on the thread that polls.
///
/// Dropped, it closes as [`Proactor::close`] does, and blocks for as long.
pub struct Proactor {
    remote: Remote,
    /// The packets of one poll, reused by the next.
    arrived: Vec<Packet>,
    batch_size: BatchSize,
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
        let port = CompletionPort::new().map_err(io_error)?;
        let shared = Arc::new(Shared::new(port));
        Ok(Proactor {
            remote: Remote { shared },
            arrived: Vec::new(),
            batch_size: BatchSize::default(),
            is_closed: false,
        })
    }

    /// The remote of this loop.
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

    /// Waits until an operation has completed, a timer is over, [`Remote::wake`] is called, or the time is
    /// over; `None` waits forever. Takes all packets that are there, up to 64, and wakes their futures.
    ///
    /// # Panics
    /// With the panic of a waker, when all others were woken.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Polled {
        self.poll_some(usize::MAX, timeout)
    }

    /// [`Proactor::poll`] for loops that poll again soon: it may leave packets for the next poll.
    pub(crate) fn poll_batch(&mut self, timeout: Option<Duration>) -> Polled {
        let polled = self.poll_some(self.batch_size.packets(), timeout);
        self.batch_size.took(polled.packets);
        polled
    }

    /// One poll, which takes at most this many packets. A timer that is due earlier shortens the wait.
    fn poll_some(&mut self, most: usize, timeout: Option<Duration>) -> Polled {
        let shared = Arc::clone(&self.remote.shared);
        let is_woken = shared.begin_wait();
        let (first, most) = {
            let registry = shared.registry();
            // A route brings at most one packet at a time.
            let possible = registry.table.in_flight() + registry.routes.len();
            (registry.timers.first(), most.min(possible))
        };
        let timeout = if is_woken {
            Some(Duration::ZERO)
        } else {
            let left = first.map(|first| first.saturating_duration_since(Instant::now()));
            [timeout, left].into_iter().flatten().min()
        };
        let mut arrived = std::mem::take(&mut self.arrived);
        let dequeued = shared
            .port
            .dequeue_some(most, timeout, |packet| match packet.key() {
                WAKE_KEY => shared.wake_arrived(),
                _ => arrived.push(packet),
            });
        shared.end_wait();
        if dequeued.is_err() {
            std::thread::sleep(AFTER_A_FAILED_WAIT);
        }
        let packets = arrived.len();
        let mut deferred = DeferredWakes::default();
        let timers = self.distribute(&mut arrived, &mut deferred);
        self.arrived = arrived;
        let is_woken = shared.take_woken();
        drop(deferred);
        Polled {
            packets,
            timers,
            is_woken,
        }
    }

    /// Brings packets to their operations and routes, and finds the timers that are over. Returns how many
    /// those are.
    fn distribute(&self, arrived: &mut Vec<Packet>, deferred: &mut DeferredWakes) -> usize {
        let mut registry = self.remote.shared.registry();
        let mut routed = Vec::new();
        for packet in arrived.drain(..) {
            match registry.table.complete(packet) {
                Ok(completed) => deferred.add([completed]),
                Err(packet) => match registry.routes.get(&packet.key()) {
                    Some(route) => routed.push((Arc::clone(route), packet)),
                    None => registry.stray_packets += 1,
                },
            }
        }
        let due = match registry.timers.first() {
            Some(_) => registry.timers.take_due(Instant::now()),
            None => Vec::new(),
        };
        drop(registry);
        for (route, packet) in routed {
            route.arrived(packet);
        }
        let timers = due.len();
        deferred.wake(due);
        timers
    }

    /// Runs a future on this thread, and the loop beneath it. Other futures of the loop continue only where
    /// their own executors poll them.
    ///
    /// # Panics
    /// With the panic of the future, or of a waker. The proactor can be used again.
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
            self.poll_batch(is_set.then_some(Duration::ZERO));
        }
    }

    /// Ends all operations: takes in nothing more, cancels what is in flight, and dequeues until nothing is.
    /// Blocks for at most [`RETURN_LIMIT`]; what the kernel keeps longer is leaked and counted. Futures that
    /// still wait resolve with the error of a cancelled operation.
    ///
    /// # Panics
    /// With the panic of a waker, when everything is done.
    pub fn close(mut self) -> Closed {
        self.shut_down()
    }

    /// [`Proactor::close`] for a proactor that is a part of something. Afterwards it takes in nothing; a second
    /// call returns the same counts.
    ///
    /// # Panics
    /// With the panic of a waker, when everything is done.
    pub fn shut_down(&mut self) -> Closed {
        if let Some(panic) = self.stop() {
            resume_unwind(panic);
        }
        self.closed()
    }

    /// Ends all operations. Returns the first panic of a waker.
    pub(crate) fn stop(&mut self) -> Option<Panic> {
        if self.is_closed {
            return None;
        }
        self.is_closed = true;
        let mut panics = Panics::default();
        panics.catch(|| self.remote.close());
        let deadline = Instant::now() + RETURN_LIMIT;
        while self.remote.in_flight() > 0 && Instant::now() < deadline {
            panics.catch(|| self.poll(Some(CANCEL_EVERY)));
            let mut deferred = DeferredWakes::default();
            deferred.add(self.remote.shared.registry().table.cancel_all());
            panics.catch(|| drop(deferred));
        }
        // Packets of routes, and those that belong to nothing.
        while panics
            .catch(|| self.poll(Some(Duration::ZERO)))
            .is_none_or(|polled| polled.packets > 0)
        {}
        let mut deferred = DeferredWakes::default();
        {
            let mut registry = self.remote.shared.registry();
            let (lost, wakers) = registry.table.lose_all();
            registry.leaked += lost;
            deferred.wake(wakers);
        }
        panics.catch(|| drop(deferred));
        panics.first
    }

    /// The counts so far.
    pub(crate) fn closed(&self) -> Closed {
        let registry = self.remote.shared.registry();
        Closed {
            leaked: registry.leaked,
            stray_packets: registry.stray_packets,
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

/// What a panic carries.
pub(crate) type Panic = Box<dyn Any + Send>;

/// The first panic of several steps, each of which is taken.
#[derive(Default)]
struct Panics {
    first: Option<Panic>,
}

impl Panics {
    /// Takes a step. `None` if it panicked.
    fn catch<T>(&mut self, step: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(step)) {
            Ok(value) => Some(value),
            Err(panic) => {
                self.first.get_or_insert(panic);
                None
            }
        }
    }
}

/// The waker of a `block_on`.
struct Signal {
    is_set: AtomicBool,
    remote: Remote,
    /// The thread that polls. It looks at the signal before it waits, so nothing has to end its wait.
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
