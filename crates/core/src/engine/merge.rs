//! Merging a listing into the mirror.

use super::pending::Oddity;
use super::reconcile::Seen;
use super::{Engine, Stamp, may_be_since, stamp_of};
use crate::change::{Cause, FileType};
use crate::coverage::{Gap, State};
use crate::filter::{RULES_FILE, RULES_LIMIT};
use crate::kernel::{Kernel, Listing, Token};
use crate::mirror::{Mark, NodeId};

impl<K: Kernel> Engine<K> {
    /// Makes the children of `dir` what the listing shows. What it no longer shows is only marked:
    /// another listing or a record may say where it went. `was_tracked` says that changes of the
    /// directory since its last listing left records, unless those were lost. Returns why something
    /// of it could not be taken over: then it has to be listed again.
    pub(super) fn merge(
        &mut self,
        dir: NodeId,
        listing: &Listing,
        was_tracked: bool,
    ) -> Option<Gap> {
        if self.filter.reads_rules() {
            self.load_rules(dir, listing);
        }
        let is_stale = self.mirror.has(dir, Mark::STALE);
        self.mirror.clear(dir, Mark::STALE);
        let is_polled = self
            .gap(dir)
            .is_some_and(|gap| gap.state() == State::Polled);
        if self.mirror.first_child(dir).is_none() {
            return self.merge_into_empty(dir, listing, is_polled, is_stale);
        }
        let mut missed = None;
        let is_deep = self.is_deep(dir);
        // A listing mostly has the order of the one before it, which the children are in.
        let mut expected = self.mirror.first_child(dir);
        for entry in listing.iter() {
            let Some(kind) = entry
                .kind
                .or_else(|| self.kind_of(dir, entry.name, &mut missed))
            else {
                continue;
            };
            if self.is_hidden(dir, entry.name, kind == FileType::Dir) {
                continue;
            }
            let before = expected
                .filter(|&child| self.mirror.name(child) == entry.name)
                .or_else(|| self.mirror.child(dir, entry.name));
            let known = before.filter(|&child| self.is_as_listed(child, kind, entry.inode));
            let (child, is_news) = match known {
                Some(child) => (child, false),
                None => {
                    let seen = Seen::listed(kind, entry.inode, listing.born());
                    let seq = self.outlets.seq();
                    self.reconcile(dir, entry.name, seen, Cause::Scanned);
                    let Some(child) = self.mirror.child(dir, entry.name) else {
                        expected = None;
                        continue;
                    };
                    (child, before != Some(child) || self.outlets.seq() != seq)
                }
            };
            self.mirror.set(child, Mark::LISTED);
            if kind == FileType::Dir {
                let is_unlisted = self.mirror.identity(child).is_none();
                if (is_stale || is_polled || is_unlisted) && (is_deep || self.reaches(child)) {
                    if is_stale {
                        self.mirror.set(child, Mark::STALE);
                    }
                    self.queue(child);
                }
                expected = self.mirror.next_sibling(child);
                continue;
            }
            let by_stamp = is_polled || !was_tracked || self.stamps.contains_key(&child);
            if by_stamp || is_stale {
                let compared =
                    self.compare_content(dir, child, entry.name, by_stamp, was_tracked, is_news);
                missed = compared.err().or(missed);
            }
            expected = self.mirror.next_sibling(child);
        }
        let mut next = self.mirror.first_child(dir);
        while let Some(child) = next {
            next = self.mirror.next_sibling(child);
            if self.mirror.has(child, Mark::LISTED) {
                self.mirror.clear(child, Mark::LISTED);
            } else if !self.mirror.has(child, Mark::VANISHED) {
                self.mirror.set(child, Mark::VANISHED);
                self.put_aside(Oddity::Vanished(child));
            }
        }
        missed
    }

    /// Whether a listing shows of an entry exactly what is known of it.
    fn is_as_listed(&self, child: NodeId, kind: FileType, inode: u64) -> bool {
        self.mirror.kind(child) == kind
            && self.mirror.inode(child) == inode
            && !self.mirror.has(child, Mark::UNVERIFIED)
            && !self.mirror.has(child, Mark::VANISHED)
    }

    fn merge_into_empty(
        &mut self,
        dir: NodeId,
        listing: &Listing,
        is_polled: bool,
        is_stale: bool,
    ) -> Option<Gap> {
        let mut missed = None;
        for entry in listing.iter() {
            let Some(kind) = entry
                .kind
                .or_else(|| self.kind_of(dir, entry.name, &mut missed))
            else {
                continue;
            };
            if self.is_hidden(dir, entry.name, kind == FileType::Dir) {
                continue;
            }
            let seen = Seen::listed(kind, entry.inode, listing.born());
            match self.claim(dir, entry.name, seen) {
                Some(_) => self.reconcile(dir, entry.name, seen, Cause::Scanned),
                None => self.introduce(dir, entry.name, seen, Cause::Scanned),
            }
            if is_stale
                && kind == FileType::Dir
                && let Some(child) = self.mirror.child(dir, entry.name)
                && self.reaches(child)
            {
                self.mirror.set(child, Mark::STALE);
                self.queue(child);
            }
            if is_polled
                && kind != FileType::Dir
                && let Some(child) = self.mirror.child(dir, entry.name)
            {
                let compared = self.compare_content(dir, child, entry.name, true, true, true);
                missed = compared.err().or(missed);
            }
        }
        missed
    }

