//! One worker process: started, spoken to, and ended whatever it hangs in.

use std::ffi::OsString;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use crate::models::isolated::line::Line;
use crate::native::calls::{Call, fault, record};
use crate::native::job::Job;
use crate::native::waits;
use crate::proactor::{Remote, Toward, pair};

/// Its own hidden console: no window, and no Ctrl-C that was meant for the parent.
const CREATE_NO_WINDOW: u32 = 0x0800_0000;
/// How long a worker may take to end by itself.
const GRACE_MILLISECONDS: u32 = 100;
/// How long the system may take to end it.
const ENDING_MILLISECONDS: u32 = 500;
/// The pipes' own buffers in bytes.
const REQUESTS: u32 = 64 * 1024;
const REPLIES: u32 = 256 * 1024;

/// A running worker. Ended when dropped, and by the job if this process ends first.
pub(crate) struct Process {
    child: Child,
    _job: Option<Job>,
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
        let code = |error: io::Error| error.raw_os_error().unwrap_or(0).cast_unsigned();
        let (requests, stdin) = pair(remote, Toward::Other, REQUESTS).map_err(code)?;
        let (replies, stdout) = pair(remote, Toward::Own, REPLIES).map_err(code)?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(stdin)
            .stdout(stdout)
            .creation_flags(CREATE_NO_WINDOW)
            .spawn()
            .map_err(code)?;
        record(
            Call::SpawnWorker,
            child.id() as usize,
            [worker as usize, 0, 0, 0, 0],
            0,
        );
        // Where there can be no job, the end of the pipe ends the worker.
        let job = Job::of(&child).ok();
        let process = Process { child, _job: job };
        Ok((process, Line::new(&requests, &replies)))
    }

    /// Whether it ends within the time.
    fn ends_within(&self, milliseconds: u32) -> bool {
        // SAFETY: the handle of a child is open for as long as the child is held.
        let waited = unsafe { waits::wait_for_one(&[self.child.as_raw_handle()], milliseconds) };
        waited.is_ok_and(|ended| ended.is_some())
    }

    /// Lets a worker whose requests have ended end by itself for a while, and then ends it.
    pub(crate) fn end(self) {
        if !self.ends_within(GRACE_MILLISECONDS) {
            self.kill();
        }
    }

    /// Ends the worker.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        if self.ends_within(ENDING_MILLISECONDS) {
            let _ = self.child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where it has ended already this does nothing.
        let _ = self.child.kill();
    }
}
