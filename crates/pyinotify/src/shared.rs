//! What stands behind a manager: which watches there are, and their coming and going.
//!
//! Two threads, however many watches: the watcher's own, and one that gives events to the handler
//! (`dispatch`). Watches come and go on the threads of the callers. One lock, never held while anything
//! waits or the handler runs, decides in which order a watch goes and its events are delivered.

use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::dispatch::Sleeper;
use super::event::{Mask, Wd};
use super::notice::Notice;
use super::registry::{Overlap, Registry};
use super::spelling;
use super::start::{Stage, StartError};
use super::sync::thread::{self, ThreadId};
use super::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use super::watch::{Inner, Wish};
use everwatch::{Coverage, CoverageState, Error, ErrorKind, Gap, Root, Watcher};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) registry: Registry,
    /// The watch whose event the handler has at present.
    pub(super) delivering: Option<Wd>,
    /// The number of the last call of `sync`.
    pub(super) ticket: u64,
    /// The last call of `sync` before which everything has been delivered.
    pub(super) passed: u64,
    /// The dispatching thread, once it runs.
    pub(super) dispatcher: Option<ThreadId>,
    /// Watches that are in no map any more and have not ended yet.
    leaving: usize,
    /// Nothing is delivered any more, and no watch is added.
    pub(super) is_stopping: bool,
}

/// What the manager, the handles of its watches and the dispatching thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) watcher: Watcher,
    state: Mutex<State>,
    /// The handler returned, a barrier was passed, or all is over.
    changed: Condvar,
    /// Held while the root of a watch that has started is exchanged or given back.
    exchanging: Mutex<()>,
    pub(super) sleeper: std::sync::Arc<Sleeper>,
    pub(super) stopped: Notice<()>,
    pub(super) panics: AtomicU64,
    overlap: Overlap,
}

/// What asking for a watch led to.
pub(super) enum Entered {
    /// A new one, which is to be armed.
    New(Arc<Inner>),
    /// One that was there.
    Old(Arc<Inner>),
}