    /// Reports a file whose content may have changed since it was last reported. `is_news` says
    /// that the entry was reported just now. Fails if that has to be found out later.
    fn compare_content(
        &mut self,
        dir: NodeId,
        child: NodeId,
        name: &[u8],
        by_stamp: bool,
        was_tracked: bool,
        is_news: bool,
    ) -> Result<(), Gap> {
        if !by_stamp && (is_news || self.mirror.kind(child) != FileType::File) {
            return Ok(());
        }
        self.counters.stats += 1;
        if !by_stamp {
            self.compare_later(dir, child, name);
            return Ok(());
        }
        let stat = match self.stat(dir, name) {
            Ok(stat) => stat,
            Err(error) if error.is_absence() => return Ok(()),
            Err(error) => {
                self.stamps.insert(child, Stamp::UNKNOWN);
                return Err(error.gap());
            }
        };
        let now = self.kernel.clock();
        let stamp = stamp_of(&stat, now);
        let before = self.stamps.insert(child, stamp);
        if self.is_beginning(child) {
            return Ok(());
        }
        if is_news {
            // Told as moved here; whether it was written, too, the stamps say.
            if before.is_some_and(|b| b.modified != stamp.modified || b.size != stamp.size) {
                self.outlets
                    .modified(&mut self.mirror, child, Cause::Scanned);
            }
            return Ok(());
        }
        let Some(before) = before else {
            // Without a stamp it was watched until now, or nothing is known.
            let is_file = self.mirror.kind(child) == FileType::File;
            if is_file && (!was_tracked || may_be_since(stat.changed, self.complete)) {
                self.outlets
                    .modified(&mut self.mirror, child, Cause::Scanned);
            }
            return Ok(());
        };
        if before.modified != stamp.modified || before.size != stamp.size {
            self.outlets
                .modified(&mut self.mirror, child, Cause::Scanned);
        } else if before.changed != stamp.changed {
            // Content may have been written and its time set back, so this is not metadata alone.
            if self.mirror.kind(child) == FileType::File {
                self.outlets
                    .modified(&mut self.mirror, child, Cause::Scanned);
            } else {
                self.outlets
                    .metadata(&mut self.mirror, child, Cause::Scanned);
            }
        } else if before.is_racy && self.mirror.kind(child) == FileType::File {
            self.outlets
                .modified(&mut self.mirror, child, Cause::Scanned);
        }
        Ok(())
    }

    /// Reports a file that was changed since the queue was last known complete, or that cannot be
    /// looked at. A tree has far more files than directories, so the kernel may take its time.
    fn compare_later(&mut self, dir: NodeId, child: NodeId, name: &[u8]) {
        let since = self.complete;
        let token = Token(u64::from(child.to_bits()));
        let opened = self.open_known(dir).is_ok();
        let Engine {
            kernel, handles, ..
        } = self;
        let was_changed = match handles.last().filter(|_| opened) {
            Some((_, dir)) => kernel.was_changed(dir, name, since, token),
            None => Some(true),
        };
        match was_changed {
            Some(false) => {}
            Some(true) => self
                .outlets
                .modified(&mut self.mirror, child, Cause::Scanned),
            None => self.has_put_off = true,
        }
    }

    /// Hears of the files that the kernel has put off looking at.
    pub(super) fn recall(&mut self) {
        if !std::mem::take(&mut self.has_put_off) {
            return;
        }
        let mut changed = Vec::new();
        self.kernel.recall(&mut changed);
        for token in changed {
            let id = NodeId::from_bits(token.0 as u32);
            // It may be gone by now. If another entry has its id, that is told once more.
            if self.mirror.contains(id) && self.mirror.kind(id) == FileType::File {
                self.outlets.modified(&mut self.mirror, id, Cause::Scanned);
            }
        }
    }

    fn load_rules(&mut self, dir: NodeId, listing: &Listing) {
        let has_rules = listing
            .iter()
            .any(|entry| entry.name == RULES_FILE && entry.kind != Some(FileType::Dir));
        let text = if has_rules && self.open_known(dir).is_ok() {
            let Engine {
                kernel, handles, ..
            } = self;
            handles
                .last()
                .and_then(|(_, dir)| kernel.read_file(dir, RULES_FILE, RULES_LIMIT).ok())
                .map(whole_lines)
        } else {
            None
        };
        self.filter.set_rules(dir, text.as_deref());
    }
}

/// Without the last line of a text that was cut at the limit: half a rule is another rule.
pub(super) fn whole_lines(mut text: Vec<u8>) -> Vec<u8> {
    if text.len() >= RULES_LIMIT {
        let end = text.iter().rposition(|&byte| byte == b'\n');
        text.truncate(end.unwrap_or(0));
    }
    text
}
