//! Clients: connecting to the pipe of another server.

use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_PIPE_BUSY;

use super::name::PipeName;
use super::options::PipeMode;
use super::{PipeStream, attach, of_code};
use crate::native::handle::Handle;
use crate::native::pipes;
use crate::remote::Remote;

/// How long is waited after the first attempt; twice as long after each further one.
const SHORTEST: Duration = Duration::from_millis(1);

/// And no longer than this.
const LONGEST: Duration = Duration::from_millis(100);

/// Connects to a named pipe. While all its instances have clients it tries again, after 1 ms at first and
/// at most 100 ms, for as long as it is polled; it waits by a timer of the proactor and blocks nothing. The
/// name is the whole one, `\\.\pipe\name`. Whether bytes or messages are read is what the server has said.
///
/// Whoever serves the pipe may learn who connects, but not act as if it were them.
///
/// Cancellation: dropped, it leaves nothing behind; a connection that it had already got is closed.
///
/// # Errors
/// All but `ERROR_PIPE_BUSY` at once: `NotFound` if the name is not served, `PermissionDenied`,
/// `InvalidInput` for what is no name of a pipe, `ERROR_ABANDONED_WAIT_0` if the proactor closes.
pub async fn connect_pipe(remote: &Remote, name: impl AsRef<OsStr>) -> io::Result<PipeStream> {
    let name = PipeName::anywhere(name.as_ref())?;
    let mut pause = SHORTEST;
    loop {
        match pipes::open(name.units()) {
            Ok(handle) => return connected(remote, handle),
            Err(ERROR_PIPE_BUSY) => {
                remote.sleep(pause).await?;
                pause = (pause * 2).min(LONGEST);
            }
            Err(error) => return Err(of_code(error)),
        }
    }
}

fn connected(remote: &Remote, handle: Handle) -> io::Result<PipeStream> {
    let mode = match pipes::has_messages(&handle).map_err(of_code)? {
        true => {
            pipes::read_messages(&handle).map_err(of_code)?;
            PipeMode::Messages
        }
        false => PipeMode::Bytes,
    };
    let endpoint = attach(remote, handle, mode)?;
    Ok(PipeStream::over(endpoint.into(), mode))
}
