//! Coverage: which parts of the tree are watched, and why some are not.
//!
//! What cannot be watched is no error. It is polled, or named as lost together with the reason, and the rest of
//! the tree goes on. A consumer learns of it by [`Event::Coverage`](crate::event::Event::Coverage).

use std::fmt;
use std::path::PathBuf;

/// How a part of the tree is watched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum CoverageState {
    /// The kernel reports its changes as they happen.
    Live,
    /// It is listed again and again. Changes are delivered within a poll interval or, on large trees, later.
    Polled,
    /// Its changes are not seen. They are delivered when it is no longer lost.
    Lost,
}

impl CoverageState {
    /// The name in the command's JSON lines: `live`, `polled` or `lost`.
    pub fn as_str(self) -> &'static str {
        match self {
            CoverageState::Live => "live",
            CoverageState::Polled => "polled",
            CoverageState::Lost => "lost",
        }
    }
}

/// Why a part of the tree is not live: a limit, a permission, the kind of its file system.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Gap {
    /// The user's limit of watches is reached (`fs.inotify.max_user_watches`).
    WatchLimit,
    /// The user has no inotify instance left (`fs.inotify.max_user_instances`).
    InstanceLimit,
    /// The process has no permission to read the directory.
    Unreadable,
    /// The process has no file descriptor left.
    OpenFiles,
    /// A file system that can be changed from elsewhere without notice (network, FUSE, 9p).
    RemoteFileSystem,
    /// A file system that the kernel makes up as it is read (`/proc`, `/sys`).
    PseudoFileSystem,
    /// A file system that the kernel makes up, mounted somewhere below a root.
    PseudoMount,
    /// The caller chose the poll backend.
    Chosen,
    /// The kernel offers no notification at all.
    NoNotification,
    /// A sandbox refuses the calls by which notification is asked for, to a process that may read the directory.
    Refused,
    /// The root does not exist at the moment.
    RootGone,
    /// The mirror has no room for more names: 4 GiB of them, or four thousand million entries.
    MirrorFull,
    /// The file system returns an error that is none of the others.
    Failing,
}

impl Gap {
    /// The name in the command's JSON lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Gap::WatchLimit => "watch-limit",
            Gap::InstanceLimit => "instance-limit",
            Gap::Unreadable => "unreadable",
            Gap::OpenFiles => "open-files",
            Gap::RemoteFileSystem => "remote-file-system",
            Gap::PseudoFileSystem => "pseudo-file-system",
            Gap::PseudoMount => "pseudo-mount",
            Gap::Chosen => "chosen",
            Gap::NoNotification => "no-notification",
            Gap::Refused => "refused",
            Gap::RootGone => "root-gone",
            Gap::MirrorFull => "mirror-full",
            Gap::Failing => "failing",
        }
    }

    /// What a person can do about it, as a sentence for a message.
    pub fn remedy(self) -> &'static str {
        match self {
            Gap::WatchLimit if cfg!(windows) => {
                "Watch fewer roots: the system has no memory for more."
            }
            Gap::WatchLimit => "Raise fs.inotify.max_user_watches with sysctl.",
            Gap::InstanceLimit => {
                "Close other watchers or raise fs.inotify.max_user_instances with sysctl."
            }
            Gap::Unreadable => "Give read and search permission on the directory.",
            Gap::OpenFiles => "Raise the limit of open files (ulimit -n).",
            Gap::RemoteFileSystem => "Run the watcher where the files are changed.",
            Gap::PseudoFileSystem => "Nothing to do: most of such files have no changes to report.",
            Gap::PseudoMount => "Watch it as a root of its own to have it polled.",
            Gap::Chosen => "Choose another backend.",
            Gap::NoNotification if cfg!(windows) => {
                "Run the watcher where the files are changed: this file system does not report changes."
            }
            Gap::NoNotification => "Run on a kernel with inotify.",
            Gap::Refused => {
                "Allow inotify_init1 and inotify_add_watch in the sandbox (seccomp, SELinux)."
            }
            Gap::RootGone => "Nothing to do: it is watched again as soon as it is back.",
            Gap::MirrorFull => "Watch a smaller tree or ignore parts of it.",
            Gap::Failing => "Check the file system.",
        }
    }

    /// How a part of the tree with this gap is watched.
    pub(crate) fn state(self) -> CoverageState {
        match self {
            Gap::WatchLimit
            | Gap::InstanceLimit
            | Gap::RemoteFileSystem
            | Gap::PseudoFileSystem
            | Gap::Chosen
            | Gap::NoNotification
            | Gap::Refused => CoverageState::Polled,
            Gap::Unreadable
            | Gap::OpenFiles
            | Gap::PseudoMount
            | Gap::RootGone
            | Gap::MirrorFull
            | Gap::Failing => CoverageState::Lost,
        }
    }
}

/// How one directory is watched, with everything below it that has no `Coverage` of its own.
///
/// It holds for the path until the path is removed or moved away.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Coverage {
    /// The absolute path of the directory.
    #[cfg_attr(feature = "serde", serde(flatten, with = "crate::wire::path"))]
    pub path: PathBuf,
    /// How it is watched.
    pub state: CoverageState,
    /// Why it is not live; `None` exactly if it is.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "reason", default, skip_serializing_if = "Option::is_none")
    )]
    pub gap: Option<Gap>,
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.state.as_str(), self.path.display())?;
        match self.gap {
            Some(gap) => write!(f, " ({})", gap.as_str()),
            None => Ok(()),
        }
    }
}
