//! A loop on a thread of its own, for programs whose futures run elsewhere.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crate::native::{io_error, spawn};
use crate::proactor::{Closed, Proactor};
use crate::remote::Remote;

/// A thread that polls a [`Proactor`]. Futures of its operations may run on any executor. A waker that panics
/// does not end it.
///
/// ```no_run
/// # #[cfg(windows)] fn main() -> std::io::Result<()> {
/// use everwatch_proactor::Runner;
///
/// let runner = Runner::start()?;
/// let remote = runner.remote();
/// // Hand `remote` to tokio tasks, smol tasks, threads...
/// # drop(remote);
/// let closed = runner.close();
/// assert_eq!(closed.stray_packets, 0);
/// # Ok(())
/// # }
/// # #[cfg(not(windows))] fn main() {}
/// ```
pub struct Runner {
    remote: Remote,
    /// Taken when it is joined.
    thread: Option<JoinHandle<Closed>>,
}

impl fmt::Debug for Runner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Runner")
    }
}

impl Runner {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no completion port or no thread.
    pub fn start() -> io::Result<Runner> {
        let mut proactor = Proactor::new()?;
        let remote = proactor.remote();
        let thread = spawn("everwatch-proactor", move || {
            while !proactor.remote().is_closed() {
                // The panic hook has reported the panic of a waker, which concerns no other waker.
                let _ = catch_unwind(AssertUnwindSafe(|| proactor.poll_batch(None)));
            }
            let _ = proactor.stop();
            proactor.closed()
        });
        Ok(Runner {
            remote,
            thread: Some(thread.map_err(io_error)?),
        })
    }

    /// The remote of the loop.
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// Ends all operations and the thread. Blocks for as long as [`Proactor::close`] does. On the thread
    /// itself, in a waker that it wakes, it only asks for the end and returns counts of 0.
    pub fn close(mut self) -> Closed {
        self.stop()
    }

    /// Closes the loop and joins its thread. On that thread it does not join: a thread cannot wait for its own end.
    fn stop(&mut self) -> Closed {
        self.remote.close();
        match self.thread.take() {
            Some(thread) if thread.thread().id() != std::thread::current().id() => {
                thread.join().unwrap_or_default()
            }
            _ => Closed::default(),
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop();
    }
}
