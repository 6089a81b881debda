//! The model `blocking`: a thread for each directory, in a read that blocks and can be cancelled.
//!
//! The first read on a handle makes the kernel keep a list of changes for as long as the handle is open, and a
//! cancelled read leaves that list alone. That is what makes a blocking read usable:
//!
//! - **Armed before `arm` returns.** A blocking call cannot report that it has begun. So `arm` cancels the
//!   thread's first read until it returns; then it was in the kernel, and the list is kept.
//! - **A fence** cancels twice. What the second read returns, or that it returns nothing, shows that the list
//!   was empty.
//! - **The end** cancels until the thread reports that it has left the call. Only then is the handle closed: on
//!   Windows an earlier close would wait for the very read that must end.
//!
//! A cancel that comes just before the thread enters the kernel does nothing, so each is repeated. While one is
//! being asked for, the thread cannot leave its round: the cancel ends that read or none.

use std::collections::HashMap;
use std::os::windows::io::{AsHandle as _, BorrowedHandle};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use everwatch_proactor::native::spawn;
use windows_sys::Win32::Foundation::ERROR_SEM_TIMEOUT;

use crate::completion::Closed;
use crate::double_buffer::DoubleBuffer;
use crate::error::{Error, Stage};
use crate::layouts::VolumeLayout;
use crate::limits::RETURN_LIMIT;
use crate::message_queue::{Message, MessageQueue};
use crate::native::{BlockingDirectory, BlockingRead, cancel_blocking};
use crate::policy::{Promise, ReadPolicy, Step};
use crate::settings::{Layout, Settings, Tag};
use crate::threaded::{Threaded, Workers};
use crate::verdict::Intent;

/// How often a cancel is repeated while the thread is in its call.
const CANCEL_EVERY: Duration = Duration::from_millis(1);

/// How many reads a fence ends. See the second point at the head of this file.
const READS_PER_FENCE: u64 = 2;

/// A fence that a thread takes part in.
struct ThreadFence {
    number: u64,
    /// How many reads must be over in all when it ends.
    until: u64,
}

/// What a thread does, and what it was asked for.
#[derive(Default)]
struct Round {
    /// From before the call that reads until after it.
    is_inside: bool,
    /// This side has cancelled the read of this round.
    is_cancelled: bool,
    /// How many reads are over and handed over.
    over: u64,
    fence: Option<ThreadFence>,
    is_stopping: bool,
    /// The thread does not hold the handle any more.
    is_gone: bool,
    /// The Win32 error with which the first read failed.
    failed: Option<u32>,
    /// The handle that is read.
    directory: Option<Arc<BlockingDirectory>>,
}

/// The round that the thread and the caller share.
#[derive(Default)]
struct SharedRound {
    round: Mutex<Round>,
    changed: Condvar,
}

