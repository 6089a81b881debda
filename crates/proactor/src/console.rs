//! Ctrl-C and the other events of a console, as something to wait for.
//!
//! Each wait is an operation whose packet the handler of the process posts: it ends with the loop, and its
//! cancel is exact. Events are counted from [`Remote::ctrl_c`] on, so that none falls between one wait and the
//! next.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use windows_sys::Win32::Foundation::ERROR_IO_PENDING;
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
};

use crate::endpoint::Endpoint;
use crate::native::console::{self, Counts, Listener, Ticket};
use crate::native::io_error;
use crate::native::overlapped::{Cancelled, Ended, Overlapped};
use crate::operation::Operation;
use crate::remote::Remote;

/// An event of the console that a process is attached to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConsoleEvent {
    /// Ctrl-C was pressed.
    CtrlC,
    /// Ctrl-Break was pressed, or a process group was asked to end.
    CtrlBreak,
    /// The window of the console is being closed. The system ends the process some five seconds later.
    Close,
    /// The user logs off. Only services receive it.
    Logoff,
    /// The system shuts down. Only services receive it.
    Shutdown,
}

/// The events and their numbers.
const KINDS: [(u32, ConsoleEvent); 5] = [
    (CTRL_C_EVENT, ConsoleEvent::CtrlC),
    (CTRL_BREAK_EVENT, ConsoleEvent::CtrlBreak),
    (CTRL_CLOSE_EVENT, ConsoleEvent::Close),
    (CTRL_LOGOFF_EVENT, ConsoleEvent::Logoff),
    (CTRL_SHUTDOWN_EVENT, ConsoleEvent::Shutdown),
];

/// A listener to the console; made by [`Remote::ctrl_c`]. While one lives, in any part of the process, Ctrl-C
/// does not end the process. When the last is dropped it does again.
pub struct CtrlC {
    remote: Remote,
    /// The events that were given out, or that happened before this was made.
    seen: Mutex<Counts>,
    _listener: Listener,
}

impl fmt::Debug for CtrlC {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CtrlC")
    }
}

impl CtrlC {
    /// Waits for the next event. Each `CtrlC` gets each event once, also those that came while it did not
    /// wait; events of different kinds that came meanwhile are in no particular order. A future that is
    /// dropped loses nothing.
    ///
    /// # Errors
    /// `ERROR_OPERATION_ABORTED` or `ERROR_ABANDONED_WAIT_0` when the proactor is closed.
    pub async fn next(&self) -> io::Result<ConsoleEvent> {
        loop {
            let now = console::counts();
            if let Some(event) = self.take(&now) {
                return Ok(event);
            }
            let listen = Listen {
                endpoint: Arc::new(Endpoint::of_nothing(&self.remote)),
                seen: now,
                ticket: None,
            };
            self.remote.submit(listen).await.bytes()?;
        }
    }

    /// An event that was counted and not given out.
    fn take(&self, now: &Counts) -> Option<ConsoleEvent> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |(number, _): &&(u32, ConsoleEvent)| {
            let number = *number as usize;
            seen[number] < now[number]
        };
        let (number, event) = *KINDS.iter().find(is_new)?;
        seen[number as usize] += 1;
        Some(event)
    }
}

impl Remote {
    /// Listens to the console from now on: to Ctrl-C, Ctrl-Break, and its close. Any number of listeners, in
    /// any number of loops, each get every event. The first one installs one handler for the process, behind
    /// those that others install later.
    ///
    /// A process that was started with `CREATE_NEW_PROCESS_GROUP` does not receive Ctrl-C.
    ///
    /// # Errors
    /// What SetConsoleCtrlHandler reports.
    pub fn ctrl_c(&self) -> io::Result<CtrlC> {
        let listener = Listener::new().map_err(io_error)?;
        Ok(CtrlC {
            remote: self.clone(),
            seen: Mutex::new(console::counts()),
            _listener: listener,
        })
    }
}

/// A wait for the next event.
struct Listen {
    endpoint: Arc<Endpoint>,
    seen: Counts,
    /// Set when it is issued.
    ticket: Option<Ticket>,
}

// SAFETY: the kernel is given nothing. The only packet is this side's, and a ticket that was cancelled posts
// none.
unsafe impl Operation for Listen {
    type Output = Ended;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32> {
        let port = &self.endpoint.remote().shared.port;
        let packet = overlapped.into_own_packet(port, self.endpoint.key());
        self.ticket = Some(Ticket::new(&self.seen, packet));
        Err(ERROR_IO_PENDING)
    }

    fn cancel(&self, _: Overlapped<'_>) -> Cancelled {
        match &self.ticket {
            Some(ticket) if ticket.cancel() => Cancelled::Gone,
            _ => Cancelled::PacketComes,
        }
    }

    fn finish(self, ended: Ended) -> Ended {
        ended
    }
}
