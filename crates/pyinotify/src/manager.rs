//! The manager: the caller's end.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use everwatch::{Coverage, Error, Options};

use super::dispatch;
use super::event::{Mask, RawEvent, Wd};
use super::hub::{Added, Hub};
use super::notice::Notice;
use super::path_key;
use super::registry::Overlap;
use super::start_error::{Stage, StartError};
use super::subscription::{Interest, Subscription};
use super::sync::thread::{self, JoinHandle};
use super::sync::{Arc, Mutex, PoisonError};
use super::watch::Watch;

/// Watches paths and gives their events to a handler, in the manner of pyinotify.
///
/// The manager calls the handler on one thread, with one event after the other; the events of one watch
/// come in the order in which things happened. The handler gets the manager with each event, and may add,
/// change and remove watches, and stop the manager. It must not wait for itself: for
/// [`sync`](WatchManager::sync), or for [`stopped`](WatchManager::stopped) to fire.
///
/// A handler that panics loses the event that it was called with, and no other: the panic is printed,
/// counted in [`handler_panics`](WatchManager::handler_panics), and the next event is delivered. The
/// handler itself has to cope with what its unfinished call left behind. In a program that aborts on
/// panics, it aborts.
///
/// A handler that is slower than the changes loses nothing, and costs bounded memory: when too many
/// changes wait, they become the difference between the tree that the handler knows and the tree that
/// there is.
///
/// All methods may be called from any thread. Dropping the manager stops it.
pub struct WatchManager {
    hub: Arc<Hub>,
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

    /// A manager without watches. Entries that the options hide are hidden from all watches. Whether a
    /// watch is recursive is not decided by the options but when it is added.
    ///
    /// # Errors
    ///
    /// As [`Options::build`].
    pub fn with_options<H>(
        options: Options,
        overlap: Overlap,
        mut handler: H,
    ) -> Result<WatchManager, Error>
    where
        H: FnMut(&WatchManager, RawEvent) + Send + 'static,
    {
        let watcher = options.build()?;
        let feed = watcher.feed()?;
        let hub = Arc::new(Hub::new(watcher, overlap));
        let thread = {
            let hub = Arc::clone(&hub);
            thread::Builder::new()
                .name("everwatch-handler".to_owned())
                .spawn(move || {
                    let lent = WatchManager::lent(Arc::clone(&hub));
                    dispatch::run(hub, feed, move |event| handler(&lent, event));
                })
                .map_err(|error| Error::from_io(&error, "start a thread"))?
        };
        Ok(WatchManager {
            hub,
            thread: Some(Mutex::new(Some(thread))),
        })
    }

    /// The manager as the handler gets it, which does not stop the manager when it is dropped.
    fn lent(hub: Arc<Hub>) -> WatchManager {
        WatchManager { hub, thread: None }
    }

    /// Watches a path for the kinds of events in `mask`: a directory, with all below it if `recursive`
    /// (pyinotify's `rec` and `auto_add`), or a file.
    ///
    /// Blocks until the watch is armed: everything that happens afterwards is delivered.
    ///
    /// If a watch reports on the path already, because it is a watch of that path, or a recursive one of
    /// a path above, that watch is returned as it is, once it has started; see [`Overlap`] for another
    /// way. If that watch ignores exactly this path, it no longer does.
    ///
    /// # Errors
    ///
    /// If the path or the mask makes no sense, the path cannot be opened, or it cannot be armed: the
    /// [`Stage`] of the error says which. There is no watch then.
    pub fn add_watch(
        &self,
        path: impl AsRef<Path>,
        mask: Mask,
        recursive: bool,
    ) -> Result<Watch, StartError> {
        let watch = match self.hub.add(path.as_ref(), Interest { mask, recursive })? {
            Added::Existing(watch) => watch,
            Added::New(watch) => {
                self.hub.arm(&watch);
                watch
            }
        };
        watch.started.wait()?;
        Ok(self.handle(watch))
    }

