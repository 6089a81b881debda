//! The record queue: records in the order in which they came, waiting to be applied.
//!
//! It stands between the kernel's queue, which is small and drops what does not fit, and the engine, which may
//! take long over one record. Records are kept in a compact form, their names in one buffer.

use std::collections::VecDeque;
use std::time::Duration;

use crate::entry::{FileType, InodeNumber, Watch};
use crate::record::{Action, Cookie, Described, Record};
use crate::time::Moment;

/// A record without its name, which is `names[start..start + len]`.
#[derive(Clone, Copy, Debug)]
struct Head {
    watch: Watch,
    cookie: Option<Cookie>,
    start: u32,
    len: u16,
    action: Action,
    is_dir: bool,
    /// Both of [`Described`], which as a whole would take eight bytes more.
    kind: Option<FileType>,
    inode: Option<InodeNumber>,
    /// The second half of a move that was applied together with its first.
    spent: bool,
}

impl Head {
    /// What the record says of its entry.
    fn described(&self) -> Option<Described> {
        let known = self.kind.zip(self.inode);
        known.map(|(kind, inode)| Described { kind, inode })
    }
}

/// Records in the order in which they came, waiting to be applied.
///
/// The engine empties the kernel's queue into this one at the beginning of each step. Past
/// [`RecordQueue::LIMIT`] records this one drops as well, and says so in the same way, with an
/// [`Action::Overflow`] at its end.
#[derive(Debug, Default)]
pub struct RecordQueue {
    /// The names of all records in `heads`, and of records that are gone, until those are worth freeing.
    names: Vec<u8>,
    heads: VecDeque<Head>,
    /// How often records were lost: by the kernel, and here.
    overflows: u64,
    /// The limit was reached; nothing is taken before all that is held has been applied. Otherwise,
    /// while writers outrun the engine, there would always be another overflow behind the one in
    /// hand, and the comparison, which serves the last one, would never begin.
    is_dropping: bool,
    /// How many of `heads` are overflows.
    overflows_held: usize,
    /// Records ever popped: the serial number of the oldest record.
    popped: u64,
    /// When records came: the serial number behind the last of them, and the moment.
    arrivals: VecDeque<(u64, Moment)>,
}

impl RecordQueue {
    /// How far behind its first half the second half of a move is looked for. The kernel queues
    /// them back to back while it holds the locks of both directories; only records of other
    /// directories, from other processors, come between.
    const LOOKAHEAD: usize = 4096;

    /// Most records that are held: four queues of the default length, some 8 MB with their names.
    ///
    /// A higher limit would not lose less: writers that outrun the engine for that long outrun it for
    /// longer. And a comparison with the disk is cheaper than the records it makes up for: of a burst
    /// of 1.8 million records next to a tree of 180,000 entries, the command used 2.9 s of processor
    /// time and 61 MB at twice this limit, 6.6 s and 131 MB at sixteen times, with one overflow each.
    /// While writers outrun the engine, a barrier waits until what is held has been applied: 3 s at
    /// this limit, 40 s at sixteen times, with two writers that never rest and an engine that is not
    /// optimised, on two busy processors.
    pub const LIMIT: usize = 1 << 16;

    /// Room that an empty queue keeps for the names of later records, in bytes.
    const KEPT_NAMES: usize = 1 << 20;

    /// Room that an empty queue keeps for later records, in records.
    const KEPT_HEADS: usize = 1 << 15;

    /// Adds a record, or merges it into the one before if that reports the same modification of the same entry.
    ///
    /// If the queue is full, the record is dropped, and an [`Action::Overflow`] stands in its place.
    pub fn push(&mut self, record: Record<'_>) {
        if record.name.len() > usize::from(u16::MAX) {
            // No system has such paths. If one does, what it meant to say is lost.
            return self.push(Record::LOST);
        }
        if record.action == Action::Overflow {
            self.overflows += 1;
        }
        let is_full = self.heads.len() >= Self::LIMIT
            || self.names.len() + record.name.len() > u32::MAX as usize;
        if is_full || self.is_dropping {
            if !self.is_dropping {
                self.is_dropping = true;
                self.overflows += 1;
                self.push_head(Record::LOST);
            }
            return;
        }
        if matches!(record.action, Action::Modified | Action::Metadata)
            && self.heads.back().is_some_and(|last| {
                last.watch == record.watch
                    && last.action == record.action
                    && last.is_dir == record.is_dir
                    && last.described() == record.described
                    && self.name(last) == record.name
            })
        {
            return;
        }
        self.push_head(record);
    }

