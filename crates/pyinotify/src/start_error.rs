//! The error of a watch that could not be started.

use std::fmt;
use std::path::Path;

use everwatch::{Error, ErrorKind};

/// The step at which starting a watch failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Stage {
    /// The path or the mask makes no sense. Nothing was opened.
    Arguments,
    /// The path was not there or could not be opened.
    Open,
    /// It was opened, and then could not be armed, or the manager or the watch was stopped meanwhile.
    Arm,
}

impl Stage {
    /// `arguments`, `open` or `arm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Arguments => "arguments",
            Stage::Open => "open",
            Stage::Arm => "arm",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a watch could not be started or changed: the path, the stage, and what the system said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartError {
    stage: Stage,
    error: Error,
}

impl StartError {
    pub(super) fn new(stage: Stage, error: Error) -> StartError {
        StartError { stage, error }
    }

    pub(super) fn closed(path: &Path) -> StartError {
        StartError::new(Stage::Arm, Error::closed("watch").with_path(path))
    }

    /// The step at which starting a watch failed.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What went wrong, for a program to decide on.
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    /// The path it went wrong with, as the caller gave it or made absolute.
    pub fn path(&self) -> Option<&Path> {
        self.error.path()
    }

    /// The operating system's error code, if it gave one.
    pub fn os_code(&self) -> Option<i32> {
        self.error.os_code()
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Error {
        error.error
    }
}

impl From<StartError> for std::io::Error {
    fn from(error: StartError) -> std::io::Error {
        error.error.into()
    }
}
