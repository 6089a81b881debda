//! One worker process: its start, its pipes, and its end whichever call it hangs in.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use everwatch_proactor::Remote;
use everwatch_proactor::fault_injection::{Call, planned_error, record};
use everwatch_proactor::native::{error_code, is_signalled_within};
use everwatch_proactor::process::{Child, Start};
use windows_sys::Win32::Foundation::ERROR_INVALID_HANDLE;
use windows_sys::Win32::System::Threading::DETACHED_PROCESS;

use crate::isolated::channel::Channel;

/// How long a worker may take to end by itself, in milliseconds.
const GRACE: u32 = 100;

/// How long the system may take to end it, in milliseconds.
const ENDING: u32 = 500;

/// A worker that runs. It is ended when this is dropped, and by its job if this process ends first.
pub(super) struct WorkerProcess {
    child: Child,
}

impl WorkerProcess {
    /// Starts a worker, and opens the channel to it. `number` is that of the worker, for tests.
    pub(super) fn start(
        remote: &Remote,
        program: &Path,
        arguments: &[OsString],
        number: u64,
    ) -> Result<(WorkerProcess, Channel), u32> {
        if let Some(error) = planned_error(Call::SpawnWorker) {
            return Err(error);
        }
        let start = || {
            let mut command = Command::new(program);
            command.args(arguments);
            Start::new(command).stdin().stdout().flags(DETACHED_PROCESS)
        };
        // Where there can be no job, the end of the pipe ends the worker.
        let child = start()
            .spawn(remote)
            .or_else(|_| start().outlives().spawn(remote));
        let mut child = child.map_err(|error| error_code(&error))?;
        let (id, arguments) = (child.id() as usize, [number as usize, 0, 0, 0, 0]);
        record(Call::SpawnWorker, id, arguments, 0);
        let (Some(requests), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ERROR_INVALID_HANDLE);
        };
        Ok((WorkerProcess { child }, Channel::new(requests, replies)))
    }

    /// Waits until the worker has ended, at most this long. Returns whether it has.
    fn ends_within(&self, milliseconds: u32) -> bool {
        is_signalled_within(&self.child, milliseconds).unwrap_or(false)
    }

    /// Lets a worker whose requests have ended end by itself for a while, and then ends it.
    pub(super) fn end(self) {
        if !self.ends_within(GRACE) {
            self.kill();
        }
    }

    /// Ends the worker.
    pub(super) fn kill(self) {
        let _ = self.child.kill();
        self.ends_within(ENDING);
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // Does nothing if it has ended.
        let _ = self.child.kill();
    }
}
