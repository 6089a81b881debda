//! The calls to Windows, as a trait that a simulated system implements as well.
//!
//! An implementation makes no decision. It reports Win32 error codes as they are; `errors` says what they
//! mean. Handles are identities: a directory that is renamed is still the one that was opened, and
//! entries are opened relative to it, one name at a time, and never through a reparse point.

use std::path::{Path, PathBuf};
use std::time::Duration;

use everwatch_core::entry::Stat;
use everwatch_core::listing::Listing;
use everwatch_core::time::FileTime;
use everwatch_directory_reads::{Collected, Completion, Settings, Tag};

use super::volume::Volume;

/// A Win32 error code, as GetLastError returns it. NT status codes are translated by RtlNtStatusToDosError.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code(pub u32);

/// How this system differs from the documented one. All false on Windows.
#[derive(Clone, Copy, Default, Debug)]
pub struct Quirks {
    /// Records of what is below a renamed directory still name it by the path it had when it was
    /// first seen, and there may be none at all, as under Wine. A directory is seen when it is opened
    /// while a read of one above it is pending. It is forgotten, and with it that those below it are
    /// in it, when a read of itself is retired.
    pub keeps_old_paths: bool,
}

/// Windows, or a system that stands for it. One thread makes all calls; each blocks for as long as the system takes,
/// and only [`SystemCalls::wait`] waits for something to happen.
pub trait SystemCalls {
    /// An open directory; dropping the last clone closes it.
    type Dir: Clone;

    /// How it differs from the documented one.
    fn quirks(&self) -> Quirks;

    /// Opens a directory by its path, through reparse points: roots are trusted names.
    fn open_root(&mut self, path: &Path) -> Result<Self::Dir, Code>;

    /// Reads the link at `path`, a symbolic one or a junction; `None` if it is something else.
    fn read_link(&mut self, path: &Path) -> Option<PathBuf>;

    /// Opens the directory `name` in `parent`. A reparse point is no directory (ERROR_DIRECTORY).
    fn open_dir(&mut self, parent: &Self::Dir, name: &[u8]) -> Result<Self::Dir, Code>;

    /// Opens the same directory again, by its handle: it may have moved.
    fn reopen(&mut self, dir: &Self::Dir) -> Result<Self::Dir, Code>;

    /// What was seen of the directory when it was opened, or later. `birth` is the time of its creation.
    fn look(&mut self, dir: &Self::Dir) -> Result<Stat, Code>;

    /// Looks at the entry `name` itself, not at what it points to.
    fn stat(&mut self, dir: &Self::Dir, name: &[u8]) -> Result<Stat, Code>;

    /// The name that `dir` lists for what it finds under `name`.
    fn spelling(&mut self, dir: &Self::Dir, name: &[u8]) -> Result<Vec<u8>, Code>;

    /// Lists the directory without `.` and `..`, with the kinds and the numbers of the entries.
    fn list(&mut self, dir: &Self::Dir, listing: &mut Listing) -> Result<(), Code>;

    /// Reads at most `limit` bytes of the regular file `name`.
    fn read_file(&mut self, dir: &Self::Dir, name: &[u8], limit: usize) -> Result<Vec<u8>, Code>;

    /// The volume that the directory is on.
    fn volume(&mut self, dir: &Self::Dir) -> Result<Volume, Code>;

    /// The clock that files are stamped with, in nanoseconds since 1970.
    fn clock(&mut self) -> FileTime;

    /// Issues the first read of the directory before it returns. The rules are those of
    /// `everwatch_directory_reads::DirectoryReads`.
    fn arm(&mut self, tag: Tag, dir: &Self::Dir, settings: Settings) -> Result<(), Code>;

    /// Ends a read: cancels it, and frees its buffer once the kernel has let go of it. Nothing of it is delivered
    /// afterwards.
    fn retire(&mut self, tag: Tag);

    /// Delivers what has been read; each read has been issued again before. Never blocks.
    fn collect(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>)) -> Collected;

    /// Blocks until [`SystemCalls::collect`] has something, or the bell rings, or for `timeout`. It may return
    /// before.
    fn wait(&mut self, timeout: Option<Duration>);

    /// How long, in nanoseconds, something may have been complete that no call of
    /// [`SystemCalls::collect`] delivers. Nothing waits where completions come by the thread that collects.
    fn lateness(&self) -> FileTime {
        0
    }

    /// Delivers everything that was complete before the call. It cancels the pending read, which then carries nothing: what
    /// was recorded has completed it before, or waits for the next one (MS-FSA 2.1.5.20). It reads again until a read
    /// stays pending.
    fn fence(&mut self, deliver: &mut dyn FnMut(Tag, Completion<'_>));
}
