//! Wine's server: directory reads made of inotify.
//!
//! As in wineserver's `change.c`, from what it was seen to do:
//!
//! - a directory is watched when it is read, made below one that is read with all below, or opened while
//!   the one above it is watched; directories that were there before are not;
//! - it keeps the name and the one above that it had then, and is reported by them, wherever it moves;
//! - when its last read is retired it is forgotten, and what is below it has nothing above it any more;
//! - both halves of a rename are reported as such if one read returns both, one after the other, even
//!   from directory to directory; what was replaced is not reported, nor is that the directory of a
//!   read is gone;
//! - the server is a process of its own, and may be late.

use std::collections::BTreeMap;

use everwatch_core::entry::Watch;
use everwatch_core::kernel::Purpose;
use everwatch_core::queue::RecordQueue;
use everwatch_core::record::{Action, Cookie};
use everwatch_directory_reads::{Settings, Tag};

use crate::disk::Ino;
use crate::system::{Handle, System};
use crate::windows::reads::Reads;
use crate::windows::records::{Entry, Note};

/// A directory as the server knows it.
#[derive(Debug)]
struct SeenDir {
    above: Option<Ino>,
    name: Box<[u8]>,
}

/// Wine's server: it turns records of inotify into notes of reads.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) reads: Reads,
    seen: BTreeMap<Ino, SeenDir>,
    watches: BTreeMap<Watch, Ino>,
}

/// A record of inotify.
struct Reported {
    watch: Watch,
    action: Action,
    is_dir: bool,
    cookie: u32,
    name: Box<[u8]>,
}

impl Server {
    pub(crate) fn new(reads: Reads) -> Server {
        Server {
            reads,
            seen: BTreeMap::new(),
            watches: BTreeMap::new(),
        }
    }

    /// A directory was opened.
    pub(crate) fn opened(&mut self, system: &mut System, ino: Ino) {
        if self.seen.contains_key(&ino) {
            return;
        }
        let disk = &system.disk;
        let above = disk.directory(ino).and_then(|directory| directory.parent);
        let Some(above) = above.filter(|above| self.seen.contains_key(above)) else {
            return;
        };
        let entries = disk.directory(above).map(|directory| &directory.entries);
        let entry = entries.and_then(|all| all.iter().find(|entry| entry.inode == ino));
        if let Some(name) = entry.map(|entry| entry.name.clone()) {
            self.see(system, ino, Some(above), name);
        }
    }

    /// The server watches the directory. It keeps the name that this has now, and the directory in which it saw it
    /// first.
    fn see(&mut self, system: &mut System, ino: Ino, above: Option<Ino>, name: Box<[u8]>) {
        if let Some((watch, _)) = system.queue.add(ino, Purpose::Entries) {
            self.watches.insert(watch, ino);
        }
        let seen = self.seen.entry(ino).or_insert(SeenDir {
            above,
            name: Box::default(),
        });
        seen.name = name;
        seen.above = seen.above.or(above);
    }

    pub(crate) fn arm(
        &mut self,
        system: &mut System,
        tag: Tag,
        settings: Settings,
        handle: Handle,
    ) {
        let ino = handle.ino;
        self.reads.arm(tag, settings, handle);
        if !self.seen.contains_key(&ino) {
            self.see(system, ino, None, Box::default());
        }
    }

    pub(crate) fn retire(&mut self, system: &mut System, tag: Tag) {
        let read = self.reads.dirs().into_iter().find(|read| read.0 == tag);
        self.reads.retire(tag);
        if let Some((_, ino, _)) = read {
            self.forget(system, ino);
        }
    }

    /// Forgets the directory, unless it is read. Without a read of all below, what it had below it is
    /// forgotten as well if nothing is above it, and otherwise left alone.
    fn forget(&mut self, system: &mut System, ino: Ino) {
        let Some(seen) = self.seen.get(&ino) else {
            return;
        };
        let reads = self.reads.dirs();
        let mut own = reads.iter().filter(|read| read.1 == ino).peekable();
        let is_read = own.peek().is_some();
        let is_deep = own.any(|read| read.2);
        let is_below = |seen: &SeenDir| seen.above == Some(ino);
        let below = self.seen.iter().filter(|(_, seen)| is_below(seen));
        let below: Vec<Ino> = below.map(|(&below, _)| below).collect();
        if !is_deep && seen.above.is_none() {
            for &below in &below {
                self.forget(system, below);
            }
        }
        if is_read {
            return;
        }
        for below in below {
            if let Some(seen) = self.seen.get_mut(&below) {
                seen.above = None;
            }
        }
        self.seen.remove(&ino);
        let watch = self.watches.iter().find(|watch| *watch.1 == ino);
        if let Some(watch) = watch.map(|(&watch, _)| watch) {
            self.watches.remove(&watch);
            system.queue.remove(watch);
        }
    }

