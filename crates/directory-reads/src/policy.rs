//! The read policy: what the read of one directory does next.
//!
//! Five completion models learn of completions in five ways, and all of them ask this one machine what a
//! completion means and what to do about it. It decides when a read is issued again, in which layout, when
//! records count as lost, and when a directory is given up. It issues nothing, holds no memory and knows no
//! system call, so it is tested on every system; the drivers (`overlapped.rs`, `blocking.rs`, `changes.rs`)
//! own the buffers and make the calls.
//!
//! ```text
//!          ┌───────────── issue ◀──────────────┬─────────────────┐
//!          ▼                                   │                 │
//!   call accepted ──▶ in the kernel ──▶ completed ──▶ records: swap buffers, issue, report
//!          │                                   ├────▶ lost: issue, report the loss
//!   call refused ──▶ other layout, or retry    ├────▶ cancelled: issue, or give up
//!                ──▶ give up                   ├────▶ layout refused: open again, issue the first
//!                                              └────▶ failed: give up
//! ```

use crate::codes::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER,
    ERROR_NOT_SUPPORTED, ERROR_NOTIFY_ENUM_DIR, ERROR_OPERATION_ABORTED,
};
use crate::settings::Layout;
use crate::verdict::{Intent, ReadEnd, Verdict, verdict};

/// How many reads in a row others may cancel before the directory is given up. Some filter drivers
/// cancel every read; without a limit such a directory would be read in a busy loop.
pub(crate) const FOREIGN_CANCEL_LIMIT: u32 = 16;

/// What the driver of a read must do. In each case the read is in the kernel again before anything is
/// reported, except after [`Step::Fail`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Take the records out, put a spare buffer in, issue the read again, and report the records. A driver
    /// without a spare buffer waits for one; the kernel collects meanwhile.
    HandOver {
        /// The valid bytes of the buffer.
        bytes: u32,
    },
    /// Issue the read again. There is nothing to report.
    Issue,
    /// Issue the read again, and report that records were lost.
    IssueAfterLoss,
    /// Issue the first read once more, in [`ReadPolicy::layout`]: the call refused the richer one. No read has been
    /// in the kernel yet.
    IssueFirst,
    /// Open the directory again, and issue the first read on that handle, in [`ReadPolicy::layout`]: the file system
    /// has ended the first read because of the richer one. What that has done to the old handle is not known.
    StartOver {
        /// Whether the caller was told before that the directory is read. Then records were lost.
        after: Promise,
    },
    /// Issue nothing more, and report this error.
    Fail {
        /// The Win32 error.
        code: u32,
    },
}

/// Whether the caller counts on the read of a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Promise {
    /// It waits to learn whether the read is in the kernel.
    None,
    /// It knows that the read was in the kernel, and that changes are recorded since then.
    Given,
}

/// What is known of the layout that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Proof {
    /// Nothing.
    None,
    /// A call took a read in it, which can still be ended because of it.
    Accepted,
    /// A read in it has completed with records, or with their loss.
    Completed,
}

/// The state of the decisions about one directory. It is fed with what the calls and the kernel say.
#[derive(Debug)]
pub(crate) struct ReadPolicy {
    /// The bytes that the buffer holds.
    capacity: u32,
    /// That of the next read. It falls back to the plain one at most once.
    layout: Layout,
    proof: Proof,
    /// The last attempt to issue the read was refused because records were lost.
    is_second_attempt: bool,
    /// How many reads in a row others have cancelled.
    foreign_cancels: u32,
}

impl ReadPolicy {
    /// The policy for a directory that is read into buffers of `capacity` bytes. `best` is the richest
    /// layout that this Windows has; the file system of the directory may have less.
    pub(crate) fn new(capacity: u32, best: Layout) -> ReadPolicy {
        ReadPolicy {
            capacity,
            layout: best,
            proof: Proof::None,
            is_second_attempt: false,
            foreign_cancels: 0,
        }
    }

