//! Completion routines and commands as APCs, on one worker that sleeps alertably.
//!
//! A routine runs on the thread that issued the read, and only while that sleeps alertably. So all
//! reads are issued on the worker, which does nothing else; no routine ever runs on a thread of the
//! caller. The routines themselves only note what came, and the worker acts on it when it is awake:
//! nothing runs inside a frame of the system. Reads are cancelled by `CancelIo`, which ends those of
//! its own thread alone, and so is called nowhere but there.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::windows::io::BorrowedHandle;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use everwatch_proactor::native::{Packet, milliseconds, spawn};
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::commands::{Command, Commanded, work};
use crate::completion::Closed;
use crate::error::{Error, Stage};
use crate::message_queue::Handover;
use crate::native::waits;
use crate::native::{ChangeRead, DirHandle, Pending, Via, packet_of};
use crate::read_set::Source;
use crate::settings::{Settings, Tag};
use crate::threaded::{Crew, Crewed};
use windows_sys::Win32::Foundation::ERROR_GEN_FAILURE;

/// What the routines noted on this thread.
#[derive(Default)]
struct Notes {
    packets: VecDeque<Packet>,
    commands: VecDeque<Command>,
}

thread_local! {
    static NOTES: RefCell<Notes> = RefCell::default();
}

unsafe extern "system" fn completed(_error: u32, _bytes: u32, overlapped: *mut OVERLAPPED) {
    // SAFETY: this routine is given to reads of this crate only, and called when one is complete.
    let packet = unsafe { packet_of(overlapped) };
    NOTES.with_borrow_mut(|notes| notes.packets.push_back(packet));
}

unsafe extern "system" fn commanded(parameter: usize) {
    // SAFETY: `Worker::send` made the parameter from a box, for this call alone.
    let command = unsafe { Box::from_raw(parameter as *mut Command) };
    NOTES.with_borrow_mut(|notes| notes.commands.push_back(*command));
}

struct Apcs;

impl Source for Apcs {
    fn attach(&mut self, _: &DirHandle, _: usize) -> Result<Via, u32> {
        Ok(Via::Routine(Some(completed)))
    }

    fn cancel(&self, read: &ChangeRead<Pending>) -> Result<(), u32> {
        read.cancel_here()
    }

    fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Packet>) -> usize {
        waits::sleep_alertable(timeout.map_or(u32::MAX, milliseconds));
        NOTES.with_borrow_mut(|notes| {
            let count = notes.packets.len();
            arrived.append(&mut notes.packets);
            count
        })
    }
}

impl Commanded for Apcs {
    fn command(&mut self) -> Option<Command> {
        NOTES.with_borrow_mut(|notes| notes.commands.pop_front())
    }
}

/// The caller's hold on the worker.
pub(crate) struct Worker {
    /// `None` when it has been told to stop.
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start() -> Result<Crewed<Worker>, Error> {
        let handover = Arc::new(Handover::default());
        let theirs = Arc::clone(&handover);
        let thread = spawn("everwatch-apc", move || work(Apcs, &theirs));
        let thread = thread.map_err(|code| Error {
            stage: Stage::Start,
            code,
        })?;
        let worker = Worker {
            thread: Some(thread),
        };
        Ok(Crewed::new(worker, handover))
    }

    fn send(&self, command: Command) -> Result<(), u32> {
        let thread = self.thread.as_ref().ok_or(ERROR_GEN_FAILURE)?;
        let parameter = Box::into_raw(Box::new(command));
        // SAFETY: the routine takes the box back, once.
        let result = unsafe { waits::queue(thread, commanded, parameter as usize) };
        if result.is_err() {
            // SAFETY: the routine will not be called.
            drop(unsafe { Box::from_raw(parameter) });
        }
        result
    }
}

impl Crew for Worker {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        settings: Settings,
    ) -> Result<(), Error> {
        let failed = |stage| move |code| Error { stage, code };
        let directory = DirHandle::reopen(directory).map_err(failed(Stage::Open))?;
        let (reply, answer) = sync_channel(1);
        self.send(Command::Arm {
            tag,
            directory,
            settings,
            reply,
        })
        .map_err(failed(Stage::Worker))?;
        let answer = answer.recv().unwrap_or(Err(ERROR_GEN_FAILURE));
        answer.map_err(failed(Stage::Arm))
    }

    fn retire(&mut self, tag: Tag) {
        let (reply, answer) = sync_channel(1);
        if self.send(Command::Retire { tag, reply }).is_ok() {
            let _ = answer.recv();
        }
    }

    fn resume(&mut self, tag: Tag) {
        let _ = self.send(Command::Resume(tag));
    }

    fn fence(&mut self, number: u64) -> usize {
        usize::from(self.send(Command::Fence(number)).is_ok())
    }

    fn stop(&mut self) -> Closed {
        let (reply, answer) = sync_channel(1);
        let sent = self.send(Command::Stop { reply });
        let Some(thread) = self.thread.take() else {
            return Closed::default();
        };
        let closed = match sent {
            Ok(()) => answer.recv().unwrap_or_default(),
            Err(_) => Closed::default(),
        };
        if sent.is_ok() || thread.is_finished() {
            let _ = thread.join();
        }
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_queue::Opened;

    /// A command comes with the first wait that is for something else.
    struct Late {
        apcs: Apcs,
        commands: VecDeque<Command>,
        late: Option<Command>,
    }

    impl Source for Late {
        fn attach(&mut self, directory: &DirHandle, key: usize) -> Result<Via, u32> {
            self.apcs.attach(directory, key)
        }

        fn cancel(&self, read: &ChangeRead<Pending>) -> Result<(), u32> {
            self.apcs.cancel(read)
        }

        fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Packet>) -> usize {
            match timeout {
                Some(_) => self.commands.extend(self.late.take()),
                None => assert!(self.commands.is_empty(), "it would sleep over a command"),
            }
            self.apcs.pump(timeout, arrived)
        }
    }

    impl Commanded for Late {
        fn command(&mut self) -> Option<Command> {
            self.commands.pop_front()
        }
    }

    #[test]
    fn a_command_that_comes_during_a_fence_is_carried_out() {
        let tree = tempfile::Builder::new().rand_bytes(12).tempdir();
        let tree = tree.expect("a directory");
        let path = std::fs::canonicalize(tree.path()).expect("a verbatim path");
        let (armed, _) = sync_channel(1);
        let arm = Command::Arm {
            tag: Tag(1),
            directory: DirHandle::open(&path).expect("opened"),
            settings: Settings::default(),
            reply: armed,
        };
        let (stopped, closed) = sync_channel(1);
        let source = Late {
            apcs: Apcs,
            commands: [arm, Command::Fence(7)].into(),
            late: Some(Command::Stop { reply: stopped }),
        };
        let handover = Arc::new(Handover::default());
        work(source, &handover);
        assert_eq!(closed.try_recv(), Ok(Closed::default()));
        let opened = handover.open_first(&mut |_, _| {});
        assert!(matches!(opened, Opened::Fenced(7)));
    }
}
