//! The model `isolated`: a worker process reads, which can always be ended.
//!
//! A redirector or a filter driver can hang a thread in the kernel forever. Here that thread is another
//! process's. When an answer does not come in time, the worker is ended, another is started, and all
//! directories are armed again, except the one whose request hung, which has failed. Each directory that is
//! armed again is reported as lost *after* its read was issued, so that a caller who then looks at the tree
//! misses nothing.
//!
//! The worker opens directories by path, and the caller's handle decides which directory is meant: volume and
//! file id of both must be equal.
//!
//! Only `arm`, `retire`, `fence` and `close` wait for the worker, and each for a bounded time.

mod channel;
mod frame;
mod supervisor;
mod worker;
mod worker_process;

pub use worker::serve_isolated;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::BorrowedHandle;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{ERROR_FILE_INVALID, ERROR_SEM_TIMEOUT};

use crate::completion::{Closed, Collected, Completion};
use crate::error::{Error, Stage};
use crate::isolated::channel::{Numbered, ReadAhead};
use crate::isolated::frame::{Reply, Request};
use crate::isolated::supervisor::{START_LIMIT, Supervisor, WorkerLost};
use crate::limits::{COMPLETIONS_PER_COLLECT, TagUse, check};
use crate::native::{Identity, identity};
use crate::reads::{DirectoryReads, Waker};
use crate::settings::{Layout, Settings, Tag};

/// How long a fence waits for replies before it looks after the worker again.
const FENCE_PAUSE: Duration = Duration::from_millis(50);

/// How often `arm` is tried: a worker that was lost for another reason is no answer.
const ARM_ATTEMPTS: usize = 2;

/// No request has this number.
const NO_REQUEST: u64 = 0;

/// A directory that was armed.
struct Root {
    /// In UTF-16 units.
    path: Vec<u16>,
    settings: Settings,
    identity: Identity,
    /// The read has ended with an error. The directory waits to be retired.
    has_failed: bool,
}

/// A completion that waits to be delivered.
enum Delivery {
    Changes(Tag, Layout, Vec<u8>),
    Lost(Tag),
    /// The Win32 error with which the read ended.
    Failed(Tag, u32),
}

impl Delivery {
    fn tag(&self) -> Tag {
        match self {
            Delivery::Changes(tag, ..) | Delivery::Lost(tag) | Delivery::Failed(tag, _) => *tag,
        }
    }

    /// Delivers it.
    fn to(&self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        let completion = match self {
            Delivery::Changes(_, layout, bytes) => Completion::Changes {
                bytes,
                layout: *layout,
            },
            Delivery::Lost(_) => Completion::Lost,
            Delivery::Failed(_, code) => Completion::Failed { code: *code },
        };
        deliver(self.tag(), completion);
    }
}

/// Any number of directories that a worker process reads.
pub(crate) struct IsolatedReads {
    supervisor: Supervisor,
    roots: BTreeMap<Tag, Root>,
    deliveries: VecDeque<Delivery>,
    counts: Closed,
}

impl IsolatedReads {
    /// Starts the first worker.
    pub(crate) fn start(
        program: PathBuf,
        arguments: Vec<OsString>,
    ) -> Result<IsolatedReads, Error> {
        let mut supervisor = Supervisor::new(program, arguments)?;
        let started = supervisor.start_afresh();
        started.map_err(Error::at(Stage::Start))?;
        Ok(IsolatedReads {
            supervisor,
            roots: BTreeMap::new(),
            deliveries: VecDeque::new(),
            counts: Closed::default(),
        })
    }

    /// Sends the request to arm a directory. Returns its number.
    fn ask_to_arm(&mut self, tag: Tag, path: Vec<u16>, settings: Settings) -> u64 {
        let request = Request::Arm {
            tag,
            settings,
            path,
        };
        self.supervisor.ask(&request, Some(tag))
    }

