//! The kernel's state of each directory that is read, as `FsRtlNotify*` does it.
//!
//! - Records are kept from the first read on, also while no read is pending. The buffer has the size
//!   that the first read had, and so have depth and filter.
//! - A pending read completes with the first record that comes. What follows before the next read is
//!   issued is what that one completes with.
//! - What does not fit empties the buffer, and nothing is kept until the next read, which says so.

use std::collections::{BTreeMap, VecDeque};

use everwatch_directory_reads::{Settings, Tag};

use crate::disk::Ino;
use crate::random::Random;
use crate::system::Handle;
use crate::windows::records::Note;

/// What a read completed with.
#[derive(Debug)]
pub(crate) enum Done {
    Changes(Vec<Note>),
    Lost,
    Failed(u32),
}

#[derive(Debug)]
struct Read {
    dir: Ino,
    settings: Settings,
    /// The size of the buffer.
    room: usize,
    notes: VecDeque<Note>,
    /// What `notes` take in the buffer.
    used: usize,
    has_lost: bool,
    /// `None` while a read is pending.
    done: Option<Done>,
    /// The next read fails with this.
    end: Option<u32>,
    /// Keeps the directory open.
    _handle: Handle,
}

/// All directories that are read, and the machine-wide limit of reads.
#[derive(Debug)]
pub(crate) struct Reads {
    reads: BTreeMap<u64, Read>,
    /// Most reads that there may be.
    limit: usize,
    random: Random,
    /// How often, out of a thousand, a read completes with a part of what there is.
    pub(crate) slices: u32,
    /// Buffers have the size that was asked for, divided by this.
    pub(crate) shrink: u32,
    /// How often, out of a thousand, a read does not complete with the first half of a rename alone.
    pub(crate) patience: u32,
}

impl Reads {
    pub(crate) fn new(limit: usize, slices: u32, random: Random) -> Reads {
        Reads {
            reads: BTreeMap::new(),
            limit,
            random,
            slices,
            shrink: 1,
            patience: 700,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.reads.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.reads.len() >= self.limit
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.limit < 1000
    }

    /// Sets how many there can be from now on.
    pub(crate) fn limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    #[cfg(test)]
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.random = crate::random::Stream::Notices.random(seed);
    }

    /// Issues the first read.
    pub(crate) fn arm(&mut self, tag: Tag, settings: Settings, handle: Handle) {
        let read = Read {
            dir: handle.ino,
            settings,
            room: (settings.bytes / self.shrink) as usize,
            notes: VecDeque::new(),
            used: 0,
            has_lost: false,
            done: None,
            end: None,
            _handle: handle,
        };
        self.reads.insert(tag.0, read);
    }

    pub(crate) fn retire(&mut self, tag: Tag) {
        self.reads.remove(&tag.0);
    }

    /// The directories that are read, and whether with all below.
    pub(crate) fn dirs(&self) -> Vec<(Tag, Ino, bool)> {
        self.reads
            .iter()
            .map(|(&tag, read)| (Tag(tag), read.dir, read.settings.deep))
            .collect()
    }

    /// Gives a record to one of them. Returns its fate.
    pub(crate) fn note(&mut self, tag: Tag, note: Note) -> &'static str {
        let Reads { reads, random, .. } = self;
        let Some(read) = reads.get_mut(&tag.0) else {
            return "for no read";
        };
        if read.end.is_some() || matches!(read.done, Some(Done::Failed(_))) {
            return "ended";
        }
        if read.has_lost {
            return "dropped";
        }
        let size = note.size();
        let mut fate = "";
        if read.used + size > read.room {
            read.notes.clear();
            read.used = 0;
            read.has_lost = true;
            fate = "overflow";
        } else {
            read.used += size;
            let is_first_half = note.action == Note::OLD_NAME;
            read.notes.push_back(note);
            if is_first_half && random.chance(self.patience) {
                return fate;
            }
        }
        if read.done.is_none() {
            read.complete(random, self.slices);
        }
        fate
    }

    /// Ends the reads of a directory.
    pub(crate) fn fail_all(&mut self, dir: Ino, code: u32) {
        for read in self.reads.values_mut().filter(|read| read.dir == dir) {
            read.fail(code);
        }
    }

    /// Ends one of the reads. Returns which.
    pub(crate) fn fail_any(&mut self, code: u32) -> Option<Ino> {
        let at = self.random.below(self.reads.len());
        let read = self.reads.values_mut().nth(at)?;
        read.fail(code);
        Some(read.dir)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.reads.values().all(|read| read.done.is_none())
    }

    /// The reads that have completed.
    pub(crate) fn done(&self) -> impl Iterator<Item = Tag> {
        let done = self.reads.iter().filter(|(_, read)| read.done.is_some());
        done.map(|(&tag, _)| Tag(tag))
    }

    /// The reads that have completed, in any order.
    pub(crate) fn completed(&mut self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.done().collect();
        for end in (1..tags.len()).rev() {
            tags.swap(end, self.random.below(end + 1));
        }
        tags
    }

    /// Takes what a read completed with, and issues the next one.
    pub(crate) fn take(&mut self, tag: Tag) -> Option<Done> {
        let Reads { reads, random, .. } = self;
        let read = reads.get_mut(&tag.0)?;
        let done = read.done.take()?;
        if !matches!(done, Done::Failed(_)) {
            read.issue(random, self.slices);
        }
        Some(done)
    }
}

impl Read {
    /// Issues the read again: it completes at once if something is there for it.
    fn issue(&mut self, random: &mut Random, slices: u32) {
        if let Some(code) = self.end.take() {
            self.done = Some(Done::Failed(code));
        } else if self.has_lost || !self.notes.is_empty() {
            self.complete(random, slices);
        }
    }

    /// Completes with all that is queued, or with the oldest records; or, once records were lost, with that
    /// alone.
    fn complete(&mut self, random: &mut Random, slices: u32) {
        if std::mem::take(&mut self.has_lost) {
            self.done = Some(Done::Lost);
            return;
        }
        let count = match random.chance(slices) {
            true => 1 + random.below(self.notes.len()),
            false => self.notes.len(),
        };
        let count = count.min(self.notes.len());
        let notes: Vec<Note> = self.notes.drain(..count).collect();
        self.used -= notes.iter().map(Note::size).sum::<usize>();
        self.done = Some(Done::Changes(notes));
    }

    /// Ends the read, after what it has completed with is taken.
    fn fail(&mut self, code: u32) {
        match self.done {
            None => self.done = Some(Done::Failed(code)),
            Some(_) => self.end = Some(code),
        }
    }
}
