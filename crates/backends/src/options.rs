//! The options of a backend: the mechanism, and on Windows how reads are completed.

use std::path::PathBuf;

/// Which mechanism of the operating system to use.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// The best there is: inotify on Linux, ReadDirectoryChangesW on Windows, polling where a
    /// directory cannot be watched. Coverage says which, and why.
    #[default]
    Auto,
    /// inotify, and an error if there is none.
    Inotify,
    /// ReadDirectoryChangesW, and an error on other systems.
    Windows,
    /// List everything again and again.
    Poll,
}

impl Backend {
    /// The name on the command line and in JSON lines: `auto`, `inotify`, `windows` or `poll`.
    pub fn as_str(self) -> &'static str {
        match self {
            Backend::Auto => "auto",
            Backend::Inotify => "inotify",
            Backend::Windows => "windows",
            Backend::Poll => "poll",
        }
    }
}

/// How a watcher learns on Windows that a directory read is complete. Elsewhere it is of no effect.
///
/// All of them report the same changes; they differ in threads and in what they put up with.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CompletionModel {
    /// One I/O completion port and the watcher's own thread, for any number of directories.
    #[default]
    Port,
    /// Completion routines, on a thread in an alertable wait.
    Apc,
    /// Events, on one thread for each 63 directories.
    Event,
    /// Blocking reads, on one thread for each directory.
    Blocking,
    /// Reads in a worker process, which can be ended when a redirector or a filter driver hangs in the
    /// kernel forever. Needs the `everwatch` command: see `Options::worker`.
    Isolated,
}

impl CompletionModel {
    /// The name on the command line: `port`, `apc`, `event`, `blocking` or `isolated`.
    pub fn as_str(self) -> &'static str {
        match self {
            CompletionModel::Port => "port",
            CompletionModel::Apc => "apc",
            CompletionModel::Event => "event",
            CompletionModel::Blocking => "blocking",
            CompletionModel::Isolated => "isolated",
        }
    }
}

/// What a backend is started with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartOptions {
    /// The mechanism.
    pub backend: Backend,
    /// How reads are completed on Windows; of no effect elsewhere, as is the worker.
    pub completion: CompletionModel,
    /// The program of [`CompletionModel::Isolated`], which is looked for on the search path.
    pub worker: PathBuf,
}
