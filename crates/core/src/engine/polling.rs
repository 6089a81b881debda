//! Polling: listing again and again what cannot be watched, on a budget.

use super::gaps::Gaps;
use super::pending::Pending;
use super::step_time::StepTime;
use super::work::WorkList;
use crate::mirror::Mirror;
use crate::time::Moment;

/// What is unreadable is tried again this many times less often than what is polled is listed, in
/// case no record said that it can be read: rights depend on more than permissions.
const UNREADABLE_PAUSE: u32 = 30;

/// A poll under way.
#[derive(Clone, Copy, Debug)]
struct Poll {
    began: Moment,
    /// The step in which all of it had been listed.
    listed: Option<u64>,
}

/// The schedule of polls.
///
/// Polls are numbered, so that a barrier can wait for one that began after it.
#[derive(Debug, Default)]
pub(super) struct Polling {
    running: Option<Poll>,
    /// A barrier waits for a poll that has not begun.
    is_wanted: bool,
    begun: u64,
    done: u64,
    /// When the next poll begins.
    next: Option<Moment>,
    /// When what is unreadable is tried again.
    next_retry: Option<Moment>,
    /// No watch could be had in this round; not tried again before the next.
    pub(super) is_out_of_watches: bool,
}

impl Polling {
    /// Asks for a poll that begins after this call, and returns its number.
    pub(super) fn request(&mut self) -> u64 {
        self.is_wanted = true;
        self.begun + 1
    }

    /// Whether the poll with this number is over.
    pub(super) fn is_done(&self, number: u64) -> bool {
        self.done >= number
    }

    /// When the engine has to be called again for the sake of polling.
    pub(super) fn deadlines(&self) -> [Option<Moment>; 2] {
        [self.next, self.next_retry]
    }

    /// Sets when the next poll begins, if there is anything to poll and it is not set yet.
    pub(super) fn schedule(&mut self, time: StepTime, gaps: &Gaps, mirror: &Mirror) {
        if !gaps.has_unreadable() {
            self.next_retry = None;
        } else if self.next_retry.is_none() {
            let pause = time.pace.poll.max(time.pace.root);
            self.next_retry = time.now.checked_add(pause.saturating_mul(UNREADABLE_PAUSE));
        }
        if !gaps.needs_any_polling(mirror) {
            self.next = None;
            self.is_out_of_watches = false;
        } else if self.next.is_none() && self.running.is_none() {
            self.next = time.now.checked_add(time.pace.poll);
        }
    }

    /// Begins a poll if it is time for one: queues all that is polled.
    pub(super) fn begin_if_due(
        &mut self,
        time: StepTime,
        gaps: &mut Gaps,
        mirror: &mut Mirror,
        work: &mut WorkList,
    ) {
        if self.running.is_some() || !work.is_empty() {
            return;
        }
        self.schedule(time, gaps, mirror);
        if self.next_retry.is_some_and(|due| time.now >= due) {
            self.next_retry = None;
            gaps.retry_all_unreadable(mirror, work);
        }
        if !gaps.needs_any_polling(mirror) {
            // A barrier that waits for a poll waits for nothing.
            self.done += u64::from(self.is_wanted);
            self.begun += u64::from(std::mem::take(&mut self.is_wanted));
            return;
        }
        let is_due = self.next.is_some_and(|due| time.now >= due);
        if !is_due && !self.is_wanted {
            return;
        }
        self.is_wanted = false;
        self.begun += 1;
        self.next = None;
        self.running = Some(Poll {
            began: time.now,
            listed: None,
        });
        self.is_out_of_watches = false;
        gaps.forget_volumes();
        for id in gaps.polled(mirror) {
            work.queue(mirror, id);
        }
    }

    /// Ends the running poll once all that it listed is decided. The next one begins after the
    /// interval, and so late that polling does not take more than its share of the time.
    pub(super) fn end_if_decided(&mut self, time: StepTime, pending: &Pending) {
        let Some(poll) = &mut self.running else {
            return;
        };
        let listed = *poll.listed.get_or_insert(time.step);
        if !pending.has_decided(listed) {
            return;
        }
        let took = time.now.saturating_sub(poll.began);
        self.running = None;
        self.done += 1;
        let share = took.saturating_mul(time.pace.poll_share);
        self.next = time.now.checked_add(time.pace.poll.max(share));
    }
}
