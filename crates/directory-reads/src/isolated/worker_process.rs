//! One worker process: started, spoken to, and ended whatever it hangs in.

use std::ffi::OsString;
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::path::Path;
use std::process::Command;

use everwatch_proactor::Remote;
use everwatch_proactor::native::{Call, fault, record};
use everwatch_proactor::process::{Child, Start};
use windows_sys::Win32::Foundation::ERROR_INVALID_HANDLE;
use windows_sys::Win32::System::Threading::DETACHED_PROCESS;

use crate::isolated::channel::Line;
use crate::native::waits;

/// How long a worker may take to end by itself.
const GRACE_MILLISECONDS: u32 = 100;
/// How long the system may take to end it.
const ENDING_MILLISECONDS: u32 = 500;

/// A running worker. Ended when dropped, and by its job if this process ends first.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts this worker, and opens the line to it.
    pub(crate) fn start(
        remote: &Remote,
        program: &Path,
        arguments: &[OsString],
        worker: u64,
    ) -> Result<(Process, Line), u32> {
        if let Some(error) = fault(Call::SpawnWorker) {
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
        let mut child = child.map_err(|error| error.raw_os_error().unwrap_or(0).cast_unsigned())?;
        record(
            Call::SpawnWorker,
            child.id() as usize,
            [worker as usize, 0, 0, 0, 0],
            0,
        );
        let (Some(requests), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ERROR_INVALID_HANDLE);
        };
        Ok((Process { child }, Line::new(&requests, &replies)))
    }

    /// Whether it ends within the time.
    fn ends_within(&self, milliseconds: u32) -> bool {
        // SAFETY: the handle of a child is open for as long as the child is held.
        let waited =
            unsafe { waits::wait_for_one(&[self.child.as_handle().as_raw_handle()], milliseconds) };
        waited.is_ok_and(|ended| ended.is_some())
    }

    /// Lets a worker whose requests have ended end by itself for a while, and then ends it.
    pub(crate) fn end(self) {
        if !self.ends_within(GRACE_MILLISECONDS) {
            self.kill();
        }
    }

    /// Ends the worker.
    pub(crate) fn kill(self) {
        let _ = self.child.kill();
        self.ends_within(ENDING_MILLISECONDS);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where it has ended already this does nothing.
        let _ = self.child.kill();
    }
}
