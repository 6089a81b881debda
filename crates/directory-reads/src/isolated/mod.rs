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

use crate::common::{BOUND, add, check};
use crate::completion::{Closed, Collected, Completion};
use crate::error::{Error, Stage};
use crate::isolated::channel::Numbered;
use crate::isolated::frame::{Reply, Request};
use crate::isolated::supervisor::{Keeper, START_LIMIT, WorkerLost};
use crate::native::identity::{self, Identity};
use crate::reads::{DirectoryReads, Waker};
use crate::settings::{Layout, Settings, Tag};

struct Root {
    path: Vec<u16>,
    settings: Settings,
    identity: Identity,
    /// Ended with an error; only to be retired.
    has_failed: bool,
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
    keeper: Keeper,
    roots: BTreeMap<Tag, Root>,
    told: VecDeque<Told>,
    counts: Closed,
}

impl IsolatedReads {
    pub(crate) fn start(
        program: PathBuf,
        arguments: Vec<OsString>,
    ) -> Result<IsolatedReads, Error> {
        let mut keeper = Keeper::new(program, arguments)?;
        keeper.start_afresh().map_err(|code| Error {
            stage: Stage::Start,
            code,
        })?;
        Ok(IsolatedReads {
            keeper,
            roots: BTreeMap::new(),
            told: VecDeque::new(),
            counts: Closed::default(),
        })
    }

    fn ask_to_arm(&mut self, tag: Tag, path: Vec<u16>, settings: Settings) -> u64 {
        let request = Request::Arm {
            tag,
            settings,
            path,
        };
        self.keeper.ask(&request, Some(tag))
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
        let tag = self.keeper.answered(number)?;
        if number == wanted {
            return Some(answer);
        }
        let tag = tag?;
        let root = self.roots.get(&tag)?;
        match answer {
            Reply::Armed(identity) if identity == root.identity => self.tell(Told::Lost(tag)),
            Reply::Armed(_) => {
                self.tell(Told::Failed(tag, ERROR_FILE_INVALID));
                self.keeper.ask(&Request::Retire(tag), None);
            }
            Reply::Refused(refusal) => self.tell(Told::Failed(tag, refusal.code)),
            _ => {}
        }
        None
    }

    /// Starts another worker if this one has died or hangs.
    fn look_after(&mut self) -> Result<(), WorkerLost> {
        let judged = self.keeper.judge();
        if let Err(lost) = &judged {
            self.replace_worker(lost.culprit);
        }
        judged
    }

    fn replace_worker(&mut self, culprit: Option<Tag>) {
        self.counts.workers_lost += 1;
        self.keeper.kill();
        // Older than what comes.
        while let Some(received) = self.keeper.received() {
            self.interpret(received, 0);
        }
        if let Some(tag) = culprit.filter(|tag| self.roots.contains_key(tag)) {
            self.tell(Told::Failed(tag, ERROR_SEM_TIMEOUT));
        }
        let code = self.keeper.replace();
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
        self.keeper.set_unbounded(true);
        let answer = loop {
            if let Some(received) = self.keeper.received() {
                match self.interpret(received, number) {
                    Some(answer) => break Ok(answer),
                    None => continue,
                }
            }
            if let Err(lost) = self.look_after() {
                break Err(lost);
            }
            let left = self.keeper.time_left();
            // Without a worker there is no answer.
            if left.is_none() {
                break Err(WorkerLost {
                    culprit: None,
                    is_dumb: true,
                    code: ERROR_SEM_TIMEOUT,
                });
            }
            self.keeper.pump(left);
        };
        self.keeper.set_unbounded(false);
        answer
    }

    fn stop(&mut self) -> Closed {
        let mut counts = self.counts;
        add(&mut counts, self.keeper.stop());
        counts
    }

    fn next_told(&mut self) -> Option<Told> {
        while self.told.is_empty() {
            let received = self.keeper.received()?;
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
        let identity = identity::identity(directory).map_err(failed(Stage::Open))?;
        let path: Vec<u16> = path.as_os_str().encode_wide().collect();
        let mut code = ERROR_SEM_TIMEOUT;
        for _ in 0..2 {
            if !self.keeper.has_worker() {
                self.keeper.start_afresh().map_err(failed(Stage::Start))?;
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
                    let number = self.keeper.ask(&Request::Retire(tag), None);
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
                Err(lost) => {
                    code = lost.code;
                    if lost.culprit == Some(tag) || lost.is_dumb {
                        break;
                    }
                    // Another's request hung, or the worker was ended by others: once more.
                }
            }
        }
        Err(failed(Stage::Worker)(code))
    }

    fn retire(&mut self, tag: Tag) {
        if self.roots.remove(&tag).is_none() {
            return;
        }
        if self.keeper.has_worker() {
            let number = self.keeper.ask(&Request::Retire(tag), None);
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
        let number = self.keeper.ask(&Request::Fence, None);
        let end = Instant::now() + START_LIMIT;
        let mut is_lost = !self.keeper.has_worker();
        loop {
            let fenced = self
                .keeper
                .received()
                .and_then(|received| self.interpret(received, number));
            while let Some(told) = self.told.pop_front() {
                deliver_one(&told, deliver);
            }
            is_lost |= self.look_after().is_err();
            // After a loss the last word on each directory is that it was lost or has failed.
            let is_over = fenced.is_some() || is_lost && self.keeper.is_answered();
            if is_over || Instant::now() >= end {
                return;
            }
            self.keeper.pump(Some(Duration::from_millis(50)));
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let _ = self.look_after();
            while self.told.is_empty()
                && let Some(received) = self.keeper.received()
            {
                self.interpret(received, 0);
            }
            let now = Instant::now();
            if !self.told.is_empty() || self.keeper.take_ring() || end.is_some_and(|end| now >= end)
            {
                return;
            }
            self.keeper.ping();
            let left = end.map(|end| end.saturating_duration_since(now));
            let patience = self.keeper.patience();
            self.keeper
                .pump([left, patience].into_iter().flatten().min());
        }
    }

    fn waker(&self) -> Waker {
        Waker(Arc::new(self.keeper.remote()))
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
