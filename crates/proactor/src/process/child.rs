//! Child processes that were started.

use std::fmt;
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::os::windows::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::native::job::Job;
use crate::native::{Handle, io_error, process};
use crate::remote::Remote;
use crate::stream::Stream;

/// The exit code of a child that [`Child::kill`] has ended; the one that std uses.
const KILLED: u32 = 1;

/// A child process. Dropped, it ends the child and all that the child has started, unless it was started to
/// outlive it ([`Start::outlives`](super::Start::outlives)). So does the end of this process, in whichever way
/// it ends.
pub struct Child {
    remote: Remote,
    id: u32,
    process: Handle,
    /// Ends the child and its descendants when it is closed. None for a child that outlives.
    job: Option<Job>,
    /// The standard input of the child. Dropping it is the end of the child's input.
    pub stdin: Option<Stream>,
    /// The standard output of the child.
    pub stdout: Option<Stream>,
    /// The standard error of the child.
    pub stderr: Option<Stream>,
}

impl fmt::Debug for Child {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Child").field(&self.id).finish()
    }
}

impl Child {
    /// A process that was started, its job if it has one, and this side's ends of its streams.
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

    /// The number of the process. The system does not reuse it while `self` lives.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Waits until the child has exited, by [`Remote::wait_for_handle`]. The end of a wait counts only if the
    /// process itself says that it has exited. Any number of times, also at the same time. A future that is
    /// dropped leaves nothing behind. It does not close the child's input, nor read its output: a child that
    /// waits for either does not exit.
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

    /// How the child has exited; `None` while it lives. Does not block.
    ///
    /// # Errors
    /// What GetExitCodeProcess reports. No case is known in which it fails.
    pub fn try_status(&self) -> io::Result<Option<ExitStatus>> {
        let code = process::exit_code(&self.process).map_err(io_error)?;
        Ok(code.map(ExitStatus::from_raw))
    }

    /// Ends the child, and all that it has started, with the exit code 1. Harmless when it has exited. Does not
    /// wait for the end: [`Child::status`] does.
    ///
    /// # Errors
    /// What TerminateJobObject or TerminateProcess report.
    pub fn kill(&self) -> io::Result<()> {
        let killed = match &self.job {
            Some(job) => job.terminate(KILLED),
            None => process::terminate(&self.process, KILLED),
        };
        killed.map_err(io_error)
    }
}

impl AsHandle for Child {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.process.as_handle()
    }
}