impl SharedRound {
    fn lock(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change that the other side has notified.
    fn wait<'a>(&'a self, round: MutexGuard<'a, Round>) -> MutexGuard<'a, Round> {
        let woken = self.changed.wait(round);
        woken.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread needs to read its directory: the driver of the read policy for this model.
struct Reader {
    tag: Tag,
    shared: Arc<SharedRound>,
    directory: Arc<BlockingDirectory>,
    read: BlockingRead,
    policy: ReadPolicy,
    layout: VolumeLayout,
    buffer: Arc<DoubleBuffer>,
    messages: Arc<MessageQueue>,
}

impl Reader {
    /// The body of the thread.
    fn run(mut self) {
        self.read_on();
        let Reader {
            shared,
            directory,
            messages,
            ..
        } = self;
        drop(directory);
        let mut round = shared.lock();
        round.directory = None;
        round.is_gone = true;
        if let Some(fence) = round.fence.take() {
            messages.push(Message::Fenced(fence.number));
        }
        drop(round);
        shared.changed.notify_all();
    }

    /// Reads until it must stop, or the read fails.
    fn read_on(&mut self) {
        loop {
            {
                let mut round = self.shared.lock();
                if round.is_stopping {
                    return;
                }
                round.is_inside = true;
                round.is_cancelled = false;
            }
            let end = self.read.read(&self.directory, self.policy.layout());
            let intent = {
                let mut round = self.shared.lock();
                round.is_inside = false;
                match round.is_cancelled {
                    true => Intent::Cancel,
                    false => Intent::Continue,
                }
            };
            let mut failed = None;
            match self.policy.completed(end, intent) {
                Step::IssueFirst => continue,
                Step::StartOver { after } => {
                    self.layout.note(Layout::Plain);
                    match (after, self.reopen()) {
                        (Promise::None, Ok(())) => continue,
                        (Promise::None, Err(code)) => failed = Some(code),
                        // Nothing but a cancel shows that a blocking read is in the kernel, and only the caller
                        // cancels. So the caller arms it again, in the layout that is known now.
                        (Promise::Given, _) => failed = Some(end.error),
                    }
                }
                Step::HandOver { bytes } => {
                    if !self.hand_over(bytes) {
                        return;
                    }
                }
                Step::IssueAfterLoss => self.messages.push_lost(self.tag),
                Step::Issue => {}
                Step::Fail { code } => failed = Some(code),
            }
            self.end_round(failed);
            if failed.is_some() {
                return;
            }
        }
    }

    /// Goes on with another handle of the directory.
    fn reopen(&mut self) -> Result<(), u32> {
        let directory = Arc::new(BlockingDirectory::reopen(self.directory.as_handle())?);
        self.shared.lock().directory = Some(Arc::clone(&directory));
        self.directory = directory;
        Ok(())
    }

    /// Reports that a read is over, and the error after which there is no other.
    fn end_round(&self, failed: Option<u32>) {
        let mut round = self.shared.lock();
        match failed {
            // `arm` returns it.
            Some(code) if round.over == 0 => round.failed = Some(code),
            Some(code) => self.messages.push(Message::Failed(self.tag, code)),
            None => {}
        }
        round.over += 1;
        let over = round.over;
        if let Some(fence) = round.fence.take_if(|fence| fence.until <= over) {
            self.messages.push(Message::Fenced(fence.number));
        }
        drop(round);
        self.shared.changed.notify_all();
    }

    /// Waits for a spare buffer, and hands the records over. Returns false if it must stop instead.
    fn hand_over(&mut self, bytes: u32) -> bool {
        let mut round = self.shared.lock();
        let spare = loop {
            if round.is_stopping {
                return false;
            }
            match self.buffer.take() {
                Some(spare) => break spare,
                None => round = self.shared.wait(round),
            }
        };
        drop(round);
        let filled = self.read.exchange(spare, bytes);
        let buffer = Arc::clone(&self.buffer);
        self.messages
            .push(Message::Changes(self.tag, buffer, filled));
        true
    }
}

/// The caller's hold on the thread of one directory.
struct ReaderThread {
    thread: JoinHandle<()>,
    shared: Arc<SharedRound>,
}

impl ReaderThread {
    /// Starts the thread, whose first read begins at some time after this returns.
    fn start(
        tag: Tag,
        directory: BlockingDirectory,
        settings: Settings,
        messages: &Arc<MessageQueue>,
    ) -> Result<ReaderThread, u32> {
        let layout = VolumeLayout::of(directory.as_handle());
        let (shared, directory) = (Arc::new(SharedRound::default()), Arc::new(directory));
        shared.lock().directory = Some(Arc::clone(&directory));
        let reader = Reader {
            tag,
            shared: Arc::clone(&shared),
            directory,
            read: BlockingRead::new(settings),
            policy: ReadPolicy::new(settings.bytes, layout.best),
            layout,
            buffer: DoubleBuffer::new(settings.bytes),
            messages: Arc::clone(messages),
        };
        let thread = spawn("everwatch-read", move || reader.run())?;
        Ok(ReaderThread { thread, shared })
    }

    /// Ends the read that the thread is in, if it is in one.
    fn cancel(&self, round: &mut Round) {
        if round.is_inside {
            round.is_cancelled = true;
            if cancel_blocking(&self.thread).is_err()
                && let Some(directory) = &round.directory
            {
                let _ = directory.cancel();
            }
        }
    }

    /// Cancels again and again until the round is so, or the time is over. Returns whether it is so.
    fn cancel_until(&self, is_so: impl Fn(&Round) -> bool) -> bool {
        let deadline = Instant::now() + RETURN_LIMIT;
        let mut round = self.shared.lock();
        while !is_so(&round) {
            if Instant::now() >= deadline {
                return false;
            }
            self.cancel(&mut round);
            let woken = self.shared.changed.wait_timeout(round, CANCEL_EVERY);
            round = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn ask_to_stop(&self) {
        self.shared.lock().is_stopping = true;
        self.shared.changed.notify_all();
    }

    /// Ends the thread and closes the directory. Returns false if the kernel does not let go of the thread:
    /// both are left to it then.
    fn stop(self) -> bool {
        self.ask_to_stop();
        let is_gone = self.cancel_until(|round| round.is_gone);
        if is_gone {
            let _ = self.thread.join();
        }
        is_gone
    }
}

/// The threads of all directories.
pub(crate) struct ReaderThreads {
    threads: HashMap<Tag, ReaderThread>,
    messages: Arc<MessageQueue>,
    counts: Closed,
}

impl ReaderThreads {
    /// Starts the model. It has no thread before the first directory.
    pub(crate) fn start() -> Threaded<ReaderThreads> {
        let messages = Arc::new(MessageQueue::default());
        let threads = ReaderThreads {
            threads: HashMap::new(),
            messages: Arc::clone(&messages),
            counts: Closed::default(),
        };
        Threaded::new(threads, messages)
    }

    /// Ends one thread, and counts it if it does not end.
    fn end(&mut self, thread: ReaderThread) {
        if !thread.stop() {
            self.counts.leaked += 1;
        }
    }
}

impl Workers for ReaderThreads {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        settings: Settings,
    ) -> Result<(), Error> {
        let directory = BlockingDirectory::reopen(directory).map_err(Error::at(Stage::Open))?;
        let thread = ReaderThread::start(tag, directory, settings, &self.messages);
        let thread = thread.map_err(Error::at(Stage::Start))?;
        let has_left = thread.cancel_until(|round| round.over > 0 || round.is_gone);
        let refused = thread.shared.lock().failed;
        if has_left && refused.is_none() {
            self.threads.insert(tag, thread);
            return Ok(());
        }
        self.end(thread);
        Err(match refused {
            Some(code) => Error::new(Stage::Arm, code),
            None => Error::new(Stage::Worker, ERROR_SEM_TIMEOUT),
        })
    }

    fn retire(&mut self, tag: Tag) {
        if let Some(thread) = self.threads.remove(&tag) {
            self.end(thread);
        }
    }

    fn resume(&mut self, tag: Tag) {
        if let Some(thread) = self.threads.get(&tag) {
            // The thread looks for the buffer and waits under this lock, so it either waits or has looked.
            drop(thread.shared.lock());
            thread.shared.changed.notify_all();
        }
    }

    fn fence(&mut self, number: u64) -> usize {
        let mut count = 0;
        for thread in self.threads.values() {
            let mut round = thread.shared.lock();
            if !round.is_gone && !thread.thread.is_finished() {
                let until = round.over + READS_PER_FENCE;
                round.fence = Some(ThreadFence { number, until });
                thread.cancel(&mut round);
                count += 1;
            }
        }
        count
    }

    fn push_fence(&mut self) {
        for thread in self.threads.values() {
            let mut round = thread.shared.lock();
            if round.fence.is_some() {
                thread.cancel(&mut round);
            }
        }
    }

    fn stop(&mut self) -> Closed {
        for thread in self.threads.values() {
            thread.ask_to_stop();
        }
        for (_, thread) in std::mem::take(&mut self.threads) {
            self.end(thread);
        }
        self.counts
    }
}
