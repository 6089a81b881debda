//! An event to each directory, and a thread to each 63 of them.
//!
//! One wait takes 64 handles. The first is the group's own event, by which commands come and which
//! therefore goes before all records. A group whose last directory has gone ends.

use std::collections::{HashSet, VecDeque};
use std::os::windows::io::BorrowedHandle;
use std::ptr::null_mut;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use everwatch_proactor::native::{Packet, milliseconds, spawn};
use windows_sys::Win32::Foundation::{ERROR_GEN_FAILURE, HANDLE};
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::commands::{Command, Commanded, work};
use crate::common::{AFTER_A_FAILED_WAIT, add};
use crate::completion::Closed;
use crate::error::{Error, Stage};
use crate::message_queue::Handover;
use crate::native::waits::{Event, MOST_HANDLES, wait_for_one};
use crate::native::{ChangeRead, DirHandle, Pending, Via, signalled as packet_of_event};
use crate::read_set::Source;
use crate::settings::{Settings, Tag};
use crate::threaded::{Crew, Crewed};

/// The directories of one group.
const MOST: usize = MOST_HANDLES - 1;

/// How commands come to a group.
struct Door {
    commands: Mutex<VecDeque<Command>>,
    event: Event,
}

struct Watched {
    key: usize,
    event: Event,
    /// Of the read whose end the event tells; null before it has been issued.
    overlapped: *mut OVERLAPPED,
}

/// The events of one group.
struct Events {
    door: Arc<Door>,
    watched: Vec<Watched>,
    /// The door's event, then those of `watched`, in their order.
    handles: Vec<HANDLE>,
}

// SAFETY: the handles are those of the events next to them and may be waited for on any thread;
// the addresses are followed only while the desk holds their reads.
unsafe impl Send for Events {}

impl Events {
    fn new(door: Arc<Door>) -> Events {
        let handles = vec![door.event.raw()];
        Events {
            door,
            watched: Vec::new(),
            handles,
        }
    }
}

impl Source for Events {
    fn attach(&mut self, _: &DirHandle, key: usize) -> Result<Via, u32> {
        let event = Event::new()?;
        let via = Via::Event(event.raw());
        self.handles.push(event.raw());
        self.watched.push(Watched {
            key,
            event,
            overlapped: null_mut(),
        });
        Ok(via)
    }

    fn issued(&mut self, key: usize, read: &ChangeRead<Pending>) {
        let watched = self.watched.iter_mut().find(|watched| watched.key == key);
        if let Some(watched) = watched {
            watched.overlapped = read.address();
        }
    }

    fn detach(&mut self, key: usize, _: bool) {
        self.watched.retain(|watched| watched.key != key);
        self.handles.truncate(1);
        let events = self.watched.iter().map(|watched| watched.event.raw());
        self.handles.extend(events);
    }

    fn pump(&mut self, timeout: Option<Duration>, arrived: &mut VecDeque<Packet>) -> usize {
        let mut time = timeout.map_or(u32::MAX, milliseconds);
        let mut first = 0;
        let mut count = 0;
        while first < self.handles.len() {
            // SAFETY: the door and the watched hold the events, and a group has at most 64.
            let signalled = match unsafe { wait_for_one(&self.handles[first..], time) } {
                Ok(Some(signalled)) => first + signalled,
                Ok(None) => break,
                Err(_) => {
                    std::thread::sleep(AFTER_A_FAILED_WAIT);
                    break;
                }
            };
            let watched = signalled.checked_sub(1).map(|at| &self.watched[at]);
            // SAFETY: the read of a watched directory is held by the desk until it is detached.
            let packet = watched
                .and_then(|watched| unsafe { packet_of_event(watched.key, watched.overlapped) });
            count += usize::from(packet.is_some());
            arrived.extend(packet);
            first = signalled + 1;
            time = 0;
        }
        count
    }
}

impl Commanded for Events {
    fn command(&mut self) -> Option<Command> {
        self.door.commands().pop_front()
    }
}

impl Door {
    fn commands(&self) -> MutexGuard<'_, VecDeque<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Group {
    door: Arc<Door>,
    thread: JoinHandle<()>,
    tags: HashSet<Tag>,
}

impl Group {
    fn start(handover: &Arc<Handover>) -> Result<Group, u32> {
        let door = Arc::new(Door {
            commands: Mutex::default(),
            event: Event::new()?,
        });
        let (events, handover) = (Events::new(Arc::clone(&door)), Arc::clone(handover));
        let thread = spawn("everwatch-event", move || work(events, &handover))?;
        Ok(Group {
            door,
            thread,
            tags: HashSet::new(),
        })
    }

    fn send(&self, command: Command) -> Result<(), u32> {
        if self.thread.is_finished() {
            return Err(ERROR_GEN_FAILURE);
        }
        self.door.commands().push_back(command);
        self.door.event.set()
    }

    /// Asks the thread to end; what to wait for, if it can be asked.
    fn ask_to_stop(&self) -> Option<Receiver<Closed>> {
        let (reply, answer) = sync_channel(1);
        let sent = self.send(Command::Stop { reply });
        (sent.is_ok() || self.thread.is_finished()).then_some(answer)
    }

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
pub(crate) struct Groups {
    groups: Vec<Group>,
    handover: Arc<Handover>,
    counts: Closed,
}

impl Groups {
    pub(crate) fn start() -> Crewed<Groups> {
        let handover = Arc::new(Handover::default());
        let groups = Groups {
            groups: Vec::new(),
            handover: Arc::clone(&handover),
            counts: Closed::default(),
        };
        Crewed::new(groups, handover)
    }

    /// A group with room.
    fn roomy(&mut self) -> Result<usize, u32> {
        let at = self.groups.iter().position(|group| group.tags.len() < MOST);
        if let Some(at) = at {
            return Ok(at);
        }
        self.groups.push(Group::start(&self.handover)?);
        Ok(self.groups.len() - 1)
    }

    fn of(&self, tag: Tag) -> Option<usize> {
        self.groups
            .iter()
            .position(|group| group.tags.contains(&tag))
    }

    fn end_if_empty(&mut self, at: usize) {
        if self.groups[at].tags.is_empty() {
            let group = self.groups.swap_remove(at);
            let answer = group.ask_to_stop();
            add(&mut self.counts, group.join(answer));
        }
    }
}

impl Crew for Groups {
    fn arm(
        &mut self,
        tag: Tag,
        directory: BorrowedHandle<'_>,
        settings: Settings,
    ) -> Result<(), Error> {
        let failed = |stage| move |code| Error { stage, code };
        let directory = DirHandle::reopen(directory).map_err(failed(Stage::Open))?;
        let at = self.roomy().map_err(failed(Stage::Start))?;
        let (reply, answer) = sync_channel(1);
        let command = Command::Arm {
            tag,
            directory,
            settings,
            reply,
        };
        let sent = self.groups[at].send(command).map_err(failed(Stage::Worker));
        let armed = sent.and_then(|()| {
            let answer = answer.recv().unwrap_or(Err(ERROR_GEN_FAILURE));
            answer.map_err(failed(Stage::Arm))
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
        let Some(at) = self.of(tag) else { return };
        let (reply, answer) = sync_channel(1);
        if self.groups[at].send(Command::Retire { tag, reply }).is_ok() {
            let _ = answer.recv();
        }
        self.groups[at].tags.remove(&tag);
        self.end_if_empty(at);
    }

    fn resume(&mut self, tag: Tag) {
        if let Some(at) = self.of(tag) {
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
            add(&mut self.counts, group.join(answer));
        }
        self.counts
    }
}
