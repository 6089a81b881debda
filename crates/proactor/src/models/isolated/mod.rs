//! The reads run in a worker process, which can always be ended.
//!
//! A redirector or a filter driver can hang a thread in the kernel for ever. Here that thread is
//! another process's: when an answer does not come in time, the worker is ended, another is started,
//! and all directories are armed again but the one whose request hung, which has failed. Each that
//! is armed again is told as lost *after* its read has been issued, so that whoever then looks at
//! the tree misses nothing.
//!
//! The worker opens directories by path, and the caller's handle says which directory is meant:
//! volume and file id of both must be the same.
//!
//! Nothing here waits for the worker but `arm`, `retire`, `fence` and `close`, and these for a
//! bounded time.

mod frame;
mod line;
mod process;
mod worker;

pub use worker::serve_isolated;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::BorrowedHandle;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_FILE_INVALID, ERROR_PROCESS_ABORTED, ERROR_SEM_TIMEOUT,
};

use crate::completion::{Closed, Collected, Completion};
use crate::error::{Error, Stage};
use crate::models::isolated::frame::{Reply, Request};
use crate::models::isolated::line::{Line, Numbered};
use crate::models::isolated::process::Process;
use crate::models::{BOUND, add, check};
use crate::native::probe::{self, Identity};
use crate::proactor::Proactor;
use crate::reads::{DirectoryReads, Waker};
use crate::settings::{Layout, Settings, Tag};

/// How long a worker may take to answer before it counts as hung.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The same for the first answer: a new program may be looked through by a scanner first.
const START_LIMIT: Duration = Duration::from_secs(15);
/// How long the pipes of a worker that was ended may take to end. Those of one that hangs in the kernel do
/// not.
const ENDING_LIMIT: Duration = Duration::from_millis(500);
/// A worker from which nothing was heard for so long is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(2);
/// So many workers in a row that lived no longer than [`LONG_LIFE`], and none is started again by
/// itself.
const MOST_FAILURES: u32 = 5;
const LONG_LIFE: Duration = Duration::from_secs(10);

struct Root {
    path: Vec<u16>,
    settings: Settings,
    identity: Identity,
    /// Ended with an error; only to be retired.
    has_failed: bool,
}

/// A request that has not been answered.
struct Asked {
    number: u64,
    /// Whose it is.
    tag: Option<Tag>,
}

enum Told {
    Changes(Tag, Layout, Vec<u8>),
    Lost(Tag),
    Failed(Tag, u32),
}

impl Told {
    fn tag(&self) -> Tag {
        match self {
            Told::Changes(tag, ..) | Told::Lost(tag) | Told::Failed(tag, _) => *tag,
        }
    }
}

/// See the head of the module.
pub(crate) struct IsolatedReads {
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
    roots: BTreeMap<Tag, Root>,
    /// In the order in which the worker will answer.
    asked: VecDeque<Asked>,
    /// When the worker last answered, or was first asked.
    since: Instant,
    has_answered: bool,
    failures: u32,
    told: VecDeque<Told>,
    counts: Closed,
}

/// What an answer was waited for in vain for.
struct WorkerLost {
    culprit: Option<Tag>,
    /// It never answered anything, so the next one will hardly do better.
    is_dumb: bool,
}

impl IsolatedReads {
    pub(crate) fn start(
        program: PathBuf,
        arguments: Vec<OsString>,
    ) -> Result<IsolatedReads, Error> {
        let mut reads = IsolatedReads {
            program,
            arguments,
            proactor: Proactor::new()?,
            process: None,
            line: None,
            is_rung: false,
            worker: 0,
            born: Instant::now(),
            number: 0,
            roots: BTreeMap::new(),
            asked: VecDeque::new(),
            since: Instant::now(),
            has_answered: false,
            failures: 0,
            told: VecDeque::new(),
            counts: Closed::default(),
        };
        reads.start_worker().map_err(|code| Error {
            stage: Stage::Start,
            code,
        })?;
        Ok(reads)
    }

