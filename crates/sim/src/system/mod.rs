//! The disk, the queue, and system calls that are under way: an effect on the disk, and records that
//! follow it.
//!
//! On a machine with several processors the two are not one moment. A call changes the directory
//! and then queues its records, one by one, before it returns; another process sees the change
//! meanwhile. What the kernel guarantees is made of locks: a call holds its directories from before
//! the effect until after the last record, so that nothing else changes them or lists them in
//! between (VFS: `i_rwsem` of the parents; `fsnotify_move`, `fsnotify_delete`, `fsnotify_create` run
//! below it). Looking at a single name takes no lock. Writes and permissions take none here either.
//!
//! A call is therefore a list of records still to be queued, and the directories it locks. A call that
//! needs one of them waits, that is, it makes the call that has it finish first.

pub(crate) mod calls;
pub(crate) mod listing;
mod mounts;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use everwatch_core::record::Action;

use crate::disk::{Disk, Ino};
use crate::linux::queue::Queue;
use crate::random::Random;
use crate::trace::Trace;
use crate::windows::{Named, Nt};

/// The lag of calls that are held until they take turns.
const HELD: u32 = 1000;

/// What a call still has to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Queues a record, if the inode is watched for it.
    Record {
        about: Ino,
        action: Action,
        is_dir: bool,
        cookie: u32,
        name: Box<[u8]>,
    },
    /// Ends the watch of an inode that has lost its last name, if it is not open.
    EndWatch(Ino),
    /// Lets go of the inode itself.
    Release(Ino),
    /// On Windows: reports on an entry.
    Report(u32, Named),
    /// On Windows: reports on a directory whose entries changed.
    Touch(Ino),
    /// On Windows: what was made becomes a link to this.
    BecomeLink(Ino, Box<[u8]>),
    /// A file is stamped with the time of a write that was made before.
    Stamp(Ino),
    /// On Windows: reports on an entry where it is now, if it is anywhere, as its handle is closed.
    ReportClosed(Ino),
    /// The call returns. What follows are further calls of the same process; others get on meanwhile.
    Return,
}

#[derive(Debug)]
struct Call {
    locks: Vec<Ino>,
    left: VecDeque<Effect>,
}

/// The disk, the queue, and the calls that are under way.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) disk: Disk,
    pub(crate) queue: Queue,
    /// Windows has this in place of the queue.
    pub(crate) nt: Option<Nt>,
    pub(crate) trace: Trace,
    /// The mount points as they were when the engine last heard of them.
    pub(crate) known_mounts: Vec<(Ino, Option<Vec<u8>>)>,
    calls: Vec<Call>,
    /// Handles that were dropped.
    closed: Rc<RefCell<Vec<Ino>>>,
    /// What the engine holds open, once for each handle. The rest of what is open belongs to other processes.
    pub(crate) engines: Vec<Ino>,
    /// File systems that were unmounted while something on them was open.
    pub(crate) detached: Vec<usize>,
    pub(crate) timing: Random,
    /// How often, out of a thousand, a call is not over at once.
    lag: u32,
    pub(crate) next_cookie: u32,
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) ino: Ino,
    closed: Rc<RefCell<Vec<Ino>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.closed.borrow_mut().push(self.ino);
    }
}

impl System {
    pub(crate) fn new(disk: Disk, queue: Queue, trace: Trace, timing: Random, lag: u32) -> System {
        System {
            disk,
            queue,
            nt: None,
            trace,
            known_mounts: Vec::new(),
            calls: Vec::new(),
            closed: Rc::default(),
            engines: Vec::new(),
            detached: Vec::new(),
            timing,
            lag,
            next_cookie: 0,
        }
    }

    /// Opens something for the engine.
    pub(crate) fn open(&mut self, ino: Ino) -> Handle {
        self.disk.inode_mut(ino).opens += 1;
        self.engines.push(ino);
        Handle {
            ino,
            closed: Rc::clone(&self.closed),
        }
    }

    /// Does what the kernel does when handles are closed. Called before anything else happens.
    pub(crate) fn reap(&mut self) {
        while let Some(ino) = { self.closed.borrow_mut().pop() } {
            self.disk.inode_mut(ino).opens -= 1;
            if let Some(at) = self.engines.iter().position(|&held| held == ino) {
                self.engines.swap_remove(at);
            }
            self.drop_inode(ino);
        }
        if !self.detached.is_empty() {
            for device in std::mem::take(&mut self.detached) {
                self.end_device(device);
            }
        }
        if self.nt.is_some() {
            self.finish_deletes();
        }
    }

    fn drop_inode(&mut self, ino: Ino) {
        if self.disk.free_if_unused(ino) {
            self.end_watch(ino);
        }
    }

    pub(crate) fn end_watch(&mut self, ino: Ino) {
        if let Some(reported) = self.queue.end(ino) {
            self.trace.note(|| format!("        queued {reported}"));
        }
    }

