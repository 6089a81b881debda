//! The contract between the engine's thread and an operating system.
//!
//! The engine asks a [`Kernel`], whose rules are written there. [`HostKernel`] is what the thread needs besides:
//! starting the kernel, waiting for it, being woken. A backend decides nothing. It may lose records if it says
//! so, and it may answer late; it must not reorder the records of one directory.

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use everwatch_core::fault::Fault;
use everwatch_core::kernel::Kernel;

use crate::options::{Backend, StartOptions};

/// A kernel that a thread can wait for.
///
/// It is made on the caller's thread and then belongs to the engine's, which calls everything but
/// [`HostKernel::start`]. No call blocks except [`HostKernel::wait`] and [`HostKernel::nap`].
pub trait HostKernel: Kernel + Sized {
    /// Wakes the thread from a wait: at once, or when it waits next. Any thread may use it, at any time; rings
    /// that come before the thread wakes count as one.
    type Bell: Clone + Debug + Send + Sync + 'static;

    /// Starts the kernel, on the thread of the caller, who gets the error. Nothing is watched yet.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the system does not have the backend that the options ask for, or has no descriptor,
    /// handle or instance left.
    fn start(options: &StartOptions) -> Result<Self, Fault>;

    /// The backend that the start came to. It is [`Backend::Poll`] if everything is polled.
    fn backend(&self) -> Backend;

    /// Prepares the engine's thread, such as by giving it a working directory of its own. Called once, on that
    /// thread, before anything else.
    fn enter_thread(&mut self) {}

    /// The bell of this kernel. All clones are one bell; it may outlive the kernel, and then does nothing.
    fn bell(&self) -> Self::Bell;

    /// Blocks until the kernel has records, the bell rings, mounts change or `timeout` is over; without a
    /// timeout, for as long as nothing happens. It may return for no reason. It must not miss anything: what
    /// came before the call ends the wait as well.
    fn wait(&mut self, timeout: Option<Duration>) -> Woken;

    /// Blocks for `time`, or less if there is something to do. The kernel merges equal records meanwhile.
    fn nap(&mut self, time: Duration);

    /// The mounts that the next wait would report. A barrier needs them before it is made.
    fn changed_mounts(&mut self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// Why a wait ended, beyond records that may have come.
#[derive(Debug, Default)]
pub struct Woken {
    /// Paths on which something was mounted, or from which it was unmounted.
    pub mounts: Vec<PathBuf>,
}
