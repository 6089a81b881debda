//! The way to a proactor from anywhere, and what both sides share.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_ABANDONED_WAIT_0, ERROR_IO_PENDING, ERROR_MORE_DATA, HANDLE,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::deferred_wakes::Aftermath;
use crate::native::{CompletionPort, Packet};
use crate::operation::{Ended, Erased, Operation};
use crate::submission::Submission;
use crate::table::{Found, Landing, OperationId, Table};
use crate::timers::{Sleep, Timers};

/// The key of packets that only wake.
pub(crate) const BELL: usize = 0;

/// Gets the packets of a key that belong to no operation of the table. One is on its way at a time: the next
/// operation under the key is issued when its packet has arrived.
pub trait Route: Send + Sync {
    /// Called by the thread that polls. Must neither block nor panic.
    fn arrived(&self, packet: Packet);
}

/// What is under the lock.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) table: Table,
    pub(crate) timers: Timers,
    pub(crate) routes: HashMap<usize, Arc<dyn Route>>,
    pub(crate) stray_packets: u64,
    pub(crate) leaked: usize,
    /// Nothing is taken in any more.
    pub(crate) is_closed: bool,
}

pub(crate) struct Shared {
    pub(crate) port: CompletionPort,
    ledger: Mutex<Ledger>,
    /// Never used twice. The first is [`BELL`]'s.
    next_key: AtomicUsize,
    /// Somebody wants the poll to end.
    pub(crate) is_rung: AtomicBool,
    /// The thread that polls waits for packets, or is about to.
    pub(crate) is_waiting: AtomicBool,
    /// A packet of the bell is on its way.
    pub(crate) is_posted: AtomicBool,
}

impl Shared {
    pub(crate) fn new(port: CompletionPort) -> Shared {
        Shared {
            port,
            ledger: Mutex::default(),
            next_key: AtomicUsize::new(BELL + 1),
            is_rung: AtomicBool::new(false),
            is_waiting: AtomicBool::new(false),
            is_posted: AtomicBool::new(false),
        }
    }

    /// Never held while a waker is woken, an operation is dropped or a call is issued.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does what a landing leaves to do. The lock is not held.
pub(crate) fn conclude(landing: Landing) {
    match landing {
        Landing::Wake(waker) => {
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        // SAFETY: it has landed.
        Landing::Abandon(operation, ended, _waker) => unsafe { operation.abandon(ended) },
    }
}

/// The way to a [`Proactor`](crate::Proactor): operations are submitted through it, from any thread. Cheap
/// to clone. When the proactor has closed, every operation ends with `ERROR_ABANDONED_WAIT_0`.
#[derive(Clone)]
pub struct Remote {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Remote")
    }
}

impl Remote {
    /// Issues an operation before it returns. Does not block, unless the system call does.
    pub fn submit<O: Operation>(&self, operation: O) -> Submission<O> {
        let (key, lands_at_once) = {
            let endpoint = operation.endpoint();
            (endpoint.key(), endpoint.lands_at_once())
        };
        let (erased, mut pointer) = Erased::new(operation);
        let (id, overlapped) = {
            let mut ledger = self.shared.ledger();
            if ledger.is_closed {
                drop(ledger);
                let ended = Ended::refused(ERROR_ABANDONED_WAIT_0);
                return Submission::landed(self.clone(), erased, ended);
            }
            ledger.table.insert(erased, key)
        };
        // SAFETY: nothing else touches the operation before its packet was dequeued and its future, which
        // this call returns, took it. The OVERLAPPED is that of its slot, and zeroed.
        let issued = unsafe { pointer.as_mut().issue(overlapped) };
        let error = match issued {
            Ok(_) if !lands_at_once => ERROR_IO_PENDING,
            Err(ERROR_MORE_DATA) if !lands_at_once => ERROR_IO_PENDING,
            Ok(_) => 0,
            Err(error) => error,
        };
        let mut ledger = self.shared.ledger();
        if error == ERROR_IO_PENDING {
            ledger.table.issued(id);
            // A close that came while the call was made could not end it.
            let landing = match ledger.is_closed {
                true => ledger.table.cancel(id),
                false => None,
            };
            drop(ledger);
            landing.into_iter().for_each(conclude);
            return Submission::flying(self.clone(), id);
        }
        match ledger.table.withdraw(id) {
            Some(operation) => {
                drop(ledger);
                let ended = Ended {
                    bytes: issued.unwrap_or(0),
                    ..Ended::refused(error)
                };
                Submission::landed(self.clone(), operation, ended)
            }
            None => Submission::flying(self.clone(), id),
        }
    }

