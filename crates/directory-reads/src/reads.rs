//! The one trait over all completion models.

use std::fmt;
use std::os::windows::io::BorrowedHandle;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::apc;
use crate::blocking::Seats;
use crate::completion::{Closed, Collected, Completion, Model};
use crate::error::Error;
use crate::event::Groups;
use crate::isolated::IsolatedReads;
use crate::port::PortReads;
use crate::settings::{Settings, Tag};

/// Reads of any number of directories. Everything is told on the caller's thread, in `collect` and
/// `fence`.
pub trait DirectoryReads: Send {
    /// Issues the first read of `directory` before it returns: what happens afterwards is told.
    /// The model opens the directory again by its handle, which may be closed when this returns;
    /// `path` is only for `isolated`, whose worker can open nothing else.
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        path: &Path,
        settings: Settings,
    ) -> Result<(), Error>;

    /// Cancels the read, waits until the kernel has given it back, and closes the handle. No
    /// completion of `tag` is delivered afterwards. For an unknown tag nothing happens.
    fn retire(&mut self, tag: Tag);

    /// Delivers what has completed, in the order of the kernel. Each read has been issued again
    /// before its completion is delivered. Never blocks, and ends after a bounded number.
    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected;

    /// Delivers everything that was complete before the call, even what the kernel still keeps.
    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>));

    /// Blocks until there is something to collect, the waker was rung, or the time is over: never
    /// early. May return for nothing.
    fn wait(&mut self, timeout: Option<Duration>);

    /// What ends a `wait` from any thread.
    fn waker(&self) -> Waker;

    /// Stops everything, in bounded time. What the kernel does not give back is leaked, and counted.
    fn close(self: Box<Self>) -> Closed;
}

/// Ends the current `wait`, or the next one. Never lost, however often and from wherever it is rung.
#[derive(Clone)]
pub struct Waker(pub(crate) Arc<dyn Ring>);

pub(crate) trait Ring: Send + Sync {
    fn ring(&self);
}

impl Waker {
    /// Ends the current `wait`, or the next one.
    pub fn ring(&self) {
        self.0.ring();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Waker")
    }
}

/// Starts a model.
pub fn reads(model: Model) -> Result<Box<dyn DirectoryReads>, Error> {
    match model {
        Model::Port => Ok(Box::new(PortReads::new()?)),
        Model::Apc => Ok(Box::new(apc::Worker::start()?)),
        Model::Event => Ok(Box::new(Groups::start())),
        Model::Blocking => Ok(Box::new(Seats::start())),
        Model::Isolated { worker, arguments } => {
            Ok(Box::new(IsolatedReads::start(worker, arguments)?))
        }
    }
}
