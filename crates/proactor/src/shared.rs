//! The state that a loop and everything that reaches it share: the port, the table under its lock, and the
//! flags by which a poll is ended.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::native::{CompletionPort, Packet};
use crate::table::Table;
use crate::timers::Timers;

/// The key of packets that only end a poll.
pub(crate) const WAKE_KEY: usize = 0;

/// Where packets of a key go that belong to no operation of the table: to the code that issues operations beside
/// the loop with an `OVERLAPPED` of its own. At most one packet per key may be on its way: the next operation
/// under the key is issued when the packet has arrived.
pub trait Route: Send + Sync {
    /// Takes a packet, on the thread that polls. Must neither block nor panic.
    fn arrived(&self, packet: Packet);
}

/// What is under the lock.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) table: Table,
    pub(crate) timers: Timers,
    /// By key.
    pub(crate) routes: HashMap<usize, Arc<dyn Route>>,
    /// Packets that belonged to nothing.
    pub(crate) stray_packets: u64,
    /// Operations that the kernel did not give back.
    pub(crate) leaked: usize,
    /// Nothing is taken in any more.
    pub(crate) is_closed: bool,
}

/// What a loop and its [`Remote`](crate::Remote)s share.
pub(crate) struct Shared {
    /// In an `Arc`, because packets that are posted by threads of the system outlive a loop that leaks them.
    pub(crate) port: Arc<CompletionPort>,
    registry: Mutex<Registry>,
    /// The next key. None is used twice; the first is [`WAKE_KEY`].
    next_key: AtomicUsize,
    /// The current poll, or the next one, must end.
    is_woken: AtomicBool,
    /// The thread that polls waits for packets, or is about to.
    is_waiting: AtomicBool,
    /// A packet of [`WAKE_KEY`] is on its way.
    is_posted: AtomicBool,
}

impl Shared {
    /// The shared part of a loop over this port, with nothing in flight.
    pub(crate) fn new(port: CompletionPort) -> Shared {
        Shared {
            port: Arc::new(port),
            registry: Mutex::default(),
            next_key: AtomicUsize::new(WAKE_KEY + 1),
            is_woken: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
            is_posted: AtomicBool::new(false),
        }
    }

    /// Locks the registry. The lock is never held while a waker is woken, an operation is dropped or a call is
    /// issued: each of these may come back here.
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key that was never used.
    pub(crate) fn next_key(&self) -> usize {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    /// Ends the current poll, or the next one.
    pub(crate) fn wake(&self) {
        self.is_woken.store(true, Ordering::SeqCst);
        if self.is_waiting.load(Ordering::SeqCst)
            && !self.is_posted.swap(true, Ordering::SeqCst)
            && self.port.post(WAKE_KEY).is_err()
        {
            self.is_posted.store(false, Ordering::SeqCst);
        }
    }

    /// The thread that polls is about to wait for packets. Returns whether it must not: it was woken.
    pub(crate) fn begin_wait(&self) -> bool {
        self.is_waiting.store(true, Ordering::SeqCst);
        self.is_woken.load(Ordering::SeqCst)
    }

    /// The thread that polls has waited.
    pub(crate) fn end_wait(&self) {
        self.is_waiting.store(false, Ordering::SeqCst);
    }

    /// A packet of [`WAKE_KEY`] was dequeued.
    pub(crate) fn wake_arrived(&self) {
        self.is_posted.store(false, Ordering::SeqCst);
    }

    /// Returns whether the poll was woken, and forgets it.
    pub(crate) fn take_woken(&self) -> bool {
        self.is_woken.swap(false, Ordering::SeqCst)
    }
}
