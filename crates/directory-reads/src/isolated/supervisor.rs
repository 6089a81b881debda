//! The worker in use: started, asked, listened to, judged, and ended.
//!
//! A worker answers in the order in which it was asked, and whatever it says counts as a sign of life. The
//! first answer may take longer, as the program has to be loaded for it. There is one worker at a time, and
//! what the last one still said is heard before the next is started.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use everwatch_proactor::{Proactor, Remote};
use windows_sys::Win32::Foundation::{ERROR_PROCESS_ABORTED, ERROR_SEM_TIMEOUT};

use crate::common::of_loop;
use crate::completion::Closed;
use crate::error::{Error, of_start};
use crate::isolated::channel::{Line, Numbered};
use crate::isolated::frame::Request;
use crate::isolated::worker_process::Process;
use crate::settings::Tag;

/// How long a worker may take to answer before it counts as hung.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The same for the first answer: a new program may be looked through by a scanner first.
pub(super) const START_LIMIT: Duration = Duration::from_secs(15);
/// How long the pipes of a worker that was ended may take to end. Those of one that hangs in the kernel do
/// not.
const ENDING_LIMIT: Duration = Duration::from_millis(500);
/// A worker from which nothing was heard for so long is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(2);
/// So many workers in a row that lived no longer than [`LONG_LIFE`], and none is started again by
/// itself.
const MOST_FAILURES: u32 = 5;
const LONG_LIFE: Duration = Duration::from_secs(10);

/// A request that has not been answered.
struct Asked {
    number: u64,
    /// Whose it is.
    tag: Option<Tag>,
}

/// What an answer was waited for in vain for.
pub(super) struct WorkerLost {
    /// Whose request hung.
    pub(super) culprit: Option<Tag>,
    /// It never answered anything, so the next one will hardly do better.
    pub(super) is_dumb: bool,
    /// How it was lost, as a Win32 error.
    pub(super) code: u32,
}

/// See the head of the module.
pub(super) struct Keeper {
    program: PathBuf,
    arguments: Vec<OsString>,
    proactor: Proactor,
    /// `None` when too many have died.
    process: Option<Process>,
    /// The pipes to the worker, or to the last one.
    line: Option<Line>,
    /// A ring that ended a poll and has not ended a wait yet.
    is_rung: bool,
    /// The number of the current worker; the first is 1.
    worker: u64,
    born: Instant,
    /// The number of the last request.
    number: u64,
    /// In the order in which the worker will answer.
    asked: VecDeque<Asked>,
    /// When the worker last answered, or was first asked.
    since: Instant,
    has_answered: bool,
    failures: u32,
}

impl Keeper {
    /// Without a worker.
    pub(super) fn new(program: PathBuf, arguments: Vec<OsString>) -> Result<Keeper, Error> {
        Ok(Keeper {
            program,
            arguments,
            proactor: Proactor::new().map_err(of_start)?,
            process: None,
            line: None,
            is_rung: false,
            worker: 0,
            born: Instant::now(),
            number: 0,
            asked: VecDeque::new(),
            since: Instant::now(),
            has_answered: false,
            failures: 0,
        })
    }

    pub(super) fn remote(&self) -> Remote {
        self.proactor.remote()
    }

    /// Starts a worker, however many have died.
    pub(super) fn start_afresh(&mut self) -> Result<(), u32> {
        self.failures = 0;
        self.start()
    }

    fn start(&mut self) -> Result<(), u32> {
        self.worker += 1;
        self.asked.clear();
        self.has_answered = false;
        let (process, line) =
            Process::start(&self.remote(), &self.program, &self.arguments, self.worker)?;
        self.process = Some(process);
        self.line = Some(line);
        self.born = Instant::now();
        self.ask(&Request::Ping, None);
        Ok(())
    }

    pub(super) fn has_worker(&self) -> bool {
        self.process.is_some()
    }

    /// Whether everything has been answered.
    pub(super) fn is_answered(&self) -> bool {
        self.asked.is_empty()
    }

    /// Asks the worker, if there is one. Returns the number that the answer will have.
    pub(super) fn ask(&mut self, request: &Request, tag: Option<Tag>) -> u64 {
        self.number += 1;
        if self.asked.is_empty() {
            self.since = Instant::now();
        }
        if let (Some(_), Some(line)) = (&self.process, &mut self.line) {
            line.ask(&request.encode(self.number));
            self.asked.push_back(Asked {
                number: self.number,
                tag,
            });
        }
        self.number
    }

    /// Asks a worker that has been silent and owes no answer whether it is there.
    pub(super) fn ping(&mut self) {
        let is_idle = self.has_worker() && self.is_answered();
        if is_idle && Instant::now() >= self.heard() + PING_AFTER {
            self.ask(&Request::Ping, None);
        }
    }

