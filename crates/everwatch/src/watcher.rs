//! The watcher: the caller's end of the engine's thread.

use std::hash::BuildHasher;
use std::path::{Path, PathBuf};

use everwatch_core::coverage::Coverage;
use everwatch_core::engine::{Counters, RootId, RootSpec};
use everwatch_core::entry::FileType;
use everwatch_core::event::Change;

use crate::error::{Error, ErrorKind};
use crate::feed::Feed;
use crate::handover::Handover;
use crate::options::{Backend, CompletionModel, Options};
use crate::platform::atomic::{AtomicBool, Ordering};
use crate::platform::thread::{self, JoinHandle, ThreadId};
use crate::platform::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use crate::platform::{Bell, Host};
use crate::root_spec;
use crate::thread::{Command, Seat};

/// A watched path of a [`Watcher`]. Never used again, and of no meaning to other watchers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Root {
    /// The instance of the watcher that it belongs to.
    watcher: u64,
    id: RootId,
}

/// An entry of a [`Snapshot`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The absolute path.
    pub path: PathBuf,
    /// What is there.
    pub file_type: FileType,
}

impl Entry {
    /// The entry as the change that would have told of it, with the number 0.
    pub fn as_created(&self) -> Change {
        Change::created(self.path.clone(), self.file_type)
    }
}

/// The tree at one moment, and the feed of everything after that moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// All entries below the roots, parents before children. The roots are not among them.
    pub entries: Vec<Entry>,
    /// What happens from then on: nothing is missing in between, and nothing is there twice.
    pub feed: Feed,
}