    /// Says once more that records were lost, behind all that have come.
    pub(crate) fn push_lost_again(&mut self) {
        if self
            .heads
            .back()
            .is_some_and(|last| last.action != Action::Overflow)
        {
            self.push_head(Record::LOST);
        }
    }

    /// Adds a record without looking at the limit.
    fn push_head(&mut self, record: Record<'_>) {
        let len = record.name.len();
        self.overflows_held += usize::from(record.action == Action::Overflow);
        self.heads.push_back(Head {
            watch: record.watch,
            cookie: record.cookie,
            start: self.names.len() as u32,
            len: len as u16,
            action: record.action,
            is_dir: record.is_dir,
            kind: record.described.map(|described| described.kind),
            inode: record.described.map(|described| described.inode),
            spent: false,
        });
        self.names.extend_from_slice(&record.name[..len]);
    }

    /// The name of a record that is held.
    fn name(&self, head: &Head) -> &[u8] {
        let start = head.start as usize;
        &self.names[start..start + usize::from(head.len)]
    }

    /// A record that is held, with its name.
    fn record<'a>(&'a self, head: &Head) -> Record<'a> {
        Record {
            watch: head.watch,
            action: head.action,
            is_dir: head.is_dir,
            cookie: head.cookie,
            described: head.described(),
            name: self.name(head),
        }
    }

    /// The number of records held.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// How often records were lost since the queue was made, whether the kernel or this queue lost them.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// The oldest record.
    pub fn front(&self) -> Option<Record<'_>> {
        self.heads.front().map(|head| self.record(head))
    }

    /// Whether the oldest record was applied already, together with the first half of its move.
    pub(crate) fn front_is_spent(&self) -> bool {
        self.heads.front().is_some_and(|head| head.spent)
    }

    /// Drops the oldest record.
    pub fn pop(&mut self) {
        if let Some(head) = self.heads.pop_front() {
            self.popped += 1;
            self.overflows_held -= usize::from(head.action == Action::Overflow);
            while self
                .arrivals
                .front()
                .is_some_and(|&(end, _)| end <= self.popped)
            {
                self.arrivals.pop_front();
            }
        }
        if self.heads.is_empty() {
            self.is_dropping = false;
        }
        self.release_names();
    }

    /// Frees the names of records that are gone.
    fn release_names(&mut self) {
        let Some(front) = self.heads.front() else {
            self.names.clear();
            if self.names.capacity() > Self::KEPT_NAMES {
                self.names = Vec::new();
            }
            if self.heads.capacity() > Self::KEPT_HEADS {
                self.heads = VecDeque::new();
            }
            return;
        };
        let gone = front.start;
        if gone > 1 << 20 && gone as usize > self.names.len() / 2 {
            self.names.drain(..gone as usize);
            self.heads.iter_mut().for_each(|head| head.start -= gone);
        }
    }

    /// The serial number of the oldest record, which is the number of records popped.
    pub(crate) fn popped(&self) -> u64 {
        self.popped
    }

    /// The serial number that the next record to come will have.
    pub(crate) fn end(&self) -> u64 {
        self.popped + self.heads.len() as u64
    }

    /// The second half of the move whose first half is the oldest record, and its position.
    pub(crate) fn partner_of_front(&self) -> Option<(usize, Record<'_>)> {
        let front = self.heads.front()?;
        let position = self
            .heads
            .iter()
            .skip(1)
            .take(Self::LOOKAHEAD)
            .position(|head| {
                head.action == Action::MovedTo && head.cookie == front.cookie && !head.spent
            })?
            + 1;
        Some((position, self.record(&self.heads[position])))
    }

    /// Marks the record at `position` as applied.
    pub(crate) fn spend(&mut self, position: usize) {
        self.heads[position].spent = true;
    }

    /// Whether the other half of the oldest record, if there were one, would have come by now: after
    /// `patience`, or once more records have come than [`RecordQueue::partner_of_front`] looks at.
    pub(crate) fn front_is_single(&self, now: Moment, patience: Duration) -> bool {
        let came = self.arrivals.front().map(|&(_, moment)| moment);
        self.heads.len() > Self::LOOKAHEAD
            || came.is_none_or(|came| now.saturating_sub(came) >= patience)
    }

    /// When the oldest record came.
    pub(crate) fn front_came(&self) -> Option<Moment> {
        self.arrivals.front().map(|&(_, moment)| moment)
    }

    /// Notes that what was pushed since the last call came at `now`.
    pub(crate) fn stamp(&mut self, now: Moment) {
        let end = self.end();
        if self.arrivals.back().is_none_or(|&(last, _)| last < end) && !self.heads.is_empty() {
            self.arrivals.push_back((end, now));
        }
    }

    /// Whether records were lost somewhere behind the oldest record, not counting that itself.
    pub(crate) fn overflow_follows(&self) -> bool {
        let front = self.heads.front().map(|head| head.action);
        self.overflows_held > usize::from(front == Some(Action::Overflow))
    }

    /// Whether records were lost somewhere behind the oldest record.
    pub(crate) fn overflow_ahead(&self) -> bool {
        self.overflows_held > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(action: Action, name: &[u8], cookie: u32) -> Record<'_> {
        Record {
            watch: Watch(1),
            action,
            is_dir: false,
            cookie: Cookie::new(cookie),
            described: None,
            name,
        }
    }

    #[test]
    fn equal_neighbours_of_content_are_merged_and_others_are_not() {
        let mut queue = RecordQueue::default();
        for _ in 0..3 {
            queue.push(record(Action::Modified, b"a", 0));
        }
        queue.push(record(Action::Modified, b"b", 0));
        queue.push(record(Action::Created, b"c", 0));
        queue.push(record(Action::Created, b"c", 0));
        assert_eq!(queue.len(), 4);
    }

    #[test]
    #[cfg_attr(miri, ignore = "many records")]
    fn past_the_limit_the_last_record_is_an_overflow() {
        let mut queue = RecordQueue::default();
        for _ in 0..RecordQueue::LIMIT + 10 {
            queue.push(record(Action::Created, b"", 0));
        }
        assert_eq!(queue.len(), RecordQueue::LIMIT + 1);
        assert_eq!(queue.overflows(), 1);
        assert_eq!(
            queue.heads.back().map(|head| head.action),
            Some(Action::Overflow)
        );
        queue.pop();
        queue.push(record(Action::Created, b"", 0));
        assert_eq!((queue.len(), queue.overflows()), (RecordQueue::LIMIT, 1));
    }

    #[test]
    #[cfg_attr(miri, ignore = "many records")]
    fn no_overflow_follows_the_one_in_hand_however_fast_records_come() {
        let mut queue = RecordQueue::default();
        for _ in 0..3 * RecordQueue::LIMIT {
            queue.push(record(Action::Created, b"", 0));
            queue.push(record(Action::Removed, b"", 0));
            if queue.overflow_ahead() {
                assert!(!queue.overflow_follows() || queue.overflows_held == 1);
            }
            queue.pop();
        }
        assert!(queue.overflows() > 1);
    }

    #[test]
    #[cfg_attr(miri, ignore = "many records")]
    fn an_empty_queue_has_given_back_the_room_of_a_burst() {
        for name in [&b""[..], b"a name of some length.txt"] {
            let mut queue = RecordQueue::default();
            while queue.overflows() == 0 {
                queue.push(record(Action::Created, name, 0));
            }
            while !queue.is_empty() {
                queue.pop();
            }
            assert!(queue.heads.capacity() <= RecordQueue::KEPT_HEADS);
            assert!(queue.names.capacity() <= RecordQueue::KEPT_NAMES);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "many records")]
    fn names_of_popped_records_are_freed_while_others_wait() {
        let mut queue = RecordQueue::default();
        let name = [b'n'; 255];
        for cookie in 0..100_000 {
            queue.push(record(Action::Created, &name, cookie));
            if queue.len() > 100 {
                queue.pop();
            }
        }
        assert!(queue.names.len() < 4 << 20, "{}", queue.names.len());
        assert_eq!(queue.front().map(|record| record.name), Some(&name[..]));
    }

    #[test]
    fn the_second_half_of_a_move_is_found_behind_other_records() {
        let mut queue = RecordQueue::default();
        queue.push(record(Action::MovedFrom, b"a", 7));
        queue.push(record(Action::Created, b"x", 0));
        queue.push(record(Action::MovedTo, b"y", 8));
        queue.push(record(Action::MovedTo, b"b", 7));
        let (position, partner) = queue.partner_of_front().expect("the other half");
        assert_eq!((position, partner.name), (3, &b"b"[..]));
    }
}
