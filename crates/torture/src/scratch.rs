//! Scratch directories, and the limit of inotify's queue: borrowed from the machine, and given back when
//! they are dropped, also by a test that fails.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::program;
use rustix::fs::{FlockOperation, flock};

/// The file system that a test works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Memory: nothing slows the writers down.
    Tmpfs,
    /// A file system on a device.
    Disk,
}

impl Place {
    /// Both.
    pub const ALL: [Place; 2] = [Place::Tmpfs, Place::Disk];

    /// The word for it in a description of a run.
    pub fn name(self) -> &'static str {
        match self {
            Place::Tmpfs => "tmpfs",
            Place::Disk => "disk",
        }
    }

    /// The directory for scratch directories. `EVERWATCH_DISK` may name one on another device than that of
    /// the target directory.
    fn directory(self) -> PathBuf {
        match self {
            Place::Tmpfs => PathBuf::from("/dev/shm"),
            Place::Disk => std::env::var_os("EVERWATCH_DISK")
                .map_or_else(program::temporary_directory, PathBuf::from),
        }
    }
}

/// A new directory that is removed with all below it when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes one.
    pub fn new(place: Place) -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("everwatch-torture-{}-{number}", std::process::id());
        let path = place.directory().join(name);
        std::fs::create_dir_all(&path).expect("make a directory to work in");
        Scratch { path }
    }

    /// Its path, which is absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in this one. `name` may be a path whose parent exists.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::create_dir(&path).expect("make a directory");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A writer of a failed test may still be at work.
        for _ in 0..3 {
            if std::fs::remove_dir_all(&self.path).is_ok() {
                return;
            }
        }
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
