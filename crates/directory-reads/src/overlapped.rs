//! One directory being read: the turn from a completion to the next read, the same in all
//! overlapped models.

use everwatch_proactor::native::Packet;

use crate::native::{Buffer, ChangeRead, DirHandle, Filled, Idle, Pending, Ready, Via};
use crate::settings::Settings;
use crate::verdict::Verdict;

const ERROR_NOTIFY_ENUM_DIR: u32 = 1022;
const ERROR_OPERATION_ABORTED: u32 = 995;

/// So many reads in a row that others cancelled, and the directory is given up.
pub(crate) const PATIENCE: u32 = 16;

enum State {
    Pending(ChangeRead<Pending>),
    /// Completed with records, and no buffer to go on with.
    Starved(ChangeRead<Ready>),
    /// Ended; only to be closed.
    Ended,
}

/// A directory and its read.
pub(crate) struct Reading {
    state: State,
    via: Via,
    /// Whether the pending read has been cancelled by this side.
    is_cancelled: bool,
    /// How many reads in a row others have cancelled.
    cancelled: u32,
}

/// What a completion came to, to be told in the order of the fields. The read has been issued again
/// unless it failed, or starves: then nothing is to be told, and [`Reading::resume`] is for later.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) changes: Option<Filled>,
    pub(crate) is_lost: bool,
    /// The read ended with this error.
    pub(crate) failed: Option<u32>,
}

impl Reading {
    /// Issues the first read.
    pub(crate) fn start(
        directory: DirHandle,
        settings: Settings,
        key: usize,
        via: Via,
    ) -> Result<Reading, u32> {
        let read = ChangeRead::new(directory, settings, key).arm_first(via);
        let read = read.map_err(|(_, error)| error)?;
        Ok(Reading {
            state: State::Pending(read),
            via,
            is_cancelled: false,
            cancelled: 0,
        })
    }

    /// The pending read, if there is one.
    pub(crate) fn pending(&self) -> Option<&ChangeRead<Pending>> {
        match &self.state {
            State::Pending(read) => Some(read),
            State::Starved(_) | State::Ended => None,
        }
    }

    pub(crate) fn is_starving(&self) -> bool {
        matches!(self.state, State::Starved(_))
    }

    /// Asks for the pending read to end.
    pub(crate) fn cancel(&mut self, ask: impl FnOnce(&ChangeRead<Pending>) -> Result<(), u32>) {
        if let State::Pending(read) = &self.state {
            // An error says that its completion is under way, or will be asked for again.
            let _ = ask(read);
            self.is_cancelled = true;
        }
    }

    /// Takes the completion of the pending read, or gives the packet back.
    pub(crate) fn complete(
        &mut self,
        packet: Packet,
        spare: impl FnOnce() -> Option<Buffer>,
    ) -> Result<Turn, Packet> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Pending(read) => match read.dequeued(packet) {
                Ok(ready) => Ok(self.turn(ready, spare)),
                Err((read, packet)) => {
                    self.state = State::Pending(read);
                    Err(packet)
                }
            },
            other => {
                self.state = other;
                Err(packet)
            }
        }
    }

    /// Takes the completion of a read that is not wanted any more, and closes its directory.
    pub(crate) fn end(self, packet: Packet) -> Result<(), Packet> {
        match self.state {
            State::Pending(read) => match read.dequeued(packet) {
                Ok(_) => Ok(()),
                Err((_, packet)) => Err(packet),
            },
            State::Starved(_) | State::Ended => Err(packet),
        }
    }

    /// Goes on after [`News::Starved`].
    pub(crate) fn resume(&mut self, spare: impl FnOnce() -> Option<Buffer>) -> Option<Turn> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Starved(ready) => Some(self.turn(ready, spare)),
            other => {
                self.state = other;
                None
            }
        }
    }

    fn turn(&mut self, ready: ChangeRead<Ready>, spare: impl FnOnce() -> Option<Buffer>) -> Turn {
        let is_ours = std::mem::take(&mut self.is_cancelled);
        let verdict = ready.verdict(is_ours);
        self.cancelled = match verdict {
            Verdict::Cancelled if !is_ours => self.cancelled + 1,
            _ => 0,
        };
        match verdict {
            Verdict::Changes { .. } => match spare() {
                Some(spare) => {
                    let (read, filled) = ready.exchange(spare);
                    let mut turn = self.again(read);
                    turn.changes = Some(filled);
                    turn
                }
                None => {
                    self.state = State::Starved(ready);
                    Turn::default()
                }
            },
            Verdict::Lost => {
                let mut turn = self.again(ready.into_idle());
                turn.is_lost = true;
                turn
            }
            Verdict::Cancelled if self.cancelled < PATIENCE => self.again(ready.into_idle()),
            Verdict::Cancelled => Turn {
                failed: Some(ERROR_OPERATION_ABORTED),
                ..Turn::default()
            },
            Verdict::Failed { code } => Turn {
                failed: Some(code),
                ..Turn::default()
            },
        }
    }

    fn again(&mut self, read: ChangeRead<Idle>) -> Turn {
        let mut turn = Turn::default();
        let mut result = read.arm_via(self.via);
        if let Err((read, ERROR_NOTIFY_ENUM_DIR)) = result {
            // Lost between the two reads, and told by the call itself.
            turn.is_lost = true;
            result = read.arm_via(self.via);
        }
        match result {
            Ok(read) => self.state = State::Pending(read),
            Err((_, code)) => turn.failed = Some(code),
        }
        turn
    }
}
