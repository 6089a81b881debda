//! One instance of a server's pipe, and its wait for a client.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{ERROR_NO_DATA, ERROR_PIPE_CONNECTED};
use windows_sys::Win32::System::IO::OVERLAPPED;

use super::name::PipeName;
use super::options::{PipeMode, PipeOptions};
use super::server::Reception;
use super::{PipeStream, attach, of_code};
use crate::endpoint::Endpoint;
use crate::native::pipes::{self, NewPipe};
use crate::native::security::Descriptor;
use crate::operation::{Ended, Operation};
use crate::remote::Remote;
use crate::submission::Submission;

/// How many clients that came and left without a word before they were accepted one accept passes over.
const MOST_GONE: usize = 1000;

/// The server's end of a pipe that no client has got yet. Clients connect to it from now on, also before it
/// accepts. [`PipeServer`](super::PipeServer) is what most want instead.
#[derive(Debug)]
pub struct PipeInstance {
    endpoint: Endpoint,
    mode: PipeMode,
}

impl PipeInstance {
    /// Makes the first instance of a name, as
    /// [`PipeServer::bind`](super::PipeServer::bind) does.
    ///
    /// # Errors
    /// Those of `bind`.
    pub fn first(
        remote: &Remote,
        name: impl AsRef<OsStr>,
        options: &PipeOptions,
    ) -> io::Result<PipeInstance> {
        PipeInstance::named(remote, name.as_ref(), options, true)
    }

    /// Makes another instance of a name that this process has.
    ///
    /// # Errors
    /// What CreateNamedPipe says: `ERROR_ACCESS_DENIED` for a name of another user who does not allow it.
    pub fn further(
        remote: &Remote,
        name: impl AsRef<OsStr>,
        options: &PipeOptions,
    ) -> io::Result<PipeInstance> {
        PipeInstance::named(remote, name.as_ref(), options, false)
    }

    fn named(
        remote: &Remote,
        name: &OsStr,
        options: &PipeOptions,
        is_first: bool,
    ) -> io::Result<PipeInstance> {
        let descriptor = options.access.descriptor()?;
        let name = PipeName::local(name)?;
        PipeInstance::create(remote, &name, options, descriptor.as_ref(), is_first)
    }

    pub(super) fn create(
        remote: &Remote,
        name: &PipeName,
        options: &PipeOptions,
        descriptor: Option<&Descriptor>,
        is_first: bool,
    ) -> io::Result<PipeInstance> {
        let handle = pipes::create(NewPipe {
            name: name.units(),
            is_first,
            has_messages: options.mode == PipeMode::Messages,
            takes_remote_clients: options.takes_remote_clients,
            buffer: options.buffer,
            descriptor,
        });
        Ok(PipeInstance {
            endpoint: attach(remote, handle.map_err(of_code)?, options.mode)?,
            mode: options.mode,
        })
    }

    /// Waits for a client. One that is there already is accepted at once, and nothing is in flight then.
    ///
    /// Cancellation: after [`Submission::cancel`] it gives the client that came first, or the error of a
    /// cancelled operation. Dropped, it closes the pipe to a client that came all the same.
    pub fn accept(self) -> Submission<AcceptPipe> {
        let remote = self.endpoint.remote().clone();
        remote.submit(AcceptPipe {
            endpoint: Arc::new(self.endpoint),
            mode: self.mode,
            reception: None,
        })
    }

    /// An accept whose client goes to `reception`.
    pub(super) fn accept_for(self, reception: Arc<Reception>) -> (Arc<Endpoint>, AcceptPipe) {
        let endpoint = Arc::new(self.endpoint);
        let accept = AcceptPipe {
            endpoint: Arc::clone(&endpoint),
            mode: self.mode,
            reception: Some(reception),
        };
        (endpoint, accept)
    }
}

/// The wait of a [`PipeInstance`] for its client.
#[derive(Debug)]
pub struct AcceptPipe {
    endpoint: Arc<Endpoint>,
    mode: PipeMode,
    /// Who gets the client if no future waits for this operation.
    reception: Option<Arc<Reception>>,
}

// SAFETY: the kernel is given nothing but the OVERLAPPED; calls that fail at once keep nothing of it.
unsafe impl Operation for AcceptPipe {
    type Output = io::Result<PipeStream>;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        let handle = self.endpoint.raw();
        for _ in 0..MOST_GONE {
            // SAFETY: the endpoint is open, and the table keeps the OVERLAPPED.
            match unsafe { pipes::connect(handle, overlapped) } {
                // A client came and left. What it wrote is there still; where it wrote nothing, the
                // instance must be freed of it.
                Err(ERROR_NO_DATA) => {
                    // SAFETY: the endpoint is open.
                    if unsafe { pipes::waiting(handle) }.is_ok_and(|bytes| bytes > 0) {
                        return Err(ERROR_PIPE_CONNECTED);
                    }
                    // SAFETY: the endpoint is open.
                    unsafe { pipes::disconnect(handle) }?;
                    // SAFETY: the call failed, so the kernel does not know it any more.
                    unsafe { overlapped.write(OVERLAPPED::default()) };
                }
                other => return other.map(|()| 0),
            }
        }
        Err(ERROR_NO_DATA)
    }

    fn finish(self, ended: Ended) -> io::Result<PipeStream> {
        match ended.error {
            0 | ERROR_PIPE_CONNECTED => Ok(PipeStream::over(self.endpoint, self.mode)),
            error => Err(of_code(error)),
        }
    }

    fn abandon(mut self, ended: Ended) {
        if let Some(reception) = self.reception.take() {
            let key = self.endpoint.key();
            reception.arrived(key, self.finish(ended));
        }
    }
}
