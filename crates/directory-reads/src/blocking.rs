//! A thread to each directory, in a read that blocks and can be cancelled.
//!
//! The first read on a handle makes the kernel keep a list of changes for as long as the handle is
//! open, and a cancelled read leaves that list alone. That is what makes a blocking read usable:
//!
//! - **Armed before `arm` returns.** A blocking call cannot say that it has begun. So `arm` cancels
//!   the thread's first read until it comes back; then it was in the kernel, and the list is kept.
//! - **A fence** cancels twice. What comes back from the second read, or that nothing does, shows
//!   that the list was empty.
//! - **Stopping** cancels until the thread says that it left the call. Only then is the handle
//!   closed: on Windows, closing it earlier would wait for the very read that is to be ended.
//!
//! A cancel that comes just before the thread enters the kernel does nothing, so each is repeated.
//! While one is being asked for, the thread cannot leave its round: it ends that read or none.

use std::collections::HashMap;
use std::os::windows::io::BorrowedHandle;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use everwatch_proactor::RETURN_LIMIT;
use everwatch_proactor::native::spawn;
use windows_sys::Win32::Foundation::ERROR_SEM_TIMEOUT;

use crate::completion::Closed;
use crate::double_buffer::Lane;
use crate::error::{Error, Stage};
use crate::message_queue::{Handover, Parcel};
use crate::native::waits;
use crate::native::{BlockingDirectory, BlockingRead, best_layout};
use crate::policy::{ReadPolicy, Step};
use crate::settings::{Settings, Tag};
use crate::threaded::{Crew, Crewed};
use crate::verdict::Intent;

/// Between one cancel and the next.
const ASK_AGAIN: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Round {
    /// From before the call until after it.
    is_inside: bool,
    /// Whether this round's read has been cancelled by this side.
    is_cancelled: bool,
    /// How many reads are over and handed over.
    over: u64,
    /// How many reads are to be over for a running fence, and its number.
    fence: Option<(u64, u64)>,
    is_stopping: bool,
    /// The thread holds the handle no longer.
    is_gone: bool,
    /// What the first read failed with.
    failed: Option<u32>,
}

/// What the thread and the caller share.
struct Shared {
    round: Mutex<Round>,
    changed: Condvar,
}

