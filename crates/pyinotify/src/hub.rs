//! The hub of a manager: its watches, and how they come and go.
//!
//! Two threads serve any number of watches: the watcher's own, and one that calls the handler
//! ([`dispatch`](super::dispatch)). Watches come and go on the threads of callers. One lock, which is
//! never held while anything waits or the handler runs, decides whether an event of a watch is delivered
//! before or after the watch goes.

use std::path::Path;
use std::sync::atomic::AtomicU64;

use everwatch::{Coverage, CoverageState, Error, ErrorKind, Gap, Root, Watcher};

use super::event::{Mask, Wd};
use super::notice::Notice;
use super::parker::Parker;
use super::path_key;
use super::registry::{Overlap, Registry};
use super::start_error::{Stage, StartError};
use super::subscription::{Interest, Subscription};
use super::sync::thread::{self, ThreadId};
use super::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What the lock of the hub protects.
#[derive(Debug, Default)]
pub(super) struct Locked {
    pub(super) registry: Registry,
    /// The watch whose event the handler has at present.
    pub(super) delivering: Option<Wd>,
    /// The number of the last call of `sync`.
    pub(super) ticket: u64,
    /// The last call of `sync` before which everything has been delivered.
    pub(super) passed: u64,
    /// The dispatching thread, once it runs.
    pub(super) dispatcher: Option<ThreadId>,
    /// Number of watches that have left the registry and have not ended yet.
    leaving: usize,
    /// Whether the manager stops: nothing is delivered any more, and no watch is added.
    pub(super) is_stopping: bool,
}

/// What the manager, the handles of its watches and the dispatching thread share.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) watcher: Watcher,
    locked: Mutex<Locked>,
    /// Notified when the handler has returned, a barrier was passed, or the manager stops.
    changed: Condvar,
    /// Held while the root of a watch that has started is exchanged or given back.
    exchanging: Mutex<()>,
    pub(super) parker: std::sync::Arc<Parker>,
    /// Fires when all watches have ended and the handler is dropped.
    pub(super) stopped: Notice<()>,
    /// Number of calls of the handler that panicked.
    pub(super) panics: AtomicU64,
    overlap: Overlap,
}

/// The result of asking for a watch.
pub(super) enum Added {
    /// A new one, which the caller has to arm.
    New(Arc<Subscription>),
    /// One that exists already.
    Existing(Arc<Subscription>),
}

impl Hub {
    /// A hub without watches.
    pub(super) fn new(watcher: Watcher, overlap: Overlap) -> Hub {
        Hub {
            watcher,
            locked: Mutex::default(),
            changed: Condvar::new(),
            exchanging: Mutex::default(),
            parker: std::sync::Arc::default(),
            stopped: Notice::new(),
            panics: AtomicU64::new(0),
            overlap,
        }
    }

