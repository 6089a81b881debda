//! Console events (Ctrl-C, Ctrl-Break, close, log-off, shutdown), as futures.
//!
//! Each wait is an operation whose packet the handler of the process posts: it ends with the proactor, and
//! a cancel of it is exact. What happens is counted from [`Remote::ctrl_c`] on, so that nothing falls
//! between one wait and the next.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use windows_sys::Win32::Foundation::ERROR_IO_PENDING;
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::Remote;
use crate::endpoint::Endpoint;
use crate::native::console::{self, Counts, Listener, Ticket};
use crate::native::of_code;
use crate::operation::{Cancelled, Ended, Operation};
use crate::wait::post_end;

/// An event of the console.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConsoleEvent {
    /// Ctrl-C was pressed.
    CtrlC,
    /// Ctrl-Break was pressed, or a process group was asked to end.
    CtrlBreak,
    /// The window of the console is being closed. The system ends the process some five seconds later.
    Close,
    /// The user logs off; only services hear of it.
    Logoff,
    /// The system shuts down; only services hear of it.
    Shutdown,
}

const KINDS: [(u32, ConsoleEvent); 5] = [
    (CTRL_C_EVENT, ConsoleEvent::CtrlC),
    (CTRL_BREAK_EVENT, ConsoleEvent::CtrlBreak),
    (CTRL_CLOSE_EVENT, ConsoleEvent::Close),
    (CTRL_LOGOFF_EVENT, ConsoleEvent::Logoff),
    (CTRL_SHUTDOWN_EVENT, ConsoleEvent::Shutdown),
];

/// Listens to the console; see [`Remote::ctrl_c`]. While one of them lives, anywhere in the process,
/// Ctrl-C does not end the process; when the last is dropped it does again.
pub struct CtrlC {
    remote: Remote,
    /// What was given out, or happened before.
    seen: Mutex<Counts>,
    _listener: Listener,
}

impl fmt::Debug for CtrlC {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CtrlC")
    }
}

impl CtrlC {
    /// Waits for the next event. Each event is given once to each `CtrlC`, also those that came while
    /// no future waited; of events of different kinds that have come meanwhile not in their order. A future that
    /// is dropped loses nothing.
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

    /// One that was counted and not given out.
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
    /// Listens to the console from now on: Ctrl-C, Ctrl-Break, and that it closes. Any number of them, in any
    /// number of proactors; each gets every event. One handler is installed for the process, the first time,
    /// behind those that others have installed later.
    ///
    /// A process that was started with `CREATE_NEW_PROCESS_GROUP` does not hear of Ctrl-C.
    ///
    /// # Errors
    /// What SetConsoleCtrlHandler says.
    pub fn ctrl_c(&self) -> io::Result<CtrlC> {
        let listener = Listener::new();
        let listener = listener.map_err(of_code)?;
        Ok(CtrlC {
            remote: self.clone(),
            seen: Mutex::new(console::counts()),
            _listener: listener,
        })
    }
}

/// Waits for the next event.
struct Listen {
    endpoint: Arc<Endpoint>,
    seen: Counts,
    ticket: Option<Ticket>,
}

// SAFETY: the address of OVERLAPPED is carried as a number, and the kernel writes nothing anywhere.
unsafe impl Operation for Listen {
    type Output = Ended;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        // SAFETY: it is called once, for this operation.
        let post_end = unsafe { post_end(self.endpoint.remote(), self.endpoint.key(), overlapped) };
        self.ticket = Some(Ticket::new(&self.seen, post_end));
        Err(ERROR_IO_PENDING)
    }

    unsafe fn cancel(&self, _: *mut OVERLAPPED) -> Cancelled {
        match &self.ticket {
            Some(ticket) if ticket.cancel() => Cancelled::Gone,
            _ => Cancelled::PacketComes,
        }
    }

    fn finish(self, ended: Ended) -> Ended {
        ended
    }
}
