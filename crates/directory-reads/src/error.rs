//! Errors: the step at which reading a directory failed, and the Win32 error of Windows.

use std::fmt;

/// The step at which something failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Stage {
    /// The model itself could not be started: no port, no thread, no worker process.
    Start,
    /// The settings are impossible, or the tag is in use.
    Settings,
    /// The directory could not be opened again.
    Open,
    /// The worker process opened another directory than the caller.
    Identity,
    /// The first read could not be issued.
    Arm,
    /// The thread or process that reads is gone, or did not answer in time and was ended.
    Worker,
}

/// A failure: the step that failed, and the Win32 error that Windows gave for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Error {
    stage: Stage,
    code: u32,
}

impl Error {
    pub(crate) fn new(stage: Stage, code: u32) -> Error {
        Error { stage, code }
    }

    /// Makes errors of one step, for `map_err`.
    #[cfg(windows)]
    pub(crate) fn at(stage: Stage) -> impl Fn(u32) -> Error {
        move |code| Error { stage, code }
    }

    /// The completion loop that a model runs on could not be made.
    #[cfg(windows)]
    pub(crate) fn of_start(error: &std::io::Error) -> Error {
        Error::new(Stage::Start, everwatch_proactor::native::error_code(error))
    }

    /// The step that failed.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The Win32 error.
    pub fn code(&self) -> u32 {
        self.code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.stage {
            Stage::Start => "starting to read directories",
            Stage::Settings => "the settings of the read",
            Stage::Open => "opening the directory",
            Stage::Identity => "the worker opening the same directory",
            Stage::Arm => "issuing the first read",
            Stage::Worker => "the worker answering",
        };
        let system = std::io::Error::from(*self);
        write!(formatter, "{step} failed: {system}")
    }
}

impl std::error::Error for Error {}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        std::io::Error::from_raw_os_error(error.code.cast_signed())
    }
}
