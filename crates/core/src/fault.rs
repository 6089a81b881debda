//! Failures of a kernel, reduced to what the engine's decisions depend on.

use crate::coverage::Gap;

/// A failure, reduced to what decisions depend on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What it means.
    pub kind: FaultKind,
    /// The operating system's code, for people.
    pub code: i32,
}

/// What a failure means to the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FaultKind {
    /// There is no such entry.
    NotFound,
    /// The entry is no directory, or a symbolic link.
    NotDirectory,
    /// No permission.
    Denied,
    /// No watch left.
    WatchLimit,
    /// No file descriptor left.
    OpenFiles,
    /// No such service here.
    Unsupported,
    /// Anything else.
    Other,
}

impl FaultKind {
    /// Whether it says that there is no such entry, or no such directory.
    pub(crate) fn is_absence(self) -> bool {
        matches!(self, FaultKind::NotFound | FaultKind::NotDirectory)
    }

    /// What the failure makes of the coverage of the directory it concerns.
    pub(crate) fn gap(self) -> Gap {
        match self {
            FaultKind::Denied => Gap::Unreadable,
            FaultKind::WatchLimit => Gap::WatchLimit,
            FaultKind::OpenFiles => Gap::OpenFiles,
            FaultKind::Unsupported => Gap::NoNotification,
            FaultKind::NotFound | FaultKind::NotDirectory | FaultKind::Other => Gap::Failing,
        }
    }
}