    /// Ends the current poll, or the next one. Never lost, however often and from wherever it is called.
    pub fn wake(&self) {
        let shared = &self.shared;
        shared.is_rung.store(true, Ordering::SeqCst);
        if shared.is_waiting.load(Ordering::SeqCst)
            && !shared.is_posted.swap(true, Ordering::SeqCst)
            && shared.port.post(BELL).is_err()
        {
            shared.is_posted.store(false, Ordering::SeqCst);
        }
    }

    /// Ends after this time, never before.
    pub fn sleep(&self, time: Duration) -> Sleep {
        Sleep::new(self.clone(), Instant::now().checked_add(time))
    }

    /// Ends at this time, never before.
    pub fn sleep_until(&self, time: Instant) -> Sleep {
        Sleep::new(self.clone(), Some(time))
    }

    /// How many operations the kernel has.
    pub fn in_flight(&self) -> usize {
        self.shared.ledger().table.flying()
    }

    /// Packets that belonged to nothing. Anything but 0 is a defect.
    pub fn stray_packets(&self) -> u64 {
        self.shared.ledger().stray_packets
    }

    /// Takes in nothing more, and asks all operations to end. Whoever polls takes their packets;
    /// [`Proactor::close`](crate::Proactor::close) waits for them. May be called from anywhere, also from
    /// what a completion has woken.
    pub fn close(&self) {
        let mut aftermath = Aftermath::default();
        {
            let mut ledger = self.shared.ledger();
            ledger.is_closed = true;
            aftermath.add(ledger.table.cancel_all());
            aftermath.wake(ledger.timers.all());
        }
        self.wake();
        drop(aftermath);
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.ledger().is_closed
    }

    pub(crate) fn next_key(&self) -> usize {
        self.shared.next_key.fetch_add(1, Ordering::Relaxed)
    }

    /// # Safety
    /// The handle is open.
    pub(crate) unsafe fn associate(&self, handle: HANDLE, key: usize) -> Result<(), u32> {
        // SAFETY: as demanded of the caller.
        unsafe { self.shared.port.associate_raw(handle, key) }
    }

    /// Has packets of a new key brought to `route`: for operations that are issued beside the loop, whose
    /// `OVERLAPPED` has another owner.
    pub fn add_route(&self, route: Arc<dyn Route>) -> usize {
        let key = self.next_key();
        self.shared.ledger().routes.insert(key, route);
        key
    }

    /// Packets of the key are stray from now on.
    pub fn remove_route(&self, key: usize) {
        let route = self.shared.ledger().routes.remove(&key);
        drop(route);
    }

    /// The port, for those who associate handles of their own under the key of a [`Route`].
    pub fn port(&self) -> &CompletionPort {
        &self.shared.port
    }

    /// Posts the packet of an operation that is no I/O. From any thread.
    ///
    /// # Safety
    /// `overlapped` is that of an operation which was issued with it, whose endpoint has this key, and
    /// which posts no other packet.
    pub(crate) unsafe fn post_packet(
        &self,
        key: usize,
        overlapped: *mut OVERLAPPED,
    ) -> Result<(), u32> {
        // SAFETY: as demanded of the caller.
        unsafe { self.shared.port.post_packet(key, overlapped) }
    }

    pub(crate) fn claim(&self, id: OperationId, waker: &Waker) -> Found {
        self.shared.ledger().table.claim(id, waker)
    }

    pub(crate) fn cancel(&self, id: OperationId) {
        let landing = self.shared.ledger().table.cancel(id);
        if let Some(landing) = landing {
            conclude(landing);
        }
    }

    pub(crate) fn let_run(&self, id: OperationId) -> Option<(Erased, Ended)> {
        self.shared.ledger().table.let_run(id)
    }

    pub(crate) fn abandon(&self, id: OperationId) {
        let landing = self.shared.ledger().table.abandon(id);
        if let Some(landing) = landing {
            conclude(landing);
        }
    }
}