/// What the threads of a watcher share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// `None` once the engine's thread takes no more.
    commands: Mutex<Option<Vec<Command>>>,
    bell: Bell,
    /// Somebody called `close`: nothing is delivered any more.
    is_closed: AtomicBool,
    settles: bool,
    counters: Mutex<Counters>,
    /// Whether the engine's thread has ended.
    ended: Mutex<bool>,
    end: Condvar,
    thread: Mutex<Option<ThreadId>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is replaced as a whole, so a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    pub(crate) fn settles(&self) -> bool {
        self.settles
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        lock(&self.commands)
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    pub(crate) fn set_counters(&self, counters: Counters) {
        *lock(&self.counters) = counters;
    }

    pub(crate) fn begin(&self) {
        *lock(&self.thread) = Some(thread::current().id());
    }

    pub(crate) fn end(&self) {
        // Whoever waits for an answer learns that there is none.
        *lock(&self.commands) = None;
        *lock(&self.ended) = true;
        self.end.notify_all();
    }

    fn send(&self, command: Command) -> bool {
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

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.ring();
        self.wait_for_end();
    }

    fn is_own_thread(&self) -> bool {
        *lock(&self.thread) == Some(thread::current().id())
    }

    fn wait_for_end(&self) {
        if self.is_own_thread() {
            return;
        }
        let mut ended = lock(&self.ended);
        while !*ended {
            ended = self.end.wait(ended).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Watches any number of roots with one thread, and one inotify instance or completion port.
///
/// All methods may be called from any thread. Dropping the watcher closes it. The thread never runs
/// the caller's code, except the [`Waker`](std::task::Waker)s of feeds that are awaited.
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
#[derive(Debug)]
pub struct Watcher {
    /// `None` once it has been joined.
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
    options: Options,
    backend: Backend,
    /// Tells cursors of different watchers apart.
    instance: u64,
}

/// A position in the feeds of a watcher, as text. Cursors cannot be resumed from yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cursor {
    watcher: u64,
    seq: u64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}:{}", self.watcher, self.seq)
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

    pub(crate) fn with_options(options: Options) -> Result<Watcher, Error> {
        if options.capacity == 0 {
            return Err(Error::new(ErrorKind::BadOption, "start a watcher")
                .with_detail("the capacity of a feed has to be at least 1".to_owned()));
        }
        let filter = options.filter()?;
        let host = Host::start(&options.start()).map_err(|fault| {
            // Of the other models hardly anything can fail.
            match cfg!(windows) && options.completion == CompletionModel::Isolated {
                true => Error::from_fault(fault, "start the worker").with_path(&options.worker),
                false => Error::from_fault(fault, "start a watcher"),
            }
        })?;
        let backend = host.backend();
        let shared = Arc::new(Shared {
            commands: Mutex::new(Some(Vec::new())),
            bell: host.bell(),
            is_closed: AtomicBool::new(false),
            settles: options.settle.is_some(),
            counters: Mutex::default(),
            ended: Mutex::new(false),
            end: Condvar::new(),
            thread: Mutex::new(None),
        });
        let seat = Seat::new(Arc::clone(&shared), host, filter, &options);
        let thread = thread::Builder::new()
            .name("everwatch".to_owned())
            .spawn(move || seat.run())
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

    /// The mechanism that the watcher started with. Where another one is in use, now or for a part
    /// of the tree, [`Watcher::coverage`] says so.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Sends a command and waits for its answer.
    fn ask<T>(
        &self,
        operation: &'static str,
        command: impl FnOnce(mpsc::SyncSender<T>) -> Command,
    ) -> Result<T, Error> {
        if self.shared.is_own_thread() {
            return Err(Error::closed(operation).with_detail(
                "a waker runs on the watcher's own thread and must not ask it anything".to_owned(),
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
    /// Blocks until the root is armed: what happens after this returned is reported, what was there
    /// before is not (see [`Watcher::snapshot`]). Changes are reported below the path as it is
    /// spelled here, made absolute. A path that is a symbolic link to a directory is followed, and
    /// below it none is; a symbolic link to a file stands for the file's own path. A root inside
    /// another root is covered once. [`Watcher::roots`] tells the paths.
    ///
    /// The root is a name: if it is removed, renamed or replaced, the feed says so, and whatever has
    /// the name later is watched again.
    ///
    /// # Errors
    ///
    /// If the path does not exist or cannot be read. A watch limit is no error: what cannot be
    /// watched is polled, and [`Watcher::coverage`] says so.
    pub fn watch(&self, path: impl AsRef<Path>) -> Result<Root, Error> {
        self.watch_with(path, self.options.recursive)
    }

    /// Like [`Watcher::watch`], with or without what is below the path's own entries.
    ///
    /// # Errors
    ///
    /// As [`Watcher::watch`].
    pub fn watch_with(&self, path: impl AsRef<Path>, recursive: bool) -> Result<Root, Error> {
        let path = path.as_ref();
        let spec = spec(path, recursive, self.options.gitignore)?;
        self.ask("watch", |reply| Command::Watch { spec, reply })?
            .map(|id| Root {
                watcher: self.instance,
                id,
            })
            .map_err(|fault| Error::from_fault(fault, "watch").with_path(path))
    }

    /// Ends watching a root. Blocks until that is done: no change of it that is not yet in a feed
    /// will be. Roots that are unwatched already, and those of other watchers, are left alone.
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

    fn own(&self, root: Root) -> Option<RootId> {
        (root.watcher == self.instance).then_some(root.id)
    }

    /// Opens a feed of all that happens to the roots from now on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the watcher is closed.
    pub fn feed(&self) -> Result<Feed, Error> {
        Ok(self.open("open a feed", false)?.feed)
    }

    /// The tree as it is known now, and the feed of what happens to it from then on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the watcher is closed.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        self.open("take a snapshot", true)
    }

    fn open(&self, operation: &'static str, with_entries: bool) -> Result<Snapshot, Error> {
        let handover = Arc::new(Handover::new(self.options.capacity));
        let feed = Feed::new(Arc::clone(&handover), Arc::clone(&self.shared));
        let entries = self.ask(operation, |reply| Command::Open {
            handover,
            with_entries,
            reply,
        })?;
        Ok(Snapshot { entries, feed })
    }

    /// A barrier: returns when every change that completed before the call, by whichever thread or
    /// process, is in the feeds, where it can be had without waiting. Writes nothing into the tree.
    ///
    /// What is polled is listed once before this returns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the watcher is closed before or meanwhile.
    pub fn sync(&self) -> Result<(), Error> {
        self.ask("sync", |reply| Command::Sync { reply })
    }

    /// The absolute paths of the roots, in the order in which they were added, as changes name them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the watcher is closed.
    pub fn roots(&self) -> Result<Vec<PathBuf>, Error> {
        self.ask("ask for the roots", |reply| Command::Roots { reply })
    }

    /// The absolute path of a root, as changes name it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::UnknownRoot`] if it is not watched any more, or by another watcher;
    /// [`ErrorKind::Closed`] if the watcher is closed.
    pub fn root_path(&self, root: Root) -> Result<PathBuf, Error> {
        const ASK: &str = "ask for a root's path";
        let path = match self.own(root) {
            Some(root) => self.ask(ASK, |reply| Command::RootPath { root, reply })?,
            None => None,
        };
        path.ok_or_else(|| Error::new(ErrorKind::UnknownRoot, ASK))
    }

    /// How each part of the trees is watched: every root, and every subtree that is not live.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the watcher is closed.
    pub fn coverage(&self) -> Result<Vec<Coverage>, Error> {
        self.ask("ask for the coverage", |reply| Command::Coverage { reply })
    }

    /// What the engine has done so far. Never waits; the numbers are a few milliseconds old at most
    /// while the engine works, and exact when it rests.
    pub fn counters(&self) -> Counters {
        *lock(&self.shared.counters)
    }

    /// Stops watching after a last [`Watcher::sync`]. Feeds deliver what has happened until then, and
    /// end. Blocks as long as `sync` does.
    pub fn finish(&self) {
        if self.shared.send(Command::Finish) {
            self.shared.wait_for_end();
            self.join();
        }
    }

    /// Where the feeds are: the number of the last change, with the name of this watcher.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            watcher: self.instance,
            seq: self.counters().seq,
        }
    }

    /// Stops watching and ends all feeds. Returns when the thread has ended and everything is given
    /// back, within milliseconds; nothing is delivered afterwards. Closing twice is fine.
    pub fn close(&self) {
        self.shared.close();
        self.join();
    }

    /// Waits until the system has taken the thread back, which is a moment after its end.
    fn join(&self) {
        if !self.shared.is_own_thread()
            && let Some(thread) = lock(&self.thread).take()
        {
            // A panic of the thread was told when it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.close();
    }
}

/// What to watch for `path`: a directory, or the entry of a file in its directory.
fn spec(path: &Path, recursive: bool, gitignore: bool) -> Result<RootSpec, Error> {
    let fail = |error: std::io::Error| Error::from_io(&error, "watch").with_path(path);
    let absolute = root_spec::without_dots(&std::path::absolute(path).map_err(fail)?);
    let metadata = std::fs::metadata(&absolute).map_err(fail)?;
    if metadata.is_dir() {
        let outer = if gitignore {
            root_spec::above(&absolute)
        } else {
            Vec::new()
        };
        return Ok(RootSpec {
            dir: absolute,
            only: None,
            recursive,
            outer,
        });
    }
    // What is written to a file is reported in the directory that the file is in.
    let is_link = std::fs::symlink_metadata(&absolute).is_ok_and(|link| link.is_symlink());
    let file = if is_link {
        absolute.canonicalize().map_err(fail)?
    } else {
        absolute
    };
    match (file.parent(), file.file_name()) {
        (Some(dir), Some(name)) => Ok(RootSpec {
            dir: dir.to_owned(),
            only: Some(everwatch_core::path::to_bytes(Path::new(name))),
            recursive: false,
            outer: Vec::new(),
        }),
        _ => Err(Error::new(ErrorKind::BadPath, "watch").with_path(path)),
    }
}