    /// How long to wait at most before [`Keeper::ping`].
    pub(super) fn patience(&self) -> Option<Duration> {
        self.has_worker().then_some(PING_AFTER)
    }

    /// Notes that a request was answered. Returns whose it was; `None` if it was not the next.
    pub(super) fn answered(&mut self, number: u64) -> Option<Option<Tag>> {
        // Another is not what this side speaks. Such a worker will not answer what it is asked for next, and
        // be ended.
        let tag = self
            .asked
            .front()
            .filter(|asked| asked.number == number)?
            .tag;
        self.asked.pop_front();
        self.since = Instant::now();
        self.has_answered = true;
        Some(tag)
    }

    /// When the worker will count as hung, if it does not answer before.
    fn deadline(&self) -> Option<Instant> {
        self.asked.front()?;
        let limit = if self.has_answered {
            ANSWER_LIMIT
        } else {
            START_LIMIT
        };
        Some(self.heard() + limit)
    }

    /// How long an answer may still take; `None` if none is owed.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline()?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// When the worker was last heard, or first asked.
    fn heard(&self) -> Instant {
        let heard = self.line.as_ref().and_then(|line| line.heard);
        heard.map_or(self.since, |heard| heard.max(self.since))
    }

    /// The next thing that the worker has said.
    pub(super) fn received(&mut self) -> Option<Numbered> {
        let line = self.line.as_mut()?;
        if !line.has_news() {
            line.advance();
        }
        line.take()
    }

    /// Waits until there is something to take, the worker has gone, or the time is over.
    pub(super) fn pump(&mut self, timeout: Option<Duration>) {
        if let Some(line) = &mut self.line {
            line.advance();
            if line.has_news() || line.has_ended() {
                return;
            }
        }
        self.is_rung |= self.proactor.poll(timeout).is_woken;
    }

    /// Whether somebody has rung since this was last asked.
    pub(super) fn take_ring(&mut self) -> bool {
        std::mem::take(&mut self.is_rung)
    }

    /// Whether everything that the worker says is taken, however much that is.
    pub(super) fn set_unbounded(&mut self, is_unbounded: bool) {
        if let Some(line) = &mut self.line {
            line.is_unbounded = is_unbounded;
        }
    }

    fn is_late(&self) -> bool {
        self.time_left() == Some(Duration::ZERO)
    }

    /// Whether the worker has died or hangs.
    pub(super) fn judge(&mut self) -> Result<(), WorkerLost> {
        if self.process.is_none() {
            return Ok(());
        }
        if self.is_late() {
            // It may be this side that was away for so long: what came meanwhile is a sign of life.
            self.is_rung |= self.proactor.poll(Some(Duration::ZERO)).is_woken;
            if let Some(line) = &mut self.line {
                line.advance();
            }
        }
        if self.line.as_ref().is_some_and(Line::has_news) {
            return Ok(());
        }
        let is_hung = self.is_late();
        let has_gone = self.line.as_ref().is_none_or(Line::has_ended);
        if !is_hung && !has_gone {
            return Ok(());
        }
        let culprit = self.asked.front().and_then(|asked| asked.tag);
        Err(WorkerLost {
            culprit: culprit.filter(|_| is_hung),
            is_dumb: is_hung && !self.has_answered,
            code: match is_hung {
                true => ERROR_SEM_TIMEOUT,
                false => ERROR_PROCESS_ABORTED,
            },
        })
    }

    /// Ends a worker that was judged. What it still said is true, and can be received now.
    pub(super) fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
        self.set_unbounded(true);
        let end = Instant::now() + ENDING_LIMIT;
        while let Some(line) = &mut self.line {
            line.advance();
            if line.has_ended() || Instant::now() >= end {
                break;
            }
            self.is_rung |= self.proactor.poll(Some(ENDING_LIMIT)).is_woken;
        }
    }

    /// Starts a worker in the place of one that was ended, unless too many have died.
    pub(super) fn replace(&mut self) -> Result<(), u32> {
        self.line = None;
        self.asked.clear();
        if self.born.elapsed() >= LONG_LIFE {
            self.failures = 0;
        }
        self.failures += 1;
        if self.failures > MOST_FAILURES {
            return Err(ERROR_PROCESS_ABORTED);
        }
        self.start()
    }

    /// Ends the worker, and all that is under way to and from it.
    pub(super) fn stop(&mut self) -> Closed {
        // The end of its requests is what ends a worker.
        self.line = None;
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
        of_loop(self.proactor.shut_down())
    }
}
