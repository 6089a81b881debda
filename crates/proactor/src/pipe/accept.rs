//! One instance of a server's pipe, and its wait for a client.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_PIPE_CONNECTED;

use super::name::PipeName;
use super::options::{PipeMode, PipeOptions};
use super::stream::{PipeStream, attach};
use crate::endpoint::Endpoint;
use crate::native::io_error;
use crate::native::overlapped::{Ended, Overlapped};
use crate::native::pipes::{self, Instance, NewPipe};
use crate::native::security::Descriptor;
use crate::operation::Operation;
use crate::remote::Remote;
use crate::submission::Submission;

/// Where the client of an instance goes whose accept no future waits for.
pub(super) trait Reception: fmt::Debug + Send + Sync {
    /// Takes the client, or the error with which the accept ended. `key` is that of the instance's endpoint.
    /// Called by the thread that polls.
    fn arrived(self: Arc<Self>, key: usize, result: io::Result<PipeStream>);
}

/// The server's end of a pipe that has no client yet. Clients can connect to it from now on, also before it
/// accepts. Most servers want a [`PipeServer`](super::PipeServer) instead.
#[derive(Debug)]
pub struct PipeInstance {
    endpoint: Endpoint,
    mode: PipeMode,
}

impl PipeInstance {
    /// Makes the first instance of a name, as [`PipeServer::bind`](super::PipeServer::bind) does.
    ///
    /// # Errors
    /// Those of `bind`.
    pub fn first(
        remote: &Remote,
        name: impl AsRef<OsStr>,
        options: &PipeOptions,
    ) -> io::Result<PipeInstance> {
        PipeInstance::named(remote, name.as_ref(), options, Instance::First)
    }

    /// Makes another instance of a name that this process has.
    ///
    /// # Errors
    /// What CreateNamedPipe reports: `ERROR_ACCESS_DENIED` for a name that another user serves.
    pub fn further(
        remote: &Remote,
        name: impl AsRef<OsStr>,
        options: &PipeOptions,
    ) -> io::Result<PipeInstance> {
        PipeInstance::named(remote, name.as_ref(), options, Instance::Further)
    }

    fn named(
        remote: &Remote,
        name: &OsStr,
        options: &PipeOptions,
        instance: Instance,
    ) -> io::Result<PipeInstance> {
        let descriptor = options.access.descriptor()?;
        let name = PipeName::local(name)?;
        PipeInstance::create(remote, &name, options, descriptor.as_ref(), instance)
    }

    /// Makes an instance of a parsed name, with a descriptor that is made once for all instances.
    pub(super) fn create(
        remote: &Remote,
        name: &PipeName,
        options: &PipeOptions,
        descriptor: Option<&Descriptor>,
        instance: Instance,
    ) -> io::Result<PipeInstance> {
        let handle = pipes::create(NewPipe {
            name: name.units(),
            instance,
            has_messages: options.mode == PipeMode::Messages,
            takes_remote_clients: options.takes_remote_clients,
            buffer: options.buffer,
            descriptor,
        });
        Ok(PipeInstance {
            endpoint: attach(remote, handle.map_err(io_error)?, options.mode)?,
            mode: options.mode,
        })
    }

    /// Waits for a client. One that is there already is accepted at once, and nothing is in flight then.
    ///
    /// After [`Submission::cancel`] it resolves with the client that came first, or with the error of a
    /// cancelled operation. Dropped, it closes the pipe to a client that has connected meanwhile.
    pub fn accept(self) -> Submission<AcceptPipe> {
        let remote = self.endpoint.remote().clone();
        remote.submit(AcceptPipe {
            endpoint: Arc::new(self.endpoint),
            mode: self.mode,
            reception: None,
        })
    }

    /// An accept whose client goes to `reception` when no future waits for it.
    pub(super) fn accept_for(self, reception: Arc<dyn Reception>) -> (Arc<Endpoint>, AcceptPipe) {
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
    reception: Option<Arc<dyn Reception>>,
}

// SAFETY: the kernel is given nothing but the OVERLAPPED, of which calls that fail at once keep nothing.
unsafe impl Operation for AcceptPipe {
    type Output = io::Result<PipeStream>;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue(&mut self, overlapped: Overlapped<'_>) -> Result<u32, u32> {
        pipes::accept(self.endpoint.raw(), overlapped)
    }

    fn finish(self, ended: Ended) -> io::Result<PipeStream> {
        match ended.error() {
            0 | ERROR_PIPE_CONNECTED => Ok(PipeStream::over(self.endpoint, self.mode)),
            error => Err(io_error(error)),
        }
    }

    fn abandon(mut self, ended: Ended) {
        if let Some(reception) = self.reception.take() {
            let key = self.endpoint.key();
            reception.arrived(key, self.finish(ended));
        }
    }
}
