//! What reading threads leave for the caller to collect.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::completion::Completion;
use crate::double_buffer::{Lane, Loan};
use crate::native::Filled;
use crate::overlapped::Outcome;
use crate::reads::Ring;
use crate::settings::Tag;

/// What happened to one directory, or to a fence.
pub(crate) enum Parcel {
    Changes(Tag, Arc<Lane>, Filled),
    Lost(Tag),
    Failed(Tag, u32),
    /// Everything that came before the fence of this number is in front of this.
    Fenced(u64),
}

impl Parcel {
    fn tag(&self) -> Option<Tag> {
        match self {
            Parcel::Changes(tag, ..) | Parcel::Lost(tag) | Parcel::Failed(tag, _) => Some(*tag),
            Parcel::Fenced(_) => None,
        }
    }
}

#[derive(Default)]
struct Inbox {
    parcels: VecDeque<Parcel>,
    is_rung: bool,
}

/// What one parcel came to.
pub(crate) enum Opened {
    Nothing,
    Delivered,
    /// Delivered, and the directory's thread waits for the buffer that has come back with it.
    Wanted(Tag),
    Fenced(u64),
}

/// See the head of the module.
#[derive(Default)]
pub(crate) struct Handover {
    inbox: Mutex<Inbox>,
    changed: Condvar,
}

impl Handover {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, parcel: Parcel) {
        self.inbox().parcels.push_back(parcel);
        self.changed.notify_all();
    }

    /// Leaves what a completion came to.
    pub(crate) fn push_outcome(&self, tag: Tag, lane: &Arc<Lane>, outcome: Outcome) {
        if let Some(filled) = outcome.changes {
            self.push(Parcel::Changes(tag, Arc::clone(lane), filled));
        }
        if outcome.is_lost {
            self.push_lost(tag);
        }
        if let Some(code) = outcome.failed {
            self.push(Parcel::Failed(tag, code));
        }
    }

    /// Leaves that records were lost, unless that is the last that was left for the directory.
    pub(crate) fn push_lost(&self, tag: Tag) {
        let mut inbox = self.inbox();
        let mut of_tag = inbox
            .parcels
            .iter()
            .rev()
            .filter(|parcel| parcel.tag() == Some(tag));
        if !matches!(of_tag.next(), Some(Parcel::Lost(_))) {
            inbox.parcels.push_back(Parcel::Lost(tag));
            drop(inbox);
            self.changed.notify_all();
        }
    }

    /// Forgets what was left for this directory.
    pub(crate) fn purge(&self, tag: Tag) {
        let mut inbox = self.inbox();
        inbox.parcels.retain(|parcel| parcel.tag() != Some(tag));
    }

    /// Opens the first parcel.
    pub(crate) fn open_first(&self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Opened {
        let Some(parcel) = self.inbox().parcels.pop_front() else {
            return Opened::Nothing;
        };
        match parcel {
            Parcel::Changes(tag, lane, filled) => {
                let loan = Loan::new(filled, &lane);
                let (bytes, layout) = (loan.filled().bytes(), loan.filled().layout());
                deliver(tag, Completion::Changes { bytes, layout });
                if loan.end() {
                    return Opened::Wanted(tag);
                }
            }
            Parcel::Lost(tag) => deliver(tag, Completion::Lost),
            Parcel::Failed(tag, code) => deliver(tag, Completion::Failed { code }),
            Parcel::Fenced(number) => return Opened::Fenced(number),
        }
        Opened::Delivered
    }

    /// Blocks until there is a parcel, a ring, or the time is over.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut inbox = self.inbox();
        while inbox.parcels.is_empty() && !std::mem::take(&mut inbox.is_rung) {
            inbox = match deadline {
                None => self
                    .changed
                    .wait(inbox)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    self.sleep(inbox, left)
                }
            };
        }
    }

    /// Waits for a parcel alone, perhaps not as long as it may. A ring is left for [`Self::wait`].
    pub(crate) fn wait_for_parcel(&self, at_most: Duration) {
        let inbox = self.inbox();
        if inbox.parcels.is_empty() {
            drop(self.sleep(inbox, at_most));
        }
    }

    fn sleep<'a>(
        &'a self,
        inbox: MutexGuard<'a, Inbox>,
        at_most: Duration,
    ) -> MutexGuard<'a, Inbox> {
        let woken = self.changed.wait_timeout(inbox, at_most);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Ring for Handover {
    fn ring(&self) {
        self.inbox().is_rung = true;
        self.changed.notify_all();
    }
}
