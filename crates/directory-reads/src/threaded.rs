//! The models with threads of their own: how the caller's side of all of them works.

use std::collections::HashSet;
use std::os::windows::io::BorrowedHandle;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use everwatch_proactor::RETURN_LIMIT;

use crate::common::{BOUND, check};
use crate::completion::{Closed, Collected, Completion};
use crate::error::Error;
use crate::message_queue::{Handover, Opened};
use crate::reads::{DirectoryReads, Ring, Waker};
use crate::settings::{Settings, Tag};

/// Threads that read directories and leave what they read in a [`Handover`].
pub(crate) trait Crew: Send {
    /// Issues the first read before it returns.
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        settings: Settings,
    ) -> Result<(), Error>;

    /// The directory is closed when this returns.
    fn retire(&mut self, tag: Tag);

    /// The directory's buffer, which its thread waits for, is back.
    fn resume(&mut self, tag: Tag);

    /// Begins a fence; each of the returned number of threads will leave a `Parcel::Fenced`.
    fn fence(&mut self, number: u64) -> usize;

    /// Whatever a running fence needs from the caller's thread, again and again.
    fn push_fence(&mut self) {}

    /// Ends all threads.
    fn stop(&mut self) -> Closed;
}

/// See the head of the module.
pub(crate) struct Crewed<C: Crew> {
    crew: C,
    handover: Arc<Handover>,
    tags: HashSet<Tag>,
    fences: u64,
}

impl<C: Crew> Crewed<C> {
    pub(crate) fn new(crew: C, handover: Arc<Handover>) -> Crewed<C> {
        Crewed {
            crew,
            handover,
            tags: HashSet::new(),
            fences: 0,
        }
    }
}

impl<C: Crew> DirectoryReads for Crewed<C> {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        _: &Path,
        settings: Settings,
    ) -> Result<(), Error> {
        check(self.tags.contains(&tag), directory, &settings)?;
        self.crew.arm(tag, directory, settings)?;
        self.tags.insert(tag);
        Ok(())
    }

    fn retire(&mut self, tag: Tag) {
        if self.tags.remove(&tag) {
            self.crew.retire(tag);
            self.handover.purge(tag);
        }
    }

    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected {
        let mut collected = Collected::default();
        for _ in 0..BOUND {
            match self.handover.open_first(deliver) {
                Opened::Nothing => return collected,
                Opened::Fenced(_) => continue,
                Opened::Delivered => {}
                Opened::Wanted(tag) => self.crew.resume(tag),
            }
            collected.delivered += 1;
        }
        collected.more = true;
        collected
    }

    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        self.fences += 1;
        let deadline = Instant::now() + RETURN_LIMIT;
        let mut missing = self.crew.fence(self.fences);
        while missing > 0 && Instant::now() < deadline {
            match self.handover.open_first(deliver) {
                Opened::Fenced(number) => missing -= usize::from(number == self.fences),
                Opened::Wanted(tag) => self.crew.resume(tag),
                Opened::Delivered => {}
                Opened::Nothing => {
                    self.crew.push_fence();
                    self.handover.wait_for_parcel(Duration::from_millis(1));
                }
            }
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        self.handover.wait(timeout);
    }

    fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.handover) as Arc<dyn Ring>)
    }

    fn close(mut self: Box<Self>) -> Closed {
        self.crew.stop()
    }
}

impl<C: Crew> Drop for Crewed<C> {
    fn drop(&mut self) {
        self.crew.stop();
    }
}
