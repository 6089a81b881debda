//! Writers: changes to a tree that others have open, and threads that repeat them.
//!
//! Windows refuses to rename a directory below which something is open, and Wine keeps a removed entry until
//! the last handle to it is closed. The engine has directories open for moments, as any program that lists
//! them has. So on Windows each function here tries again, for at most [`PATIENCE`]; on Unix it does not.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::patience::PATIENCE;

/// [`fs::rename`].
///
/// # Errors
///
/// As the function of the standard library, after the time for trying again is over.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    retry(|| fs::rename(from, to))
}

/// [`fs::remove_file`], which also waits until the name is free.
///
/// # Errors
///
/// As [`rename`]. On Windows an entry that is gone already is no error: an earlier removal may have taken
/// effect only now.
pub fn remove_file(path: &Path) -> Result<()> {
    retry(|| ignore_absence(fs::remove_file(path)))?;
    wait_until_gone(path)
}

/// [`fs::remove_dir`], which also waits until the name is free.
///
/// # Errors
///
/// As [`remove_file`].
pub fn remove_dir(path: &Path) -> Result<()> {
    retry(|| ignore_absence(fs::remove_dir(path)))?;
    wait_until_gone(path)
}

/// [`fs::remove_dir_all`], which also waits until the name is free.
///
/// # Errors
///
/// As [`remove_file`].
pub fn remove_dir_all(path: &Path) -> Result<()> {
    retry(|| ignore_absence(fs::remove_dir_all(path)))?;
    wait_until_gone(path)
}

/// [`fs::create_dir`].
///
/// # Errors
///
/// As [`rename`].
pub fn create_dir(path: &Path) -> Result<()> {
    retry(|| fs::create_dir(path))
}

/// [`fs::create_dir_all`].
///
/// # Errors
///
/// As [`rename`].
pub fn create_dir_all(path: &Path) -> Result<()> {
    retry(|| fs::create_dir_all(path))
}

/// [`fs::write`].
///
/// # Errors
///
/// As [`rename`].
pub fn write(path: &Path, text: &str) -> Result<()> {
    retry(|| fs::write(path, text))
}

/// Waits until nothing has the name `path`. At once on Unix.
fn wait_until_gone(path: &Path) -> Result<()> {
    retry(|| match fs::symlink_metadata(path) {
        Ok(_) if cfg!(windows) => Err(Error::from(ErrorKind::PermissionDenied)),
        _ => Ok(()),
    })
}

fn ignore_absence(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if cfg!(windows) && error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Runs `work` until it succeeds, or fails for a reason that does not pass.
fn retry<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let begin = Instant::now();
    loop {
        match work() {
            Err(error) if is_transient(&error) && begin.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// Whether an open handle of another program may be the reason.
fn is_transient(error: &Error) -> bool {
    cfg!(windows)
        && matches!(
            error.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::DirectoryNotEmpty
                | ErrorKind::AlreadyExists
                | ErrorKind::ResourceBusy
        )
}

/// Threads that repeat their work until this is dropped, also by a failing test.
#[derive(Debug)]
pub struct Load {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Runs `work` on `threads` threads, with the number of the thread and of the round.
    pub fn new(threads: usize, work: impl Fn(usize, usize) + Send + Sync + 'static) -> Load {
        let (is_over, work) = (Arc::new(AtomicBool::new(false)), Arc::new(work));
        let start = |thread| {
            let (is_over, work) = (Arc::clone(&is_over), Arc::clone(&work));
            std::thread::spawn(move || {
                for round in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    work(thread, round);
                }
            })
        };
        Load {
            threads: (0..threads).map(start).collect(),
            is_over,
        }
    }
}

impl Drop for Load {
    /// Ends the threads, and fails the test if the work of one of them panicked.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let result = thread.join();
            assert!(
                result.is_ok() || std::thread::panicking(),
                "the load did its work"
            );
        }
    }
}
