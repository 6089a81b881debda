//! The trait of an operating system: all that the engine knows of one.
//!
//! A kernel hands out records ([`Kernel::drain`]) and answers questions about directories. It makes
//! no decision: what to open, in which order and what to believe is the engine's business, so that
//! the simulated kernel runs the very same decisions as the real one.
//!
//! # Contract
//!
//! The engine relies on these rules. What a system cannot keep of them must become an
//! [`Action::Overflow`](crate::record::Action), a [`Gap`] or a [`Fault`], never silence.
//!
//!
//! 1. A directory handle is an identity. It keeps meaning the same directory when that is renamed,
//!    and [`Kernel::open_dir`] opens an entry *of that directory*, never following a symbolic link.
//! 2. After [`Kernel::watch`] returned, every change of the directory's entries leaves a record
//!    that a later [`Kernel::drain`] returns, or an [`Action::Overflow`](crate::record::Action).
//!    Records come in the order in which the changes of one directory happened.
//!    A kernel that has lost records says so once, and may lose more until that record was drained.
//! 3. The record of a change is on the queue before the call that made the change returns.
//! 4. A listing that is read while the directory changes shows each entry as it was at some moment
//!    during the listing.
//! 5. Records may be merged, may be about directories that are no longer watched, and may name
//!    anything, because names are data.
//!
//! # Kernels that watch trees
//!
//! A kernel may watch whole trees at once, as Windows does ([`Kernel::names_paths`]). Then one watch
//! reports on all that is below its directory, in the order in which it happened, and its records name
//! an entry by the path that led to it at that moment.
//!
//! # Threads and blocking
//!
//! The engine calls a kernel from one thread. A call may block as long as the file system takes to answer, and
//! no longer: no call waits for a change to happen.

use std::path::{Path, PathBuf};

use crate::coverage::Gap;
use crate::entry::{Identity, Stat, Watch};
use crate::fault::Fault;
use crate::listing::Listing;
use crate::queue::RecordQueue;
use crate::time::{FileTime, may_be_since};

/// The engine's name for a file whose answer was deferred. It means nothing to a kernel.
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

/// The result of [`Kernel::watch`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watched {
    /// The directory was not watched before.
    New(Watch),
    /// The directory is watched already, by this watch, perhaps under another path.
    Known(Watch),
    /// This watch, of a directory above, reports on it as well.
    Above(Watch),
}

/// The result of [`Kernel::drain`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drained {
    /// The queue was empty.
    Nothing,
    /// Records came, among them all that were queued before the call.
    All,
    /// Records came; others that were queued before the call may still be there.
    Part,
}

/// Why a directory is watched, which decides what the kernel has to report of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// All that happens to its entries.
    Entries,
    /// The same, and that the directory itself is renamed: it is the directory of a root.
    Root,
    /// That the entry of a root in it is renamed, removed or replaced: it is the parent of a root.
    Guard,
    /// That the directory itself is renamed: it is further above a root.
    Ancestor,
    /// What [`Purpose::Ancestor`] says, and all that happens to a file in it that has ignore rules for a root
    /// below.
    Rules,
}

/// An operating system, as the engine sees it.
///
/// The methods without a body are what every system has. The others describe how systems differ, and their
/// bodies are right for a kernel like Linux, where one watch reports on one directory.
///
/// Names are bytes: as Linux has them, or WTF-8 on Windows (see [`path`](crate::path)). Faults are mapped from
/// the system's errors as [`FaultKind`](crate::fault::FaultKind) says.
pub trait Kernel {
    /// An open directory, which dropping closes. The engine keeps few of them, and none while it waits.
    type Dir;

    /// Opens a root, or a directory above one, by its absolute path. Roots are trusted names, so symbolic links
    /// are followed.
    ///
    /// # Errors
    ///
    /// [`FaultKind::NotFound`](crate::fault::FaultKind::NotFound) or
    /// [`FaultKind::NotDirectory`](crate::fault::FaultKind::NotDirectory) prove that there is no such directory;
    /// any other fault proves nothing.
    fn open_root(&mut self, path: &Path) -> Result<Self::Dir, Fault>;

    /// Reads the symbolic link at `path`, which is a part of a root's path; `None` if there is no link or it
    /// cannot be read.
    fn read_link(&mut self, path: &Path) -> Option<PathBuf>;

    /// Opens the directory `name` in `parent` without following a symbolic link.
    ///
    /// # Errors
    ///
    /// As [`Kernel::open_root`]; a symbolic link is
    /// [`FaultKind::NotDirectory`](crate::fault::FaultKind::NotDirectory).
    fn open_dir(&mut self, parent: &Self::Dir, name: &[u8]) -> Result<Self::Dir, Fault>;

