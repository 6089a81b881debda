//! The caller's side of the models with threads of their own (`apc`, `event`, `blocking`).

use std::collections::HashSet;
use std::os::windows::io::BorrowedHandle;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::completion::{Closed, Collected, Completion};
use crate::error::Error;
use crate::limits::{COMPLETIONS_PER_COLLECT, RETURN_LIMIT, TagUse, check};
use crate::message_queue::{MessageQueue, Received};
use crate::reads::{DirectoryReads, Ring, Waker};
use crate::settings::{Settings, Tag};

/// How long a fence waits for a message before it pushes the threads again.
const FENCE_PAUSE: Duration = Duration::from_millis(1);

/// Threads that read directories and put what they read into a [`MessageQueue`].
pub(crate) trait Workers: Send {
    /// Issues the first read before it returns.
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        settings: Settings,
    ) -> Result<(), Error>;

    /// Ends the read. The directory is closed when this returns.
    fn retire(&mut self, tag: Tag);

    /// The buffer is back for which the read of this directory starves.
    fn resume(&mut self, tag: Tag);

    /// Begins a fence. Each of the returned number of threads will send a `Message::Fenced`.
    fn fence(&mut self, number: u64) -> usize;

    /// Does what a running fence needs from the caller's thread, again and again.
    fn push_fence(&mut self) {}

    /// Ends all threads.
    fn stop(&mut self) -> Closed;
}

/// A model with threads of its own.
pub(crate) struct Threaded<W: Workers> {
    workers: W,
    messages: Arc<MessageQueue>,
    tags: HashSet<Tag>,
    /// The number of the last fence.
    last_fence: u64,
}

impl<W: Workers> Threaded<W> {
    /// The model of these threads, which send their messages here.
    pub(crate) fn new(workers: W, messages: Arc<MessageQueue>) -> Threaded<W> {
        Threaded {
            workers,
            messages,
            tags: HashSet::new(),
            last_fence: 0,
        }
    }
}

impl<W: Workers> DirectoryReads for Threaded<W> {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        _: &Path,
        settings: Settings,
    ) -> Result<(), Error> {
        check(TagUse::of(self.tags.contains(&tag)), directory, &settings)?;
        self.workers.arm(tag, directory, settings)?;
        self.tags.insert(tag);
        Ok(())
    }

    fn retire(&mut self, tag: Tag) {
        if self.tags.remove(&tag) {
            self.workers.retire(tag);
            self.messages.purge(tag);
        }
    }

    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected {
        let mut collected = Collected::default();
        for _ in 0..COMPLETIONS_PER_COLLECT {
            match self.messages.receive(deliver) {
                Received::Nothing => return collected,
                // The end of a fence that was given up.
                Received::Fenced(_) => continue,
                Received::Delivered => {}
                Received::Wanted(tag) => self.workers.resume(tag),
            }
            collected.delivered += 1;
        }
        collected.more = true;
        collected
    }

    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        self.last_fence += 1;
        let deadline = Instant::now() + RETURN_LIMIT;
        let mut missing = self.workers.fence(self.last_fence);
        while missing > 0 && Instant::now() < deadline {
            match self.messages.receive(deliver) {
                Received::Fenced(number) => missing -= usize::from(number == self.last_fence),
                Received::Wanted(tag) => self.workers.resume(tag),
                Received::Delivered => {}
                Received::Nothing => {
                    self.workers.push_fence();
                    self.messages.wait_for_message(FENCE_PAUSE);
                }
            }
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        self.messages.wait(timeout);
    }

    fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.messages) as Arc<dyn Ring>)
    }

    fn close(mut self: Box<Self>) -> Closed {
        self.workers.stop()
    }
}

impl<W: Workers> Drop for Threaded<W> {
    fn drop(&mut self) {
        self.workers.stop();
    }
}
