//! The state that the threads of a watcher share: commands to the engine's thread, and its end.
//!
//! Callers push a [`Command`] and ring the bell; the engine's thread takes all commands at the start of
//! its next step. Each lock here is held for one assignment or one push, never while anything waits.

use std::path::PathBuf;

use everwatch_core::coverage::Coverage;
use everwatch_core::engine::{Counters, RootId, RootSpec};
use everwatch_core::entry::FileType;
use everwatch_core::fault::Fault;

use crate::handover::Handover;
use crate::platform::atomic::{AtomicBool, Ordering};
use crate::platform::mpsc::SyncSender;
use crate::platform::thread::{self, ThreadId};
use crate::platform::{Arc, Bell, Condvar, Mutex, MutexGuard, PoisonError};

/// A request to the engine's thread. A reply whose sender is dropped unanswered means that the watcher
/// was closed first.
#[derive(Debug)]
pub(crate) enum Command {
    /// Add a root; answered when it is armed.
    Watch {
        spec: RootSpec,
        reply: SyncSender<Result<RootId, Fault>>,
    },
    /// Remove a root; answered when its watches are gone.
    Unwatch {
        root: RootId,
        reply: SyncSender<()>,
    },
    /// Add a consumer that knows the tree as it is now.
    OpenFeed {
        handover: Arc<Handover>,
        reply: SyncSender<()>,
    },
    /// Add a consumer, and answer with the tree as it is now.
    TakeSnapshot {
        handover: Arc<Handover>,
        reply: SyncSender<Vec<(PathBuf, FileType)>>,
    },
    /// Answered when everything that happened before is in the feeds.
    Sync {
        reply: SyncSender<()>,
    },
    /// Sync, end the feeds, and end the thread.
    Finish,
    Coverage {
        reply: SyncSender<Vec<Coverage>>,
    },
    Roots {
        reply: SyncSender<Vec<PathBuf>>,
    },
    RootPath {
        root: RootId,
        reply: SyncSender<Option<PathBuf>>,
    },
}

/// What a [`Watcher`](crate::Watcher), its feeds and its engine's thread have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Commands that the thread has not taken yet; `None` once it takes no more.
    commands: Mutex<Option<Vec<Command>>>,
    bell: Bell,
    /// Set by `close` before anything else: nothing is delivered from then on.
    is_closed: AtomicBool,
    /// Whether feeds are debounced, so that a consumer that lags has to wait for the quiet time.
    settles: bool,
    /// The engine's counters after its last step.
    counters: Mutex<Counters>,
    /// Whether the engine's thread has ended. Never unset.
    has_ended: Mutex<bool>,
    ended: Condvar,
    /// The engine's thread, from its start on.
    thread: Mutex<Option<ThreadId>>,
}

/// Locks a mutex whose content is replaced as a whole, so that a panic leaves nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The state of a watcher whose thread has not started yet.
    pub(crate) fn new(bell: Bell, settles: bool) -> Shared {
        Shared {
            commands: Mutex::new(Some(Vec::new())),
            bell,
            is_closed: AtomicBool::new(false),
            settles,
            counters: Mutex::default(),
            has_ended: Mutex::new(false),
            ended: Condvar::new(),
            thread: Mutex::new(None),
        }
    }

    /// Wakes the engine's thread, now or when it next waits.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    /// Whether `close` was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Whether feeds are debounced.
    pub(crate) fn settles(&self) -> bool {
        self.settles
    }

    /// The counters as the engine's thread last stored them.
    pub(crate) fn counters(&self) -> Counters {
        *lock(&self.counters)
    }

    /// Stores the counters of the engine.
    pub(crate) fn set_counters(&self, counters: Counters) {
        *lock(&self.counters) = counters;
    }

    /// Queues a command. Returns whether the thread will see it.
    pub(crate) fn send(&self, command: Command) -> bool {
        {
            let mut commands = lock(&self.commands);
            match &mut *commands {
                Some(commands) if !self.is_closed() => commands.push(command),
                _ => return false,
            }
        }
        self.ring();
        true
    }

    /// Takes the queued commands.
    pub(crate) fn take_commands(&self) -> Vec<Command> {
        lock(&self.commands)
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Called by the engine's thread when it starts.
    pub(crate) fn begin(&self) {
        *lock(&self.thread) = Some(thread::current().id());
    }

    /// Called when the engine's thread ends. Drops the commands that are left, which answers them.
    pub(crate) fn end(&self) {
        *lock(&self.commands) = None;
        *lock(&self.has_ended) = true;
        self.ended.notify_all();
    }

    /// Stops delivery, and waits until the engine's thread has ended.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.ring();
        self.wait_for_end();
    }

    /// Whether the caller runs on the engine's thread, as a waker does.
    pub(crate) fn is_own_thread(&self) -> bool {
        *lock(&self.thread) == Some(thread::current().id())
    }

    /// Waits until the engine's thread has ended. Returns at once on that thread itself.
    pub(crate) fn wait_for_end(&self) {
        if self.is_own_thread() {
            return;
        }
        let mut has_ended = lock(&self.has_ended);
        while !*has_ended {
            has_ended = self
                .ended
                .wait(has_ended)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
