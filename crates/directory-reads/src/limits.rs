//! The limits of all completion models, and what all of them refuse.

use std::os::windows::io::BorrowedHandle;
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_ALREADY_EXISTS;

use crate::error::{Error, Stage};
use crate::native::is_remote;
use crate::settings::{LARGEST_REMOTE_BUFFER, Settings};

/// The most completions that one `collect` delivers.
pub(crate) const COMPLETIONS_PER_COLLECT: usize = 256;

/// The pause after a wait that failed, so that the next one does not take all of a processor.
pub(crate) const AFTER_A_FAILED_WAIT: Duration = Duration::from_millis(10);

/// How long the kernel may keep a read after it was cancelled. What it keeps longer is leaked.
pub(crate) const RETURN_LIMIT: Duration = everwatch_proactor::RETURN_LIMIT;

/// Whether a tag is one of the directories that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TagUse {
    Free,
    Taken,
}

impl TagUse {
    /// Whether the reader has the tag already.
    pub(crate) fn of(is_taken: bool) -> TagUse {
        match is_taken {
            true => TagUse::Taken,
            false => TagUse::Free,
        }
    }
}

/// Refuses a request that no model can carry out.
pub(crate) fn check(
    tag: TagUse,
    directory: BorrowedHandle<'_>,
    settings: &Settings,
) -> Result<(), Error> {
    // The question costs a system call, and small buffers are good for all volumes.
    let is_remote = settings.bytes > LARGEST_REMOTE_BUFFER && is_remote(directory);
    settings.validate(is_remote)?;
    match tag {
        TagUse::Free => Ok(()),
        TagUse::Taken => Err(Error::new(Stage::Settings, ERROR_ALREADY_EXISTS)),
    }
}