    /// The layout in which the next read must be issued.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// A call has put the read into the kernel; a completion will come. A read that blocks has no such
    /// moment: its call returns with the completion.
    pub(crate) fn accepted(&mut self) {
        self.is_in_kernel();
        self.is_second_attempt = false;
    }

    /// A read has been in the kernel.
    fn is_in_kernel(&mut self) {
        if self.proof == Proof::None {
            self.proof = Proof::Accepted;
        }
    }

    /// A call has refused the read; no completion will come of it.
    pub(crate) fn refused(&mut self, code: u32) -> Step {
        let is_first = self.proof == Proof::None;
        if is_first && self.layout == Layout::Extended && is_layout_refusal(code) {
            self.layout = Layout::Plain;
            return Step::IssueFirst;
        }
        // The records were lost between two reads, and the call itself says so.
        if !is_first && code == ERROR_NOTIFY_ENUM_DIR && !self.is_second_attempt {
            self.is_second_attempt = true;
            return Step::IssueAfterLoss;
        }
        Step::Fail { code }
    }

    /// A read has completed. `intent` says whether this side had cancelled it.
    pub(crate) fn completed(&mut self, end: ReadEnd, intent: Intent) -> Step {
        let is_unproven = self.layout == Layout::Extended && self.proof != Proof::Completed;
        if is_unproven && end.bytes == 0 && is_layout_refusal(end.error) {
            self.layout = Layout::Plain;
            // A blocking call returns with the end of the first read, of which nothing is known before.
            let after = match std::mem::replace(&mut self.proof, Proof::None) {
                Proof::None => Promise::None,
                Proof::Accepted | Proof::Completed => Promise::Given,
            };
            return Step::StartOver { after };
        }
        self.is_in_kernel();
        let verdict = verdict(end, self.capacity, intent);
        self.foreign_cancels = match (verdict, intent) {
            (Verdict::Cancelled, Intent::Continue) => self.foreign_cancels + 1,
            _ => 0,
        };
        if matches!(verdict, Verdict::Changes { .. } | Verdict::Lost) {
            self.proof = Proof::Completed;
        }
        match verdict {
            Verdict::Changes { bytes } => Step::HandOver { bytes },
            Verdict::Lost => Step::IssueAfterLoss,
            Verdict::Cancelled if self.foreign_cancels < FOREIGN_CANCEL_LIMIT => Step::Issue,
            Verdict::Cancelled => Step::Fail {
                code: ERROR_OPERATION_ABORTED,
            },
            Verdict::Failed { code } => Step::Fail { code },
        }
    }
}

