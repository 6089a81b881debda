//! The caller's end: the manager.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::dispatch;
use super::event::{Mask, RawEvent, Wd};
use super::notice::Notice;
use super::registry::Overlap;
use super::shared::{Entered, Shared};
use super::spelling;
use super::start::{Stage, StartError};
use super::sync::thread::{self, JoinHandle};
use super::sync::{Arc, Mutex, PoisonError};
use super::watch::{Inner, Watch, Wish};
use everwatch::{Coverage, Error, Options};

/// Watches paths and gives their events to a handler, in the manner of pyinotify.
///
/// The events of all watches are given to the handler on one thread, one after the other, those of one
/// watch in the order in which things happened. The handler is given the manager with each event, and may use it: add,
/// change and remove watches, and stop the manager. What it must not do is wait for itself: for
/// [`sync`](WatchManager::sync), or for [`stopped`](WatchManager::stopped) to happen.
///
/// A handler that panics loses the event that it was given, and no other: the panic is told as panics
/// are, counted ([`handler_panics`](WatchManager::handler_panics)), and the handler is given the next
/// event. What a half-done call left behind is the handler's to know. In a program that aborts on
/// panics, it aborts.
///
/// A handler that is slower than the changes loses nothing, and costs bounded memory: when too many
/// wait for it they become the difference between the tree that it knows and the tree there is.
///
/// Dropping the manager stops it.
pub struct WatchManager {
    shared: Arc<Shared>,
    /// The dispatching thread until it is joined; `None` in what a handler is lent.
    thread: Option<Mutex<Option<JoinHandle<()>>>>,
}

impl WatchManager {
    /// A manager without watches, with the default [`Options`].
    ///
    /// # Errors
    ///
    /// As [`Options::build`].
    pub fn new<H>(handler: H) -> Result<WatchManager, Error>
    where
        H: FnMut(&WatchManager, RawEvent) + Send + 'static,
    {
        WatchManager::with_options(Options::new(), Overlap::Coalesce, handler)
    }

