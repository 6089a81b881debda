//! Faults: failures of a kernel, reduced to what the engine's decisions depend on.
//!
//! A backend maps each error of its system to one [`FaultKind`] and keeps the system's code for people. What the
//! engine decides never depends on the code, so that all systems run the same decisions.

use crate::coverage::Gap;

/// A failure of a call to a [`Kernel`](crate::kernel::Kernel).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What it means to the engine.
    pub kind: FaultKind,
    /// The code of the operating system (`errno`, `GetLastError`), for messages.
    pub code: i32,
}

/// What a failure means to the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FaultKind {
    /// There is no such entry (`ENOENT`).
    NotFound,
    /// The entry is no directory, or is a symbolic link where none is followed (`ENOTDIR`, `ELOOP`).
    NotDirectory,
    /// The caller has no permission (`EACCES`). The entry may exist or not.
    Denied,
    /// The call itself is refused, whatever it is about: by a sandbox.
    Refused,
    /// The user has no watch left (`ENOSPC` of inotify_add_watch(2)).
    WatchLimit,
    /// The process or the system has no file descriptor left (`EMFILE`, `ENFILE`).
    OpenFiles,
    /// The system or the file system offers no such service.
    Unsupported,
    /// Anything else. The engine tries again later.
    Other,
}

impl FaultKind {
    /// Whether it proves that there is no such entry, or no such directory.
    pub(crate) fn is_absence(self) -> bool {
        matches!(self, FaultKind::NotFound | FaultKind::NotDirectory)
    }

    /// The gap that the failure leaves in the coverage of the directory that it concerns.
    pub(crate) fn gap(self) -> Gap {
        match self {
            FaultKind::Denied => Gap::Unreadable,
            FaultKind::WatchLimit => Gap::WatchLimit,
            FaultKind::OpenFiles => Gap::OpenFiles,
            FaultKind::Unsupported => Gap::NoNotification,
            FaultKind::Refused => Gap::Refused,
            FaultKind::NotFound | FaultKind::NotDirectory | FaultKind::Other => Gap::Failing,
        }
    }
}
