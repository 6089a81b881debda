//! Scratch directories, and the limit of inotify's queue: borrowed from the machine, and given back when
//! they are dropped, also by a test that fails.

use std::fs::File;
use std::path::{Path, PathBuf};

pub use everwatch_testing::scratch::Place;
use everwatch_testing::scratch::scratch;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// A new directory that is removed with all below it when this is dropped.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// Makes one.
    pub fn new(place: Place) -> Scratch {
        Scratch(scratch(place))
    }

    /// Its path, which is absolute.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes a directory in this one. `name` may be a path whose parent exists.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir(&path).expect("make a directory");
        path
    }
}

/// The number of records that the queue of a new inotify instance holds. The whole machine has one limit,
/// so a test holds a shared lock while it starts a command, and an exclusive one while it changes the
/// limit. Lock and value are given back when this is dropped.
#[derive(Debug)]
pub struct QueueLimit {
    /// The value to restore; `None` if it was not changed.
    before: Option<String>,
    /// Holds the lock, flock(2).
    _file: File,
}

const QUEUE_LIMIT: &str = "/proc/sys/fs/inotify/max_queued_events";

impl QueueLimit {
    /// Keeps other tests from changing the limit. Blocks while one has it changed.
    pub fn shared() -> QueueLimit {
        QueueLimit::lock(FlockOperation::LockShared)
    }

    fn lock(how: FlockOperation) -> QueueLimit {
        let file = File::open(QUEUE_LIMIT).expect("open the limit of the queue");
        flock(&file, how).expect("lock the limit of the queue");
        QueueLimit {
            before: None,
            _file: file,
        }
    }

    /// Changes the limit. Blocks while other tests start commands. `None` without the right to change it.
    pub fn set(records: u32) -> Option<QueueLimit> {
        let mut limit = QueueLimit::lock(FlockOperation::LockExclusive);
        let before = std::fs::read_to_string(QUEUE_LIMIT).ok()?;
        std::fs::write(QUEUE_LIMIT, records.to_string()).ok()?;
        limit.before = Some(before);
        Some(limit)
    }
}

impl Drop for QueueLimit {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            std::fs::write(QUEUE_LIMIT, before.trim()).expect("restore the limit of the queue");
        }
    }
}
