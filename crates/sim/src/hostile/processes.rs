//! Processes that do what bytes say: calls, lost records, lies.

use std::collections::HashMap;
use std::num::NonZero;

use everwatch_core::entry::Watch;
use everwatch_core::queue::RecordQueue;
use everwatch_core::record::{Action, Record};
use everwatch_core::time::FileTime;
use everwatch_testing::bytes::Bytes;

use crate::disk::{Disk, Ino};
use crate::system::System;
use crate::system::calls::{Kind, Permissions};
use crate::world::Processes;

/// The names that entries are given.
const NAMES: [&[u8]; 9] = [
    b"r",
    b"q",
    b"a",
    b"b",
    b"c",
    b".gitignore",
    b"\xff\xfe",
    b"a b\n",
    b"out",
];

/// Number of the operations. Larger codes are free for other uses.
pub(crate) const OPERATIONS: u8 = 14;

/// A byte from here on that is next during a call of the engine stands for an operation at that moment.
const MEANWHILE: u8 = 0x80;

/// Nanoseconds that each operation takes.
const OPERATION: FileTime = 1_000_000;

/// Nanoseconds of a pause between operations.
const PAUSE: FileTime = 30_000_000;

/// Processes that are driven by bytes.
#[derive(Debug)]
pub(crate) struct HostileProcesses<'a> {
    pub(crate) bytes: Bytes<'a>,
    /// The contents of files by their version; all others are empty.
    pub(crate) texts: HashMap<u64, Vec<u8>>,
    /// Records were queued that need not be true.
    pub(crate) has_lied: bool,
    /// A directory could not be opened at some time.
    pub(crate) has_denied: bool,
    /// No further directory can be watched.
    is_out_of_watches: bool,
}

