//! The five ways to learn that a read has completed.

pub(crate) mod port;

use std::os::windows::io::BorrowedHandle;
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_ALREADY_EXISTS;

use crate::error::{Error, Stage};
use crate::native::probe;
use crate::settings::{LARGEST_REMOTE_BUFFER, Settings};

/// The most completions that one `collect` looks at.
const BOUND: usize = 256;
/// How long a cancelled read may stay in the kernel before it is given up and leaked.
const RETURN_LIMIT: Duration = Duration::from_secs(5);

/// What all models refuse alike.
fn check(
    is_tag_in_use: bool,
    directory: BorrowedHandle<'_>,
    settings: &Settings,
) -> Result<(), Error> {
    let is_remote = settings.bytes > LARGEST_REMOTE_BUFFER && probe::is_remote(directory);
    settings.validate(is_remote)?;
    if is_tag_in_use {
        return Err(Error {
            stage: Stage::Settings,
            code: ERROR_ALREADY_EXISTS,
        });
    }
    Ok(())
}