    /// Locks the hub, for one step at a time.
    pub(super) fn lock(&self) -> MutexGuard<'_, Locked> {
        // Each step leaves it whole, so a panic leaves nothing half done.
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the callers that wait for the handler, for a barrier, or for the end.
    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }

    fn wait<'a>(&self, locked: MutexGuard<'a, Locked>) -> MutexGuard<'a, Locked> {
        self.changed
            .wait(locked)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the caller is the dispatching thread, as the handler is.
    pub(super) fn is_dispatcher(&self) -> bool {
        self.lock().dispatcher == Some(thread::current().id())
    }

    /// Blocks until the handler has returned from the event of this watch that it may have at present.
    /// Returns at once if the handler calls this: it cannot wait for itself.
    pub(super) fn wait_for_handler(&self, wd: Wd) {
        let mut locked = self.lock();
        while locked.delivering == Some(wd) && locked.dispatcher != Some(thread::current().id()) {
            locked = self.wait(locked);
        }
    }

    fn exchanging(&self) -> MutexGuard<'_, ()> {
        self.exchanging
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds or registers a watch of a path. Nothing is armed yet.
    pub(super) fn add(&self, path: &Path, interest: Interest) -> Result<Added, StartError> {
        interest.check(path)?;
        let absolute = path_key::absolute(path, "watch")
            .map_err(|error| StartError::new(Stage::Arguments, error))?;
        if let Some(existing) = self.reuse(&absolute) {
            return Ok(Added::Existing(existing));
        }
        let (path, is_dir) = path_key::existing(absolute, "watch")
            .map_err(|error| StartError::new(Stage::Open, error))?;
        let mut locked = self.lock();
        if locked.is_stopping {
            return Err(StartError::closed(&path));
        }
        let key = path_key::key(&path);
        let covering = locked.registry.covering(&key);
        if let Some(existing) = covering.filter(|_| self.overlap == Overlap::Coalesce) {
            return Ok(Added::Existing(Arc::clone(existing)));
        }
        let new = Arc::new(Subscription::new(path, is_dir, interest));
        locked.registry.insert(Arc::clone(&new));
        Ok(Added::New(new))
    }

    /// The watch that reports on the path already, or would if it did not ignore exactly this path,
    /// which it then no longer does.
    fn reuse(&self, path: &Path) -> Option<Arc<Subscription>> {
        if self.overlap == Overlap::Separate {
            return None;
        }
        let key = path_key::key(path);
        let locked = self.lock();
        if let Some(covering) = locked.registry.covering(&key) {
            return Some(Arc::clone(covering));
        }
        let ignores = |watch: &&Arc<Subscription>| {
            let terms = watch.terms();
            terms.interest.recursive && terms.is_ignored_alone(&key)
        };
        let watch = Arc::clone(locked.registry.above(&key).find(ignores)?);
        drop(locked);
        self.unignore(&watch, &key);
        Some(watch)
    }

    /// Stops ignoring a path: what happens after this has returned is delivered.
    pub(super) fn unignore(&self, watch: &Subscription, key: &Path) {
        let last = self.last_change();
        watch.terms().unignore(key, last);
    }

    /// The number of the last change that happened before the call. A closed watcher has no more
    /// changes, so its error does not matter.
    fn last_change(&self) -> u64 {
        let _ = self.watcher.sync();
        self.watcher.counters().seq
    }

    /// Arms a new watch, and fires its `started`.
    pub(super) fn arm(&self, watch: &Arc<Subscription>) {
        let recursive = watch.terms().interest.recursive;
        let armed = self.watch(&watch.path, recursive).and_then(|root| {
            if self.begin(watch, root) {
                return Ok(());
            }
            let _ = self.watcher.unwatch(root);
            Err(StartError::closed(&watch.path))
        });
        match armed {
            Ok(()) => drop(watch.started.fire(Ok(()))),
            Err(why) => self.fail(watch, why),
        }
    }

    /// Ends a watch that could not be started.
    pub(super) fn fail(&self, watch: &Subscription, why: StartError) {
        let _pending = self.leave(watch);
        watch.end(why);
    }

    /// Takes a watch out of the registry; the manager's end waits until the returned value is dropped.
    /// `None` if another caller took it out first.
    fn leave(&self, watch: &Subscription) -> Option<PendingEnd<'_>> {
        let mut locked = self.lock();
        watch.terms().is_over = true;
        let is_first = locked.registry.remove(watch.wd);
        locked.leaving += usize::from(is_first);
        drop(locked);
        is_first.then(|| PendingEnd(self))
    }

    /// Makes what the dispatcher reads from now on count for the watch. Returns false if the watch was
    /// removed meanwhile.
    fn begin(&self, watch: &Subscription, root: Root) -> bool {
        // Under the lock no change is fanned out. A change that was, without this watch, has a number
        // that is counted already.
        let locked = self.lock();
        let mut terms = watch.terms();
        if terms.is_over || locked.registry.get(watch.wd).is_none() {
            return false;
        }
        let interest = terms.interest;
        terms.hold(self.watcher.counters().seq, interest);
        terms.root = Some(root);
        true
    }

    /// Adds a root to the watcher, and makes sure that something can be seen of it.
    fn watch(&self, path: &Path, recursive: bool) -> Result<Root, StartError> {
        let root = self
            .watcher
            .watch_with(path, recursive)
            .map_err(|error| StartError::new(Stage::Open, error))?;
        // Coverage is that of all roots and takes its time: it is asked for if there is reason to.
        let is_reachable = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => std::fs::read_dir(path).is_ok(),
            other => other.is_ok(),
        };
        let coverage = match is_reachable {
            true => Vec::new(),
            false => self.watcher.coverage().unwrap_or_default(),
        };
        let Some(gap) = gap_of_lost(&coverage, path) else {
            return Ok(root);
        };
        let _ = self.watcher.unwatch(root);
        let detail = format!("nothing can be seen of it ({})", gap.as_str());
        let error = Error::new(ErrorKind::Other, "watch").with_path(path);
        Err(StartError::new(Stage::Arm, error.with_detail(detail)))
    }

    /// Changes the interest of a watch for everything that happens after the call.
    pub(super) fn update(
        &self,
        watch: &Subscription,
        interest: Interest,
    ) -> Result<(), StartError> {
        interest.check(&watch.path)?;
        let _one_at_a_time = self.exchanging();
        // What happened before the call is counted from here on.
        self.last_change();
        // The new root is armed before the old one goes, so nothing is missed in between; the watcher
        // reports what two roots cover once.
        let new = match watch.terms().interest.recursive == interest.recursive {
            true => None,
            false => Some(self.watch(&watch.path, interest.recursive)?),
        };
        let (unused, result) = self.exchange(watch, interest, new);
        if let Some(root) = unused {
            let _ = self.watcher.unwatch(root);
        }
        result
    }

    /// Makes `interest` hold from now on, with the new root if there is one. Returns the root that the
    /// watch does not need.
    fn exchange(
        &self,
        watch: &Subscription,
        interest: Interest,
        new: Option<Root>,
    ) -> (Option<Root>, Result<(), StartError>) {
        let _no_change_is_fanned_out = self.lock();
        let mut terms = watch.terms();
        if terms.is_over {
            return (new, Err(StartError::closed(&watch.path)));
        }
        terms.hold(self.watcher.counters().seq, interest);
        terms.interest = interest;
        (new.and_then(|new| terms.root.replace(new)), Ok(()))
    }

    /// Ends a watch. Unless the handler calls this, the handler has returned from the last event of the
    /// watch when this returns.
    pub(super) fn remove(&self, watch: &Subscription) {
        let Some(_pending) = self.leave(watch) else {
            // The caller that removes it may wait for the handler.
            if !self.is_dispatcher() {
                watch.stopped.wait();
            }
            return;
        };
        self.wait_for_handler(watch.wd);
        let root = {
            let _one_at_a_time = self.exchanging();
            watch.terms().root.take()
        };
        match root {
            Some(root) => {
                let _ = self.watcher.unwatch(root);
                watch.stopped.fire(());
            }
            // The thread that arms it finds that it is over.
            None => watch.stopped.wait(),
        }
    }

    /// Stops delivery, and closes the watcher; the dispatching thread then ends everything.
    pub(super) fn stop(&self) {
        self.lock().is_stopping = true;
        self.notify();
        self.watcher.close();
    }

    /// Blocks until everything that is in the feed now has been delivered.
    pub(super) fn wait_for_delivery(&self) -> Result<(), Error> {
        let mut locked = self.lock();
        locked.ticket += 1;
        let ticket = locked.ticket;
        self.parker.unpark();
        while locked.passed < ticket && !locked.is_stopping {
            locked = self.wait(locked);
        }
        match locked.passed < ticket {
            true => Err(Error::closed("sync")),
            false => Ok(()),
        }
    }

    /// Ends all watches and then the manager, when the dispatching thread ends.
    pub(super) fn end(&self) {
        let watches = {
            let mut locked = self.lock();
            locked.is_stopping = true;
            locked.delivering = None;
            locked.registry.drain()
        };
        self.notify();
        for watch in watches {
            watch.end(StartError::closed(&watch.path));
        }
        let mut locked = self.lock();
        while locked.leaving > 0 {
            locked = self.wait(locked);
        }
        drop(locked);
        self.stopped.fire(());
    }
}

/// A watch that has left the registry and has not ended; the manager does not end before this is dropped.
struct PendingEnd<'a>(&'a Hub);

impl Drop for PendingEnd<'_> {
    fn drop(&mut self) {
        self.0.lock().leaving -= 1;
        self.0.notify();
    }
}

impl Interest {
    /// Refuses an interest in nothing, which is a mistake of the caller.
    fn check(self, path: &Path) -> Result<(), StartError> {
        if self.mask.intersects(Mask::ALL_EVENTS) {
            return Ok(());
        }
        let detail = format!(
            "no event of the kinds {} is ever delivered; ask for {}",
            self.mask,
            Mask::ALL_EVENTS
        );
        let error = Error::new(ErrorKind::BadOption, "watch").with_path(path);
        Err(StartError::new(Stage::Arguments, error.with_detail(detail)))
    }
}

/// Why nothing is seen of the root at `path`, if that is so.
fn gap_of_lost(coverage: &[Coverage], path: &Path) -> Option<Gap> {
    let is_lost = |part: &&Coverage| part.path == path && part.state == CoverageState::Lost;
    coverage.iter().find(is_lost).and_then(|part| part.gap)
}
