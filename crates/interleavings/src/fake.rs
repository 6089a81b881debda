//! The fake host: one directory of files in memory, and a kernel without bad habits.
//!
//! Everything above it is the real thing: the engine's thread, the hand-over, feeds and closing. What
//! a test explores is the order in which their threads run, so this host keeps no time and touches no
//! file system; the path of the root only has to exist.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use everwatch_core::coverage::Gap;
use everwatch_core::entry::{Birth, FileType, Identity, InodeNumber, Stat, Watch};
use everwatch_core::fault::{Fault, FaultKind};
use everwatch_core::kernel::{Drained, Kernel, Purpose, Watched};
use everwatch_core::listing::Listing;
use everwatch_core::queue::RecordQueue;
use everwatch_core::record::{Action, Record};
use everwatch_core::time::FileTime;

use everwatch_backends::{Backend, HostKernel, StartOptions, Woken};

use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;

const WATCH: Watch = Watch(1);

const NOT_FOUND: Fault = Fault {
    kind: FaultKind::NotFound,
    code: 2,
};

#[derive(Debug, Default)]
struct Contents {
    files: BTreeSet<Vec<u8>>,
    /// Records that have not been drained.
    queue: Vec<(Action, Vec<u8>)>,
    is_watched: bool,
    rang: bool,
}

/// The directory, with its queue of records.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    state: Arc<Mutex<Contents>>,
    news: Arc<Condvar>,
}

thread_local! {
    /// The disk that the next host is made for. Shuttle runs all threads of a program on one.
    static DISK: RefCell<Disk> = RefCell::default();
}

impl Disk {
    /// A new disk, which the next host is made for.
    pub fn plugged_in() -> Disk {
        let disk = Disk::default();
        DISK.with(|current| *current.borrow_mut() = disk.clone());
        disk
    }

    /// Creates a file.
    pub fn create(&self, name: &str) {
        self.change(Action::Created, name);
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        self.change(Action::Removed, name);
    }

    /// Changes the files, and queues a record if the directory is watched.
    fn change(&self, action: Action, name: &str) {
        let mut state = self.state.lock().expect("not poisoned");
        let name = name.as_bytes().to_vec();
        match action {
            Action::Created => state.files.insert(name.clone()),
            _ => state.files.remove(&name),
        };
        if state.is_watched {
            state.queue.push((action, name));
        }
        self.news.notify_all();
    }
}

/// The kernel over a [`Disk`].
pub(crate) struct Host {
    disk: Disk,
    clock: FileTime,
}

/// Wakes the thread that waits.
#[derive(Clone, Debug)]
pub(crate) struct Bell(Disk);

impl Bell {
    /// Wakes the thread, now or when it next waits.
    pub(crate) fn ring(&self) {
        self.0.state.lock().expect("not poisoned").rang = true;
        self.0.news.notify_all();
    }
}

impl HostKernel for Host {
    type Bell = Bell;

    /// A host over the disk that was plugged in last.
    fn start(_: &StartOptions) -> Result<Host, Fault> {
        let disk = DISK.with(|current| current.borrow().clone());
        Ok(Host { disk, clock: 0 })
    }

    /// It passes for inotify.
    fn backend(&self) -> Backend {
        Backend::Inotify
    }

    fn bell(&self) -> Bell {
        Bell(self.disk.clone())
    }

    /// Blocks until there are records or the bell rang; with a timeout, not at all.
    fn wait(&mut self, timeout: Option<Duration>) -> Woken {
        let mut state = self.disk.state.lock().expect("not poisoned");
        while timeout.is_none() && !state.rang && state.queue.is_empty() {
            state = self.disk.news.wait(state).expect("not poisoned");
        }
        state.rang = false;
        drop(state);
        thread::yield_now();
        Woken::default()
    }

    /// Lets other threads run.
    fn nap(&mut self, _: Duration) {
        thread::yield_now();
    }
}

impl Kernel for Host {
    type Dir = ();

    fn open_root(&mut self, _: &Path) -> Result<(), Fault> {
        Ok(())
    }

    fn read_link(&mut self, _: &Path) -> Option<PathBuf> {
        None
    }

    fn open_dir(&mut self, (): &(), _: &[u8]) -> Result<(), Fault> {
        Err(NOT_FOUND)
    }

    fn identity(&mut self, (): &()) -> Result<Identity, Fault> {
        Ok(Identity {
            device: 1,
            inode: InodeNumber::new(1),
            birth: Birth::At(1),
        })
    }

    fn gap_of_volume(&mut self, (): &()) -> Option<Gap> {
        None
    }

    fn stat(&mut self, (): &(), name: &[u8]) -> Result<Stat, Fault> {
        let state = self.disk.state.lock().expect("not poisoned");
        if !state.files.contains(name) {
            return Err(NOT_FOUND);
        }
        Ok(Stat {
            kind: FileType::File,
            device: 1,
            inode: inode(name),
            birth: Birth::At(1),
            modified: 1,
            changed: 1,
            size: 0,
            links: NonZeroU32::new(1),
        })
    }

    fn list(&mut self, (): &(), listing: &mut Listing) -> Result<(), Fault> {
        let state = self.disk.state.lock().expect("not poisoned");
        for name in &state.files {
            listing.push(name, inode(name), Some(FileType::File));
        }
        Ok(())
    }

    fn read_file(&mut self, (): &(), _: &[u8], _: usize) -> Result<Vec<u8>, Fault> {
        Err(NOT_FOUND)
    }

    fn watch(&mut self, (): &(), _: Purpose) -> Result<Watched, Fault> {
        let mut state = self.disk.state.lock().expect("not poisoned");
        let was_watched = std::mem::replace(&mut state.is_watched, true);
        Ok(if was_watched {
            Watched::Known(WATCH)
        } else {
            Watched::New(WATCH)
        })
    }

    fn unwatch(&mut self, _: Watch) {
        self.disk.state.lock().expect("not poisoned").is_watched = false;
    }

    fn drain(&mut self, records: &mut RecordQueue) -> Result<Drained, Fault> {
        let queue = std::mem::take(&mut self.disk.state.lock().expect("not poisoned").queue);
        for (action, name) in &queue {
            records.push(Record {
                watch: WATCH,
                action: *action,
                is_dir: false,
                cookie: None,
                described: None,
                name,
            });
        }
        Ok(if queue.is_empty() {
            Drained::Nothing
        } else {
            Drained::All
        })
    }

    fn clock(&mut self) -> FileTime {
        self.clock += 1_000_000_000;
        self.clock
    }
}

/// A number of its own for each of the few names there are.
fn inode(name: &[u8]) -> Option<InodeNumber> {
    let number = name
        .iter()
        .fold(2, |number, &byte| number << 8 | u64::from(byte));
    InodeNumber::new(number)
}
