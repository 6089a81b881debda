//! The model `event`: an event for each directory, and a thread for each 63 of them.
//!
//! One wait takes 64 handles. The first is the group's own event, by which commands come; it therefore comes
//! before all records. A group ends when its last directory has left.

use std::collections::{HashSet, VecDeque};
use std::os::windows::io::BorrowedHandle;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use everwatch_proactor::native::{milliseconds, spawn};
use windows_sys::Win32::Foundation::ERROR_GEN_FAILURE;

use crate::commands::{Command, CommandSource, work};
use crate::completion::Closed;
use crate::error::{Error, Stage};
use crate::limits::AFTER_A_FAILED_WAIT;
use crate::message_queue::MessageQueue;
use crate::native::{DirHandle, Event, EventSet, HANDLES_PER_WAIT, Via};
use crate::read_set::{Arrival, PacketSource};
use crate::settings::{Settings, Tag};
use crate::threaded::{Threaded, Workers};

/// The directories of one group: what a wait takes besides the group's own event.
const DIRECTORIES_PER_GROUP: usize = HANDLES_PER_WAIT - 1;

/// The key of the group's own event. No directory has it.
const COMMANDS_KEY: usize = 0;

/// The commands on their way to a group.
struct CommandQueue {
    commands: Mutex<VecDeque<Command>>,
    /// Set when there are some.
    event: Arc<Event>,
}

impl CommandQueue {
    fn commands(&self) -> MutexGuard<'_, VecDeque<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events of one group as a source of packets and commands.
struct GroupEvents {
    commands: Arc<CommandQueue>,
    /// That of the commands first.
    events: EventSet,
}

impl GroupEvents {
    fn new(commands: Arc<CommandQueue>) -> GroupEvents {
        let mut events = EventSet::default();
        events.add(COMMANDS_KEY, Arc::clone(&commands.event));
        GroupEvents { commands, events }
    }
}

impl PacketSource for GroupEvents {
    fn attach(&mut self, _: &DirHandle, key: usize) -> Result<Via, u32> {
        let event = Arc::new(Event::new()?);
        self.events.add(key, Arc::clone(&event));
        Ok(Via::Event(event))
    }

    fn attach_again(&mut self, directory: &DirHandle, key: usize) -> Result<Via, u32> {
        self.events.remove(key);
        self.attach(directory, key)
    }

    fn detach(&mut self, key: usize) {
        self.events.remove(key);
    }

    fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Arrival>) -> usize {
        let mut time = timeout.map_or(u32::MAX, milliseconds);
        let (mut first, mut count) = (0, 0);
        loop {
            match self.events.wait(first, time) {
                Ok(Some((at, key))) => {
                    if key != COMMANDS_KEY {
                        arrived.push_back(Arrival::Signalled(key));
                        count += 1;
                    }
                    // The others may be set as well: look at them, without waiting.
                    (first, time) = (at + 1, 0);
                }
                Ok(None) => return count,
                Err(_) => {
                    std::thread::sleep(AFTER_A_FAILED_WAIT);
                    return count;
                }
            }
        }
    }
}

impl CommandSource for GroupEvents {
    fn command(&mut self) -> Option<Command> {
        self.commands.commands().pop_front()
    }
}

/// The caller's hold on one group and its thread.
struct Group {
    commands: Arc<CommandQueue>,
    thread: JoinHandle<()>,
    tags: HashSet<Tag>,
}

impl Group {
    /// Starts a thread that has no directory yet.
    fn start(messages: &Arc<MessageQueue>) -> Result<Group, u32> {
        let commands = Arc::new(CommandQueue {
            commands: Mutex::default(),
            event: Arc::new(Event::new()?),
        });
        let (events, messages) = (
            GroupEvents::new(Arc::clone(&commands)),
            Arc::clone(messages),
        );
        let thread = spawn("everwatch-event", move || work(events, &messages))?;
        Ok(Group {
            commands,
            thread,
            tags: HashSet::new(),
        })
    }

    /// Sends a command, which also ends the wait of the thread.
    fn send(&self, command: Command) -> Result<(), u32> {
        if self.thread.is_finished() {
            return Err(ERROR_GEN_FAILURE);
        }
        self.commands.commands().push_back(command);
        self.commands.event.set()
    }

