//! Two connected ends: one for the proactor, one for another process.
//!
//! Anonymous pipes cannot be overlapped, so these have a name; it is of no use once both ends are there.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::windows::fs::OpenOptionsExt;

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE};
use windows_sys::Win32::Storage::FileSystem::FILE_READ_ATTRIBUTES;

use super::PipeStream;
use super::accept::PipeInstance;
use super::options::PipeOptions;
use crate::remote::Remote;

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Toward {
    /// The other process reads.
    Other,
    /// This process reads.
    Own,
}

/// A pipe with buffers of `size` bytes under a random name: the own end, and the other's, which blocks as programs expect of
/// their standard handles. Only the current user could open it, and the one client that it takes is there.
pub(crate) fn pair(remote: &Remote, toward: Toward, buffer: u32) -> io::Result<(PipeStream, File)> {
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
    let access = match toward {
        Toward::Other => GENERIC_READ,
        // Runtimes ask what kind of handle they have.
        Toward::Own => GENERIC_WRITE | FILE_READ_ATTRIBUTES,
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
