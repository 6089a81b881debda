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
mod wakeup;

pub use bell::Bell;
pub use inotify::InotifyKernel;
pub use signal::Signal;
pub use volume::{describe as describe_volume, limits};

use everwatch_core::fault::{Fault, FaultKind};
use rustix::io::Errno;

/// What an error of a system call means to the engine, which treats only [`FaultKind::NotFound`] and
/// [`FaultKind::NotDirectory`] as proof that an entry is gone.
///
/// | error | meaning | what follows |
/// |---|---|---|
/// | ENOENT | there is no such entry, says a directory that answers | removed |
/// | ENOTDIR, ELOOP | it is no directory, or a link | removed as a directory |
/// | EACCES, EPERM | no permission; proves nothing | lost, `unreadable` |
/// | ENOSPC | of inotify_add_watch(2): no watch left | polled, `watch-limit` |
/// | EMFILE, ENFILE | no descriptor left | lost, `open-files` |
/// | ENOSYS, EOPNOTSUPP | no such service | polled, `no-notification` |
/// | all others: ESTALE, EIO, ENOTCONN, ETIMEDOUT, EHOSTDOWN, EREMOTEIO, ENODEV, ESHUTDOWN, EAGAIN, ENOMEM, EUCLEAN | the file system is in trouble, and perhaps not for long | lost, `failing`; tried again |
///
/// ESTALE is trouble as well: a server that restarts, or whose exported tree was replaced, answers so for entries
/// that are there. One that another client removed is missing from the directory that it was in.
fn fault(errno: Errno) -> Fault {
    let kind = match errno {
        Errno::NOENT => FaultKind::NotFound,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_directory_that_answers_proves_that_an_entry_is_gone() {
        let gone = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP];
        for code in 1..134 {
            let errno = Errno::from_raw_os_error(code);
            let kind = fault(errno).kind;
            let is_gone = matches!(kind, FaultKind::NotFound | FaultKind::NotDirectory);
            assert_eq!(is_gone, gone.contains(&errno), "{errno:?}: {kind:?}");
        }
    }

    #[test]
    fn trouble_of_a_file_system_is_tried_again() {
        for errno in [
            Errno::STALE,
            Errno::IO,
            Errno::NOTCONN,
            Errno::TIMEDOUT,
            Errno::HOSTDOWN,
            Errno::REMOTEIO,
            Errno::NODEV,
            Errno::SHUTDOWN,
            Errno::AGAIN,
            Errno::NOMEM,
            Errno::UCLEAN,
        ] {
            assert_eq!(fault(errno).kind, FaultKind::Other, "{errno:?}");
        }
    }
}
