//! Events of the console: Ctrl-C, Ctrl-Break, and its close.
//!
//! The system calls one handler of this process, on a thread of its own. It counts the event and posts the
//! packets of those who wait for one. While nobody listens it does nothing, and the system goes on with what
//! is usual: it ends the process.

use std::collections::HashMap;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::core::BOOL;

use crate::fault_injection::{Call, attempt};
use crate::native::error::result_of;
use crate::native::overlapped::OwnPacket;

/// One more than the highest number of an event: the numbers are 0, 1, 2, 5 and 6.
pub(crate) const KINDS: usize = 7;

/// The lowest number of the events that end the process as soon as the handler returns.
const FIRST_FINAL_KIND: usize = 2;

/// How often each event has happened since the process started, by its number.
pub(crate) type Counts = [u64; KINDS];

/// What the handler and the listeners share.
#[derive(Default)]
struct Listeners {
    /// The handler is installed. It stays so.
    is_installed: bool,
    /// How many [`Listener`]s live.
    count: usize,
    counts: Counts,
    next_ticket: u64,
    /// Made when it is first used: a static cannot hold an empty map.
    waiting: Option<HashMap<u64, OwnPacket>>,
}

static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners {
    is_installed: false,
    count: 0,
    counts: [0; KINDS],
    next_ticket: 0,
    waiting: None,
});

/// Never held while a packet is posted.
fn listeners() -> MutexGuard<'static, Listeners> {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The wish to learn of events. While one lives, events are counted and do not end the process.
pub(crate) struct Listener(());

impl Listener {
    /// Installs the handler if this is the first.
    pub(crate) fn new() -> Result<Listener, u32> {
        let mut listeners = listeners();
        if !listeners.is_installed {
            attempt(Call::SetConsoleCtrlHandler, null_mut(), [0; 5], || {
                // SAFETY: the handler can be called at any time, on any thread.
                result_of(unsafe { SetConsoleCtrlHandler(Some(handler), 1) })
            })?;
            listeners.is_installed = true;
        }
        listeners.count += 1;
        Ok(Listener(()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        listeners().count -= 1;
    }
}

/// How often each event has happened.
pub(crate) fn counts() -> Counts {
    listeners().counts
}

/// A wait for the next event.
pub(crate) struct Ticket(u64);

impl Ticket {
    /// Posts `packet` once an event has happened that `seen` does not count; perhaps before this returns.
    pub(crate) fn new(seen: &Counts, packet: OwnPacket) -> Ticket {
        let mut listeners = listeners();
        if listeners.counts != *seen {
            drop(listeners);
            packet.post_until_accepted();
            return Ticket(0);
        }
        listeners.next_ticket += 1;
        let number = listeners.next_ticket;
        let waiting = listeners.waiting.get_or_insert_default();
        waiting.insert(number, packet);
        Ticket(number)
    }

    /// Ends the wait. Returns whether no packet was posted, nor will be.
    pub(crate) fn cancel(&self) -> bool {
        let mut listeners = listeners();
        let waiting = listeners.waiting.as_mut();
        let removed = waiting.and_then(|waiting| waiting.remove(&self.0));
        drop(listeners);
        removed.is_some()
    }
}

/// Counts an event, and posts the packets of those who wait. Returns false if nobody listens.
pub(crate) fn happened(kind: u32) -> bool {
    let kind = kind as usize;
    let mut listeners = listeners();
    if listeners.count == 0 || kind >= KINDS {
        return false;
    }
    listeners.counts[kind] += 1;
    let waiting = listeners.waiting.take().unwrap_or_default();
    drop(listeners);
    waiting.values().for_each(OwnPacket::post_until_accepted);
    true
}

/// The handler of the process, on a thread that the system makes for each event.
unsafe extern "system" fn handler(kind: u32) -> BOOL {
    const NOT_HANDLED: BOOL = 0;
    const HANDLED: BOOL = 1;
    if !happened(kind) {
        return NOT_HANDLED;
    }
    if kind as usize >= FIRST_FINAL_KIND {
        // The system ends the process when this returns, or some seconds later. Those are the listeners'.
        loop {
            std::thread::sleep(Duration::from_secs(60));
        }
    }
    HANDLED
}
