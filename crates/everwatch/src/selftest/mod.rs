//! The self-test: a program that shows on the machine where it runs which guarantees hold there.
//!
//! It drives operations in a scratch directory of its own, gives the events alone to a judge, and compares what the
//! judge has then with a walk of the disk. The command runs it as `everwatch selftest`.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use everwatch::selftest::Selftest;
//!
//! # let dir = tempfile::tempdir()?;
//! let outcome = Selftest::new(dir.path()).seed(7).operations(200).run(|progress| {
//!     eprintln!("{}", progress.phase);
//!     ControlFlow::Continue(())
//! })?;
//! for finding in &outcome.findings {
//!     println!("{}: {}", finding.guarantee, finding.verdict.as_str());
//! }
//! # assert!(outcome.is_held(), "{outcome:?}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod disk;
mod judge;
mod outcome;
mod phases;
#[cfg(windows)]
mod questions;
mod roots;
mod run;
mod scratch;
mod stall;
// On Windows, real feeds may repeat events and be late; the judge is the same.
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod writer;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::options::Options;

pub use outcome::{Figures, Finding, Guarantee, Outcome, Question, Verdict};

use run::Run;
use scratch::Scratch;

/// Operations of a run, unless the caller chooses.
const OPERATIONS: usize = 200_000;

/// Where a run is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// What is done now, as a noun phrase.
    pub phase: &'static str,
    /// Operations so far.
    pub operations: u64,
}

/// A self-test that is not running yet: the directory, the seed and the size.
#[derive(Clone, Debug)]
pub struct Selftest {
    directory: PathBuf,
    seed: u64,
    operations: usize,
    options: Options,
}

impl Selftest {
    /// A self-test in a new directory below `directory`.
    pub fn new(directory: impl AsRef<Path>) -> Selftest {
        Selftest {
            directory: directory.as_ref().to_owned(),
            seed: 1,
            operations: OPERATIONS,
            options: Options::new(),
        }
    }

    /// The seed of all random choices. Default: 1.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Selftest {
        self.seed = seed;
        self
    }

    /// The number of operations, about; what forces the kernel to lose records comes on top. Default: 200,000.
    #[must_use]
    pub fn operations(mut self, operations: usize) -> Selftest {
        self.operations = operations;
        self
    }

    /// The options of the watchers: the backend, the completion model. Capacity and debouncing are the test's own.
    #[must_use]
    pub fn options(mut self, options: Options) -> Selftest {
        self.options = options;
        self
    }

    /// Runs the test. Blocks until it is done, and calls `progress` in between, many times a second; a
    /// [`ControlFlow::Break`] ends it with an error. The scratch directory is removed either way.
    ///
    /// A guarantee that is not held is no error: see [`Outcome::is_held`].
    ///
    /// # Errors
    ///
    /// The directory does not exist, is none, or cannot be written to; no watcher can be started; an operation
    /// fails; `progress` broke it off.
    pub fn run(
        &self,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Outcome, Error> {
        let refused = |error: &std::io::Error| writing(error, &self.directory);
        let metadata = std::fs::metadata(&self.directory).map_err(|error| refused(&error))?;
        if !metadata.is_dir() {
            let error = std::io::Error::from(std::io::ErrorKind::NotADirectory);
            return Err(refused(&error));
        }
        let scratch = Scratch::below(&self.directory).map_err(|error| refused(&error))?;
        let report = crate::inspect(scratch.path())?;
        let outcome = Run::start(self, &report, scratch.path(), &mut progress)?.finish()?;
        #[cfg(windows)]
        let outcome = Outcome {
            questions: questions::ask(scratch.path()),
            ..outcome
        };
        Ok(outcome)
    }
}

/// The error of an operation below `path`: what the system said, in its own words where they help.
fn writing(error: &std::io::Error, path: &Path) -> Error {
    let known = Error::from_io(error, "write below").with_path(path);
    match error.kind() {
        std::io::ErrorKind::NotFound => known,
        std::io::ErrorKind::NotADirectory => known.with_detail("it is no directory"),
        std::io::ErrorKind::PermissionDenied => {
            known.with_detail("permission to write there is denied")
        }
        std::io::ErrorKind::StorageFull => {
            known.with_detail("the disk is full; free some space, or name a directory elsewhere")
        }
        _ => known.with_detail(error.to_string()),
    }
}