    /// Asks the thread to end. Returns what to wait for, if it can be asked.
    fn ask_to_stop(&self) -> Option<Receiver<Closed>> {
        let (reply, answer) = sync_channel(1);
        let sent = self.send(Command::Stop { reply });
        (sent.is_ok() || self.thread.is_finished()).then_some(answer)
    }

    /// Waits for the end of the thread. One that could not be asked is left to itself.
    fn join(self, answer: Option<Receiver<Closed>>) -> Closed {
        let Some(answer) = answer else {
            return Closed::default();
        };
        let closed = answer.recv().unwrap_or_default();
        let _ = self.thread.join();
        closed
    }
}

/// The groups, and which directory is in which.
pub(crate) struct EventGroups {
    groups: Vec<Group>,
    messages: Arc<MessageQueue>,
    counts: Closed,
}

impl EventGroups {
    /// Starts the model. It has no thread before the first directory.
    pub(crate) fn start() -> Threaded<EventGroups> {
        let messages = Arc::new(MessageQueue::default());
        let groups = EventGroups {
            groups: Vec::new(),
            messages: Arc::clone(&messages),
            counts: Closed::default(),
        };
        Threaded::new(groups, messages)
    }

    /// The place of a group that can take another directory.
    fn with_space(&mut self) -> Result<usize, u32> {
        let has_space = |group: &Group| group.tags.len() < DIRECTORIES_PER_GROUP;
        if let Some(at) = self.groups.iter().position(has_space) {
            return Ok(at);
        }
        self.groups.push(Group::start(&self.messages)?);
        Ok(self.groups.len() - 1)
    }

    /// The place of the group of a directory.
    fn group_of(&self, tag: Tag) -> Option<usize> {
        let is_in = |group: &Group| group.tags.contains(&tag);
        self.groups.iter().position(is_in)
    }

    /// Ends the group at this place if its last directory has left.
    fn end_if_empty(&mut self, at: usize) {
        if self.groups[at].tags.is_empty() {
            let group = self.groups.swap_remove(at);
            let answer = group.ask_to_stop();
            self.counts += group.join(answer);
        }
    }
}

impl Workers for EventGroups {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        settings: Settings,
    ) -> Result<(), Error> {
        let directory = DirHandle::reopen(directory).map_err(Error::at(Stage::Open))?;
        let at = self.with_space().map_err(Error::at(Stage::Start))?;
        let (reply, answer) = sync_channel(1);
        let command = Command::Arm {
            tag,
            directory,
            settings,
            reply,
        };
        let sent = self.groups[at]
            .send(command)
            .map_err(Error::at(Stage::Worker));
        let armed = sent.and_then(|()| {
            let answer = answer.recv().unwrap_or(Err(ERROR_GEN_FAILURE));
            answer.map_err(Error::at(Stage::Arm))
        });
        match armed {
            Ok(()) => {
                self.groups[at].tags.insert(tag);
            }
            Err(_) => self.end_if_empty(at),
        }
        armed
    }

    fn retire(&mut self, tag: Tag) {
        let Some(at) = self.group_of(tag) else { return };
        let (reply, answer) = sync_channel(1);
        if self.groups[at].send(Command::Retire { tag, reply }).is_ok() {
            let _ = answer.recv();
        }
        self.groups[at].tags.remove(&tag);
        self.end_if_empty(at);
    }

    fn resume(&mut self, tag: Tag) {
        if let Some(at) = self.group_of(tag) {
            let _ = self.groups[at].send(Command::Resume(tag));
        }
    }

    fn fence(&mut self, number: u64) -> usize {
        let sent = self
            .groups
            .iter()
            .map(|group| group.send(Command::Fence(number)));
        sent.filter(Result::is_ok).count()
    }

    fn stop(&mut self) -> Closed {
        let asked: Vec<_> = self.groups.iter().map(Group::ask_to_stop).collect();
        for (group, answer) in self.groups.drain(..).zip(asked) {
            self.counts += group.join(answer);
        }
        self.counts
    }
}