    /// The identity of `dir`: of a mount point, that of the directory that is mounted.
    fn identity(&mut self, dir: &Self::Dir) -> Result<Identity, Fault>;

    /// Why directories on the file system of `dir` cannot be watched; `None` if they can. The engine asks
    /// once for each device, and again in each poll while there are directories to poll.
    fn gap_of_volume(&mut self, dir: &Self::Dir) -> Option<Gap>;

    /// Looks at the entry `name` of `dir` itself, without following a symbolic link. A kernel that names paths may find
    /// an entry that is listed under another name: in another case, or a long one.
    fn stat(&mut self, dir: &Self::Dir, name: &[u8]) -> Result<Stat, Fault>;

    /// The same, but finds an entry only under the very name that it is listed under.
    fn stat_as_listed(&mut self, dir: &Self::Dir, name: &[u8]) -> Result<Stat, Fault> {
        self.stat(dir, name)
    }

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

    /// Adds the entries of `dir` to `listing`, without `.` and `..`.
    ///
    /// # Errors
    ///
    /// What was added before the failure stays, and the engine ignores it.
    fn list(&mut self, dir: &Self::Dir, listing: &mut Listing) -> Result<(), Fault>;

    /// Reads at most `limit` bytes of the regular file `name` in `dir`. Never blocks on a pipe or a device,
    /// which are faults.
    fn read_file(&mut self, dir: &Self::Dir, name: &[u8], limit: usize) -> Result<Vec<u8>, Fault>;

    /// Watches `dir`, or extends a watch of it to one more purpose.
    ///
    /// # Errors
    ///
    /// [`FaultKind::WatchLimit`](crate::fault::FaultKind::WatchLimit) and
    /// [`FaultKind::Unsupported`](crate::fault::FaultKind::Unsupported) leave the directory to be polled.
    fn watch(&mut self, dir: &Self::Dir, purpose: Purpose) -> Result<Watched, Fault>;

    /// Ends a watch. Records that are queued already may still be drained.
    fn unwatch(&mut self, watch: Watch);

    /// Moves what the kernel has queued to the end of `records`; never blocks.
    ///
    /// # Errors
    ///
    /// The queue cannot be read. What it had counts as lost.
    fn drain(&mut self, records: &mut RecordQueue) -> Result<Drained, Fault>;

    /// Makes sure that the next drain has a record of every change before this call. There is nothing to do
    /// where rule 3 holds for every record that [`Kernel::drain`] can take, as on Linux.
    fn fence(&mut self) {}

    /// How much later than rule 3 says a drain may have a record, in nanoseconds, if there was no fence. When
    /// records were lost, changes are looked for from that much earlier on.
    fn lateness(&self) -> FileTime {
        0
    }

    /// Whether records name entries by their paths below the watched directory, with `/` between the
    /// names. Such records do not say what an entry is, except by [`Described`](crate::record::Described). Such a kernel
    /// may rely on open handles to keep the directories above them, on the same file system, where they are
    /// ([`Purpose::Ancestor`]).
    fn names_paths(&self) -> bool {
        false
    }

    /// Whether a record that an entry was modified may mean that it is of another kind by now, or another entry.
    /// Asked only of a kernel that names paths.
    fn modifies_kinds(&self) -> bool {
        false
    }

    /// Whether a write is recorded when its handle is closed, and not when it is made. A file is then stamped long before
    /// its record comes.
    fn records_closes(&self) -> bool {
        false
    }

    /// Whether what replaces an entry of another spelling may leave no record of that one. Asked only of a kernel that
    /// names paths.
    fn replaces_in_any_case(&self) -> bool {
        false
    }

    /// Whether changes below a directory are still reported after the directory was moved. If not, the engine
    /// watches and compares all of it again. Only a kernel that watches trees may say no.
    fn keeps_moved(&self) -> bool {
        true
    }

    /// Whether the watch of a directory above reports what is below a directory whose own watch has ended. Asked only
    /// of a kernel that watches trees.
    fn hands_over(&self) -> bool {
        true
    }

    /// The name under which `dir` lists the entry that it has under `name`, if that is another one: records of
    /// Windows may name an entry by its short name (`LONGNA~1`). Asked only where the mirror knows no such name.
    fn spelling(&mut self, _dir: &Self::Dir, _name: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// The present time of the clock that files are stamped with.
    fn clock(&mut self) -> FileTime;

    /// The engine is about to wait, or makes a barrier. A kernel gives up what keeps a file system busy, such as a
    /// working directory in it, so that it can be unmounted.
    fn before_wait(&mut self) {}
}
