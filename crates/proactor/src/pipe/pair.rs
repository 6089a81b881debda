//! A pair of connected ends: one for the loop, one for another process.
//!
//! Anonymous pipes cannot be overlapped, so these have a name. It is of no use once both ends are there.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::windows::fs::OpenOptionsExt;

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::FILE_READ_ATTRIBUTES;

use super::accept::PipeInstance;
use super::options::PipeOptions;
use super::stream::PipeStream;
use crate::remote::Remote;

/// The way that the bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// To the other process, which reads.
    ToOther,
    /// From the other process, which writes.
    FromOther,
}

/// Makes a pipe whose directions hold `buffer` bytes each, under a random name. Returns the end of this process
/// and that of the other, which blocks as programs expect of their standard handles. Only the current user
/// could open it, and the one client that it takes is there.
pub(crate) fn pair(
    remote: &Remote,
    direction: Direction,
    buffer: u32,
) -> io::Result<(PipeStream, File)> {
    // Seeded by the system.
    let random = RandomState::new();
    let name = format!(
        r"\\.\pipe\everwatch-{:016x}{:016x}",
        random.hash_one(0),
        random.hash_one(1)
    );
    let options = PipeOptions {
        buffer,
        ..PipeOptions::default()
    };
    let own = PipeInstance::first(remote, &name, &options)?;
    let access = match direction {
        Direction::ToOther => GENERIC_READ,
        // Language runtimes ask what kind of handle they have.
        Direction::FromOther => GENERIC_WRITE | FILE_READ_ATTRIBUTES,
    };
    let other = OpenOptions::new()
        .access_mode(access)
        .share_mode(0)
        .open(&name)?;
    match own.accept().at_once() {
        Ok(own) => Ok((own?, other)),
        // The client is there, so there is nothing to wait for.
        Err(_) => Err(io::Error::from(io::ErrorKind::NotConnected)),
    }
}
