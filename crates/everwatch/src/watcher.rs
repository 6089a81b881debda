//! The watcher: the caller's end of the engine's thread.

use std::fmt;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};

use everwatch_core::coverage::Coverage;
use everwatch_core::engine::{Counters, RootId};

use crate::error::{Error, ErrorKind};
use crate::options::{Backend, CompletionModel, Options};
use crate::platform::thread::{self, JoinHandle};
use crate::platform::{Arc, Host, HostKernel as _, Mutex, mpsc};
use crate::root_spec::root_spec;
use crate::shared::{Command, Shared, lock};
use crate::thread::EngineThread;

/// The identity of a watched path. Never reused by its [`Watcher`], and unknown to all others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Root {
    /// The instance of the watcher that it belongs to.
    watcher: u64,
    id: RootId,
}

/// Watches any number of roots with one thread, and one inotify instance or completion port.
///
/// ```
/// # let (one, two) = (tempfile::tempdir()?, tempfile::tempdir()?);
/// let watcher = everwatch::Watcher::new()?;
/// let mut feed = watcher.feed()?;
/// watcher.watch(one.path())?;
/// watcher.watch(two.path())?;
/// std::fs::write(one.path().join("a"), "")?;
/// std::fs::rename(one.path().join("a"), two.path().join("b"))?;
/// watcher.sync()?;
/// while let Some(event) = feed.try_next()? {
///     println!("{event}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Threads
///
/// A watcher can be shared between threads, and every method called from any of them at any time. The
/// watcher's own thread never runs the caller's code, with one exception: the
/// [`Waker`](std::task::Waker)s of feeds that are awaited. A waker may close the watcher; every call
/// that needs an answer of the thread fails there with [`ErrorKind::Closed`] instead of waiting for
/// itself.
///
/// # Cancellation
///
/// [`close`](Watcher::close) ends every call of another thread that waits, on the watcher and on its
/// feeds, within milliseconds. Dropping the watcher closes it.
#[derive(Debug)]
pub struct Watcher {
    /// `None` once it has been joined.
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
    options: Options,
    backend: Backend,
    /// A random number, by which roots and cursors of different watchers differ.
    instance: u64,
}

/// A position in the feeds of one watcher. Its text is the watcher's random number in 16 hexadecimal
/// digits, a colon, and the number of the last change. Cursors cannot be resumed from yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cursor {
    watcher: u64,
    seq: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}:{}", self.watcher, self.seq)
    }
}

impl Options {
    /// Starts a watcher without roots. Does not block, except with [`CompletionModel::Isolated`],
    /// where it waits for the worker process to answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BadOption`] if an option makes no sense, [`ErrorKind::LimitReached`] if the system
    /// has no file descriptor, no thread or, for [`Backend::Inotify`], no inotify instance left, and
    /// [`ErrorKind::Unsupported`] if it has no such backend.
    pub fn build(self) -> Result<Watcher, Error> {
        Watcher::with_options(self)
    }
}

impl Watcher {
    /// A watcher with the default options and no roots.
    ///
    /// # Errors
    ///
    /// As [`Options::build`].
    pub fn new() -> Result<Watcher, Error> {
        Options::new().build()
    }

    /// Checks the options, makes the host on this thread, so that its errors are returned, and starts the
    /// engine's thread.
    fn with_options(options: Options) -> Result<Watcher, Error> {
        if options.capacity == 0 {
            return Err(Error::new(ErrorKind::BadOption, "start a watcher")
                .with_detail("the capacity of a feed must be at least 1"));
        }
        let filter = options.filter()?;
        let host = Host::start(&options.start()).map_err(|fault| {
            // The other models start no program.
            match cfg!(windows) && options.completion == CompletionModel::Isolated {
                true => Error::from_fault(fault, "start the worker").with_path(&options.worker),
                false => Error::from_fault(fault, "start a watcher"),
            }
        })?;
        let backend = host.backend();
        let shared = Arc::new(Shared::new(host.bell(), options.settle.is_some()));
        let engine = EngineThread::new(Arc::clone(&shared), host, filter, &options);
        let thread = thread::Builder::new()
            .name("everwatch".to_owned())
            .spawn(move || engine.run())
            .map_err(|error| Error::from_io(&error, "start a thread"))?;
        let instance = std::hash::RandomState::new().hash_one(std::process::id());
        Ok(Watcher {
            thread: Mutex::new(Some(thread)),
            shared,
            options,
            backend,
            instance,
        })
    }

    /// What the watcher shares with its feeds.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The capacity of the feeds, in events.
    pub(crate) fn capacity(&self) -> usize {
        self.options.capacity
    }