impl Shared {
    fn round(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, round: MutexGuard<'a, Round>) -> MutexGuard<'a, Round> {
        self.changed
            .wait(round)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

struct Seat {
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
    directory: Arc<BlockingDirectory>,
}

struct Reader {
    tag: Tag,
    shared: Arc<Shared>,
    directory: Arc<BlockingDirectory>,
    read: BlockingRead,
    policy: ReadPolicy,
    lane: Arc<Lane>,
    handover: Arc<Handover>,
}

impl Reader {
    fn run(mut self) {
        self.read_on();
        let Reader {
            shared,
            directory,
            handover,
            ..
        } = self;
        drop(directory);
        let mut round = shared.round();
        round.is_gone = true;
        if let Some((_, number)) = round.fence.take() {
            handover.push(Parcel::Fenced(number));
        }
        drop(round);
        shared.changed.notify_all();
    }

    /// Reads until it must stop or the read fails.
    fn read_on(&mut self) {
        loop {
            {
                let mut round = self.shared.round();
                if round.is_stopping {
                    return;
                }
                round.is_inside = true;
                round.is_cancelled = false;
            }
            let end = self.read.read(&self.directory, self.policy.layout());
            let (intent, is_first) = {
                let mut round = self.shared.round();
                round.is_inside = false;
                let intent = match round.is_cancelled {
                    true => Intent::Cancel,
                    false => Intent::Continue,
                };
                (intent, round.over == 0)
            };
            let mut failed = None;
            match self.policy.completed(end, intent) {
                Step::IssueFirst => continue,
                Step::HandOver { bytes } => {
                    if !self.hand_over(bytes) {
                        return;
                    }
                }
                Step::IssueAfterLoss => self.handover.push_lost(self.tag),
                Step::Issue => {}
                Step::Fail { code } => failed = Some(code),
            }
            let mut round = self.shared.round();
            if let Some(code) = failed {
                if is_first {
                    round.failed = Some(code);
                } else {
                    self.handover.push(Parcel::Failed(self.tag, code));
                }
            }
            round.over += 1;
            let over = round.over;
            if let Some((_, number)) = round.fence.take_if(|fence| fence.0 <= over) {
                self.handover.push(Parcel::Fenced(number));
            }
            drop(round);
            self.shared.changed.notify_all();
            if failed.is_some() {
                return;
            }
        }
    }

    /// Waits for a buffer to go on with, and leaves the records. `false` if it is to stop instead.
    fn hand_over(&mut self, bytes: u32) -> bool {
        let mut round = self.shared.round();
        let spare = loop {
            if round.is_stopping {
                return false;
            }
            match self.lane.take() {
                Some(spare) => break spare,
                None => round = self.shared.wait(round),
            }
        };
        drop(round);
        let filled = self.read.exchange(spare, bytes);
        let lane = Arc::clone(&self.lane);
        self.handover.push(Parcel::Changes(self.tag, lane, filled));
        true
    }
}

impl Seat {
    fn start(
        tag: Tag,
        directory: BlockingDirectory,
        settings: Settings,
        handover: &Arc<Handover>,
    ) -> Result<Seat, u32> {
        let shared = Arc::new(Shared {
            round: Mutex::default(),
            changed: Condvar::new(),
        });
        let directory = Arc::new(directory);
        let reader = Reader {
            tag,
            shared: Arc::clone(&shared),
            directory: Arc::clone(&directory),
            read: BlockingRead::new(settings),
            policy: ReadPolicy::new(settings.bytes, best_layout()),
            lane: Lane::new(settings.bytes),
            handover: Arc::clone(handover),
        };
        let thread = spawn("everwatch-read", move || reader.run())?;
        Ok(Seat {
            thread,
            shared,
            directory,
        })
    }

    /// Ends the read that the thread is in, if it is in one.
    fn cancel(&self, round: &mut Round) {
        if round.is_inside {
            round.is_cancelled = true;
            if waits::cancel_blocking(&self.thread).is_err() {
                let _ = self.directory.cancel();
            }
        }
    }

    /// Cancels again and again until this is so, or the time is over. Whether it is so.
    fn cancel_until(&self, is_so: impl Fn(&Round) -> bool) -> bool {
        let deadline = Instant::now() + RETURN_LIMIT;
        let mut round = self.shared.round();
        while !is_so(&round) {
            if Instant::now() >= deadline {
                return false;
            }
            self.cancel(&mut round);
            let woken = self.shared.changed.wait_timeout(round, ASK_AGAIN);
            round = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn ask_to_stop(&self) {
        self.shared.round().is_stopping = true;
        self.shared.changed.notify_all();
    }

    /// Ends the thread and closes the directory. `false` if the kernel does not let go of the
    /// thread: then both are left to it.
    fn stop(self) -> bool {
        self.ask_to_stop();
        let is_gone = self.cancel_until(|round| round.is_gone);
        if is_gone {
            let _ = self.thread.join();
        }
        is_gone
    }
}

/// The threads.
pub(crate) struct Seats {
    seats: HashMap<Tag, Seat>,
    handover: Arc<Handover>,
    counts: Closed,
}

impl Seats {
    pub(crate) fn start() -> Crewed<Seats> {
        let handover = Arc::new(Handover::default());
        let seats = Seats {
            seats: HashMap::new(),
            handover: Arc::clone(&handover),
            counts: Closed::default(),
        };
        Crewed::new(seats, handover)
    }

    fn end(&mut self, seat: Seat) {
        if !seat.stop() {
            self.counts.leaked += 1;
        }
    }
}

impl Crew for Seats {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        settings: Settings,
    ) -> Result<(), Error> {
        let failed = |stage| move |code| Error { stage, code };
        let directory = BlockingDirectory::reopen(directory).map_err(failed(Stage::Open))?;
        let seat = Seat::start(tag, directory, settings, &self.handover);
        let seat = seat.map_err(failed(Stage::Start))?;
        let has_left = seat.cancel_until(|round| round.over > 0 || round.is_gone);
        let refused = seat.shared.round().failed;
        if has_left && refused.is_none() {
            self.seats.insert(tag, seat);
            return Ok(());
        }
        self.end(seat);
        Err(match refused {
            Some(code) => failed(Stage::Arm)(code),
            None => failed(Stage::Worker)(ERROR_SEM_TIMEOUT),
        })
    }

    fn retire(&mut self, tag: Tag) {
        if let Some(seat) = self.seats.remove(&tag) {
            self.end(seat);
        }
    }

    fn resume(&mut self, tag: Tag) {
        if let Some(seat) = self.seats.get(&tag) {
            // The thread looks and waits under this lock, so it is either waiting or has looked.
            drop(seat.shared.round());
            seat.shared.changed.notify_all();
        }
    }

    fn fence(&mut self, number: u64) -> usize {
        let mut count = 0;
        for seat in self.seats.values() {
            let mut round = seat.shared.round();
            if !round.is_gone && !seat.thread.is_finished() {
                round.fence = Some((round.over + 2, number));
                seat.cancel(&mut round);
                count += 1;
            }
        }
        count
    }

    fn push_fence(&mut self) {
        for seat in self.seats.values() {
            let mut round = seat.shared.round();
            if round.fence.is_some() {
                seat.cancel(&mut round);
            }
        }
    }

    fn stop(&mut self) -> Closed {
        for seat in self.seats.values() {
            seat.ask_to_stop();
        }
        for (_, seat) in std::mem::take(&mut self.seats) {
            self.end(seat);
        }
        self.counts
    }
}
