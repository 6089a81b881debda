//! The interface of all completion models.

use std::fmt;
use std::os::windows::io::BorrowedHandle;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::completion::{Closed, Collected, Completion};
use crate::error::Error;
use crate::settings::{Settings, Tag};

/// Reads of any number of directories. Completions are delivered on the caller's thread, in `collect` and
/// `fence`, and nowhere else.
pub trait DirectoryReads: Send {
    /// Issues the first read of `directory` before it returns: changes from then on are delivered. The model
    /// opens the directory again by its handle, which may be closed when this returns. Only `isolated` uses
    /// `path`: its worker process can open nothing else. Blocks for as long as the open takes.
    ///
    /// # Errors
    /// Impossible settings, a tag in use, and what the calls report. Nothing is read then.
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        path: &Path,
        settings: Settings,
    ) -> Result<(), Error>;

    /// Cancels the read, waits until the kernel has given it back, and closes the directory, so that it can be
    /// removed and made again. No completion of `tag` is delivered afterwards. Blocks for at most five
    /// seconds. Does nothing for an unknown tag.
    fn retire(&mut self, tag: Tag);

    /// Delivers what has completed, in the order of the kernel. Each read was issued again before its
    /// completion is delivered. Never blocks, and ends after a bounded number of completions.
    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected;

    /// Delivers everything that was complete before the call, also what the kernel still holds back. Blocks
    /// for at most five seconds (`isolated`: fifteen).
    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>));

    /// Blocks until there is something to collect, the waker was rung, or the time is over, and never less.
    /// May return with nothing to collect.
    fn wait(&mut self, timeout: Option<Duration>);

    /// A waker, which ends a `wait` from any thread.
    fn waker(&self) -> Waker;

    /// Ends all reads. Blocks for at most five seconds. What the kernel does not give back is leaked, and
    /// counted.
    fn close(self: Box<Self>) -> Closed;
}

/// Ends the current `wait` of a reader, or the next one. Never lost, however often and on whichever thread it
/// is rung.
#[derive(Clone)]
pub struct Waker(pub(crate) Arc<dyn Ring>);

/// What can be rung.
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
