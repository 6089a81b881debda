//! Looking at files beside the engine's thread.
//!
//! After an overflow every file of a tree has to be looked at, and that takes as long as opening and
//! listing all its directories. So a second thread does the one while the engine's thread does the
//! other. It is there only while there is enough to look at: it starts with the first full batch and
//! is gone when [`Surveyor::finish`] returns, and what is less than a batch never starts it.
//!
//! Batches go through a short channel. When that is full the second thread has fallen behind, and
//! the engine's looks at a batch itself; so neither waits for the other, and the directories that
//! are held open are few.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use everwatch_core::kernel::{ChangedSince, Token};
use everwatch_core::time::FileTime;

use super::directory;

/// A batch with the files of this many directories is full. Each is held open until it was looked at.
const MOST_DIRECTORIES: usize = 32;

/// A batch with this many files is full.
const MOST_FILES: usize = 512;

/// The most batches that wait for the second thread.
const WAITING: usize = 2;

/// Files to look at.
#[derive(Debug, Default)]
struct Batch {
    /// All are changed if they were at this time or later.
    since: FileTime,
    directories: Vec<Arc<OwnedFd>>,
    files: Vec<File>,
    /// The names one after another, each with a zero byte at its end.
    names: Vec<u8>,
}

/// A file of a batch.
#[derive(Debug)]
struct File {
    /// Index into `directories`.
    directory: usize,
    /// Offset in `names`.
    name: usize,
    /// What the engine knows it by.
    token: Token,
}

impl Batch {
    /// Adds a file. Files of one directory come one after another, so the last directory is enough to compare
    /// with.
    fn push(&mut self, dir: &Arc<OwnedFd>, name: &[u8], token: Token) {
        if !self.directories.last().is_some_and(|d| Arc::ptr_eq(d, dir)) {
            self.directories.push(Arc::clone(dir));
        }
        self.files.push(File {
            directory: self.directories.len() - 1,
            name: self.names.len(),
            token,
        });
        self.names.extend_from_slice(name);
        self.names.push(0);
    }

    /// Whether it is worth sending.
    fn is_full(&self) -> bool {
        self.directories.len() >= MOST_DIRECTORIES || self.files.len() >= MOST_FILES
    }

    /// Looks at all files, and adds those that were changed.
    fn look(self, changed: &mut Vec<Token>) {
        for file in &self.files {
            let answer = match CStr::from_bytes_until_nul(&self.names[file.name..]) {
                Ok(name) => {
                    let looked = directory::stat(&self.directories[file.directory], name);
                    ChangedSince::from_stat(&looked, self.since)
                }
                // There is a zero byte behind every name.
                Err(_) => ChangedSince::Maybe,
            };
            if answer == ChangedSince::Maybe {
                changed.push(file.token);
            }
        }
    }
}

/// The second thread, and the channel of its batches. Dropping the channel ends the thread.
#[derive(Debug)]
struct Assistant {
    batches: SyncSender<Batch>,
    thread: JoinHandle<Vec<Token>>,
}

impl Assistant {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// EAGAIN if the process cannot have another thread.
    fn start() -> std::io::Result<Assistant> {
        let (batches, receiver) = sync_channel(WAITING);
        let thread = thread::Builder::new()
            .name("everwatch-look".to_owned())
            .spawn(move || look_at_all(&receiver))?;
        Ok(Assistant { batches, thread })
    }
}

/// The work of the second thread: every batch until the channel closes.
fn look_at_all(batches: &Receiver<Batch>) -> Vec<Token> {
    let mut changed = Vec::new();
    for batch in batches {
        batch.look(&mut changed);
    }
    changed
}

/// The second thread that looks at files after an overflow, and what it has found. It ends before the
/// engine decides anything.
#[derive(Debug, Default)]
pub(super) struct Surveyor {
    /// What has been deferred and is not under way.
    batch: Batch,
    /// What was found by this thread.
    changed: Vec<Token>,
    assistant: Option<Assistant>,
    /// Whether there is a processor for a second thread, once that was asked.
    has_processor: Option<bool>,
}

impl Surveyor {
    /// Defers looking at a file until `finish`, at the latest.
    pub(super) fn defer(&mut self, dir: &Arc<OwnedFd>, name: &[u8], since: FileTime, token: Token) {
        if self.batch.is_full() || self.batch.since != since {
            self.dispatch();
            self.batch.since = since;
        }
        self.batch.push(dir, name, token);
    }

    /// Gives the batch to the second thread, or looks at it here if there is none or it has fallen behind.
    fn dispatch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_full() && self.assistant.is_none() && self.has_processor() {
            // Without a second thread this one does the work.
            self.assistant = Assistant::start().ok();
        }
        let batch = match &self.assistant {
            None => batch,
            Some(assistant) => match assistant.batches.try_send(batch) {
                Ok(()) => return,
                Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => batch,
            },
        };
        batch.look(&mut self.changed);
    }

    /// Whether a second thread would run beside this one. Asked once: it reads the affinity mask and cgroups.
    fn has_processor(&mut self) -> bool {
        *self.has_processor.get_or_insert_with(|| {
            thread::available_parallelism().is_ok_and(|processors| processors.get() > 1)
        })
    }

    /// Looks at what has been deferred and not been looked at yet, and adds all that was changed.
    pub(super) fn finish(&mut self, changed: &mut Vec<Token>) {
        let assistant = self.assistant.take();
        std::mem::take(&mut self.batch).look(&mut self.changed);
        changed.append(&mut self.changed);
        if let Some(Assistant { batches, thread }) = assistant {
            drop(batches);
            match thread.join() {
                Ok(found) => changed.extend(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    }
}

impl Drop for Surveyor {
    /// A watcher that is closed leaves no thread behind.
    fn drop(&mut self) {
        if let Some(Assistant { batches, thread }) = self.assistant.take() {
            drop(batches);
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// More than any batch, and more than may wait.
    const DIRECTORIES: usize = 8 * MOST_DIRECTORIES;

    fn survey(root: &Path, since: FileTime) -> Vec<u64> {
        let mut surveyor = Surveyor::default();
        for at in 0..DIRECTORIES {
            let dir = Arc::new(directory::open_root(&root.join(at.to_string())).expect("a tree"));
            for (number, name) in [&b"file"[..], b"missing"].into_iter().enumerate() {
                let token = Token((2 * at + number) as u64);
                surveyor.defer(&dir, name, since, token);
            }
        }
        let mut changed = Vec::new();
        surveyor.finish(&mut changed);
        let mut changed: Vec<u64> = changed.into_iter().map(|token| token.0).collect();
        changed.sort_unstable();
        changed
    }

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for at in 0..DIRECTORIES {
            let dir = root.path().join(at.to_string());
            std::fs::create_dir(&dir).expect("a directory");
            std::fs::write(dir.join("file"), "").expect("a file");
        }
        root
    }

    #[test]
    fn every_file_that_was_changed_is_named_once() {
        let all: Vec<u64> = (0..2 * DIRECTORIES as u64).collect();
        assert_eq!(survey(tree().path(), 0), all);
    }

    #[test]
    fn of_files_that_were_not_changed_only_those_that_are_gone_are_named() {
        let missing: Vec<u64> = (0..DIRECTORIES as u64).map(|at| 2 * at + 1).collect();
        assert_eq!(survey(tree().path(), FileTime::MAX), missing);
    }
}
