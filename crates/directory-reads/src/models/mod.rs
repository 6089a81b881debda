//! The five ways to learn that a read has completed.

pub(crate) mod apc;
pub(crate) mod blocking;
mod command;
mod crew;
pub(crate) mod event;
pub(crate) mod isolated;
pub(crate) mod port;

use std::os::windows::io::BorrowedHandle;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, ERROR_GEN_FAILURE};

use crate::completion::Closed;
use crate::error::{Error, Stage};
use crate::native::probe;
use crate::settings::{LARGEST_REMOTE_BUFFER, Settings};

/// The most completions that one `collect` looks at.
const BOUND: usize = 256;
/// A wait that failed is tried again after this long, so that it cannot take all of a processor.
pub(crate) const AFTER_A_FAILED_WAIT: Duration = Duration::from_millis(10);

/// What all models refuse alike.
pub(crate) fn check(
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

/// The counts of a loop that was shut down.
fn of_loop(closed: everwatch_proactor::Closed) -> Closed {
    Closed {
        leaked: closed.leaked,
        stray_packets: closed.stray_packets,
        workers_lost: 0,
    }
}

fn add(counts: &mut Closed, more: Closed) {
    counts.leaked += more.leaked;
    counts.stray_packets += more.stray_packets;
    counts.workers_lost += more.workers_lost;
}
