//! The supervisor of a worker: it starts the worker, sends requests, judges whether the worker lives, and ends
//! it.
//!
//! A worker answers in the order of its requests, and everything that it sends counts as a sign of life. The
//! first answer may take longer, because the program must be loaded for it. There is one worker at a time, and
//! what the last one has sent is taken before the next is started.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use everwatch_proactor::{Proactor, Remote};
use windows_sys::Win32::Foundation::{ERROR_PROCESS_ABORTED, ERROR_SEM_TIMEOUT};

use crate::completion::Closed;
use crate::error::Error;
use crate::isolated::channel::{Channel, Numbered, ReadAhead};
use crate::isolated::frame::Request;
use crate::isolated::worker_process::WorkerProcess;
use crate::settings::Tag;

/// How long a worker may take to answer before it counts as hung.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The same for the first answer: a virus scanner may look through a new program first.
pub(super) const START_LIMIT: Duration = Duration::from_secs(15);

/// How long the pipes of a worker that was ended may take to end. Those of one that hangs in the kernel do not
/// end.
const ENDING_LIMIT: Duration = Duration::from_millis(500);

/// After this silence a worker that owes no answer is pinged.
const PING_AFTER: Duration = Duration::from_secs(2);

/// After this many workers in a row that lived shorter than [`LONG_LIFE`], the next is started only by `arm`.
const FAILURE_LIMIT: u32 = 5;

/// How long a worker must live so that the failures before it do not count.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// A request that was not answered yet.
struct Asked {
    number: u64,
    /// The directory that it is about.
    tag: Option<Tag>,
}

/// The loss of a worker: why waiting for a reply failed.
pub(super) struct WorkerLost {
    /// The directory whose request hung.
    pub(super) culprit: Option<Tag>,
    /// The worker hung without having answered anything, so the next one will hardly do better.
    pub(super) never_answered: bool,
    /// The reason, as a Win32 error.
    pub(super) code: u32,
}

/// The worker in use, and the loop that serves its pipes.
pub(super) struct Supervisor {
    program: PathBuf,
    arguments: Vec<OsString>,
    proactor: Proactor,
    /// `None` when too many have died.
    process: Option<WorkerProcess>,
    /// To the worker, or to the last one.
    channel: Option<Channel>,
    /// The waker was rung during a poll, and has not ended a wait yet.
    is_rung: bool,
    /// The number of the current worker; the first is 1.
    worker: u64,
    /// When the current worker was started.
    started: Instant,
    /// The number of the last request.
    last_request: u64,
    /// In the order in which the worker will answer.
    asked: VecDeque<Asked>,
    /// When the worker last answered, or was first asked since it owed nothing.
    since: Instant,
    has_answered: bool,
    /// How many workers in a row have died early.
    failures: u32,
}

impl Supervisor {
    /// Makes the loop, without a worker.
    pub(super) fn new(program: PathBuf, arguments: Vec<OsString>) -> Result<Supervisor, Error> {
        Ok(Supervisor {
            program,
            arguments,
            proactor: Proactor::new().map_err(|error| Error::of_start(&error))?,
            process: None,
            channel: None,
            is_rung: false,
            worker: 0,
            started: Instant::now(),
            last_request: 0,
            asked: VecDeque::new(),
            since: Instant::now(),
            has_answered: false,
            failures: 0,
        })
    }

    /// The remote of the loop, which ends its polls.
    pub(super) fn remote(&self) -> Remote {
        self.proactor.remote()
    }

    /// Starts a worker, however many have died.
    pub(super) fn start_afresh(&mut self) -> Result<(), u32> {
        self.failures = 0;
        self.start()
    }

    /// Starts a worker and pings it, so that its first answer is owed from now on.
    fn start(&mut self) -> Result<(), u32> {
        self.worker += 1;
        self.asked.clear();
        self.has_answered = false;
        let (remote, number) = (self.remote(), self.worker);
        let (process, channel) =
            WorkerProcess::start(&remote, &self.program, &self.arguments, number)?;
        self.process = Some(process);
        self.channel = Some(channel);
        self.started = Instant::now();
        self.ask(&Request::Ping, None);
        Ok(())
    }

    pub(super) fn has_worker(&self) -> bool {
        self.process.is_some()
    }

    /// Whether every request was answered.
    pub(super) fn is_answered(&self) -> bool {
        self.asked.is_empty()
    }

    /// Sends a request to the worker, if there is one. Returns the number that its answer will have.
    pub(super) fn ask(&mut self, request: &Request, tag: Option<Tag>) -> u64 {
        self.last_request += 1;
        if self.asked.is_empty() {
            self.since = Instant::now();
        }
        if let (Some(_), Some(channel)) = (&self.process, &mut self.channel) {
            channel.send(&request.encode(self.last_request));
            self.asked.push_back(Asked {
                number: self.last_request,
                tag,
            });
        }
        self.last_request
    }

    /// Pings a worker that was silent for a while and owes no answer.
    pub(super) fn ping(&mut self) {
        let is_idle = self.has_worker() && self.is_answered();
        if is_idle && Instant::now() >= self.heard() + PING_AFTER {
            self.ask(&Request::Ping, None);
        }
    }

