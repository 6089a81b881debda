//! How a child process is started.
//!
//! std's `Command` does the work, with handles of this crate for what becomes a stream. The child is created
//! suspended, put into its job and only then let go, so that nothing that it starts can be outside of it.

use std::fs::File;
use std::io;
use std::os::windows::io::{IntoRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::process::{Command, Stdio};

use super::child::Child;
use crate::native::handle::Handle;
use crate::native::job::Job;
use crate::native::of_code;
use crate::native::process;
use crate::pipe::{Toward, pair};
use crate::{Remote, Stream};

const CREATE_SUSPENDED: u32 = 0x0000_0004;
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// The size of the buffer of each pipe, in bytes.
const PIPE_BYTES: u32 = 64 * 1024;

/// The exit code of a child that could not be started to the end.
const NEVER_RAN: u32 = 1;

/// A child process that is yet to be started.
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// use std::process::Command;
/// use everwatch_proactor::{Proactor, process::Start};
///
/// let mut proactor = Proactor::new().expect("a completion port");
/// let child = Start::new(Command::new("worker.exe")).stdout().spawn(&proactor.remote())?;
/// let status = proactor.block_on(async {
///     if let Some(stdout) = &child.stdout {
///         let (read, buffer) = stdout.read(Vec::with_capacity(4096)).await;
///         println!("{:?}", &buffer[..read?]);
///     }
///     child.status().await
/// })?;
/// println!("{status}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is started before `spawn`"]
pub struct Start {
    command: Command,
    flags: u32,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    outlives: bool,
}

impl Start {
    /// Starts this command. What it says about creation flags is replaced by [`Start::flags`]; what it says
    /// about standard handles holds, where they are not made streams.
    pub fn new(command: Command) -> Start {
        Start {
            command,
            flags: 0,
            stdin: false,
            stdout: false,
            stderr: false,
            outlives: false,
        }
    }

    /// Makes the child's standard input a stream, [`Child::stdin`].
    pub fn stdin(mut self) -> Start {
        self.stdin = true;
        self
    }

    /// Makes the child's standard output a stream, [`Child::stdout`].
    pub fn stdout(mut self) -> Start {
        self.stdout = true;
        self
    }

    /// Makes the child's standard error a stream, [`Child::stderr`].
    pub fn stderr(mut self) -> Start {
        self.stderr = true;
        self
    }

    /// Gives the child a console of its own without a window (`CREATE_NO_WINDOW`): no window, and no Ctrl-C
    /// that was meant for this process.
    pub fn without_window(mut self) -> Start {
        self.flags |= CREATE_NO_WINDOW;
        self
    }

    /// Further flags of CreateProcess, such as `CREATE_NEW_PROCESS_GROUP`.
    pub fn flags(mut self, flags: u32) -> Start {
        self.flags |= flags;
        self
    }

    /// Has the child live on when its [`Child`] is dropped or this process ends. It is in no job then, and
    /// [`Child::kill`] ends it alone.
    pub fn outlives(mut self) -> Start {
        self.outlives = true;
        self
    }

    /// Starts the child. Blocks as CreateProcess does.
    ///
    /// # Errors
    /// What CreateProcess, the pipes and the job say. No child is left behind then.
    pub fn spawn(mut self, remote: &Remote) -> io::Result<Child> {
        let command = &mut self.command;
        let stream = |is_wanted: bool, toward| -> io::Result<Option<(Stream, File)>> {
            if !is_wanted {
                return Ok(None);
            }
            let (ours, theirs) = pair(remote, toward, PIPE_BYTES)?;
            Ok(Some((ours.stream().clone(), theirs)))
        };
        let stdin = stream(self.stdin, Toward::Other)?;
        let stdout = stream(self.stdout, Toward::Own)?;
        let stderr = stream(self.stderr, Toward::Own)?;
        let stdin = stdin.map(|(stream, theirs)| {
            command.stdin(Stdio::from(theirs));
            stream
        });
        let stdout = stdout.map(|(stream, theirs)| {
            command.stdout(Stdio::from(theirs));
            stream
        });
        let stderr = stderr.map(|(stream, theirs)| {
            command.stderr(Stdio::from(theirs));
            stream
        });
        let spawned = command
            .creation_flags(self.flags | CREATE_SUSPENDED)
            .spawn()?;
        // With it go this side's copies of the child's ends: the child has the only ones, so that a stream
        // ends when the child does.
        drop(self.command);
        let job = match self.outlives {
            true => Ok(None),
            false => Job::of(&spawned).map(Some),
        };
        let id = spawned.id();
        // SAFETY: it is open and was the child's alone.
        let process = unsafe { Handle::own(OwnedHandle::from(spawned).into_raw_handle()) };
        let begun = job.and_then(|job| process::resume(&process).map(|()| job));
        match begun {
            Ok(job) => Ok(Child::new(
                remote.clone(),
                id,
                (process, job),
                (stdin, stdout, stderr),
            )),
            Err(code) => {
                // It has not run.
                let _ = process::terminate(&process, NEVER_RAN);
                Err(of_code(code))
            }
        }
    }
}