    /// Lets calls under way get on, or not.
    pub(crate) fn progress(&mut self) {
        while self.lag < HELD && !self.calls.is_empty() && self.timing.chance(500) {
            let at = self.timing.below(self.calls.len());
            self.advance(at);
        }
    }

    /// Does the next thing that a call has left. Returns false if the call has returned and its process has not made
    /// the next one.
    fn advance(&mut self, at: usize) -> bool {
        if let Some(&Effect::ReportClosed(ino)) = self.calls[at].left.front()
            && let Some(other) = self.calls.iter().position(|call| call.locks.contains(&ino))
            && other != at
        {
            // One call on a file after the other: that of its new name is recorded behind the rename.
            self.advance(other);
            return false;
        }
        let next = self.calls[at].left.pop_front();
        let has_returned = matches!(next, Some(Effect::Return));
        match next {
            Some(Effect::Record {
                about,
                action,
                is_dir,
                cookie,
                name,
            }) => {
                let reported = self.queue.record(about, action, is_dir, cookie, &name);
                if let Some(reported) = reported {
                    self.trace.note(|| format!("        queued {reported}"));
                }
            }
            Some(Effect::EndWatch(ino))
                if self.disk.inode(ino).links == 0 && self.disk.inode(ino).opens == 1 =>
            {
                self.end_watch(ino);
            }
            Some(Effect::Release(ino)) => {
                self.disk.inode_mut(ino).opens -= 1;
                self.drop_inode(ino);
            }
            Some(Effect::Report(action, named)) => self.report(action, &named),
            Some(Effect::Touch(dir)) => self.touch(dir),
            Some(Effect::BecomeLink(ino, target)) => self.become_link(ino, target),
            Some(Effect::Stamp(ino)) => {
                let stamp = self.disk.stamp();
                let inode = self.disk.inode_mut(ino);
                (inode.modified, inode.changed) = (stamp, stamp);
            }
            Some(Effect::ReportClosed(ino)) => self.report_closed(ino),
            Some(Effect::Return) => self.calls[at].locks.clear(),
            Some(Effect::EndWatch(_)) | None => {}
        }
        if self.calls[at].left.is_empty() {
            self.calls.remove(at);
        }
        !has_returned
    }

    fn finish(&mut self, which: impl Fn(&Call) -> bool) {
        while let Some(at) = self.calls.iter().position(&which) {
            self.advance(at);
        }
    }

    /// Waits for the call that has locked the directory.
    pub(crate) fn wait_for(&mut self, dir: Ino) {
        self.finish(|call| call.locks.contains(&dir));
    }

    /// From now on no call goes on, until they take turns.
    #[cfg(test)]
    pub(crate) fn hold_calls(&mut self) {
        self.lag = HELD;
    }

    /// Lets each call under way do one thing.
    #[cfg(test)]
    pub(crate) fn take_turn(&mut self) {
        for at in (0..self.calls.len()).rev() {
            self.advance(at);
        }
    }

    /// Lets the calls under way do one thing each, in turn, until all are over.
    #[cfg(test)]
    pub(crate) fn take_turns(&mut self) {
        self.lag = 0;
        while !self.calls.is_empty() {
            self.take_turn();
        }
    }

    /// Waits until a file that is being made a link is one, and until it is closed if it was written.
    pub(crate) fn finish_link(&mut self, link: Ino) {
        self.finish(|call| {
            let mut left = call.left.iter();
            left.any(|effect| matches!(effect, Effect::BecomeLink(ino, _) | Effect::ReportClosed(ino) if *ino == link))
        });
    }

    pub(crate) fn finish_all(&mut self) {
        self.finish(|_| true);
    }

    pub(crate) fn lock(&mut self, locks: &[Ino]) {
        self.finish(|call| call.locks.iter().any(|ino| locks.contains(ino)));
    }

    /// Begins a call. It is over at once, or goes on while others begin.
    pub(crate) fn begin(&mut self, locks: &[Ino], left: Vec<Effect>) {
        self.calls.push(Call {
            locks: locks.to_vec(),
            left: left.into(),
        });
        if !self.timing.chance(self.lag) {
            let last = self.calls.len() - 1;
            while self.calls.len() > last && self.advance(last) {}
        }
    }

    /// A record to be queued. Cookie 0 is none.
    pub(crate) fn record(
        about: Ino,
        action: Action,
        is_dir: bool,
        cookie: u32,
        name: &[u8],
    ) -> Effect {
        Effect::Record {
            about,
            action,
            is_dir,
            cookie,
            name: name.into(),
        }
    }

    /// Keeps an inode alive until the effect that is returned is done.
    pub(crate) fn hold(&mut self, ino: Ino) -> Effect {
        self.disk.inode_mut(ino).opens += 1;
        Effect::Release(ino)
    }
}
