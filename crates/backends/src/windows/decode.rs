//! Decoding: from the buffers of a read to records.
//!
//! A buffer is data from outside: one that is malformed, or names nothing, means that records are lost.
//! The halves of a rename are tied together by a cookie that is never reused ([`super::halves`]). A removal may
//! be the first half of a move to another directory, so it is reported as a departure. Extended records say what
//! their entry is; where their numbers are those of listings, and never reused, no look is needed.

use std::collections::HashMap;

use everwatch_core::entry::Watch;
use everwatch_core::queue::RecordQueue;
use everwatch_core::record::{Action, Cookie, Described, Record};
use everwatch_directory_reads::Layout;
use everwatch_directory_reads::records::{self, Action as Notified, Extended};

use super::attributes::{is_reparse_point, kind_of, number_of};
use super::halves::Halves;
use super::volume::Numbers;
use super::wine::seen_dirs::SeenDirs;
use super::wine::stale_paths::StalePaths;

/// What all reads of one kernel share.
#[derive(Debug, Default)]
pub(super) struct DecodeState {
    /// The last cookie. It wraps around after 2^32 renames, long after the first one was applied.
    cookies: u32,
    /// By watch, where the system keeps old paths.
    stale_paths: HashMap<Watch, StalePaths>,
    /// In use where the system keeps old paths.
    pub(super) seen_dirs: SeenDirs,
}

impl DecodeState {
    /// The watch is new, on a system that keeps old paths.
    pub(super) fn keep_paths(&mut self, watch: Watch) {
        self.stale_paths.insert(watch, StalePaths::default());
    }

    /// The watch is no more.
    pub(super) fn forget(&mut self, watch: Watch) {
        self.stale_paths.remove(&watch);
    }
}

/// What is known between two buffers of one read.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The watch that records name.
    watch: Watch,
    /// How the volume numbers its entries: whether those in records can be relied on.
    numbers: Numbers,
    halves: Halves,
    /// The read took the place of another one. Of a rename that was under way then, that one may have had the first
    /// half and not given it: a read need not complete with a first half alone.
    may_lack_half: bool,
}

impl Decoder {
    /// Of a read that has just begun.
    pub(super) fn new(watch: Watch, numbers: Numbers) -> Decoder {
        Decoder {
            watch,
            numbers,
            halves: Halves::default(),
            may_lack_half: false,
        }
    }

    /// Of the read that takes the place of this one's.
    pub(super) fn successor(&self) -> Decoder {
        Decoder {
            may_lack_half: true,
            ..Decoder::new(self.watch, self.numbers)
        }
    }

    /// The watch that records name.
    pub(super) fn watch(&self) -> Watch {
        self.watch
    }

    /// Adds the records of a buffer to the record queue.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        layout: Layout,
        state: &mut DecodeState,
        records: &mut RecordQueue,
    ) {
        let mut path = Vec::new();
        for change in records::changes(bytes, layout) {
            let Ok(change) = change else {
                return self.lose(records);
            };
            path.clear();
            change.name.push_wtf8(&mut path);
            // Wine's halves are beside each other, and those of one move may name two directories.
            let neighbour = match state.stale_paths.contains_key(&self.watch) {
                true => self.halves.take_neighbour(),
                false => None,
            };
            let id = change.extended.and_then(|entry| number_of(entry.file_id));
            let (action, cookie) = match change.action {
                Notified::Added => {
                    self.halves.end(&path);
                    (Action::Created, None)
                }
                Notified::Removed => {
                    self.halves.end(&path);
                    (Action::Departed, None)
                }
                Notified::Modified => (Action::Modified, None),
                Notified::OldName => {
                    // 0 is no cookie.
                    state.cookies = state.cookies.wrapping_add(1).max(1);
                    let cookie = Cookie::new(state.cookies);
                    if let Some(cookie) = cookie {
                        self.halves.first(&path, id, cookie);
                    }
                    (Action::MovedFrom, cookie)
                }
                Notified::NewName => match neighbour.or_else(|| self.halves.second(&path, id)) {
                    Some(cookie) => (Action::MovedTo, Some(cookie)),
                    None => {
                        if std::mem::take(&mut self.may_lack_half) {
                            // A comparison finds what became of all names that were under way then.
                            records.push(Record::LOST);
                        }
                        (Action::Created, None)
                    }
                },
                // Streams, and what is yet to be invented: the entry is not what it was.
                _ => (Action::Modified, None),
            };
            let reviewed = match state.stale_paths.get_mut(&self.watch) {
                Some(stale_paths) => {
                    match change.action {
                        Notified::NewName => state.seen_dirs.arrived(&path),
                        Notified::OldName | Notified::Removed => state.seen_dirs.left(&path),
                        _ => {}
                    }
                    stale_paths.review(action, &path)
                }
                None => action,
            };
            records.push(Record {
                watch: self.watch,
                action: reviewed,
                is_dir: false,
                cookie: cookie.filter(|_| reviewed == action),
                described: change.extended.and_then(|entry| self.describe(&entry)),
                name: &path,
            });
        }
    }

    /// What a record says of its entry, if that can be relied on.
    fn describe(&self, entry: &Extended) -> Option<Described> {
        let inode = number_of(entry.file_id)?;
        // Without its tag, a reparse point may be anything.
        let is_known = !is_reparse_point(entry.file_attributes) || entry.reparse_point_tag != 0;
        (self.numbers == Numbers::Unique && is_known).then(|| Described {
            kind: kind_of(entry.file_attributes, entry.reparse_point_tag),
            inode,
        })
    }

    /// Records of this read were lost.
    pub(super) fn lose(&mut self, records: &mut RecordQueue) {
        self.halves = Halves::default();
        records.push(Record::LOST);
    }
}
