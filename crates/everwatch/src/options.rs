//! The options of a watcher, and what the parts below it take of them.

use std::path::PathBuf;
use std::time::Duration;

use everwatch_backends::StartOptions;
use everwatch_core::engine::Pace;
use everwatch_core::ignore::{Filter, IgnoreFiles};

pub use everwatch_backends::{Backend, CompletionModel};

use crate::error::Error;
use crate::platform;

/// Options of a [`Watcher`](crate::Watcher). The default watches whole trees and hides nothing.
///
/// ```
/// use std::time::Duration;
///
/// use everwatch::Options;
///
/// # let dir = tempfile::tempdir()?;
/// let feed = Options::new().settle(Duration::from_millis(200)).watch([dir.path()])?;
/// # drop(feed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) backend: Backend,
    /// Of no effect but on Windows, as is the worker.
    pub(crate) completion: CompletionModel,
    pub(crate) worker: PathBuf,
    pub(crate) recursive: bool,
    #[cfg(feature = "globs")]
    pub(crate) globs: Vec<String>,
    pub(crate) ignore_files: IgnoreFiles,
    pub(crate) poll_interval: Duration,
    pub(crate) settle: Option<Duration>,
    pub(crate) capacity: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            backend: Backend::Auto,
            completion: CompletionModel::Port,
            worker: PathBuf::from("everwatch"),
            recursive: true,
            #[cfg(feature = "globs")]
            globs: Vec::new(),
            ignore_files: IgnoreFiles::None,
            poll_interval: Pace::default().poll,
            settle: None,
            capacity: 32_768,
        }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// Which mechanism to use. Default: [`Backend::Auto`].
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Options {
        self.backend = backend;
        self
    }

    /// How a directory read is completed on Windows. Default: [`CompletionModel::Port`].
    #[must_use]
    pub fn completion(mut self, model: CompletionModel) -> Options {
        self.completion = model;
        self
    }

    /// The program that [`CompletionModel::Isolated`] reads directories in: the `everwatch` command, or
    /// any that does what that does when it is started as `PROGRAM isolated-reads`. Default: `everwatch`
    /// on the search path.
    #[must_use]
    pub fn worker(mut self, program: impl Into<PathBuf>) -> Options {
        self.worker = program.into();
        self
    }

    /// Whether to watch all below a root, or only its own entries. Default: true.
    #[must_use]
    pub fn recursive(mut self, recursive: bool) -> Options {
        self.recursive = recursive;
        self
    }

    /// Hides what the glob matches, with the rules of `gitignore(5)`, relative to the root. What is
    /// hidden costs no watch. May be given several times; the last that matches decides. Needs the feature
    /// `globs`.
    #[cfg(feature = "globs")]
    #[must_use]
    pub fn ignore(mut self, glob: impl Into<String>) -> Options {
        self.globs.push(glob.into());
        self
    }

    /// Whether to hide what git ignores: by the `.gitignore` files in the tree and above it in the
    /// same repository, and its `info/exclude`; and `.git` itself. Rules that change take effect at
    /// once; above a root that is polled, within a poll interval. Which repository a root lies in is
    /// decided when it is added. Default: false. Needs the feature `globs`.
    #[cfg(feature = "globs")]
    #[must_use]
    pub fn gitignore(mut self, gitignore: bool) -> Options {
        self.ignore_files = match gitignore {
            true => IgnoreFiles::Git,
            false => IgnoreFiles::None,
        };
        self
    }

    /// How often to list what cannot be watched. Listing never takes more than a tenth of the time,
    /// so on large trees it is less often. Default: one second.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Options {
        self.poll_interval = interval;
        self
    }

    /// Delivers only when nothing has changed for `quiet`, and then the net effect: a file written
    /// ten times was modified once, one that came and went was never there. Default: at once.
    #[must_use]
    pub fn settle(mut self, quiet: Duration) -> Options {
        self.settle = Some(quiet);
        self
    }

    /// How many events a feed holds for its consumer before it folds them into a difference.
    /// Default: 32,768.
    #[must_use]
    pub fn capacity(mut self, events: usize) -> Options {
        self.capacity = events;
        self
    }

    /// What the backend is started with.
    pub(crate) fn start(&self) -> StartOptions {
        StartOptions {
            backend: self.backend,
            completion: self.completion,
            worker: self.worker.clone(),
        }
    }

    /// How long the engine waits for what belongs together, and between polls.
    pub(crate) fn pace(&self) -> Pace {
        let mut pace = platform::pace();
        pace.poll = self.poll_interval;
        pace
    }

    /// The filter that hides entries.
    pub(crate) fn filter(&self) -> Result<Filter, Error> {
        #[cfg(feature = "globs")]
        return Ok(Filter::new(&self.globs, self.ignore_files)?);
        #[cfg(not(feature = "globs"))]
        Ok(Filter::default())
    }
}
