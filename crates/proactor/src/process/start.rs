//! The start of a child process.
//!
//! std's `Command` does the work, with handles of this crate for each stream. The child is created suspended,
//! put into its job, and only then runs, so that nothing that it starts can be outside of the job.

use std::fs::File;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::os::windows::process::CommandExt;
use std::process::{Command, Stdio};

use super::child::Child;
use crate::native::job::Job;
use crate::native::{Handle, io_error, process};
use crate::pipe::{Direction, pair};
use crate::remote::Remote;
use crate::stream::Stream;

const CREATE_SUSPENDED: u32 = 0x0000_0004;
const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// How many bytes each pipe holds that were not read.
const PIPE_BYTES: u32 = 64 * 1024;

/// The exit code of a child that was created and could not be started.
const NEVER_RAN: u32 = 1;

/// The description of a child process to start.
///
/// ```no_run
/// # #[cfg(windows)] fn main() -> std::io::Result<()> {
/// use std::process::Command;
/// use everwatch_proactor::{Proactor, process::Start};
///
/// let mut proactor = Proactor::new()?;
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
/// # #[cfg(not(windows))] fn main() {}
/// ```
#[derive(Debug)]
#[must_use = "nothing is started before `spawn`"]
pub struct Start {
    command: Command,
    flags: u32,
    /// Whether each standard handle is made a stream.
    stdin: bool,
    stdout: bool,
    stderr: bool,
    /// Whether the child is in no job.
    outlives: bool,
}

impl Start {
    /// Describes a child by a command. Its creation flags are replaced by [`Start::flags`]. Its standard handles
    /// are used where they are not made streams.
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

    /// Gives the child an invisible console of its own (`CREATE_NO_WINDOW`): no window, and no Ctrl-C that was
    /// meant for this process.
    pub fn without_window(mut self) -> Start {
        self.flags |= CREATE_NO_WINDOW;
        self
    }

    /// Adds flags of CreateProcess, such as `CREATE_NEW_PROCESS_GROUP`.
    pub fn flags(mut self, flags: u32) -> Start {
        self.flags |= flags;
        self
    }

    /// Lets the child outlive its [`Child`] and this process. It is in no job then, and [`Child::kill`] ends it
    /// alone.
    pub fn outlives(mut self) -> Start {
        self.outlives = true;
        self
    }

    /// Starts the child. Blocks as CreateProcess does.
    ///
    /// # Errors
    /// What CreateProcess, the pipes and the job report. No child is left behind then.
    pub fn spawn(mut self, remote: &Remote) -> io::Result<Child> {
        let command = &mut self.command;
        let stream = |is_wanted: bool, direction| -> io::Result<Option<(Stream, File)>> {
            if !is_wanted {
                return Ok(None);
            }
            let (ours, theirs) = pair(remote, direction, PIPE_BYTES)?;
            Ok(Some((ours.stream().clone(), theirs)))
        };
        let stdin = stream(self.stdin, Direction::ToOther)?;
        let stdout = stream(self.stdout, Direction::FromOther)?;
        let stderr = stream(self.stderr, Direction::FromOther)?;
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
        // Closes this side's copies of the child's ends. The child then has the only ones, so that a stream ends
        // when the child does.
        drop(self.command);
        let job = match self.outlives {
            true => Ok(None),
            false => Job::of(&spawned).map(Some),
        };
        let id = spawned.id();
        let process = Handle::from(OwnedHandle::from(spawned));
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
                Err(io_error(code))
            }
        }
    }
}
