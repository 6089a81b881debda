//! The writer: operations on the disk, their number, and their random choices.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

/// Makes random choices that depend on a seed alone (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Changes the disk. Every content that it writes is a new one.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) random: Random,
    pub(crate) operations: u64,
    /// Operations that were refused at first.
    pub(crate) retried: u64,
    contents: u64,
    /// Attempts at an operation that Windows refuses.
    pub(crate) attempts: u32,
}

/// Attempts at an operation that the system refuses while another process holds the entry.
pub(crate) const ATTEMPTS: u32 = 100;

impl Writer {
    pub(crate) fn new(random: Random) -> Writer {
        Writer {
            random,
            operations: 0,
            retried: 0,
            contents: 0,
            attempts: ATTEMPTS,
        }
    }

    /// Does one operation. Windows refuses some while a scanner, or the watcher, looks at the entry: such a one is
    /// repeated and counted.
    pub(crate) fn act<T>(&mut self, mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.operations += 1;
        let mut attempts = 1;
        loop {
            match operation() {
                Err(error)
                    if cfg!(windows)
                        && error.kind() == io::ErrorKind::PermissionDenied
                        && attempts < self.attempts =>
                {
                    self.retried += u64::from(attempts == 1);
                    attempts += 1;
                    std::thread::sleep(Duration::from_millis(2));
                }
                result => return result,
            }
        }
    }

    /// A content that no file has had.
    fn content(&mut self) -> String {
        self.contents += 1;
        format!("content {}\n", self.contents)
    }

    /// Writes a file with a new content, and makes it if it is not there.
    pub(crate) fn write(&mut self, path: &Path) -> io::Result<()> {
        let content = self.content();
        self.act(|| fs::write(path, &content))
    }

    /// Appends a new content to a file.
    pub(crate) fn append(&mut self, path: &Path) -> io::Result<()> {
        let content = self.content();
        self.act(|| {
            let mut file = OpenOptions::new().append(true).open(path)?;
            file.write_all(content.as_bytes())
        })
    }

    pub(crate) fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        self.act(|| fs::create_dir_all(path))
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.act(|| fs::rename(from, to))
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.act(|| fs::remove_file(path))
    }

    pub(crate) fn remove_tree(&mut self, path: &Path) -> io::Result<()> {
        self.act(|| fs::remove_dir_all(path))
    }
}
