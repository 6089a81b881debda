//! The command line: its subcommands, its flags, and the help that describes them.
//!
//! The documentation comments of clap's types are the help texts: `--help` prints them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use everwatch::{Backend, ChangeKind, CompletionModel};

/// File-system change notification that can be trusted
#[derive(Debug, Parser)]
#[command(name = "everwatch", version, about, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

// Its variants' comments are the help of the subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print everything that happens below the paths, in order and without a gap
    Watch(WatchArgs),
    /// Print what this machine and the file system of a path can do
    Doctor(DoctorArgs),
    /// Show which guarantees hold on this machine and the file system of a directory
    Selftest(SelftestArgs),
}

// The comments of the fields are the help of the flags; one here would replace that of `Watch`.
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct WatchArgs {
    /// Directories or files to watch
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How to print: for people, as JSON lines, or as fields that end in NUL
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Watch the entries of the paths only, not what is below them
    #[arg(long)]
    pub(crate) no_recursive: bool,
    /// Print only changes of these kinds
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    pub(crate) only: Vec<Kind>,
    /// Hide what GLOB matches, by the rules of gitignore(5); may be given again
    #[arg(long, value_name = "GLOB")]
    pub(crate) ignore: Vec<String>,
    /// Hide what git ignores, and .git itself
    #[arg(long)]
    pub(crate) gitignore: bool,
    /// Print the entries that exist already first, as created
    #[arg(long)]
    pub(crate) snapshot: bool,
    /// The mechanism to use
    #[arg(long, value_enum, default_value_t = BackendName::Auto)]
    pub(crate) backend: BackendName,
    /// How reads of directories are completed; 'everwatch doctor' says which model is for what
    #[arg(long, value_enum, value_name = "MODEL", default_value_t = ModelName::Port)]
    #[cfg_attr(not(windows), arg(hide = true))]
    pub(crate) completion: ModelName,
    /// How often to list what cannot be watched, such as 500ms or 2s
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    #[arg(allow_hyphen_values = true)]
    pub(crate) poll_interval: Duration,
    /// Wait until nothing has changed for MS milliseconds, then print the net effect
    #[arg(long, value_name = "MS", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) settle: Option<Duration>,
    /// Print after MS milliseconds although changes go on; ten times --settle if not given
    #[arg(long, value_name = "MS", value_parser = duration, requires = "settle", allow_hyphen_values = true)]
    pub(crate) settle_max: Option<Duration>,
}

// The path is all that `doctor` takes: it describes what the defaults of `watch` would do.
// Like `WatchArgs`, without a comment of its own.
#[derive(Debug, ClapArgs)]
pub(crate) struct DoctorArgs {
    /// Paths to look at
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

// Like `WatchArgs`, without a comment of its own.
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER_SELFTEST_HELP)]
pub(crate) struct SelftestArgs {
    /// Directory in which a scratch directory is made, and removed; the one for temporary files if not given
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Take ten seconds instead of minutes
    #[arg(long)]
    pub(crate) quick: bool,
    /// Repeat the run that printed N
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Print JSON lines instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// The mechanism to test
    #[arg(long, value_enum, default_value_t = BackendName::Auto)]
    pub(crate) backend: BackendName,
    /// How reads of directories are completed
    #[arg(long, value_enum, value_name = "MODEL", default_value_t = ModelName::Port)]
    #[cfg_attr(not(windows), arg(hide = true))]
    pub(crate) completion: ModelName,
    /// How often to list what cannot be watched, such as 500ms or 2s
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    #[arg(allow_hyphen_values = true)]
    pub(crate) poll_interval: Duration,
}

/// The values of `--format`. Comments on the variants would become help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Nul,
}

/// The values of `--only`: the kinds of changes by the names that lines have for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Created,
    Modified,
    Metadata,
    Removed,
    Moved,
}

impl Kind {
    /// Whether a change of `kind` is of this kind. Names are compared, so a new kind needs no arm here.
    pub(crate) fn is_of(self, kind: &ChangeKind) -> bool {
        self.to_possible_value()
            .is_some_and(|value| value.get_name() == kind.as_str())
    }
}

/// The values of `--backend`. All exist on every system; one that is not available is an error of
/// the library, which names what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendName {
    Auto,
    Inotify,
    Windows,
    Poll,
}

impl From<BackendName> for Backend {
    fn from(name: BackendName) -> Backend {
        match name {
            BackendName::Auto => Backend::Auto,
            BackendName::Inotify => Backend::Inotify,
            BackendName::Windows => Backend::Windows,
            BackendName::Poll => Backend::Poll,
        }
    }
}

/// The values of `--completion`: the completion models of Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelName {
    Port,
    Apc,
    Event,
    Blocking,
    Isolated,
}

impl From<ModelName> for CompletionModel {
    fn from(name: ModelName) -> CompletionModel {
        match name {
            ModelName::Port => CompletionModel::Port,
            ModelName::Apc => CompletionModel::Apc,
            ModelName::Event => CompletionModel::Event,
            ModelName::Blocking => CompletionModel::Blocking,
            ModelName::Isolated => CompletionModel::Isolated,
        }
    }
}

/// Parses `250`, `250ms`, `2s` or `0.5s`; a bare number is milliseconds. Negative numbers, NaN and
/// times that a [`Duration`] cannot hold are errors.
fn duration(text: &str) -> Result<Duration, String> {
    // `ms` ends in `s`, so it comes first.
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => match text.strip_suffix('s') {
            Some(number) => (number, 1.0),
            None => (text, 0.001),
        },
    };
    let number: f64 = number.trim().parse().map_err(|_| BAD_DURATION.to_owned())?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| BAD_DURATION.to_owned())
}

/// The end of the sentence about a bad time; [`crate::usage_error`] names the flag and quotes the value.
const BAD_DURATION: &str = "a time is a number of milliseconds, or one such as 500ms or 2s";

/// The end of `everwatch watch --help`.
const AFTER_HELP: &str = "\
Formats:
  text  One line for each change. Control characters in names are escaped.
  json  One object for each line: ready, change, resync, coverage. Paths are absolute; one that is
        not UTF-8 has its exact bytes, in hex, in path_bytes.
  nul   Three fields for each change, each followed by NUL: kind, path, and the former path, which
        is empty unless the kind is moved.
Where comparisons and gaps are no lines of JSON, they are sentences on standard error.

Applying the changes in order to the tree that existed before gives the tree on disk.
Ctrl-C and SIGTERM end it; what happened before is still printed as long as the reader takes it.";

/// The end of `everwatch selftest --help`.
const AFTER_SELFTEST_HELP: &str = "\
The result is a table on standard output; progress is on standard error. The guarantees are those of
GUARANTEES.md. A verdict is one of:
  held         Every check passed.
  broken       A check failed.
  best-effort  A check failed where no more than best effort is promised.
  not-asked    No check of it was possible here; 'left out' says why.

JSON lines, by their field 'type':
  selftest   version, os, arch, file_system, seed, seconds, held
  guarantee  id, name, verdict, checks, failures, notes
  figures    operations, retried, events, missing, ghosts, wrong_kinds, unreported_writes,
             wrong_moves, late_behind_barrier, resyncs, overflows
  skipped    what
  question   text, expected, answer, which is null if it was not asked

Exit codes: 0 if no guarantee is broken, 1 if one is, 2 if the test could not run, 130 after Ctrl-C or
SIGTERM.";
