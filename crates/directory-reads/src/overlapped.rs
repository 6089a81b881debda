//! One directory with an overlapped read: the driver of the read policy for the models `port`, `apc` and
//! `event`.

use std::os::windows::io::AsHandle as _;

use everwatch_proactor::native::Packet;

use crate::layouts::VolumeLayout;
use crate::native::{Buffer, ChangeRead, DirHandle, Filled, Idle, Pending, Ready, Via};
use crate::policy::{ReadPolicy, Step};
use crate::settings::{Layout, Settings};
use crate::verdict::Intent;

/// Where the read is.
enum Phase {
    /// In the kernel.
    Pending(ChangeRead<Pending>),
    /// Complete with records, and without a buffer to go on with. The kernel collects meanwhile.
    Starved {
        ready: ChangeRead<Ready>,
        /// The valid bytes of its buffer.
        bytes: u32,
    },
    /// Over, because the file system does not have the layout. The directory is read again by another handle.
    Refused(ChangeRead<Ready>),
    /// Over. The directory waits to be closed.
    Ended,
}

/// A directory and its read. Not thread-safe: it belongs to the thread that takes its packets.
pub(crate) struct OverlappedRead {
    phase: Phase,
    policy: ReadPolicy,
    layout: VolumeLayout,
    via: Via,
    /// Whether this side has cancelled the pending read.
    intent: Intent,
}

/// What a completion came to, in the order in which it must be reported. By then the read has been issued
/// again, unless it failed or starves. One that starves reports nothing until
/// [`OverlappedRead::resume`].
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The records.
    pub(crate) changes: Option<Filled>,
    /// Records were lost after these.
    pub(crate) is_lost: bool,
    /// The Win32 error with which the read ended.
    pub(crate) failed: Option<u32>,
}

impl OverlappedRead {
    /// Issues the first read of a directory. `key` is that of its packets.
    ///
    /// # Errors
    /// The Win32 error of the call. The directory is closed then.
    pub(crate) fn start(
        directory: DirHandle,
        settings: Settings,
        key: usize,
        via: Via,
    ) -> Result<OverlappedRead, u32> {
        let layout = VolumeLayout::of(directory.as_handle());
        let mut read = OverlappedRead {
            phase: Phase::Ended,
            policy: ReadPolicy::new(settings.bytes, layout.best),
            layout,
            via,
            intent: Intent::Continue,
        };
        let mut outcome = Outcome::default();
        read.issue(ChangeRead::new(directory, settings, key), &mut outcome);
        match outcome.failed {
            Some(code) => Err(code),
            None => Ok(read),
        }
    }

    /// The read, if the kernel has it.
    pub(crate) fn pending(&self) -> Option<&ChangeRead<Pending>> {
        match &self.phase {
            Phase::Pending(read) => Some(read),
            Phase::Starved { .. } | Phase::Refused(_) | Phase::Ended => None,
        }
    }

    /// Whether the file system may still end the read because it does not have the layout.
    pub(crate) fn is_on_trial(&self) -> bool {
        !self.layout.is_proven && self.pending().is_some()
    }

    /// The volume has the layout that was asked for.
    pub(crate) fn prove_layout(&mut self) {
        if self.is_on_trial() {
            self.layout.note(self.policy.layout());
        }
    }

    /// Opens the directory of a read again that was ended because of its layout. `None` if it was not.
    pub(crate) fn reopen_refused(&mut self) -> Option<Result<DirHandle, u32>> {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Refused(read) => Some(DirHandle::reopen(read.directory().as_handle())),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// Whether it waits for a buffer.
    pub(crate) fn is_starving(&self) -> bool {
        matches!(self.phase, Phase::Starved { .. })
    }

    /// Asks for the pending read to end. Its completion still comes.
    pub(crate) fn cancel(&mut self, ask: impl FnOnce(&ChangeRead<Pending>) -> Result<(), u32>) {
        if let Phase::Pending(read) = &self.phase {
            // An error says that its completion is under way. If it is not, the cancel is asked for again.
            let _ = ask(read);
            self.intent = Intent::Cancel;
        }
    }

    /// Takes the completion of the pending read and goes on. `spare` gives a buffer, or notes that one is
    /// wanted.
    ///
    /// # Errors
    /// The packet, if it is another read's.
    pub(crate) fn complete(
        &mut self,
        packet: Packet,
        spare: impl FnOnce() -> Option<Buffer>,
    ) -> Result<Outcome, Packet> {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Pending(read) => match read.dequeued(packet) {
                Ok(ready) => {
                    let intent = std::mem::replace(&mut self.intent, Intent::Continue);
                    let step = self.policy.completed(ready.end(), intent);
                    Ok(self.follow(step, ready, spare))
                }
                Err((read, packet)) => {
                    self.phase = Phase::Pending(read);
                    Err(packet)
                }
            },
            other => {
                self.phase = other;
                Err(packet)
            }
        }
    }

    /// Takes the completion of a read that is not wanted any more, and closes its directory.
    ///
    /// # Errors
    /// The packet, if it is another read's. The read is leaked then.
    pub(crate) fn end(self, packet: Packet) -> Result<(), Packet> {
        match self.phase {
            Phase::Pending(read) => match read.dequeued(packet) {
                Ok(_) => Ok(()),
                Err((_, packet)) => Err(packet),
            },
            Phase::Starved { .. } | Phase::Refused(_) | Phase::Ended => Err(packet),
        }
    }

    /// Goes on with a read that starved. `None` if it did not.
    pub(crate) fn resume(&mut self, spare: impl FnOnce() -> Option<Buffer>) -> Option<Outcome> {
        match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Starved { ready, bytes } => {
                Some(self.follow(Step::HandOver { bytes }, ready, spare))
            }
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// Does what the policy says about a completed read.
    fn follow(
        &mut self,
        step: Step,
        ready: ChangeRead<Ready>,
        spare: impl FnOnce() -> Option<Buffer>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        match step {
            Step::HandOver { bytes } => match spare() {
                Some(spare) => {
                    let (read, filled) = ready.exchange(spare, bytes);
                    outcome.changes = Some(filled);
                    self.issue(read, &mut outcome);
                }
                None => self.phase = Phase::Starved { ready, bytes },
            },
            Step::IssueAfterLoss => {
                outcome.is_lost = true;
                self.issue(ready.into_idle(), &mut outcome);
            }
            Step::Issue | Step::IssueFirst => self.issue(ready.into_idle(), &mut outcome),
            Step::StartOver { .. } => {
                self.layout.note(Layout::Plain);
                self.phase = Phase::Refused(ready);
            }
            Step::Fail { code } => outcome.failed = Some(code),
        }
        outcome
    }

    /// Puts the read into the kernel, or notes why it does not go there.
    fn issue(&mut self, mut read: ChangeRead<Idle>, outcome: &mut Outcome) {
        loop {
            match read.arm_via(&self.via, self.policy.layout()) {
                Ok(pending) => {
                    self.policy.accepted();
                    self.phase = Phase::Pending(pending);
                    return;
                }
                Err((idle, code)) => {
                    match self.policy.refused(code) {
                        Step::Fail { code } => return outcome.failed = Some(code),
                        Step::IssueAfterLoss => outcome.is_lost = true,
                        Step::IssueFirst => self.layout.note(Layout::Plain),
                        Step::HandOver { .. } | Step::Issue | Step::StartOver { .. } => {}
                    }
                    read = idle;
                }
            }
        }
    }
}