    /// The server comes by: takes what inotify has and passes it on.
    pub(crate) fn run(&mut self, system: &mut System) {
        let mut records = RecordQueue::default();
        system.queue.read(usize::MAX, &mut records);
        while let Some(record) = records.front() {
            let reported = Reported {
                watch: record.watch,
                action: record.action,
                is_dir: record.is_dir,
                cookie: record.cookie.map_or(0, Cookie::get),
                name: record.name.into(),
            };
            records.pop();
            self.pass_on(system, reported);
        }
    }

    /// Gives a record of inotify to every read that reaches the directory, under the path by which the server
    /// knows it.
    fn pass_on(&mut self, system: &mut System, reported: Reported) {
        let Some(&about) = self.watches.get(&reported.watch) else {
            return;
        };
        let action = match reported.action {
            Action::WatchEnded => {
                self.watches.remove(&reported.watch);
                return self.forget(system, about);
            }
            _ if reported.name.is_empty() => return,
            Action::Created => Note::ADDED,
            Action::Removed => Note::REMOVED,
            Action::MovedFrom => Note::OLD_NAME,
            Action::MovedTo => Note::NEW_NAME,
            _ => Note::MODIFIED,
        };
        if action == Note::ADDED && reported.is_dir {
            self.look_at_new(system, about, &reported.name);
        }
        let reads = self.reads.dirs();
        let (mut at, mut path) = (Some(about), reported.name.to_vec());
        while let Some(ino) = at {
            for &(tag, _, is_deep) in reads.iter().filter(|read| read.1 == ino) {
                if ino == about || is_deep {
                    let note = Note {
                        action,
                        cookie: reported.cookie,
                        path: path.clone(),
                        entry: Entry::default(),
                    };
                    let fate = self.reads.note(tag, note);
                    let text = path.escape_ascii();
                    system
                        .trace
                        .note(|| format!("        reported {} {action} {text} {fate}", tag.0));
                }
            }
            let seen = self.seen.get(&ino);
            if let Some(seen) = seen {
                path = [&seen.name[..], b"/", &path].concat();
            }
            at = seen.and_then(|seen| seen.above);
        }
    }

    /// A directory was made below one that is watched with all below: it is looked for by the path that
    /// the server has, which may be an old one.
    fn look_at_new(&mut self, system: &mut System, dir: Ino, name: &[u8]) {
        let (mut top, mut names) = (dir, vec![name.to_vec()]);
        while let Some(seen) = self.seen.get(&top)
            && let Some(above) = seen.above
        {
            names.push(seen.name.to_vec());
            top = above;
        }
        let is_deep = self.reads.dirs().iter().any(|read| read.1 == top && read.2);
        let found = names
            .iter()
            .rev()
            .try_fold(top, |at, name| system.disk.lookup(at, name).ok());
        if let Some(ino) = found.filter(|&ino| is_deep && system.disk.is_dir(ino)) {
            self.see(system, ino, Some(dir), name.into());
        }
    }
}

/// What a read returns of renames: halves whose other half is not beside them are no halves.
pub(crate) fn pair(notes: &mut [Note]) {
    let is_pair = |one: &Note, other: &Note| {
        (one.action, other.action, one.cookie) == (Note::OLD_NAME, Note::NEW_NAME, other.cookie)
    };
    let mut at = 0;
    while at < notes.len() {
        if at + 1 < notes.len() && is_pair(&notes[at], &notes[at + 1]) {
            at += 2;
            continue;
        }
        notes[at].action = match notes[at].action {
            Note::OLD_NAME => Note::REMOVED,
            Note::NEW_NAME => Note::ADDED,
            other => other,
        };
        at += 1;
    }
}
