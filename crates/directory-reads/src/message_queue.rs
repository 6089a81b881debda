//! The message queue between the threads that read and the caller that collects.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::completion::Completion;
use crate::double_buffer::{DoubleBuffer, LentRecords};
use crate::native::Filled;
use crate::overlapped::Outcome;
use crate::reads::Ring;
use crate::settings::Tag;

/// One message of a thread that reads: about a directory, or about a fence.
pub(crate) enum Message {
    /// Records, and where their buffer goes afterwards.
    Changes(Tag, Arc<DoubleBuffer>, Filled),
    Lost(Tag),
    /// The Win32 error with which the read ended.
    Failed(Tag, u32),
    /// Everything that came before the fence of this number is in front of this.
    Fenced(u64),
}

impl Message {
    /// The directory that it is about.
    fn tag(&self) -> Option<Tag> {
        match self {
            Message::Changes(tag, ..) | Message::Lost(tag) | Message::Failed(tag, _) => Some(*tag),
            Message::Fenced(_) => None,
        }
    }
}

/// What receiving one message came to.
pub(crate) enum Received {
    /// There was none.
    Nothing,
    /// It was delivered.
    Delivered,
    /// It was delivered, and the read of this directory starves for the buffer that has come back with it.
    Wanted(Tag),
    /// It was the end of this fence.
    Fenced(u64),
}

/// What the lock of a [`MessageQueue`] guards.
#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    /// The waker was rung since the last wait.
    is_rung: bool,
}

/// The messages that were not received yet. Memory is bounded by the buffers: each directory has two.
#[derive(Default)]
pub(crate) struct MessageQueue {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl MessageQueue {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a message.
    pub(crate) fn push(&self, message: Message) {
        self.queue().messages.push_back(message);
        self.changed.notify_all();
    }

    /// Appends what a completion came to.
    pub(crate) fn push_outcome(&self, tag: Tag, buffer: &Arc<DoubleBuffer>, outcome: Outcome) {
        if let Some(filled) = outcome.changes {
            self.push(Message::Changes(tag, Arc::clone(buffer), filled));
        }
        if outcome.is_lost {
            self.push_lost(tag);
        }
        if let Some(code) = outcome.failed {
            self.push(Message::Failed(tag, code));
        }
    }

    /// Appends that records were lost, unless that is the last message about the directory already.
    pub(crate) fn push_lost(&self, tag: Tag) {
        let mut queue = self.queue();
        let mut of_tag = queue
            .messages
            .iter()
            .rev()
            .filter(|message| message.tag() == Some(tag));
        if !matches!(of_tag.next(), Some(Message::Lost(_))) {
            queue.messages.push_back(Message::Lost(tag));
            drop(queue);
            self.changed.notify_all();
        }
    }

    /// Forgets all messages about a directory.
    pub(crate) fn purge(&self, tag: Tag) {
        let mut queue = self.queue();
        queue.messages.retain(|message| message.tag() != Some(tag));
    }

    /// Receives the first message, and delivers it if it is about a directory. No lock is held meanwhile.
    pub(crate) fn receive(&self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Received {
        let Some(message) = self.queue().messages.pop_front() else {
            return Received::Nothing;
        };
        match message {
            Message::Changes(tag, buffer, filled) => {
                let records = LentRecords::new(filled, &buffer);
                let (bytes, layout) = (records.filled().bytes(), records.filled().layout());
                deliver(tag, Completion::Changes { bytes, layout });
                if records.end() {
                    return Received::Wanted(tag);
                }
            }
            Message::Lost(tag) => deliver(tag, Completion::Lost),
            Message::Failed(tag, code) => deliver(tag, Completion::Failed { code }),
            Message::Fenced(number) => return Received::Fenced(number),
        }
        Received::Delivered
    }

    /// Blocks until there is a message, the waker was rung, or the time is over.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut queue = self.queue();
        while queue.messages.is_empty() && !std::mem::take(&mut queue.is_rung) {
            queue = match deadline {
                None => self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    self.sleep(queue, left)
                }
            };
        }
    }

    /// Blocks until there is a message or the time is over, perhaps for less. A ring of the waker is kept for
    /// [`MessageQueue::wait`].
    pub(crate) fn wait_for_message(&self, at_most: Duration) {
        let queue = self.queue();
        if queue.messages.is_empty() {
            drop(self.sleep(queue, at_most));
        }
    }

    fn sleep<'a>(
        &'a self,
        queue: MutexGuard<'a, Queue>,
        at_most: Duration,
    ) -> MutexGuard<'a, Queue> {
        let woken = self.changed.wait_timeout(queue, at_most);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Ring for MessageQueue {
    fn ring(&self) {
        self.queue().is_rung = true;
        self.changed.notify_all();
    }
}