    /// The mechanism that the watcher started with. Where another one is in use, now or for a part
    /// of the tree, [`Watcher::coverage`] says so.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn ask<T>(
        &self,
        operation: &'static str,
        command: impl FnOnce(mpsc::SyncSender<T>) -> Command,
    ) -> Result<T, Error> {
        if self.shared.is_own_thread() {
            return Err(Error::closed(operation).with_detail(
                "a waker runs on the watcher's own thread and would wait for itself",
            ));
        }
        let (reply, answer) = mpsc::sync_channel(1);
        if !self.shared.send(command(reply)) {
            return Err(Error::closed(operation));
        }
        answer.recv().map_err(|_| Error::closed(operation))
    }

    /// Watches a directory, with all below it unless the options say otherwise, or a single file.
    ///
    /// Blocks until the root is armed, which takes a listing of every directory below it: feeds report
    /// what happens after this has returned, and not what was there before (see
    /// [`Watcher::snapshot`]). Changes are reported below the path as it is spelled here, made
    /// absolute. A path that is a symbolic link to a directory is followed, and below it none is; a
    /// symbolic link to a file stands for the file's own path. A root inside another root is covered
    /// once. [`Watcher::roots`] has the paths.
    ///
    /// The root is a name: if it is removed, renamed or replaced, the feed says so, and an entry that
    /// has the name later is watched again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`], [`ErrorKind::Denied`] or [`ErrorKind::BadPath`] if the path does not
    /// exist, must not be read, or leads to no file or directory; [`ErrorKind::Closed`] if the watcher
    /// is closed before the root is armed. A watch limit is no error: the engine polls what cannot be
    /// watched, and [`Watcher::coverage`] says so.
    pub fn watch(&self, path: impl AsRef<Path>) -> Result<Root, Error> {
        self.watch_with(path, self.options.recursive)
    }

    /// Like [`Watcher::watch`], with everything below the path, or with the path's own entries only.
    ///
    /// # Errors
    ///
    /// As [`Watcher::watch`].
    pub fn watch_with(&self, path: impl AsRef<Path>, recursive: bool) -> Result<Root, Error> {
        let path = path.as_ref();
        let spec = root_spec(path, recursive, self.options.ignore_files)?;
        self.ask("watch", |reply| Command::Watch { spec, reply })?
            .map(|id| Root {
                watcher: self.instance,
                id,
            })
            .map_err(|fault| Error::from_fault(fault, "watch").with_path(path))
    }

    /// Ends watching a root. Blocks until that is done: no change of it that is not yet in a feed
    /// will be. Does nothing for a root that is unwatched already or belongs to another watcher.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the watcher is closed.
    pub fn unwatch(&self, root: Root) -> Result<(), Error> {
        match self.own(root) {
            Some(root) => self.ask("unwatch", |reply| Command::Unwatch { root, reply }),
            None => Ok(()),
        }
    }

    /// The engine's id of a root, if the root is of this watcher.
    fn own(&self, root: Root) -> Option<RootId> {
        (root.watcher == self.instance).then_some(root.id)
    }

    /// A barrier: blocks until every change that completed before the call, made by any thread or
    /// process, is in the feeds. Writes nothing into the tree.
    ///
    /// On Linux a write is complete when it is made. On Windows it is when its handle is closed or
    /// flushed: until then the system records nothing. Writes through a mapped file are recorded by
    /// neither when they are made.
    ///
    /// Directories that are polled are listed once before this returns. A consumer that does not read
    /// holds up nothing: its feed then has the change as part of its backlog.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the watcher is closed before or meanwhile.
    pub fn sync(&self) -> Result<(), Error> {
        self.ask("sync", |reply| Command::Sync { reply })
    }

    /// The absolute paths of the roots, in the order in which they were added, as changes name them.
    /// Blocks until the engine's thread has finished its current step.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the watcher is closed.
    pub fn roots(&self) -> Result<Vec<PathBuf>, Error> {
        self.ask("ask for the roots", |reply| Command::Roots { reply })
    }

    /// The absolute path of a root, as changes name it. Blocks as [`Watcher::roots`] does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownRoot`] if it is not watched any more, or belongs to another watcher;
    /// [`ErrorKind::Closed`] if the watcher is closed.
    pub fn root_path(&self, root: Root) -> Result<PathBuf, Error> {
        const ASK: &str = "ask for a root's path";
        let path = match self.own(root) {
            Some(root) => self.ask(ASK, |reply| Command::RootPath { root, reply })?,
            None => None,
        };
        path.ok_or_else(|| Error::new(ErrorKind::UnknownRoot, ASK))
    }

    /// How each part of the trees is watched: every root, and every subtree that is not live. Blocks
    /// as [`Watcher::roots`] does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the watcher is closed.
    pub fn coverage(&self) -> Result<Vec<Coverage>, Error> {
        self.ask("ask for the coverage", |reply| Command::Coverage { reply })
    }

    /// The engine's counters. Never blocks, also not after [`close`](Watcher::close). The numbers are
    /// those of the last step: exact when the engine rests, milliseconds old while it works.
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// The position of the feeds: the number of the last change, with the identity of this watcher.
    /// Never blocks.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            watcher: self.instance,
            seq: self.counters().seq,
        }
    }

    /// Stops watching after a last [`Watcher::sync`]. Feeds deliver what has happened until then, and
    /// end. Blocks as long as `sync` does.
    pub fn finish(&self) {
        if self.shared.send(Command::Finish) {
            self.shared.wait_for_end();
            self.join();
        }
    }

    /// Stops watching and ends all feeds; what they hold is dropped. Blocks until the thread has ended
    /// and has given back every watch and handle, which takes milliseconds. Nothing is delivered
    /// afterwards. Closing twice is harmless.
    ///
    /// Called by a waker, on the watcher's own thread, it returns at once and the thread ends after
    /// the waker.
    pub fn close(&self) {
        self.shared.close();
        self.join();
    }

    /// Waits until the system has taken the thread back, which is a moment after its end.
    fn join(&self) {
        if !self.shared.is_own_thread()
            && let Some(thread) = lock(&self.thread).take()
        {
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for Watcher {
    /// Closes the watcher, and blocks as [`Watcher::close`] does.
    fn drop(&mut self) {
        self.close();
    }
}
