//! Why a directory could not be read: the step that failed and what Windows said.

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

/// A failure, with the Win32 error code that Windows gave for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Error {
    /// The step that failed.
    pub stage: Stage,
    /// The Win32 error.
    pub code: u32,
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
        let system = of_code(self.code);
        write!(formatter, "{step} failed: {system}")
    }
}

impl std::error::Error for Error {}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        of_code(error.code)
    }
}

/// Why the completion loop that a model runs on could not be made.
#[cfg(windows)]
pub(crate) fn of_start(error: std::io::Error) -> Error {
    Error {
        stage: Stage::Start,
        code: error.raw_os_error().unwrap_or(0).cast_unsigned(),
    }
}

/// A Win32 error as std has it.
fn of_code(code: u32) -> std::io::Error {
    std::io::Error::from_raw_os_error(code.cast_signed())
}