    /// A manager without watches. What the options hide is hidden from all watches; whether a watch is
    /// recursive is said when it is added.
    ///
    /// # Errors
    ///
    /// As [`Options::build`].
    pub fn with_options<H>(
        options: Options,
        overlap: Overlap,
        handler: H,
    ) -> Result<WatchManager, Error>
    where
        H: FnMut(&WatchManager, RawEvent) + Send + 'static,
    {
        let watcher = options.build()?;
        let feed = watcher.feed()?;
        let shared = Arc::new(Shared::new(watcher, overlap));
        let thread = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("everwatch-handler".to_owned())
                .spawn(move || dispatch::run(shared, feed, handler))
                .map_err(|error| Error::from_io(&error, "start a thread"))?
        };
        Ok(WatchManager {
            shared,
            thread: Some(Mutex::new(Some(thread))),
        })
    }

    /// What the handler is given: it does not stop the manager when it is dropped.
    pub(super) fn lent(shared: Arc<Shared>) -> WatchManager {
        WatchManager {
            shared,
            thread: None,
        }
    }

    /// Watches a path for the kinds of events in `mask`: a directory, with all below it if `recursive`
    /// (pyinotify's `rec` and `auto_add`), or a file.
    ///
    /// Returns when the watch is armed: whatever happens afterwards is delivered.
    ///
    /// If a watch reports on the path already, because it is that path's or is recursive and a path's
    /// above it, that watch is returned as it is, once it has started; see [`Overlap`] for another
    /// way. If that watch ignores exactly this path, it no longer does.
    ///
    /// # Errors
    ///
    /// If the path or the mask makes no sense, the path cannot be opened, or it cannot be armed: see
    /// [`Stage`]. There is no watch then.
    pub fn add_watch(
        &self,
        path: impl AsRef<Path>,
        mask: Mask,
        recursive: bool,
    ) -> Result<Watch, StartError> {
        let watch = match self.shared.enter(path.as_ref(), Wish { mask, recursive })? {
            Entered::Old(watch) => watch,
            Entered::New(watch) => {
                self.shared.arm(&watch);
                watch
            }
        };
        watch.started.wait()?;
        Ok(self.handle(watch))
    }

    /// Like [`WatchManager::add_watch`], and does not wait until the watch is armed, which takes a
    /// while for a large tree. [`Watch::started`] tells when it is, or why not.
    ///
    /// ```
    /// # use everwatch_pyinotify::{Mask, WatchManager};
    /// # smol::block_on(async {
    /// # let dir = tempfile::tempdir()?;
    /// let manager = WatchManager::new(|_, event| println!("{event}"))?;
    /// let watch = manager.begin_watch(dir.path(), Mask::ALL_EVENTS, true);
    /// watch.started().await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn begin_watch(&self, path: impl AsRef<Path>, mask: Mask, recursive: bool) -> Watch {
        let (path, wish) = (path.as_ref(), Wish { mask, recursive });
        match self.shared.enter(path, wish) {
            Ok(Entered::Old(watch)) => self.handle(watch),
            Ok(Entered::New(watch)) => {
                let (shared, armed) = (Arc::clone(&self.shared), Arc::clone(&watch));
                let spawned = thread::Builder::new()
                    .name("everwatch-start".to_owned())
                    .spawn(move || shared.arm(&armed));
                if let Err(error) = spawned {
                    let error = Error::from_io(&error, "start a thread");
                    self.shared.fail(&watch, StartError::new(Stage::Arm, error));
                }
                self.handle(watch)
            }
            Err(why) => {
                let watch = Arc::new(Inner::new(path.to_owned(), false, wish));
                watch.end(why);
                self.handle(watch)
            }
        }
    }

    fn handle(&self, inner: Arc<Inner>) -> Watch {
        Watch {
            inner,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Ends a watch; false if there is none of this number, or no longer.
    ///
    /// Nothing of it is delivered once this has returned, not even what happened before. If the handler
    /// has an event of it at present, this waits for the handler to return, unless it is the handler
    /// that calls this.
    pub fn rm_watch(&self, wd: Wd) -> bool {
        let watch = self.shared.state().registry.get(wd).cloned();
        if let Some(watch) = &watch {
            self.shared.remove(watch);
        }
        watch.is_some()
    }

    /// Ends reporting on a path and all below it; false if nothing was reported of it. A watch of this
    /// path is removed. Watches of paths above it ignore it, as by [`Watch::ignore_path`], and go on;
    /// watches of paths below it go on.
    pub fn rm_path(&self, path: impl AsRef<Path>) -> bool {
        let Some(key) = key(path.as_ref()) else {
            return false;
        };
        let (at, above) = {
            let state = self.shared.state();
            let at: Vec<_> = state.registry.at(&key).cloned().collect();
            let above: Vec<_> = state.registry.above(&key).cloned().collect();
            (at, above)
        };
        let reporting: Vec<_> = above
            .into_iter()
            .filter(|watch| watch.body().reports(&watch.key, &key))
            .collect();
        for watch in &at {
            self.shared.remove(watch);
        }
        for watch in &reporting {
            watch.body().ignore(&key);
            self.shared.wait_for_handler(watch.wd);
        }
        !at.is_empty() || !reporting.is_empty()
    }

    /// The number of the watch that reports what happens at and below this path: the path's own, or
    /// the one of the innermost path above it that is recursive and does not ignore it.
    pub fn get_wd(&self, path: impl AsRef<Path>) -> Option<Wd> {
        let key = key(path.as_ref())?;
        let state = self.shared.state();
        state.registry.covering(&key).map(|watch| watch.wd)
    }

    /// The path of a watch.
    pub fn get_path(&self, wd: Wd) -> Option<PathBuf> {
        let state = self.shared.state();
        state.registry.get(wd).map(|watch| watch.path.clone())
    }

    /// The watch of a number.
    pub fn get_watch(&self, wd: Wd) -> Option<Watch> {
        let watch = self.shared.state().registry.get(wd).cloned();
        watch.map(|watch| self.handle(watch))
    }

    /// How each part of the watched trees is watched, as [`Watcher::coverage`](everwatch::Watcher::coverage).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](everwatch::ErrorKind::Closed) if the manager has stopped.
    pub fn coverage(&self) -> Result<Vec<Coverage>, Error> {
        self.shared.watcher.coverage()
    }

    /// A barrier: returns when the handler has returned from the events of everything that happened
    /// before the call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](everwatch::ErrorKind::Closed) if the manager stops before or meanwhile, and
    /// if the handler calls this, which would wait for itself.
    pub fn sync(&self) -> Result<(), Error> {
        if self.shared.is_dispatcher() {
            let detail = "the handler would wait for itself";
            return Err(Error::closed("sync").with_detail(detail.to_owned()));
        }
        self.shared.watcher.sync()?;
        self.shared.wait_for_delivery()
    }

    /// How many calls of the handler have panicked.
    pub fn handler_panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }

    /// That the manager has stopped: all its watches have, and what the handler held is dropped.
    pub fn stopped(&self) -> Notice<()> {
        self.shared.stopped.clone()
    }

    /// Ends all watches. Returns when they have ended: nothing is delivered afterwards, and what has
    /// happened and is not delivered yet is dropped. Waits for the handler to return from the event
    /// that it may have at present; called by the handler, it returns at once, and all ends when the
    /// handler returns. Stopping twice is fine.
    pub fn stop(&self) {
        self.shared.stop();
        if self.shared.is_dispatcher() {
            return;
        }
        self.shared.stopped.wait();
        if let Some(thread) = &self.thread
            && let Some(thread) = thread.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // A panic of the thread was told when it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for WatchManager {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
        }
    }
}

impl fmt::Debug for WatchManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchManager").finish_non_exhaustive()
    }
}

/// The path as it is compared; `None` if there can be no such path.
fn key(path: &Path) -> Option<PathBuf> {
    let absolute = spelling::absolute(path, "find a watch").ok()?;
    Some(spelling::key(&absolute).into_owned())
}