impl Shared {
    pub(super) fn new(watcher: Watcher, overlap: Overlap) -> Shared {
        Shared {
            watcher,
            state: Mutex::default(),
            changed: Condvar::new(),
            exchanging: Mutex::default(),
            sleeper: std::sync::Arc::default(),
            stopped: Notice::new(),
            panics: AtomicU64::new(0),
            overlap,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is a single step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self) {
        self.changed.notify_all();
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_dispatcher(&self) -> bool {
        self.state().dispatcher == Some(thread::current().id())
    }

    /// Waits until the handler has returned from the event of this watch that it may have at present.
    /// What it calls itself cannot wait for it.
    pub(super) fn wait_for_handler(&self, wd: Wd) {
        let mut state = self.state();
        while state.delivering == Some(wd) && state.dispatcher != Some(thread::current().id()) {
            state = self.wait(state);
        }
    }

    fn exchanging(&self) -> MutexGuard<'_, ()> {
        self.exchanging
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, path: &Path, wish: Wish) -> Result<Entered, StartError> {
        wish.check(path)?;
        let absolute = spelling::absolute(path, "watch")
            .map_err(|error| StartError::new(Stage::Arguments, error))?;
        if let Some(old) = self.reuse(&absolute) {
            return Ok(Entered::Old(old));
        }
        let (path, is_dir) = spelling::existing(absolute, "watch")
            .map_err(|error| StartError::new(Stage::Open, error))?;
        let mut state = self.state();
        if state.is_stopping {
            return Err(StartError::closed(&path));
        }
        let key = spelling::key(&path);
        let same = state.registry.covering(&key);
        if let Some(old) = same.filter(|_| self.overlap == Overlap::Coalesce) {
            return Ok(Entered::Old(Arc::clone(old)));
        }
        let new = Arc::new(Inner::new(path, is_dir, wish));
        state.registry.insert(Arc::clone(&new));
        Ok(Entered::New(new))
    }

    /// The watch that reports on the path already, or would if it did not ignore it.
    fn reuse(&self, path: &Path) -> Option<Arc<Inner>> {
        if self.overlap == Overlap::Separate {
            return None;
        }
        let key = spelling::key(path);
        let state = self.state();
        if let Some(covering) = state.registry.covering(&key) {
            return Some(Arc::clone(covering));
        }
        let ignores = |watch: &&Arc<Inner>| {
            let body = watch.body();
            body.wish.recursive && body.is_ignored_alone(&key)
        };
        let watch = Arc::clone(state.registry.above(&key).find(ignores)?);
        drop(state);
        self.unignore(&watch, &key);
        Some(watch)
    }

    pub(super) fn unignore(&self, watch: &Inner, key: &Path) {
        // What happened before the call is counted from here on. A watcher that is closed counts no more.
        let _ = self.watcher.sync();
        let last = self.watcher.counters().seq;
        watch.body().unignore(key, last);
    }

    /// Arms a watch that was entered, and says what came of it.
    pub(super) fn arm(&self, watch: &Arc<Inner>) {
        let recursive = watch.body().wish.recursive;
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

    /// A watch has come to nothing.
    pub(super) fn fail(&self, watch: &Inner, why: StartError) {
        let _leaving = self.leave(watch);
        watch.end(why);
    }

    /// Takes a watch out of the registry, and has the manager wait for its end. `None` if somebody
    /// else did.
    fn leave(&self, watch: &Inner) -> Option<Leaving<'_>> {
        let mut state = self.state();
        watch.body().is_over = true;
        let is_first = state.registry.remove(watch.wd);
        state.leaving += usize::from(is_first);
        drop(state);
        is_first.then(|| Leaving(self))
    }

    /// What the dispatcher reads from now on is for the watch as well. False if the watch was removed
    /// meanwhile.
    fn begin(&self, watch: &Inner, root: Root) -> bool {
        // Under the lock no change is judged. What was judged before and not taken to be the watch's
        // has a number that is counted already.
        let state = self.state();
        let mut body = watch.body();
        if body.is_over || state.registry.get(watch.wd).is_none() {
            return false;
        }
        let wish = body.wish;
        body.hold(self.watcher.counters().seq, wish);
        body.root = Some(root);
        true
    }

    fn watch(&self, path: &Path, recursive: bool) -> Result<Root, StartError> {
        let root = self
            .watcher
            .watch_with(path, recursive)
            .map_err(|error| StartError::new(Stage::Open, error))?;
        // Coverage is of all roots and takes its time: it is asked if there is reason to.
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

    pub(super) fn update(&self, watch: &Inner, wish: Wish) -> Result<(), StartError> {
        wish.check(&watch.path)?;
        let _one_at_a_time = self.exchanging();
        // What happened before the call is counted from here on. A watcher that is closed counts no more.
        let _ = self.watcher.sync();
        // The new root is armed before the old one goes, so nothing is missed in between; and the
        // watcher tells once of what two roots show.
        let new = match watch.body().wish.recursive == wish.recursive {
            true => None,
            false => Some(self.watch(&watch.path, wish.recursive)?),
        };
        let (superfluous, result) = self.exchange(watch, wish, new);
        if let Some(root) = superfluous {
            let _ = self.watcher.unwatch(root);
        }
        result
    }

    /// From now on the wish holds, and the new root is the watch's. Returns the root that is not.
    fn exchange(
        &self,
        watch: &Inner,
        wish: Wish,
        new: Option<Root>,
    ) -> (Option<Root>, Result<(), StartError>) {
        let _no_change_is_judged = self.state();
        let mut body = watch.body();
        if body.is_over {
            return (new, Err(StartError::closed(&watch.path)));
        }
        body.hold(self.watcher.counters().seq, wish);
        body.wish = wish;
        (new.and_then(|new| body.root.replace(new)), Ok(()))
    }

    /// Ends a watch. Unless the handler calls this, it has returned from the last event of the watch
    /// when this returns.
    pub(super) fn remove(&self, watch: &Inner) {
        let Some(_leaving) = self.leave(watch) else {
            // Who removes it may wait for the handler.
            if !self.is_dispatcher() {
                watch.stopped.wait();
            }
            return;
        };
        self.wait_for_handler(watch.wd);
        let root = {
            let _one_at_a_time = self.exchanging();
            watch.body().root.take()
        };
        match root {
            Some(root) => {
                let _ = self.watcher.unwatch(root);
                watch.stopped.fire(());
            }
            // Whoever arms it finds that it is over.
            None => watch.stopped.wait(),
        }
    }

    pub(super) fn stop(&self) {
        self.state().is_stopping = true;
        self.changed.notify_all();
        self.watcher.close();
    }

    /// Waits until all that is in the feed now has been delivered.
    pub(super) fn wait_for_delivery(&self) -> Result<(), Error> {
        let mut state = self.state();
        state.ticket += 1;
        let ticket = state.ticket;
        self.sleeper.rouse();
        while state.passed < ticket && !state.is_stopping {
            state = self.wait(state);
        }
        match state.passed < ticket {
            true => Err(Error::closed("sync")),
            false => Ok(()),
        }
    }

    /// The dispatching thread is at its end: so is every watch, and then the manager.
    pub(super) fn end(&self) {
        let watches = {
            let mut state = self.state();
            state.is_stopping = true;
            state.delivering = None;
            state.registry.drain()
        };
        self.changed.notify_all();
        for watch in watches {
            watch.end(StartError::closed(&watch.path));
        }
        let mut state = self.state();
        while state.leaving > 0 {
            state = self.wait(state);
        }
        drop(state);
        self.stopped.fire(());
    }
}

/// Somebody sees to the end of a watch.
struct Leaving<'a>(&'a Shared);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.state().leaving -= 1;
        self.0.changed.notify_all();
    }
}

impl Wish {
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
    let lost = |part: &&Coverage| part.path == path && part.state == CoverageState::Lost;
    coverage.iter().find(lost).and_then(|part| part.gap)
}
