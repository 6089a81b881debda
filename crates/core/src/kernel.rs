//! The one arrow that points back: what the engine asks of an operating system.
//!
//! A kernel hands out records ([`Kernel::drain`]) and answers questions about directories. It makes
//! no decision: what to open, in which order and what to believe is the engine's business, so that
//! the simulated kernel runs the very same decisions as the real one.
//!
//! Contract, which every backend keeps and the engine relies on:
//!
//! 1. A directory handle is an identity. It keeps meaning the same directory when that is renamed,
//!    and [`Kernel::open_dir`] opens an entry *of that directory*, never following a symbolic link.
//! 2. After [`Kernel::watch`] returned, every change of the directory's entries leaves a record
//!    that a later [`Kernel::drain`] returns, or an [`Action::Overflow`](crate::record::Action).
//!    Records come in the order in which the changes of one directory happened.
//!    A kernel says once that records were lost, and may lose more until that was drained.
//! 3. The record of a change is on the queue before the call that made the change returns.
//! 4. A listing that is read while the directory changes shows each entry as it was at some moment
//!    during the listing.
//! 5. Records may be merged, may be about directories that are no longer watched, and may name
//!    anything: names are data.
//!
//! A kernel may watch whole trees at once, as Windows does ([`Kernel::names_paths`]). Then one watch
//! reports on all that is below its directory, in the order in which it happened, and its records name
//! an entry by the path that led to it at that moment.

use std::path::{Path, PathBuf};

use crate::coverage::Gap;
use crate::entry::{Identity, Stat, Watch};
use crate::fault::Fault;
use crate::listing::Listing;
use crate::queue::RecordQueue;
use crate::time::{FileTime, may_be_since};

/// What the engine calls a file that is looked at later; it means nothing to a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token(pub u64);

/// The answer of [`Kernel::changed_since`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangedSince {
    /// The file has not been changed since.
    No,
    /// The file may have been changed since, or cannot be looked at.
    Maybe,
    /// [`Kernel::finish_deferred_stats`] has the answer.
    Deferred,
}

impl ChangedSince {
    /// What the time stamps of a file say, or the failure to read them. A file that is gone may have been
    /// changed before it was moved to where it is now, so a failure says [`ChangedSince::Maybe`].
    pub fn from_stat(stat: &Result<Stat, Fault>, since: FileTime) -> ChangedSince {
        match stat {
            Ok(stat) if !may_be_since(stat.changed, since) => ChangedSince::No,
            _ => ChangedSince::Maybe,
        }
    }
}

/// What adding a watch led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watched {
    /// The directory was not watched before.
    New(Watch),
    /// The directory is watched already, by this name.
    Known(Watch),
    /// This watch, of a directory above, reports on it.
    Above(Watch),
}

/// What draining the kernel's queue led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drained {
    /// The queue was empty.
    Nothing,
    /// Records came, among them all that were queued before the call.
    All,
    /// Records came; others that were queued before the call may still be there.
    Part,
}

/// Why a directory is watched. Decides what the kernel reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// All that happens to its entries.
    Entries,
    /// The same, and that the directory itself is renamed: it is the directory of a root.
    Root,
    /// That the entry of a root, in it, is renamed, removed or replaced.
    Guard,
    /// That the directory, an ancestor of a root, is renamed.
    Ancestor,
    /// All that happens to an entry above a root with ignore rules for it, and what
    /// [`Purpose::Ancestor`] says.
    Rules,
}

/// An operating system. See the module head for the contract.
pub trait Kernel {
    /// An open directory; dropping it closes it.
    type Dir;

    /// Opens a root by its path. Roots are trusted names: symbolic links are followed.
    fn open_root(&mut self, path: &Path) -> Result<Self::Dir, Fault>;

    /// Reads the symbolic link at `path`, a part of a root's path; `None` if it is something else.
    fn read_link(&mut self, path: &Path) -> Option<PathBuf>;

    /// Opens the directory `name` in `parent` without following a symbolic link.
    fn open_dir(&mut self, parent: &Self::Dir, name: &[u8]) -> Result<Self::Dir, Fault>;

    /// Tells which directory `dir` is.
    fn identity(&mut self, dir: &Self::Dir) -> Result<Identity, Fault>;

    /// Tells whether directories on the file system of `dir` can be watched, and if not, why.
    /// Asked once for each device, and again in each poll while there are directories to poll.
    fn gap_of_volume(&mut self, dir: &Self::Dir) -> Option<Gap>;

    /// Looks at the entry `name` of `dir` itself, not at what it points to.
    fn stat(&mut self, dir: &Self::Dir, name: &[u8]) -> Result<Stat, Fault>;

    /// Says whether the file `name` of `dir` may have been changed at `since` or later.
    ///
    /// A kernel may answer [`ChangedSince::Deferred`] and look at the file at any moment until the end of
    /// the next [`Kernel::finish_deferred_stats`], beside what the engine asks meanwhile. `token` then
    /// names the file in the answer.
    fn changed_since(
        &mut self,
        dir: &Self::Dir,
        name: &[u8],
        since: FileTime,
        _token: Token,
    ) -> ChangedSince {
        ChangedSince::from_stat(&self.stat(dir, name), since)
    }

    /// Looks at every file for which [`Kernel::changed_since`] deferred the answer. Adds the tokens of
    /// those that may have been changed.
    fn finish_deferred_stats(&mut self, _changed: &mut Vec<Token>) {}

    /// Lists `dir` into `listing`, without `.` and `..`.
    fn list(&mut self, dir: &Self::Dir, listing: &mut Listing) -> Result<(), Fault>;

    /// Reads at most `limit` bytes of the regular file `name` in `dir`.
    fn read_file(&mut self, dir: &Self::Dir, name: &[u8], limit: usize) -> Result<Vec<u8>, Fault>;

    /// Watches `dir`.
    fn watch(&mut self, dir: &Self::Dir, purpose: Purpose) -> Result<Watched, Fault>;

    /// Ends a watch. Records already queued still come.
    fn unwatch(&mut self, watch: Watch);

    /// Moves what the kernel has queued into `records`; never blocks.
    fn drain(&mut self, records: &mut RecordQueue) -> Result<Drained, Fault>;

    /// Makes sure that the next drain has whatever happened before this call. Nothing to do where
    /// rule 3 holds for every record that [`Kernel::drain`] can take.
    fn fence(&mut self) {}

    /// By how much later, in nanoseconds, a drain may have a record than rule 3 says, if there was no
    /// fence. What was lost so late is looked for from so much earlier on.
    fn lateness(&self) -> FileTime {
        0
    }

    /// Whether records name entries by their paths below the watched directory, with `/` between the
    /// names, and say nothing of what an entry is but by [`Described`](crate::record::Described).
    fn names_paths(&self) -> bool {
        false
    }

    /// Whether what is below a directory is still reported when the directory was moved. If not, the
    /// engine watches and compares all of it anew.
    fn keeps_moved(&self) -> bool {
        true
    }

    /// The name under which `dir` lists what it has under `name`, if that is another one: records may
    /// name an entry by its short name. Asked only where the mirror knows no such name.
    fn spelling(&mut self, _dir: &Self::Dir, _name: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// The clock that files are stamped with.
    fn clock(&mut self) -> FileTime;

    /// The engine is about to wait. A kernel gives up what keeps a file system busy, such as a working
    /// directory in it, so that it can be unmounted.
    fn before_wait(&mut self) {}
}
