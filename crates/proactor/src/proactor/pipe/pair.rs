//! Two connected ends: one for the proactor, one for another process.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;

use super::PipeStream;
use super::accept::PipeInstance;
use super::options::PipeOptions;
use crate::proactor::remote::Remote;

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Toward {
    /// The other process reads.
    Other,
    /// This process reads.
    Own,
}

/// A pipe under a name that nobody knows: the own end, and the other's, which blocks as programs expect of
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
    let is_read = toward == Toward::Other;
    let other = OpenOptions::new()
        .read(is_read)
        .write(!is_read)
        .open(&name)?;
    match own.accept().at_once() {
        Ok(own) => Ok((own?, other)),
        // The client is there, so there is nothing to wait for.
        Err(_) => Err(io::Error::from(io::ErrorKind::NotConnected)),
    }
}
