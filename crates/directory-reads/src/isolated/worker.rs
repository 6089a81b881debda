//! The worker's side: a `port` reader that takes requests and sends replies over pipes.
//!
//! Everything that can hang in the kernel (an open, a read, a close) happens on one thread. Another takes the
//! requests from the pipe, and ends the process when the pipe ends: a worker never outlives its parent.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use crate::completion::Completion;
use crate::error::{Error, Stage};
use crate::isolated::frame::{Refusal, Reply, Request, write_changes};
use crate::native::{DirHandle, Identity, identity};
use crate::port::PortReads;
use crate::reads::DirectoryReads;
use crate::settings::{Settings, Tag};

/// Serves the process that has started this one as its worker, over stdin and stdout, and never returns. Nothing
/// else may be written to stdout.
pub fn serve_isolated() -> ! {
    let code = match serve() {
        Ok(()) => 0,
        Err(_) => 1,
    };
    std::process::exit(code);
}

/// Serves until a pipe fails. The end of the requests ends the process.
fn serve() -> io::Result<()> {
    // Not std's handles of stdin and stdout: those look for line ends.
    let mut requests = File::from(io::stdin().as_handle().try_clone_to_owned()?);
    let mut replies = File::from(io::stdout().as_handle().try_clone_to_owned()?);
    let mut reads = PortReads::new()?;
    let waker = reads.waker();
    let (sender, received) = channel();
    std::thread::Builder::new().spawn(move || {
        while let Ok(Some(request)) = Request::read(&mut requests) {
            if sender.send(request).is_err() {
                break;
            }
            waker.ring();
        }
        // The parent is gone, or has closed the pipe. The other thread may hang; nothing waits for it.
        std::process::exit(0);
    })?;
    loop {
        reads.wait(None);
        answer(&mut reads, &received, &mut replies)?;
        forward(&mut replies, |deliver| {
            reads.collect(deliver);
        })?;
    }
}

/// Carries out the requests that have come, and answers them.
fn answer(
    reads: &mut PortReads,
    requests: &Receiver<(Request, u64)>,
    replies: &mut File,
) -> io::Result<()> {
    while let Ok((request, number)) = requests.try_recv() {
        let reply = match request {
            Request::Arm {
                tag,
                settings,
                path,
            } => {
                let path = PathBuf::from(OsString::from_wide(&path));
                match arm(reads, tag, settings, &path) {
                    Ok(identity) => Reply::Armed(identity),
                    Err(error) => Reply::Refused(Refusal {
                        stage: error.stage(),
                        code: error.code(),
                    }),
                }
            }
            Request::Retire(tag) => {
                reads.retire(tag);
                Reply::Retired
            }
            Request::Fence => {
                forward(replies, |deliver| reads.fence(deliver))?;
                Reply::Fenced
            }
            Request::Ping => Reply::Pong,
        };
        replies.write_all(&reply.encode(number))?;
    }
    Ok(())
}

/// Opens a directory by its path, and issues the first read.
fn arm(
    reads: &mut PortReads,
    tag: Tag,
    settings: Settings,
    path: &Path,
) -> Result<Identity, Error> {
    let directory = DirHandle::open(path).map_err(Error::at(Stage::Open))?;
    let identity = identity(directory.as_handle()).map_err(Error::at(Stage::Open))?;
    reads.arm(tag, directory.as_handle(), path, settings)?;
    Ok(identity)
}

/// Writes everything that is delivered. Returns the first error of the pipe at the end.
fn forward(
    replies: &mut File,
    run: impl FnOnce(&mut dyn FnMut(Tag, Completion<'_>)),
) -> io::Result<()> {
    let mut result = Ok(());
    let mut scratch = Vec::new();
    run(&mut |tag, completion| {
        if result.is_ok() {
            result = match completion {
                Completion::Changes { bytes, layout } => {
                    write_changes(replies, &mut scratch, tag, (bytes, layout))
                }
                Completion::Lost => replies.write_all(&Reply::Lost(tag).encode(0)),
                Completion::Failed { code } => {
                    replies.write_all(&Reply::Failed(tag, code).encode(0))
                }
            };
        }
    });
    result
}
