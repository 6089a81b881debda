//! The five ways to learn that a read has completed.

use std::os::windows::io::BorrowedHandle;
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_ALREADY_EXISTS;

use crate::completion::Closed;
use crate::error::{Error, Stage};
use crate::native::identity;
use crate::settings::{LARGEST_REMOTE_BUFFER, Settings};

/// The most completions that one `collect` looks at.
pub(crate) const BOUND: usize = 256;
/// A wait that failed is tried again after this long, so that it cannot take all of a processor.
pub(crate) const AFTER_A_FAILED_WAIT: Duration = Duration::from_millis(10);

/// What all models refuse alike.
pub(crate) fn check(
    is_tag_in_use: bool,
    directory: BorrowedHandle<'_>,
    settings: &Settings,
) -> Result<(), Error> {
    let is_remote = settings.bytes > LARGEST_REMOTE_BUFFER && identity::is_remote(directory);
    settings.validate(is_remote)?;
    if is_tag_in_use {
        return Err(Error {
            stage: Stage::Settings,
            code: ERROR_ALREADY_EXISTS,
        });
    }
    Ok(())
}

/// The counts of a loop that was shut down.
pub(crate) fn of_loop(closed: everwatch_proactor::Closed) -> Closed {
    Closed {
        leaked: closed.leaked,
        stray_packets: closed.stray_packets,
        workers_lost: 0,
    }
}

pub(crate) fn add(counts: &mut Closed, more: Closed) {
    counts.leaked += more.leaked;
    counts.stray_packets += more.stray_packets;
    counts.workers_lost += more.workers_lost;
}