    /// How long to wait at most before the next [`Supervisor::ping`].
    pub(super) fn until_ping(&self) -> Option<Duration> {
        self.has_worker().then_some(PING_AFTER)
    }

    /// Notes that a request was answered. Returns the directory that it was about; `None` if it was not the
    /// next request.
    pub(super) fn answered(&mut self, number: u64) -> Option<Option<Tag>> {
        // A worker that answers another request does not speak this protocol. It will not answer the next
        // request in time, and be ended.
        let next = self.asked.front().filter(|asked| asked.number == number)?;
        let tag = next.tag;
        self.asked.pop_front();
        self.since = Instant::now();
        self.has_answered = true;
        Some(tag)
    }

    /// When the worker will count as hung, unless it answers before.
    fn deadline(&self) -> Option<Instant> {
        self.asked.front()?;
        let limit = match self.has_answered {
            true => ANSWER_LIMIT,
            false => START_LIMIT,
        };
        Some(self.heard() + limit)
    }

    /// How long the next answer may still take; `None` if none is owed.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline()?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// The last sign of life, or the first request that owes one.
    fn heard(&self) -> Instant {
        let heard = self.channel.as_ref().and_then(Channel::heard);
        heard.map_or(self.since, |heard| heard.max(self.since))
    }

    /// The next reply of the worker.
    pub(super) fn received(&mut self) -> Option<Numbered> {
        let channel = self.channel.as_mut()?;
        if !channel.has_news() {
            channel.advance();
        }
        channel.take()
    }

    /// Waits until there is a reply, the worker has gone, the waker was rung, or the time is over.
    pub(super) fn pump(&mut self, timeout: Option<Duration>) {
        if let Some(channel) = &mut self.channel {
            channel.advance();
            if channel.has_news() || channel.has_ended() {
                return;
            }
        }
        self.is_rung |= self.proactor.poll(timeout).is_woken;
    }

    /// Whether the waker was rung since the last call.
    pub(super) fn take_ring(&mut self) -> bool {
        std::mem::take(&mut self.is_rung)
    }

    pub(super) fn set_read_ahead(&mut self, read_ahead: ReadAhead) {
        if let Some(channel) = &mut self.channel {
            channel.set_read_ahead(read_ahead);
        }
    }

    /// Whether the next answer is overdue.
    fn is_late(&self) -> bool {
        self.time_left() == Some(Duration::ZERO)
    }

    /// Judges whether the worker has died or hangs.
    pub(super) fn judge(&mut self) -> Result<(), WorkerLost> {
        if self.process.is_none() {
            return Ok(());
        }
        if self.is_late() {
            // It may be this side that was away: what came meanwhile is a sign of life.
            self.is_rung |= self.proactor.poll(Some(Duration::ZERO)).is_woken;
            if let Some(channel) = &mut self.channel {
                channel.advance();
            }
        }
        if self.channel.as_ref().is_some_and(Channel::has_news) {
            return Ok(());
        }
        let is_hung = self.is_late();
        let has_gone = self.channel.as_ref().is_none_or(Channel::has_ended);
        if !is_hung && !has_gone {
            return Ok(());
        }
        let culprit = self.asked.front().and_then(|asked| asked.tag);
        Err(WorkerLost {
            culprit: culprit.filter(|_| is_hung),
            never_answered: is_hung && !self.has_answered,
            code: match is_hung {
                true => ERROR_SEM_TIMEOUT,
                false => ERROR_PROCESS_ABORTED,
            },
        })
    }

    /// Ends a worker that was judged. What it has sent before is true, and can be received now.
    pub(super) fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
        self.set_read_ahead(ReadAhead::Unbounded);
        let end = Instant::now() + ENDING_LIMIT;
        while let Some(channel) = &mut self.channel {
            channel.advance();
            if channel.has_ended() || Instant::now() >= end {
                break;
            }
            self.is_rung |= self.proactor.poll(Some(ENDING_LIMIT)).is_woken;
        }
    }

    /// Starts a worker in the place of one that was ended, unless too many have died early.
    pub(super) fn replace(&mut self) -> Result<(), u32> {
        self.channel = None;
        self.asked.clear();
        if self.started.elapsed() >= LONG_LIFE {
            self.failures = 0;
        }
        self.failures += 1;
        if self.failures > FAILURE_LIMIT {
            return Err(ERROR_PROCESS_ABORTED);
        }
        self.start()
    }

    /// Ends the worker, and everything that is on its way to it and from it.
    pub(super) fn stop(&mut self) -> Closed {
        // A worker ends when its requests do.
        self.channel = None;
        let end = Instant::now() + ENDING_LIMIT;
        while self.proactor.remote().in_flight() > 0 && Instant::now() < end {
            self.proactor.poll(Some(ENDING_LIMIT));
        }
        match self.process.take() {
            Some(process) if self.has_answered => process.end(),
            // It is still being loaded, and has nothing open.
            Some(process) => process.kill(),
            None => {}
        }
        self.proactor.shut_down().into()
    }
}