impl<'a> HostileProcesses<'a> {
    pub(crate) fn new(bytes: Bytes<'a>) -> HostileProcesses<'a> {
        HostileProcesses {
            bytes,
            texts: HashMap::new(),
            has_lied: false,
            has_denied: false,
            is_out_of_watches: false,
        }
    }

    /// Does what the next bytes say.
    pub(crate) fn operate(&mut self, system: &mut System, code: u8) {
        system.disk.now += OPERATION;
        // A call that is refused is as good as any other.
        let _ = match code % OPERATIONS {
            0 => self.create(system, Kind::Dir),
            1 | 2 => self.create(system, Kind::File),
            3 => self.write(system),
            4 => {
                let (dir, name) = self.any_place(&system.disk);
                remove(system, dir, name)
            }
            5 | 6 => self.rename(system),
            7 => {
                note(system, "records are lost", system.disk.top(), b"");
                system.queue.overflow();
                Some(())
            }
            8 => self.lie(system),
            9 => self.change_mode(system),
            10 => self.link(system),
            11 => self.write_and_set_back(system),
            12 => {
                self.is_out_of_watches = !self.is_out_of_watches;
                let limit = if self.is_out_of_watches {
                    0
                } else {
                    usize::MAX
                };
                system.queue.set_watch_limit(limit);
                Some(())
            }
            _ => {
                system.finish_all();
                system.disk.now += PAUSE;
                Some(())
            }
        };
    }

    /// A directory that is in the tree, and a name.
    fn any_place(&mut self, disk: &Disk) -> (Ino, &'static [u8]) {
        let mut dir = disk.top();
        for _ in 0..self.bytes.below(5) {
            let entries = disk.directory(dir).map(|directory| &directory.entries);
            let mut below: Vec<(&[u8], Ino)> = entries
                .into_iter()
                .flatten()
                .filter(|entry| disk.is_dir(entry.inode))
                .map(|entry| (&*entry.name, entry.inode))
                .collect();
            // In the order of their names, so that the file system does not change what bytes mean.
            below.sort_unstable();
            let at = self.bytes.below(below.len());
            dir = below.get(at).map_or(dir, |&(_, ino)| ino);
        }
        (dir, NAMES[self.bytes.below(NAMES.len())])
    }

    fn any_entry(&mut self, disk: &Disk) -> Option<(Ino, &'static [u8], Ino)> {
        let (dir, name) = self.any_place(disk);
        Some((dir, name, disk.entry(dir, name)?))
    }

    fn create(&mut self, system: &mut System, kind: Kind<'_>) -> Option<()> {
        let (dir, name) = self.any_place(&system.disk);
        note(system, &format!("create {kind:?}"), dir, name);
        system.make(dir, name, kind).ok().map(drop)
    }

    fn write(&mut self, system: &mut System) -> Option<()> {
        let (dir, name, _) = self.any_entry(&system.disk)?;
        note(system, "write", dir, name);
        system.write(dir, name).ok()
    }

    /// Writes to a file and sets its time back, as archivers do.
    fn write_and_set_back(&mut self, system: &mut System) -> Option<()> {
        let (dir, name, ino) = self.any_entry(&system.disk)?;
        note(system, "write and set back", dir, name);
        system.write(dir, name).ok()?;
        let created_at = system.disk.inode(ino).created_at.unwrap_or(0);
        system.set_modified(dir, name, created_at).ok()
    }

    /// Forbids to open a directory, or allows it.
    fn change_mode(&mut self, system: &mut System) -> Option<()> {
        let (dir, name, ino) = self.any_entry(&system.disk)?;
        self.has_denied = true;
        let is_readable = !system.disk.inode(ino).is_readable;
        note(system, &format!("readable: {is_readable}"), dir, name);
        let permissions = Permissions {
            readable: is_readable,
            searchable: true,
        };
        system.chmod(dir, name, permissions).ok()
    }

    /// Gives a file another name.
    fn link(&mut self, system: &mut System) -> Option<()> {
        let (_, _, ino) = self.any_entry(&system.disk)?;
        let (to, name) = self.any_place(&system.disk);
        note(system, &format!("link {}", ino.0), to, name);
        system.link(ino, to, name).ok()
    }

    fn rename(&mut self, system: &mut System) -> Option<()> {
        let (from, name, _) = self.any_entry(&system.disk)?;
        let (to, to_name) = self.any_place(&system.disk);
        note(system, "rename", from, name);
        note(system, "    to", to, to_name);
        system.rename((from, name), (to, to_name), false).ok()
    }

    /// Queues a record that is not true, or what bytes decode to that may be no record.
    fn lie(&mut self, system: &mut System) -> Option<()> {
        const ACTIONS: [Action; 11] = [
            Action::Created,
            Action::Removed,
            Action::Modified,
            Action::Metadata,
            Action::MovedFrom,
            Action::MovedTo,
            Action::DirectoryRemoved,
            Action::DirectoryMoved,
            Action::Unmounted,
            Action::WatchEnded,
            Action::Overflow,
        ];
        self.has_lied = true;
        if self.bytes.below(4) == 3 {
            let mut decoded = RecordQueue::default();
            everwatch_core::inotify::decode(self.bytes.run(), &mut decoded);
            while let Some(record) = decoded.front() {
                queue_lie(system, &record);
                decoded.pop();
            }
            return Some(());
        }
        let action = ACTIONS[self.bytes.below(ACTIONS.len())];
        let watches = system.queue.last_watch() as usize;
        let watch = Watch(self.bytes.below(watches + 3) as i32 - 1);
        let name = match self.bytes.below(NAMES.len() + 4) {
            at if at < NAMES.len() => NAMES[at],
            at if at == NAMES.len() => b".",
            at if at == NAMES.len() + 1 => b"a/b",
            at if at == NAMES.len() + 2 => b"",
            _ => self.bytes.run(),
        };
        let is_dir = self.bytes.below(2) == 0;
        let cookie = NonZero::new(self.bytes.below(4) as u32);
        let record = Record {
            watch,
            action,
            is_dir,
            cookie,
            described: None,
            name,
        };
        queue_lie(system, &record);
        Some(())
    }
}

impl Processes for HostileProcesses<'_> {
    fn step(&mut self, system: &mut System) -> bool {
        let is_one = self.bytes.peek().is_some_and(|byte| byte >= MEANWHILE);
        if is_one {
            let code = self.bytes.byte();
            self.operate(system, code - MEANWHILE);
        }
        is_one
    }

    fn text(&self, version: u64) -> &[u8] {
        self.texts.get(&version).map_or(b"", Vec::as_slice)
    }
}

/// Removes an entry with all below it.
fn remove(system: &mut System, dir: Ino, name: &[u8]) -> Option<()> {
    let ino = system.disk.entry(dir, name)?;
    let Some(directory) = system.disk.directory(ino) else {
        note(system, "unlink", dir, name);
        return system.unlink(dir, name).ok();
    };
    let entries = directory.entries.iter();
    let names: Vec<Box<[u8]>> = entries.map(|entry| entry.name.clone()).collect();
    for name in names {
        remove(system, ino, &name);
    }
    note(system, "rmdir", dir, name);
    system.rmdir(dir, name).ok()
}

/// Queues a record that the kernel did not make.
fn queue_lie(system: &mut System, record: &Record<'_>) {
    system.trace.note(|| format!("        lie: {record:?}"));
    system.queue.lie(record);
}

fn note(system: &mut System, what: &str, dir: Ino, name: &[u8]) {
    let System { disk, trace, .. } = system;
    trace.note(|| format!("{what} {}/{}", disk.path_of(dir), name.escape_ascii()));
}
