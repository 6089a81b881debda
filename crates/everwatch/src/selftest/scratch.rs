//! The scratch directory, which is gone when the test ends, however it ends.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A new directory, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a directory below `parent` whose name nothing else has.
    pub(crate) fn below(parent: &Path) -> io::Result<Scratch> {
        let parent = std::path::absolute(parent)?;
        let mut number = 0;
        loop {
            let name = format!("everwatch-selftest-{}-{number}", std::process::id());
            let path = parent.join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Scratch { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    /// Removes everything. Scanners and indexers hold files for a moment, so it tries for a while.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir_all(&self.path).is_err()
            && self.path.exists()
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