    /// Acts on one reply. Returns the answer to the request of this number.
    fn interpret(&mut self, (reply, number): Numbered, wanted: u64) -> Option<Reply> {
        let delivery = match reply {
            Reply::Changes { tag, layout, bytes } => Delivery::Changes(tag, layout, bytes),
            Reply::Lost(tag) => Delivery::Lost(tag),
            Reply::Failed(tag, code) => Delivery::Failed(tag, code),
            answer => return self.answered(answer, number, wanted),
        };
        let root = self.roots.get(&delivery.tag());
        if root.is_some_and(|root| !root.has_failed) {
            self.queue(delivery);
        }
        None
    }

    /// Queues a completion, unless it repeats that records were lost.
    fn queue(&mut self, delivery: Delivery) {
        if let Delivery::Failed(tag, _) = delivery
            && let Some(root) = self.roots.get_mut(&tag)
        {
            root.has_failed = true;
        }
        if let (Delivery::Lost(tag), Some(Delivery::Lost(last))) =
            (&delivery, self.deliveries.back())
            && tag == last
        {
            return;
        }
        self.deliveries.push_back(delivery);
    }

    /// Acts on an answer. Returns it if its request is waited for.
    fn answered(&mut self, answer: Reply, number: u64, wanted: u64) -> Option<Reply> {
        let tag = self.supervisor.answered(number)?;
        if number == wanted {
            return Some(answer);
        }
        let tag = tag?;
        let root = self.roots.get(&tag)?;
        match answer {
            Reply::Armed(identity) if identity == root.identity => {
                self.queue(Delivery::Lost(tag));
            }
            Reply::Armed(_) => {
                self.queue(Delivery::Failed(tag, ERROR_FILE_INVALID));
                self.supervisor.ask(&Request::Retire(tag), None);
            }
            Reply::Refused(refusal) => self.queue(Delivery::Failed(tag, refusal.code)),
            _ => {}
        }
        None
    }

    /// Replaces the worker if it has died or hangs.
    fn look_after(&mut self) -> Result<(), WorkerLost> {
        let judged = self.supervisor.judge();
        if let Err(lost) = &judged {
            self.replace_worker(lost.culprit);
        }
        judged
    }

    /// Ends the worker, starts another, and asks it to arm all directories but the one whose request hung.
    fn replace_worker(&mut self, culprit: Option<Tag>) {
        self.counts.workers_lost += 1;
        self.supervisor.kill();
        // What it has sent is older than what the next one sends.
        while let Some(received) = self.supervisor.received() {
            self.interpret(received, NO_REQUEST);
        }
        if let Some(tag) = culprit.filter(|tag| self.roots.contains_key(tag)) {
            self.queue(Delivery::Failed(tag, ERROR_SEM_TIMEOUT));
        }
        let replaced = self.supervisor.replace();
        let living: Vec<Tag> = self
            .roots
            .iter()
            .filter(|(_, root)| !root.has_failed)
            .map(|(tag, _)| *tag)
            .collect();
        for tag in living {
            match replaced {
                Ok(()) => {
                    let root = &self.roots[&tag];
                    let (path, settings) = (root.path.clone(), root.settings);
                    self.ask_to_arm(tag, path, settings);
                }
                Err(code) => self.queue(Delivery::Failed(tag, code)),
            }
        }
    }

    /// Waits for the answer to a request.
    fn answer_to(&mut self, number: u64) -> Result<Reply, WorkerLost> {
        self.supervisor.set_read_ahead(ReadAhead::Unbounded);
        let answer = loop {
            if let Some(received) = self.supervisor.received() {
                match self.interpret(received, number) {
                    Some(answer) => break Ok(answer),
                    None => continue,
                }
            }
            if let Err(lost) = self.look_after() {
                break Err(lost);
            }
            let left = self.supervisor.time_left();
            // Without a worker no answer is owed.
            if left.is_none() {
                break Err(WorkerLost {
                    culprit: None,
                    never_answered: true,
                    code: ERROR_SEM_TIMEOUT,
                });
            }
            self.supervisor.pump(left);
        };
        self.supervisor.set_read_ahead(ReadAhead::Bounded);
        answer
    }

