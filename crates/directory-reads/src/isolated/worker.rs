//! The worker's side: a `port` reader that is asked and answers over pipes.
//!
//! What can hang in the kernel (an open, a read, a close) is done on one thread; the requests are
//! taken from the pipe on another, which ends the process when the pipe does: a worker never
//! outlives its parent.

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
use crate::native::{DirHandle, identity};
use crate::port::PortReads;
use crate::reads::DirectoryReads;
use crate::settings::{Layout, Settings, Tag};

/// Serves the process that started this one as its worker, over stdin and stdout; never returns.
/// Nothing else may be written to stdout.
pub fn serve_isolated() -> ! {
    let code = match serve() {
        Ok(()) => 0,
        Err(_) => 1,
    };
    std::process::exit(code);
}

fn serve() -> io::Result<()> {
    // Not std's handles: those look for line ends.
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
        // The parent is gone, or has had enough. The other thread may hang; nothing waits for it.
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
            } => arm(
                reads,
                tag,
                settings,
                &PathBuf::from(OsString::from_wide(&path)),
            ),
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

fn arm(reads: &mut PortReads, tag: Tag, settings: Settings, path: &Path) -> Reply {
    let armed = DirHandle::open(path)
        .and_then(|directory| {
            let identity = identity::identity(directory.as_handle())?;
            Ok((directory, identity))
        })
        .map_err(|code| Error {
            stage: Stage::Open,
            code,
        })
        .and_then(|(directory, identity)| {
            reads.arm(tag, directory.as_handle(), path, settings)?;
            Ok(identity)
        });
    match armed {
        Ok(identity) => Reply::Armed(identity),
        Err(error) => Reply::Refused(Refusal {
            is_open: error.stage == Stage::Open,
            code: error.code,
        }),
    }
}

/// Writes what is delivered; the first error of the pipe is returned at the end.
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
                    let is_extended = layout == Layout::Extended;
                    write_changes(replies, &mut scratch, tag, is_extended, bytes)
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
