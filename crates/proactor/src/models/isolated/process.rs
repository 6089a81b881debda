//! One worker process: started, spoken to, and ended whatever it hangs in.

use std::ffi::OsString;
use std::io::Write;
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::models::isolated::frame::{Reply, Request};
use crate::models::isolated::inbox::{Inbox, Received};
use crate::native::calls::{self, Call, fault, record};
use crate::native::job::Job;
use crate::native::waits;

/// Its own hidden console: no window, and no Ctrl-C that was meant for the parent.
const CREATE_NO_WINDOW: u32 = 0x0800_0000;
/// How long a worker may take to end by itself.
const GRACE_MILLISECONDS: u32 = 100;
/// How long the system may take to end it.
const ENDING_MILLISECONDS: u32 = 500;

/// A running worker. Ended when dropped, and by the job if this process ends first.
pub(crate) struct Process {
    child: Child,
    /// Closed to end the worker; the pipe is written by a thread, which a full pipe may block.
    requests: Option<Sender<Vec<u8>>>,
    /// The same pipes as the threads', to end what these are in.
    pipes: Vec<OwnedHandle>,
    threads: Vec<JoinHandle<()>>,
    _job: Option<Job>,
}

impl Process {
    /// Starts this worker, whose replies go to the inbox.
    pub(crate) fn start(
        program: &Path,
        arguments: &[OsString],
        worker: u64,
        inbox: &Arc<Inbox>,
    ) -> Result<Process, u32> {
        if let Some(error) = fault(Call::SpawnWorker) {
            return Err(error);
        }
        let code = |error: std::io::Error| error.raw_os_error().unwrap_or(0).cast_unsigned();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
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
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut pipes = Vec::new();
        for pipe in [
            stdin.as_ref().map(AsHandle::as_handle),
            stdout.as_ref().map(AsHandle::as_handle),
        ] {
            pipes.extend(
                pipe.map(|pipe| pipe.try_clone_to_owned())
                    .transpose()
                    .map_err(code)?,
            );
        }
        let (requests, queued) = channel::<Vec<u8>>();
        let mut process = Process {
            child,
            requests: Some(requests),
            pipes,
            threads: Vec::new(),
            _job: job,
        };
        process
            .threads
            .push(waits::spawn("everwatch-asks", move || {
                if let Some(mut stdin) = stdin {
                    while let Ok(request) = queued.recv() {
                        if stdin.write_all(&request).is_err() {
                            return;
                        }
                    }
                }
            })?);
        let inbox = Arc::clone(inbox);
        process
            .threads
            .push(waits::spawn("everwatch-hears", move || {
                if let Some(mut stdout) = stdout {
                    while let Ok(Some((reply, number))) = Reply::read(&mut stdout) {
                        inbox.put(Received {
                            worker,
                            reply,
                            number,
                        });
                    }
                }
                inbox.end(worker);
            })?);
        Ok(process)
    }

    /// Sends a request, some time; nothing if the worker has gone.
    pub(crate) fn ask(&self, request: &Request, number: u64) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(request.encode(number));
        }
    }

    /// Lets the worker end by itself for a while, and then ends it.
    pub(crate) fn end(mut self, inbox: &Inbox) {
        self.requests = None;
        self.finish(inbox, GRACE_MILLISECONDS);
    }

    /// Ends the worker.
    pub(crate) fn kill(mut self, inbox: &Inbox) {
        self.requests = None;
        self.finish(inbox, 0);
    }

    fn finish(&mut self, inbox: &Inbox, grace: u32) {
        inbox.set_unbounded(true);
        let handle = self.child.as_raw_handle();
        let has_ended = |milliseconds| {
            // SAFETY: the handle of a child is open for as long as the child is held.
            let waited = unsafe { waits::wait_for_one(&[handle], milliseconds) };
            waited.is_ok_and(|ended| ended.is_some())
        };
        if !has_ended(grace) {
            let _ = self.child.kill();
        }
        if has_ended(ENDING_MILLISECONDS) {
            let _ = self.child.wait();
        }
        self.end_threads();
        inbox.set_unbounded(false);
    }
}

impl Process {
    /// The pipes of a process that has ended end too, on Windows at once. Under Wine those of one
    /// that was ended while it was loaded may not, and those of one that cannot be ended do not.
    fn end_threads(&mut self) {
        let deadline = Instant::now() + Duration::from_millis(u64::from(ENDING_MILLISECONDS));
        while Instant::now() < deadline && !self.threads.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(1));
            for pipe in &self.pipes {
                // SAFETY: the handle is open; null stands for all that is under way on the pipe.
                let _ = unsafe { calls::cancel(pipe.as_raw_handle(), std::ptr::null()) };
            }
        }
        for thread in self.threads.drain(..).filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where it has ended already this does nothing.
        let _ = self.child.kill();
    }
}
