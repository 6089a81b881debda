//! The error of this crate: what failed, with which path, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use everwatch_core::fault::{Fault, FaultKind};
#[cfg(feature = "globs")]
use everwatch_core::ignore::BadGlob;

/// The kind of an [`Error`], for a program to decide on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is nothing at the path.
    NotFound,
    /// Permissions forbid reading the path.
    Denied,
    /// The path does not lead to a directory or a file.
    BadPath,
    /// An option has a value that makes no sense.
    BadOption,
    /// The user has no inotify instance, no file descriptor or no memory of the kernel left.
    LimitReached,
    /// The system offers no such service.
    Unsupported,
    /// The root is not watched, or not by this watcher.
    UnknownRoot,
    /// The watcher is closed.
    Closed,
    /// An error of the operating system that is none of the others: see [`Error::os_code`].
    Other,
}

/// `ELOOP` of Linux.
const TOO_MANY_LINKS: i32 = 40;

/// An error: the operation that failed, its path, and the answer of the operating system.
///
/// The message is one sentence, and says what to do about it:
///
/// ```
/// let error = everwatch::watch("/no/such/directory").unwrap_err();
/// assert_eq!(error.kind(), everwatch::ErrorKind::NotFound);
/// assert_eq!(error.operation(), "watch");
/// println!("{error}"); // cannot watch /no/such/directory: there is no such file …; create it first, …
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    path: Option<PathBuf>,
    code: Option<i32>,
    detail: Option<String>,
}

impl Error {
    /// An error of this kind. `operation` is a verb phrase that follows "cannot" in the message, such as
    /// `watch` or `open a feed`.
    pub fn new(kind: ErrorKind, operation: &'static str) -> Error {
        Error {
            kind,
            operation,
            path: None,
            code: None,
            detail: None,
        }
    }

    /// An error of kind [`ErrorKind::Closed`].
    pub fn closed(operation: &'static str) -> Error {
        Error::new(ErrorKind::Closed, operation)
    }

    /// The error with the path that `operation` was about.
    #[must_use]
    pub fn with_path(mut self, path: &Path) -> Error {
        self.path = Some(path.to_owned());
        self
    }

    /// The error with the half sentence that the message gives as the cause, instead of the usual one
    /// of its kind.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Error {
        self.detail = Some(detail.into());
        self
    }

    /// The error of a call of the kernel.
    pub(crate) fn from_fault(fault: Fault, operation: &'static str) -> Error {
        let kind = match fault.kind {
            FaultKind::NotFound => ErrorKind::NotFound,
            FaultKind::NotDirectory => ErrorKind::BadPath,
            FaultKind::Denied => ErrorKind::Denied,
            FaultKind::WatchLimit | FaultKind::OpenFiles => ErrorKind::LimitReached,
            FaultKind::Unsupported | FaultKind::Refused => ErrorKind::Unsupported,
            _ => ErrorKind::Other,
        };
        let mut error = Error::new(kind, operation);
        error.code = (fault.code != 0).then_some(fault.code);
        if fault.kind == FaultKind::Refused {
            // Of what a sandbox refuses, nothing else is an error: the other calls have substitutes.
            error.detail = Some(format!(
                "a sandbox refuses inotify_init1 (error {}); allow it",
                fault.code
            ));
        }
        error
    }

    /// The error of a call of the standard library.
    pub fn from_io(io: &std::io::Error, operation: &'static str) -> Error {
        let kind = match io.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            std::io::ErrorKind::NotADirectory | std::io::ErrorKind::InvalidInput => {
                ErrorKind::BadPath
            }
            // A chain of symbolic links that never ends: Rust has no stable name for it.
            _ if io.raw_os_error() == Some(TOO_MANY_LINKS) => ErrorKind::BadPath,
            _ => ErrorKind::Other,
        };
        let mut error = Error::new(kind, operation);
        error.code = io.raw_os_error();
        error
    }

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The path of the operation, if it has one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The operation that failed, as a verb phrase such as `watch`.
    pub fn operation(&self) -> &str {
        self.operation
    }

    /// The operating system's error code, if it gave one.
    pub fn os_code(&self) -> Option<i32> {
        self.code
    }

    /// The advice at the end of the message; empty if there is none.
    fn remedy(&self) -> &'static str {
        match self.kind {
            ErrorKind::NotFound => "create it first, or check the spelling",
            ErrorKind::Denied => "give read and search permission on it, or run as its owner",
            ErrorKind::BadPath => "name a directory or a file in one",
            ErrorKind::LimitReached if cfg!(windows) => "close other watchers and programs",
            ErrorKind::LimitReached => {
                "close other watchers, or raise fs.inotify.max_user_instances (sysctl) and the \
                 limit of open files (ulimit -n)"
            }
            ErrorKind::Unsupported => "use the poll backend",
            ErrorKind::UnknownRoot => "watch its path again",
            ErrorKind::Closed => "make a new one",
            ErrorKind::BadOption | ErrorKind::Other => "",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.operation)?;
        if let Some(path) = &self.path {
            write!(f, " {}", crate::printable(path))?;
        }
        let what = match self.kind {
            ErrorKind::NotFound => "there is no such file or directory",
            ErrorKind::Denied => "permission denied",
            ErrorKind::BadPath => "it does not lead to a directory or a file",
            ErrorKind::LimitReached => "a limit of the system is reached",
            ErrorKind::Unsupported => "the system does not offer this",
            ErrorKind::UnknownRoot => "it is not watched",
            ErrorKind::Closed => "the watcher is closed",
            ErrorKind::BadOption => "an option makes no sense",
            ErrorKind::Other => "the system refused",
        };
        match (&self.detail, self.code) {
            (Some(detail), _) => write!(f, ": {detail}")?,
            (None, Some(code)) => write!(f, ": {what} (error {code})")?,
            (None, None) => write!(f, ": {what}")?,
        }
        match self.remedy() {
            "" => Ok(()),
            remedy => write!(f, "; {remedy}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(feature = "globs")]
impl From<BadGlob> for Error {
    fn from(glob: BadGlob) -> Error {
        Error::new(ErrorKind::BadOption, "understand a glob").with_detail(glob.to_string())
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        let kind = match error.kind {
            ErrorKind::NotFound | ErrorKind::UnknownRoot => std::io::ErrorKind::NotFound,
            ErrorKind::Denied => std::io::ErrorKind::PermissionDenied,
            ErrorKind::BadPath => std::io::ErrorKind::NotADirectory,
            ErrorKind::BadOption => std::io::ErrorKind::InvalidInput,
            ErrorKind::LimitReached => std::io::ErrorKind::QuotaExceeded,
            ErrorKind::Unsupported => std::io::ErrorKind::Unsupported,
            ErrorKind::Closed => std::io::ErrorKind::NotConnected,
            ErrorKind::Other => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}