/// Whether a file system says by this error that it does not have the extended layout.
fn is_layout_refusal(code: u32) -> bool {
    matches!(
        code,
        ERROR_INVALID_FUNCTION
            | ERROR_NOT_SUPPORTED
            | ERROR_INVALID_PARAMETER
            | ERROR_CALL_NOT_IMPLEMENTED
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::STATUS_NOTIFY_ENUM_DIR;

    const CAPACITY: u32 = 4096;
    const ERROR_ACCESS_DENIED: u32 = 5;

    /// A policy whose first read is in the kernel.
    fn reading(layout: Layout) -> ReadPolicy {
        let mut policy = ReadPolicy::new(CAPACITY, layout);
        policy.accepted();
        policy
    }

    fn with_records(bytes: u32) -> ReadEnd {
        ReadEnd {
            bytes,
            ..ReadEnd::default()
        }
    }

    fn with_error(error: u32) -> ReadEnd {
        ReadEnd {
            error,
            ..ReadEnd::default()
        }
    }

    const CANCELLED: ReadEnd = ReadEnd {
        error: ERROR_OPERATION_ABORTED,
        status: 0,
        bytes: 0,
    };

    const LOST: ReadEnd = ReadEnd {
        error: 0,
        status: STATUS_NOTIFY_ENUM_DIR,
        bytes: 0,
    };

    #[test]
    fn records_are_handed_over_and_the_read_goes_on() {
        let mut policy = reading(Layout::Plain);
        for bytes in [1, 100, CAPACITY] {
            let step = policy.completed(with_records(bytes), Intent::Continue);
            assert_eq!(step, Step::HandOver { bytes });
            policy.accepted();
        }
    }

    #[test]
    fn records_that_came_before_a_cancel_are_handed_over() {
        let mut policy = reading(Layout::Plain);
        let step = policy.completed(with_records(8), Intent::Cancel);
        assert_eq!(step, Step::HandOver { bytes: 8 });
    }

    #[test]
    fn no_bytes_and_more_bytes_than_there_is_room_for_are_a_loss() {
        let mut policy = reading(Layout::Plain);
        for bytes in [0, CAPACITY + 1, u32::MAX] {
            let step = policy.completed(with_records(bytes), Intent::Continue);
            assert_eq!(step, Step::IssueAfterLoss, "{bytes}");
            policy.accepted();
        }
        assert_eq!(
            policy.completed(LOST, Intent::Continue),
            Step::IssueAfterLoss
        );
    }

    #[test]
    fn a_read_that_this_side_cancelled_is_issued_again_however_often() {
        let mut policy = reading(Layout::Plain);
        for _ in 0..10 * FOREIGN_CANCEL_LIMIT {
            assert_eq!(policy.completed(CANCELLED, Intent::Cancel), Step::Issue);
            policy.accepted();
        }
    }

    #[test]
    fn a_directory_whose_reads_others_cancel_is_given_up() {
        let mut policy = reading(Layout::Plain);
        for _ in 1..FOREIGN_CANCEL_LIMIT {
            assert_eq!(policy.completed(CANCELLED, Intent::Continue), Step::Issue);
            policy.accepted();
        }
        let code = ERROR_OPERATION_ABORTED;
        let step = policy.completed(CANCELLED, Intent::Continue);
        assert_eq!(step, Step::Fail { code });
    }

    #[test]
    fn only_reads_in_a_row_count_as_cancelled_by_others() {
        let between = [
            (with_records(8), Intent::Continue),
            (LOST, Intent::Continue),
            (CANCELLED, Intent::Cancel),
        ];
        for (end, intent) in between {
            let mut policy = reading(Layout::Plain);
            for _ in 0..5 {
                for _ in 1..FOREIGN_CANCEL_LIMIT {
                    assert_eq!(policy.completed(CANCELLED, Intent::Continue), Step::Issue);
                    policy.accepted();
                }
                let step = policy.completed(end, intent);
                assert!(!matches!(step, Step::Fail { .. }), "{end:?}: {step:?}");
                policy.accepted();
            }
        }
    }

    #[test]
    fn the_first_read_falls_back_to_the_plain_layout_once() {
        for code in [1, 50, 87, 120] {
            let mut policy = ReadPolicy::new(CAPACITY, Layout::Extended);
            assert_eq!(policy.layout(), Layout::Extended);
            assert_eq!(policy.refused(code), Step::IssueFirst);
            assert_eq!(policy.layout(), Layout::Plain);
            assert_eq!(policy.refused(code), Step::Fail { code });
        }
    }

    #[test]
    fn a_blocking_first_read_falls_back_when_its_call_returns() {
        let mut policy = ReadPolicy::new(CAPACITY, Layout::Extended);
        let step = policy.completed(with_error(1), Intent::Cancel);
        let after = Promise::None;
        assert_eq!(step, Step::StartOver { after });
        assert_eq!(policy.layout(), Layout::Plain);
        let step = policy.completed(with_error(1), Intent::Cancel);
        assert_eq!(step, Step::Fail { code: 1 });
    }

    #[test]
    fn a_first_read_that_was_accepted_and_ends_because_of_its_layout_starts_over() {
        for code in [1, 50, 87, 120] {
            for cancelled_before in 0..3 {
                let mut policy = reading(Layout::Extended);
                // The end of a cancelled read proves nothing.
                for _ in 0..cancelled_before {
                    assert_eq!(policy.completed(CANCELLED, Intent::Cancel), Step::Issue);
                    policy.accepted();
                }
                let step = policy.completed(with_error(code), Intent::Continue);
                let after = Promise::Given;
                assert_eq!(step, Step::StartOver { after }, "{code}");
                assert_eq!(policy.layout(), Layout::Plain);
                policy.accepted();
                let step = policy.completed(with_error(code), Intent::Continue);
                assert_eq!(step, Step::Fail { code });
            }
        }
    }

    #[test]
    fn a_layout_that_had_records_is_kept() {
        let mut policy = reading(Layout::Extended);
        assert_eq!(policy.refused(1), Step::Fail { code: 1 });
        let mut policy = reading(Layout::Extended);
        let step = policy.completed(with_records(8), Intent::Continue);
        assert_eq!(step, Step::HandOver { bytes: 8 });
        let step = policy.completed(with_error(87), Intent::Continue);
        assert_eq!(step, Step::Fail { code: 87 });
        assert_eq!(policy.layout(), Layout::Extended);
    }

    #[test]
    fn an_access_denied_first_read_is_no_question_of_layout() {
        let code = ERROR_ACCESS_DENIED;
        let mut policy = ReadPolicy::new(CAPACITY, Layout::Extended);
        assert_eq!(policy.refused(code), Step::Fail { code });
    }

    #[test]
    fn a_loss_that_the_call_reports_is_retried_once() {
        let mut policy = reading(Layout::Plain);
        for _ in 0..3 {
            let step = policy.completed(with_records(8), Intent::Continue);
            assert_eq!(step, Step::HandOver { bytes: 8 });
            assert_eq!(policy.refused(ERROR_NOTIFY_ENUM_DIR), Step::IssueAfterLoss);
            policy.accepted();
        }
        assert_eq!(policy.refused(ERROR_NOTIFY_ENUM_DIR), Step::IssueAfterLoss);
        let code = ERROR_NOTIFY_ENUM_DIR;
        assert_eq!(policy.refused(code), Step::Fail { code });
    }

    #[test]
    fn a_first_read_has_nothing_to_lose() {
        let code = ERROR_NOTIFY_ENUM_DIR;
        let mut policy = ReadPolicy::new(CAPACITY, Layout::Plain);
        assert_eq!(policy.refused(code), Step::Fail { code });
    }

    /// For each sequence of ends: no step has more bytes than the buffer, the layout never
    /// becomes richer, and a run of reads that others end comes to an end.
    #[test]
    fn no_sequence_of_ends_leads_past_the_buffer_or_into_a_busy_loop() {
        let ends = [
            with_records(0),
            with_records(1),
            with_records(CAPACITY + 1),
            with_error(1),
            with_error(87),
            with_error(ERROR_ACCESS_DENIED),
            LOST,
            CANCELLED,
        ];
        for best in [Layout::Plain, Layout::Extended] {
            for number in 0..ends.len().pow(4) {
                let mut policy = ReadPolicy::new(CAPACITY, best);
                let mut digits = number;
                for _ in 0..4 {
                    let end = ends[digits % ends.len()];
                    digits /= ends.len();
                    let before = policy.layout();
                    let step = policy.completed(end, Intent::Continue);
                    if let Step::HandOver { bytes } = step {
                        assert!((1..=CAPACITY).contains(&bytes));
                    }
                    assert!(before == Layout::Extended || policy.layout() == Layout::Plain);
                    if matches!(step, Step::Fail { .. }) {
                        break;
                    }
                }
                let is_given_up = (0..FOREIGN_CANCEL_LIMIT)
                    .map(|_| policy.completed(CANCELLED, Intent::Continue))
                    .any(|step| matches!(step, Step::Fail { .. }));
                assert!(is_given_up);
            }
        }
    }
}
