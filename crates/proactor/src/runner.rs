//! A proactor on a thread of its own, for those whose futures run elsewhere.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crate::native::{of_code, waits};
use crate::{Closed, Proactor, Remote};

/// A thread that polls a [`Proactor`]. Futures of its operations may run on any executor. It goes on after a
/// waker that panics.
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
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
/// ```
pub struct Runner {
    remote: Remote,
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
    /// No completion port or no thread could be made.
    pub fn start() -> io::Result<Runner> {
        let mut proactor = Proactor::new()?;
        let remote = proactor.remote();
        let thread = waits::spawn("everwatch-proactor", move || {
            while !proactor.remote().is_closed() {
                // The panic hook has reported the panic of a waker, and nothing else is concerned.
                let _ = catch_unwind(AssertUnwindSafe(|| proactor.poll_on(None)));
            }
            let _ = proactor.stop();
            proactor.closed()
        });
        Ok(Runner {
            remote,
            thread: Some(thread.map_err(of_code)?),
        })
    }

    /// The way to the proactor.
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// Ends all operations and the thread; blocks as long as [`Proactor::close`] does. From the thread
    /// itself, that is from a waker that it wakes, only the end is asked for.
    pub fn close(mut self) -> Closed {
        self.stop()
    }

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
