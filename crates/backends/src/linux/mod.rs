//! Linux: inotify for records, `openat` and `getdents64` for listings.
//!
//! - Directories are watched through their open descriptor, never by path: the engine's thread has
//!   a working directory of its own (`unshare(CLONE_FS)`), goes into the directory and watches `.`.
//!   That is a third cheaper than `/proc/self/fd/N`, which is the way where the first is forbidden.
//! - A first watch is added with `IN_MASK_CREATE`, a repeated one with `IN_MASK_ADD`. A plain repeat
//!   replaces the mask and loses records that come at that moment (seen on Linux 6.18).
//! - After an overflow all files are looked at, by a second thread beside the listing of directories
//!   (`surveyor`). It lives no longer than that takes.
//! - `IN_EXCL_UNLINK` keeps writes to a file that has no name any more from being reported.

mod bell;
mod directory;
mod host;
mod inotify;
mod mounts;
mod signal;
mod surveyor;
mod volume;

pub use bell::Bell;
pub use inotify::InotifyKernel;
pub use signal::Signal;
pub use volume::{describe as describe_volume, limits};

use everwatch_core::fault::{Fault, FaultKind};
use rustix::io::Errno;

/// What an error of a system call means to the engine, which treats only [`FaultKind::NotFound`] as proof that
/// an entry is gone. ESTALE is that of a network file system whose entry was removed by another client.
fn fault(errno: Errno) -> Fault {
    let kind = match errno {
        Errno::NOENT | Errno::STALE => FaultKind::NotFound,
        Errno::NOTDIR | Errno::LOOP => FaultKind::NotDirectory,
        Errno::ACCESS | Errno::PERM => FaultKind::Denied,
        Errno::NOSPC => FaultKind::WatchLimit,
        Errno::MFILE | Errno::NFILE => FaultKind::OpenFiles,
        Errno::NOSYS | Errno::OPNOTSUPP => FaultKind::Unsupported,
        _ => FaultKind::Other,
    };
    Fault {
        kind,
        code: errno.raw_os_error(),
    }
}
