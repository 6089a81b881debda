//! The model `apc`: completion routines, and commands as APCs, on one worker thread that sleeps alertably.
//!
//! A completion routine runs on the thread that issued the read, and only while that sleeps alertably. So the
//! worker issues all reads, and does nothing else; no routine ever runs on a thread of the caller. Routines
//! only note what came, and the worker acts on it when it is awake. The worker cancels reads with CancelIo,
//! which ends only those of its own thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::windows::io::BorrowedHandle;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use everwatch_proactor::native::{milliseconds, spawn};
use windows_sys::Win32::Foundation::ERROR_GEN_FAILURE;

use crate::commands::{Command, CommandSource, work};
use crate::completion::Closed;
use crate::error::{Error, Stage};
use crate::message_queue::MessageQueue;
use crate::native::{ChangeRead, DirHandle, Pending, Via, run_on, sleep_alertable, take_completed};
use crate::read_set::{Arrival, PacketSource};
use crate::settings::{Settings, Tag};
use crate::threaded::{Threaded, Workers};

thread_local! {
    /// The commands that APCs have brought to this thread.
    static COMMANDS: RefCell<VecDeque<Command>> = RefCell::default();
}

/// The APCs of the worker as a source of packets and commands.
struct Apcs;

impl PacketSource for Apcs {
    fn attach(&mut self, _: &DirHandle, _: usize) -> Result<Via, u32> {
        Ok(Via::Routine)
    }

    fn cancel(&self, read: &ChangeRead<Pending>) -> Result<(), u32> {
        read.cancel_here()
    }

    fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Arrival>) -> usize {
        sleep_alertable(timeout.map_or(u32::MAX, milliseconds));
        let completed = take_completed();
        let count = completed.len();
        arrived.extend(completed.into_iter().map(Arrival::Packet));
        count
    }
}

impl CommandSource for Apcs {
    fn command(&mut self) -> Option<Command> {
        COMMANDS.with_borrow_mut(VecDeque::pop_front)
    }
}

/// The caller's hold on the worker thread.
pub(crate) struct ApcWorker {
    /// `None` when it was asked to stop.
    thread: Option<JoinHandle<()>>,
}

impl ApcWorker {
    /// Starts the thread.
    pub(crate) fn start() -> Result<Threaded<ApcWorker>, Error> {
        let messages = Arc::new(MessageQueue::default());
        let theirs = Arc::clone(&messages);
        let thread = spawn("everwatch-apc", move || work(Apcs, &theirs));
        let worker = ApcWorker {
            thread: Some(thread.map_err(Error::at(Stage::Start))?),
        };
        Ok(Threaded::new(worker, messages))
    }

    /// Sends a command, which also ends the sleep of the worker.
    fn send(&self, command: Command) -> Result<(), u32> {
        let thread = self.thread.as_ref().ok_or(ERROR_GEN_FAILURE)?;
        let note = || COMMANDS.with_borrow_mut(|commands| commands.push_back(command));
        run_on(thread, Box::new(note))
    }
}

impl Workers for ApcWorker {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        settings: Settings,
    ) -> Result<(), Error> {
        let directory = DirHandle::reopen(directory).map_err(Error::at(Stage::Open))?;
        let (reply, answer) = sync_channel(1);
        let sent = self.send(Command::Arm {
            tag,
            directory,
            settings,
            reply,
        });
        sent.map_err(Error::at(Stage::Worker))?;
        let answer = answer.recv().unwrap_or(Err(ERROR_GEN_FAILURE));
        answer.map_err(Error::at(Stage::Arm))
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
    use crate::message_queue::Received;

    /// A source to which a command comes with the first wait that is for something else.
    struct Late {
        apcs: Apcs,
        commands: VecDeque<Command>,
        late: Option<Command>,
    }

    impl PacketSource for Late {
        fn attach(&mut self, directory: &DirHandle, key: usize) -> Result<Via, u32> {
            self.apcs.attach(directory, key)
        }

        fn cancel(&self, read: &ChangeRead<Pending>) -> Result<(), u32> {
            self.apcs.cancel(read)
        }

        fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Arrival>) -> usize {
            match timeout {
                Some(_) => self.commands.extend(self.late.take()),
                None => assert!(self.commands.is_empty(), "it would sleep over a command"),
            }
            self.apcs.pump(timeout, arrived)
        }
    }

    impl CommandSource for Late {
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
        let messages = Arc::new(MessageQueue::default());
        work(source, &messages);
        assert_eq!(closed.try_recv(), Ok(Closed::default()));
        let received = messages.receive(&mut |_, _| {});
        assert!(matches!(received, Received::Fenced(7)));
    }
}