    fn start_worker(&mut self) -> Result<(), u32> {
        self.worker += 1;
        self.asked.clear();
        self.has_answered = false;
        let remote = self.proactor.remote();
        let (process, line) = Process::start(&remote, &self.program, &self.arguments, self.worker)?;
        self.process = Some(process);
        self.line = Some(line);
        self.born = Instant::now();
        self.ask(&Request::Ping, None);
        Ok(())
    }

    fn ask(&mut self, request: &Request, tag: Option<Tag>) -> u64 {
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

    fn ask_to_arm(&mut self, tag: Tag, path: Vec<u16>, settings: Settings) -> u64 {
        let request = Request::Arm {
            tag,
            settings,
            path,
        };
        self.ask(&request, Some(tag))
    }

    /// Acts on one reply. An answer to what somebody waits for is returned.
    fn interpret(&mut self, (reply, number): Numbered, wanted: u64) -> Option<Reply> {
        let told = match reply {
            Reply::Changes {
                tag,
                is_extended,
                bytes,
            } => {
                let layout = if is_extended {
                    Layout::Extended
                } else {
                    Layout::Plain
                };
                Told::Changes(tag, layout, bytes)
            }
            Reply::Lost(tag) => Told::Lost(tag),
            Reply::Failed(tag, code) => Told::Failed(tag, code),
            answer => return self.answered(answer, number, wanted),
        };
        let root = self.roots.get(&told.tag());
        if root.is_some_and(|root| !root.has_failed) {
            self.tell(told);
        }
        None
    }

    fn tell(&mut self, told: Told) {
        if let Told::Failed(tag, _) = told
            && let Some(root) = self.roots.get_mut(&tag)
        {
            root.has_failed = true;
        }
        if let (Told::Lost(tag), Some(Told::Lost(last))) = (&told, self.told.back())
            && tag == last
        {
            return;
        }
        self.told.push_back(told);
    }

    fn answered(&mut self, answer: Reply, number: u64, wanted: u64) -> Option<Reply> {
        let asked = self.asked.pop_front()?;
        if asked.number != number {
            // Not what this side speaks. It will not answer what it is asked for next, and end.
            self.asked.push_front(asked);
            return None;
        }
        self.since = Instant::now();
        self.has_answered = true;
        if number == wanted {
            return Some(answer);
        }
        let tag = asked.tag?;
        let root = self.roots.get(&tag)?;
        match answer {
            Reply::Armed(identity) if identity == root.identity => self.tell(Told::Lost(tag)),
            Reply::Armed(_) => {
                self.tell(Told::Failed(tag, ERROR_FILE_INVALID));
                self.ask(&Request::Retire(tag), None);
            }
            Reply::Refused(refusal) => self.tell(Told::Failed(tag, refusal.code)),
            _ => {}
        }
        None
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

    /// When the worker was last heard, or first asked.
    fn heard(&self) -> Instant {
        let heard = self.line.as_ref().and_then(|line| line.heard);
        heard.map_or(self.since, |heard| heard.max(self.since))
    }

    /// The next thing that the worker has said.
    fn received(&mut self) -> Option<Numbered> {
        let line = self.line.as_mut()?;
        if !line.has_news() {
            line.advance();
        }
        line.take()
    }

    /// Waits until there is something to take, the worker has gone, or the time is over.
    fn pump(&mut self, timeout: Option<Duration>) {
        if let Some(line) = &mut self.line {
            line.advance();
            if line.has_news() || line.has_ended() {
                return;
            }
        }
        self.is_rung |= self.proactor.poll(timeout).is_woken;
    }

    fn set_unbounded(&mut self, is_unbounded: bool) {
        if let Some(line) = &mut self.line {
            line.is_unbounded = is_unbounded;
        }
    }

    /// Starts another worker if this one has died or hangs.
    fn look_after(&mut self) -> Result<(), WorkerLost> {
        if self.process.is_none() {
            return Ok(());
        }
        let is_hung = self
            .deadline()
            .is_some_and(|deadline| Instant::now() >= deadline);
        let has_gone = self
            .line
            .as_ref()
            .is_none_or(|line| line.has_ended() && !line.has_news());
        if !is_hung && !has_gone {
            return Ok(());
        }
        let culprit = self.asked.front().and_then(|asked| asked.tag);
        let culprit = culprit.filter(|_| is_hung);
        let is_dumb = is_hung && !self.has_answered;
        self.replace_worker(culprit);
        Err(WorkerLost { culprit, is_dumb })
    }

    fn replace_worker(&mut self, culprit: Option<Tag>) {
        self.counts.workers_lost += 1;
        if let Some(process) = self.process.take() {
            process.kill();
        }
        // What it still said is true, and older than what comes.
        self.set_unbounded(true);
        let end = Instant::now() + ENDING_LIMIT;
        while let Some(line) = &mut self.line {
            line.advance();
            if line.has_ended() || Instant::now() >= end {
                break;
            }
            self.is_rung |= self.proactor.poll(Some(ENDING_LIMIT)).is_woken;
        }
        while let Some(received) = self.received() {
            self.interpret(received, 0);
        }
        self.line = None;
        self.asked.clear();
        if let Some(tag) = culprit.filter(|tag| self.roots.contains_key(tag)) {
            self.tell(Told::Failed(tag, ERROR_SEM_TIMEOUT));
        }
        if self.born.elapsed() >= LONG_LIFE {
            self.failures = 0;
        }
        self.failures += 1;
        let code = if self.failures > MOST_FAILURES {
            Err(ERROR_PROCESS_ABORTED)
        } else {
            self.start_worker()
        };
        let living: Vec<Tag> = self
            .roots
            .iter()
            .filter(|(_, root)| !root.has_failed)
            .map(|(tag, _)| *tag)
            .collect();
        for tag in living {
            match code {
                Ok(()) => {
                    let root = &self.roots[&tag];
                    let (path, settings) = (root.path.clone(), root.settings);
                    self.ask_to_arm(tag, path, settings);
                }
                Err(code) => self.tell(Told::Failed(tag, code)),
            }
        }
    }

    /// Waits for the answer to a request.
    fn answer_to(&mut self, number: u64) -> Result<Reply, WorkerLost> {
        self.set_unbounded(true);
        let answer = loop {
            if let Some(received) = self.received() {
                match self.interpret(received, number) {
                    Some(answer) => break Ok(answer),
                    None => continue,
                }
            }
            if let Err(lost) = self.look_after() {
                break Err(lost);
            }
            let left = self
                .deadline()
                .map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Without a worker there is no answer.
            if left.is_none() {
                break Err(WorkerLost {
                    culprit: None,
                    is_dumb: true,
                });
            }
            self.pump(left);
        };
        self.set_unbounded(false);
        answer
    }

    fn stop(&mut self) -> Closed {
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
        let mut counts = self.counts;
        add(&mut counts, self.proactor.end());
        counts
    }

    fn next_told(&mut self) -> Option<Told> {
        while self.told.is_empty() {
            let received = self.received()?;
            self.interpret(received, 0);
        }
        self.told.pop_front()
    }
}

fn deliver_one(told: &Told, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
    match told {
        Told::Changes(tag, layout, bytes) => deliver(
            *tag,
            Completion::Changes {
                bytes,
                layout: *layout,
            },
        ),
        Told::Lost(tag) => deliver(*tag, Completion::Lost),
        Told::Failed(tag, code) => deliver(*tag, Completion::Failed { code: *code }),
    }
}

impl DirectoryReads for IsolatedReads {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        path: &Path,
        settings: Settings,
    ) -> Result<(), Error> {
        check(self.roots.contains_key(&tag), directory, &settings)?;
        let failed = |stage| move |code| Error { stage, code };
        let identity = probe::identity(directory).map_err(failed(Stage::Open))?;
        let path: Vec<u16> = path.as_os_str().encode_wide().collect();
        if self.process.is_none() {
            self.failures = 0;
            self.start_worker().map_err(failed(Stage::Start))?;
        }
        for _ in 0..2 {
            let number = self.ask_to_arm(tag, path.clone(), settings);
            match self.answer_to(number) {
                Ok(Reply::Armed(opened)) if opened == identity => {
                    let root = Root {
                        path,
                        settings,
                        identity,
                        has_failed: false,
                    };
                    self.roots.insert(tag, root);
                    return Ok(());
                }
                Ok(Reply::Armed(_)) => {
                    let number = self.ask(&Request::Retire(tag), None);
                    let _ = self.answer_to(number);
                    return Err(failed(Stage::Identity)(ERROR_FILE_INVALID));
                }
                Ok(Reply::Refused(refusal)) => {
                    let stage = if refusal.is_open {
                        Stage::Open
                    } else {
                        Stage::Arm
                    };
                    return Err(failed(stage)(refusal.code));
                }
                Ok(_) => break,
                Err(lost) if lost.culprit == Some(tag) || lost.is_dumb => break,
                // Another's request hung, or the worker was ended by others: once more.
                Err(_) => {}
            }
        }
        Err(failed(Stage::Worker)(ERROR_SEM_TIMEOUT))
    }

    fn retire(&mut self, tag: Tag) {
        if self.roots.remove(&tag).is_none() {
            return;
        }
        if self.process.is_some() {
            let number = self.ask(&Request::Retire(tag), None);
            // A worker that has been ended has closed the directory as well.
            let _ = self.answer_to(number);
        }
        self.told.retain(|told| told.tag() != tag);
    }

    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected {
        let _ = self.look_after();
        let mut delivered = 0;
        while delivered < BOUND {
            let Some(told) = self.next_told() else {
                return Collected {
                    delivered,
                    more: false,
                };
            };
            deliver_one(&told, deliver);
            delivered += 1;
        }
        Collected {
            delivered,
            more: true,
        }
    }

    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        let number = self.ask(&Request::Fence, None);
        let end = Instant::now() + START_LIMIT;
        let mut is_lost = self.process.is_none();
        loop {
            let fenced = self
                .received()
                .and_then(|received| self.interpret(received, number));
            while let Some(told) = self.told.pop_front() {
                deliver_one(&told, deliver);
            }
            is_lost |= self.look_after().is_err();
            // After a loss the last word on each directory is that it was lost or has failed.
            let is_over = fenced.is_some() || is_lost && self.asked.is_empty();
            if is_over || Instant::now() >= end {
                return;
            }
            self.pump(Some(Duration::from_millis(50)));
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let _ = self.look_after();
            while self.told.is_empty()
                && let Some(received) = self.received()
            {
                self.interpret(received, 0);
            }
            let now = Instant::now();
            if !self.told.is_empty()
                || std::mem::take(&mut self.is_rung)
                || end.is_some_and(|end| now >= end)
            {
                return;
            }
            let is_idle = self.process.is_some() && self.asked.is_empty();
            if is_idle && now >= self.heard() + PING_AFTER {
                self.ask(&Request::Ping, None);
            }
            let left = end.map(|end| end.saturating_duration_since(now));
            let patience = self.process.is_some().then_some(PING_AFTER);
            self.pump([left, patience].into_iter().flatten().min());
        }
    }

    fn waker(&self) -> Waker {
        Waker(Arc::new(self.proactor.remote()))
    }

    fn close(mut self: Box<Self>) -> Closed {
        self.stop()
    }
}

impl Drop for IsolatedReads {
    fn drop(&mut self) {
        self.stop();
    }
}