    /// Like [`WatchManager::add_watch`], but does not block until the watch is armed, which takes a
    /// while for a large tree. [`Watch::started`] fires when it is armed or has failed.
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
        let (path, interest) = (path.as_ref(), Interest { mask, recursive });
        match self.hub.add(path, interest) {
            Ok(Added::Existing(watch)) => self.handle(watch),
            Ok(Added::New(watch)) => {
                let (hub, armed) = (Arc::clone(&self.hub), Arc::clone(&watch));
                let spawned = thread::Builder::new()
                    .name("everwatch-start".to_owned())
                    .spawn(move || hub.arm(&armed));
                if let Err(error) = spawned {
                    let error = Error::from_io(&error, "start a thread");
                    self.hub.fail(&watch, StartError::new(Stage::Arm, error));
                }
                self.handle(watch)
            }
            Err(why) => {
                let watch = Arc::new(Subscription::new(path.to_owned(), false, interest));
                watch.end(why);
                self.handle(watch)
            }
        }
    }

    fn handle(&self, subscription: Arc<Subscription>) -> Watch {
        Watch::new(subscription, Arc::clone(&self.hub))
    }

    /// Ends a watch. Returns false if no watch has this number, or none has it any more.
    ///
    /// Nothing of it is delivered after this has returned, not even what happened before. Blocks until the
    /// handler has returned, if it has an event of this watch and is not the caller.
    pub fn rm_watch(&self, wd: Wd) -> bool {
        let watch = self.hub.lock().registry.get(wd).cloned();
        if let Some(watch) = &watch {
            self.hub.remove(watch);
        }
        watch.is_some()
    }

    /// Ends reporting on a path and all below it. Returns false if no watch reported on it. A watch of this
    /// path is removed. Watches of paths above it ignore it, as by [`Watch::ignore_path`], and go on;
    /// watches of paths below it go on.
    pub fn rm_path(&self, path: impl AsRef<Path>) -> bool {
        let Some(key) = key(path.as_ref()) else {
            return false;
        };
        let (at, above) = {
            let locked = self.hub.lock();
            let at: Vec<_> = locked.registry.at(&key).cloned().collect();
            let above: Vec<_> = locked.registry.above(&key).cloned().collect();
            (at, above)
        };
        let reporting: Vec<_> = above
            .into_iter()
            .filter(|watch| watch.terms().reports(&watch.key, &key))
            .collect();
        for watch in &at {
            self.hub.remove(watch);
        }
        for watch in &reporting {
            watch.terms().ignore(&key);
            self.hub.wait_for_handler(watch.wd);
        }
        !at.is_empty() || !reporting.is_empty()
    }

    /// The number of the watch that reports what happens at and below this path: the path's own, or
    /// the one of the innermost path above it that is recursive and does not ignore it.
    pub fn get_wd(&self, path: impl AsRef<Path>) -> Option<Wd> {
        let key = key(path.as_ref())?;
        let locked = self.hub.lock();
        locked.registry.covering(&key).map(|watch| watch.wd)
    }

    /// The path of a watch.
    pub fn get_path(&self, wd: Wd) -> Option<PathBuf> {
        let locked = self.hub.lock();
        locked.registry.get(wd).map(|watch| watch.path.clone())
    }

    /// The watch with a number.
    pub fn get_watch(&self, wd: Wd) -> Option<Watch> {
        let watch = self.hub.lock().registry.get(wd).cloned();
        watch.map(|watch| self.handle(watch))
    }

    /// How each part of the watched trees is watched, as [`Watcher::coverage`](everwatch::Watcher::coverage).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](everwatch::ErrorKind::Closed) if the manager has stopped.
    pub fn coverage(&self) -> Result<Vec<Coverage>, Error> {
        self.hub.watcher.coverage()
    }

    /// A barrier: blocks until the handler has returned from the events of everything that happened
    /// before the call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](everwatch::ErrorKind::Closed) if the manager stops before or meanwhile, and if
    /// the handler calls this, because it would wait for itself.
    pub fn sync(&self) -> Result<(), Error> {
        if self.hub.is_dispatcher() {
            let detail = "the handler would wait for itself";
            return Err(Error::closed("sync").with_detail(detail.to_owned()));
        }
        self.hub.watcher.sync()?;
        self.hub.wait_for_delivery()
    }

    /// Number of calls of the handler that have panicked.
    pub fn handler_panics(&self) -> u64 {
        self.hub.panics.load(Ordering::Relaxed)
    }

    /// The notice that the manager has stopped: all its watches have ended, and the handler is dropped.
    pub fn stopped(&self) -> Notice<()> {
        self.hub.stopped.clone()
    }

    /// Ends all watches. Nothing is delivered after this has returned; events that have not been delivered
    /// are dropped. Blocks until the handler has returned from the event that it may have. Called by the
    /// handler, it returns at once, and everything ends when the handler returns. Stopping twice is
    /// harmless.
    pub fn stop(&self) {
        self.hub.stop();
        if self.hub.is_dispatcher() {
            return;
        }
        self.hub.stopped.wait();
        if let Some(thread) = &self.thread
            && let Some(thread) = thread.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // A panic of the thread was printed when it happened.
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
    let absolute = path_key::absolute(path, "find a watch").ok()?;
    Some(path_key::key(&absolute).into_owned())
}
