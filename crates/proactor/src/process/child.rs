//! A child process that was started.

use std::fmt;
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::os::windows::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::native::handle::Handle;
use crate::native::job::Job;
use crate::native::of_code;
use crate::native::process;
use crate::{Remote, Stream};

/// The exit code of a child that was ended by [`Child::kill`], as std has it.
const KILLED: u32 = 1;

/// A child process. Dropped, it ends the child and all that this one has started, unless it was started to
/// outlive it ([`Start::outlives`](super::Start::outlives)); so does the end of this process, in any way
/// it ends.
pub struct Child {
    remote: Remote,
    id: u32,
    process: Handle,
    /// Ends them when it is closed.
    job: Option<Job>,
    /// What is written here the child reads. Dropped, it is the end of the child's input.
    pub stdin: Option<Stream>,
    /// What the child writes.
    pub stdout: Option<Stream>,
    /// What the child writes to its standard error.
    pub stderr: Option<Stream>,
}

impl fmt::Debug for Child {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Child").field(&self.id).finish()
    }
}

impl Child {
    pub(super) fn new(
        remote: Remote,
        id: u32,
        (process, job): (Handle, Option<Job>),
        (stdin, stdout, stderr): (Option<Stream>, Option<Stream>, Option<Stream>),
    ) -> Child {
        Child {
            remote,
            id,
            process,
            job,
            stdin,
            stdout,
            stderr,
        }
    }

    /// The system's number of the process, which is not reused while `self` lives.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Waits until the child has exited, by [`Remote::wait_for_handle`]. It has, when this says so: what ends
    /// a wait is not believed before the process itself says the same. Any number of times, also at the
    /// same time. A future that is dropped leaves nothing behind. It does not close the child's input, nor
    /// read its output: a child that waits for either does not exit.
    ///
    /// # Errors
    /// `ERROR_OPERATION_ABORTED` or `ERROR_ABANDONED_WAIT_0` when the proactor is closed.
    pub async fn status(&self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.try_status()? {
                return Ok(status);
            }
            self.remote.wait_for_handle(self, None).await?;
        }
    }

    /// How the child has exited; none while it lives. Does not block.
    ///
    /// # Errors
    /// None that are known of.
    pub fn try_status(&self) -> io::Result<Option<ExitStatus>> {
        Ok(process::exit_code(&self.process)?.map(ExitStatus::from_raw))
    }

    /// Ends the child, and all that it has started, at once, with the exit code 1. Harmless when it has
    /// exited. Does not wait for the end: [`Child::status`] does.
    ///
    /// # Errors
    /// What TerminateJobObject or TerminateProcess say.
    pub fn kill(&self) -> io::Result<()> {
        let killed = match &self.job {
            Some(job) => job.terminate(KILLED),
            None => process::terminate(&self.process, KILLED),
        };
        killed.map_err(of_code)
    }
}

impl AsHandle for Child {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.process.borrow()
    }
}
