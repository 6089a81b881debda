//! The console's control handler: Ctrl-C, Ctrl-Break, close, log-off and shutdown.
//!
//! The system calls one handler of this process, on a thread of its own. It counts what happened and wakes
//! those who wait. While nothing listens it does nothing, and the system goes on to what is usual: the end
//! of the process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::core::BOOL;

use crate::native::calls::{Call, fault, noted, outcome};
use crate::native::thread_pool_wait::{PostEnd, post_until_taken};

/// How many kinds of events there are: their numbers are 0, 1, 2, 5 and 6.
pub(crate) const KINDS: usize = 7;

/// The first number of those that end the process as soon as the handler returns.
const FIRST_OF_THE_END: usize = 2;

/// How often each has happened since the process started.
pub(crate) type Counts = [u64; KINDS];

#[derive(Default)]
struct Contents {
    is_installed: bool,
    listeners: usize,
    counts: Counts,
    next_ticket: u64,
    waiting: Option<HashMap<u64, PostEnd>>,
}

static CONTENTS: Mutex<Contents> = Mutex::new(Contents {
    is_installed: false,
    listeners: 0,
    counts: [0; KINDS],
    next_ticket: 0,
    waiting: None,
});

/// Tells take no lock of the proactor, so that they are called under this one.
fn contents() -> MutexGuard<'static, Contents> {
    CONTENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives what happens is counted, and the process is not ended for it.
pub(crate) struct Listener(());

impl Listener {
    pub(crate) fn new() -> Result<Listener, u32> {
        let mut contents = contents();
        if !contents.is_installed {
            if let Some(error) = fault(Call::SetConsoleCtrlHandler) {
                return Err(error);
            }
            // SAFETY: the handler is sound to call at any time, from any thread.
            let result = outcome(unsafe { SetConsoleCtrlHandler(Some(handler), 1) });
            noted(
                Call::SetConsoleCtrlHandler,
                std::ptr::null_mut(),
                [0; 5],
                result,
            )?;
            contents.is_installed = true;
        }
        contents.listeners += 1;
        Ok(Listener(()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        contents().listeners -= 1;
    }
}

/// How often each has happened.
pub(crate) fn counts() -> Counts {
    contents().counts
}

/// Somebody who waits for the next event.
pub(crate) struct Ticket(u64);

impl Ticket {
    /// Calls `post_end` once something happens that these counts do not have; perhaps before this returns.
    pub(crate) fn new(seen: &Counts, post_end: PostEnd) -> Ticket {
        let mut contents = contents();
        if contents.counts != *seen {
            drop(contents);
            post_until_taken(&*post_end);
            return Ticket(0);
        }
        contents.next_ticket += 1;
        let number = contents.next_ticket;
        let waiting = contents.waiting.get_or_insert_default();
        waiting.insert(number, post_end);
        Ticket(number)
    }

    /// Whether nothing was reported, and nothing will be.
    pub(crate) fn cancel(&self) -> bool {
        let mut contents = contents();
        let removed = contents
            .waiting
            .as_mut()
            .and_then(|waiting| waiting.remove(&self.0));
        drop(contents);
        removed.is_some()
    }
}

/// Notes an event, and wakes those who wait. False if nothing listens.
pub(crate) fn happened(kind: u32) -> bool {
    let kind = kind as usize;
    let mut contents = contents();
    if contents.listeners == 0 || kind >= KINDS {
        return false;
    }
    contents.counts[kind] += 1;
    let wakes = contents.waiting.take().unwrap_or_default();
    drop(contents);
    wakes.values().for_each(|wake| post_until_taken(&**wake));
    true
}

unsafe extern "system" fn handler(kind: u32) -> BOOL {
    if !happened(kind) {
        return 0;
    }
    if kind as usize >= FIRST_OF_THE_END {
        // The process is ended when this returns, or after some seconds. They are the listeners'.
        loop {
            std::thread::sleep(Duration::from_secs(60));
        }
    }
    1
}
