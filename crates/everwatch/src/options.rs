//! The options of a watcher, and the part of them that each layer below takes.

use std::path::PathBuf;
use std::time::Duration;

use everwatch_backends::StartOptions;
use everwatch_core::engine::Pace;
use everwatch_core::ignore::{Filter, IgnoreFiles};

pub use everwatch_backends::{Backend, CompletionModel};

use crate::debounce::Debounce;
use crate::error::Error;
use crate::platform;

/// How long a tree that never rests is held back, counted in quiet times, unless the caller chooses.
const QUIET_TIMES_IN_LONGEST_WAIT: u32 = 10;

/// Options of a [`Watcher`](crate::Watcher). The default watches whole trees, hides nothing and delivers at
/// once.
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
    settle_at_most: Option<Duration>,
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
            settle_at_most: None,
            capacity: 32_768,
        }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// The mechanism of the operating system. Default: [`Backend::Auto`].
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

    /// The worker program of [`CompletionModel::Isolated`]: the `everwatch` command, or a program that calls
    /// `everwatch::serve_isolated_reads` when it is started as `PROGRAM isolated-reads`. A name without a
    /// directory is looked for on the search path. Default: `everwatch`.
    #[must_use]
    pub fn worker(mut self, program: impl Into<PathBuf>) -> Options {
        self.worker = program.into();
        self
    }

    /// Whether to watch everything below a root, or only its own entries. Default: true.
    #[must_use]
    pub fn recursive(mut self, recursive: bool) -> Options {
        self.recursive = recursive;
        self
    }

    /// Hides the entries that the glob matches, by the rules of `gitignore(5)`, relative to the root. Hidden
    /// entries cost no watch. Several globs can be given; the last one that matches decides. A glob that
    /// makes no sense is an error of [`Options::build`]. Needs the feature `globs`.
    #[cfg(feature = "globs")]
    #[must_use]
    pub fn ignore(mut self, glob: impl Into<String>) -> Options {
        self.globs.push(glob.into());
        self
    }

    /// Whether to hide the entries that git ignores: by the `.gitignore` files in the tree and above it in
    /// the same repository, by its `info/exclude`, and by the file that `core.excludesFile` names; and `.git`
    /// itself. Changed rules take effect at once, or within a poll interval above a root that is polled. The
    /// repository of a root, which may be a linked worktree or a submodule, and the name of that file are
    /// determined when the root is added. Default: false. Needs the feature `globs`.
    ///
    /// What differs from git: patterns that are not UTF-8 match nothing, files that git's configuration includes
    /// are not read, and neither are `.ignore` files, which belong to other programs.
    #[cfg(feature = "globs")]
    #[must_use]
    pub fn gitignore(mut self, gitignore: bool) -> Options {
        self.ignore_files = match gitignore {
            true => IgnoreFiles::Git,
            false => IgnoreFiles::None,
        };
        self
    }

    /// The time between two listings of a part that cannot be watched. Listing takes at most a tenth of the
    /// time, so large trees are listed less often. Default: one second.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Options {
        self.poll_interval = interval;
        self
    }

    /// Debounces: delivers when nothing has changed for `quiet`, and then the net effect. A file that was written
    /// ten times was modified once; a file that came and went was never there. Default: deliver at once.
    ///
    /// A tree that never rests, such as one with a log in it, is delivered as well: see
    /// [`settle_at_most`](Options::settle_at_most).
    #[must_use]
    pub fn settle(mut self, quiet: Duration) -> Options {
        self.settle = Some(quiet);
        self
    }

    /// The longest time for which [`settle`](Options::settle) holds a change back while others follow it. The net
    /// effect until then is delivered. Without `settle` this option does nothing. Default: ten times the quiet
    /// time.
    #[must_use]
    pub fn settle_at_most(mut self, longest: Duration) -> Options {
        self.settle_at_most = Some(longest);
        self
    }

    /// How deliveries are debounced, if they are.
    pub(crate) fn debounce(&self) -> Option<Debounce> {
        let quiet = self.settle?;
        let longest = self
            .settle_at_most
            .unwrap_or(quiet.saturating_mul(QUIET_TIMES_IN_LONGEST_WAIT));
        Some(Debounce::new(quiet, longest))
    }

    /// The number of events that a feed holds for its consumer before it folds them into a difference. 0 is
    /// an error of [`Options::build`]. Default: 32,768.
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
