//! Events of the console: Ctrl-C, Ctrl-Break, and its close.
//!
//! The system calls one handler of this process, on a thread of its own. It counts the event and posts the
//! packets of those who wait for one. While nothing listens it does nothing, and the system goes on with what
//! is usual: it ends the process.

use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// The packets of those who wait for the next event.
    waiting: Vec<Arc<OwnPacket>>,
}

static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners {
    is_installed: false,
    count: 0,
    counts: [0; KINDS],
    waiting: Vec::new(),
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

/// Posts `packet` once an event has happened that `seen` does not count; perhaps before this returns.
pub(crate) fn post_at_next(seen: &Counts, packet: &Arc<OwnPacket>) {
    let mut listeners = listeners();
    if listeners.counts == *seen {
        listeners.waiting.push(Arc::clone(packet));
    } else {
        drop(listeners);
        packet.post();
    }
}

/// Forgets a packet that was withdrawn.
pub(crate) fn forget(packet: &Arc<OwnPacket>) {
    let mut listeners = listeners();
    listeners
        .waiting
        .retain(|other| !Arc::ptr_eq(other, packet));
}

/// Counts an event, and posts the packets of those who wait. Returns false if nothing listens.
pub(crate) fn happened(kind: u32) -> bool {
    let kind = kind as usize;
    let mut listeners = listeners();
    if listeners.count == 0 || kind >= KINDS {
        return false;
    }
    listeners.counts[kind] += 1;
    let waiting = std::mem::take(&mut listeners.waiting);
    drop(listeners);
    waiting.iter().for_each(|packet| packet.post());
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
