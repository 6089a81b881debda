//! Clients: the way to a pipe that another process serves.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;

use super::name::PipeName;
use super::options::PipeMode;
use super::stream::{PipeStream, attach};
use crate::native::{Handle, io_error, pipes};
use crate::remote::Remote;

/// The pause after the first attempt. It doubles with each further one, up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Connects to a named pipe. While all its instances have clients it tries again, after 1 ms at first and
/// after 100 ms at most, for as long as it is polled. It waits by a timer of the loop and blocks no thread.
/// The name is the whole one, `\\.\pipe\name`. Whether bytes or messages are read is what the server has
/// chosen.
///
/// The server can learn who connects, and cannot act in the name of this user.
///
/// A future that is dropped leaves nothing behind; a connection that it already had is closed.
///
/// # Errors
/// All but `ERROR_PIPE_BUSY` at once: `NotFound` if the name is not served, `PermissionDenied`,
/// `InvalidInput` for what is no name of a pipe, `ERROR_ABANDONED_WAIT_0` if the proactor closes.
pub async fn connect_pipe(remote: &Remote, name: impl AsRef<OsStr>) -> io::Result<PipeStream> {
    let name = PipeName::anywhere(name.as_ref())?;
    let mut pause = SHORTEST_PAUSE;
    loop {
        match pipes::open(name.units()) {
            Ok(handle) => return connected(remote, handle),
            Err(ERROR_PIPE_BUSY) => {
                remote.sleep(pause).await?;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(io_error(error)),
        }
    }
}

/// Attaches a client's end, in the mode that the server has chosen.
fn connected(remote: &Remote, handle: Handle) -> io::Result<PipeStream> {
    let mode = match pipes::has_messages(&handle).map_err(io_error)? {
        true => {
            pipes::read_messages(&handle).map_err(io_error)?;
            PipeMode::Messages
        }
        false => PipeMode::Bytes,
    };
    let endpoint = attach(remote, handle, mode)?;
    Ok(PipeStream::over(endpoint.into(), mode))
}