    /// Ends the worker and everything that is on its way.
    fn stop(&mut self) -> Closed {
        let mut counts = self.counts;
        counts += self.supervisor.stop();
        counts
    }

    /// Takes replies until there is a completion to deliver, or no reply.
    fn next_delivery(&mut self) -> Option<Delivery> {
        while self.deliveries.is_empty() {
            let received = self.supervisor.received()?;
            self.interpret(received, NO_REQUEST);
        }
        self.deliveries.pop_front()
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
        check(
            TagUse::of(self.roots.contains_key(&tag)),
            directory,
            &settings,
        )?;
        let identity = identity(directory).map_err(Error::at(Stage::Open))?;
        let path: Vec<u16> = path.as_os_str().encode_wide().collect();
        let mut code = ERROR_SEM_TIMEOUT;
        for _ in 0..ARM_ATTEMPTS {
            if !self.supervisor.has_worker() {
                let started = self.supervisor.start_afresh();
                started.map_err(Error::at(Stage::Start))?;
            }
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
                    let number = self.supervisor.ask(&Request::Retire(tag), None);
                    let _ = self.answer_to(number);
                    return Err(Error::new(Stage::Identity, ERROR_FILE_INVALID));
                }
                Ok(Reply::Refused(refusal)) => {
                    return Err(Error::new(refusal.stage, refusal.code));
                }
                Ok(_) => break,
                Err(lost) => {
                    code = lost.code;
                    if lost.culprit == Some(tag) || lost.never_answered {
                        break;
                    }
                    // The request of another directory hung, or another process has ended the worker.
                }
            }
        }
        Err(Error::new(Stage::Worker, code))
    }

    fn retire(&mut self, tag: Tag) {
        if self.roots.remove(&tag).is_none() {
            return;
        }
        if self.supervisor.has_worker() {
            let number = self.supervisor.ask(&Request::Retire(tag), None);
            // A worker that was ended has closed the directory as well.
            let _ = self.answer_to(number);
        }
        self.deliveries.retain(|delivery| delivery.tag() != tag);
    }

    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected {
        let _ = self.look_after();
        let mut delivered = 0;
        while delivered < COMPLETIONS_PER_COLLECT {
            let Some(delivery) = self.next_delivery() else {
                return Collected {
                    delivered,
                    more: false,
                };
            };
            delivery.to(deliver);
            delivered += 1;
        }
        Collected {
            delivered,
            more: true,
        }
    }

    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) {
        let number = self.supervisor.ask(&Request::Fence, None);
        let end = Instant::now() + START_LIMIT;
        let mut is_lost = !self.supervisor.has_worker();
        loop {
            let received = self.supervisor.received();
            let fenced = received.and_then(|received| self.interpret(received, number));
            while let Some(delivery) = self.deliveries.pop_front() {
                delivery.to(deliver);
            }
            is_lost |= self.look_after().is_err();
            // After a loss the last delivery of each directory is that it was lost or has failed.
            let is_over = fenced.is_some() || is_lost && self.supervisor.is_answered();
            if is_over || Instant::now() >= end {
                return;
            }
            self.supervisor.pump(Some(FENCE_PAUSE));
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let _ = self.look_after();
            while self.deliveries.is_empty()
                && let Some(received) = self.supervisor.received()
            {
                self.interpret(received, NO_REQUEST);
            }
            let now = Instant::now();
            let is_over = end.is_some_and(|end| now >= end);
            if !self.deliveries.is_empty() || self.supervisor.take_ring() || is_over {
                return;
            }
            self.supervisor.ping();
            let left = end.map(|end| end.saturating_duration_since(now));
            let until_ping = self.supervisor.until_ping();
            let timeout = [left, until_ping].into_iter().flatten().min();
            self.supervisor.pump(timeout);
        }
    }

    fn waker(&self) -> Waker {
        Waker(Arc::new(self.supervisor.remote()))
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
