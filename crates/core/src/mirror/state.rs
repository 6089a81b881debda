//! The states of an entry, and the transitions between them.
//!
//! The state of an entry has six parts that are independent of each other. Each changes by the methods here
//! and in no other way; a transition that is not in the table is a fault of the engine, and debug builds
//! panic on it.
//!
//! | part | states | changed by |
//! |---|---|---|
//! | belief | [`Belief`]: seen, doubted, vanished, both | see below |
//! | report | known to consumers, or withheld with its [`Cause`] | [`withhold`](Mirror::withhold) (a directory without children), [`announce`](Mirror::announce) |
//! | work | idle, queued (a directory) | [`enqueue`](Mirror::enqueue) by the work list, [`dequeue`](Mirror::dequeue) by the scan |
//! | comparison | fresh, stale (a directory), passed over (it vanished before it was compared) | [`mark_stale`](Mirror::mark_stale), [`take_stale`](Mirror::take_stale) when its listing is merged; [`pass_over`](Mirror::pass_over) until it is found |
//! | identity | sure, unsure | [`mistrust`](Mirror::mistrust) by a record that moves an entry which was seen ahead of it; [`confirm`](Mirror::confirm), [`identify`](Mirror::identify) |
//! | place | entry of a directory, root of a tree | [`make_root`](Mirror::make_root), [`make_entry`](Mirror::make_entry) |
//!
//! The belief is what the disk and the records made of an entry:
//!
//! | from | to | when | who decides what follows |
//! |---|---|---|---|
//! | seen, vanished | doubted, both | it was gone, or could not be seen, when it was looked at ([`doubt`](Mirror::doubt)) | `Undecided::Unverified` |
//! | seen, doubted | vanished, both | a listing no longer shows it, or a record removed it, perhaps to another directory ([`vanish`](Mirror::vanish)) | `Undecided::Vanished`, `Undecided::Departed` |
//! | doubted, both | vanished | looking again proved that it is absent ([`lose`](Mirror::lose)) | `Undecided::Vanished` |
//! | doubted, both | seen, vanished | looking again could not be done, and the place is known to be out of sight ([`verify`](Mirror::verify)) | the gap of the directory |
//! | vanished, both | seen, doubted | it moved, or its name has a successor ([`reappear`](Mirror::reappear)) | the record or listing that showed it |
//! | any | seen | it was looked at and found ([`confirm`](Mirror::confirm)) | nothing is open |
//! | vanished, both | removed | the decision is due and nothing has found it elsewhere | – |
//! | any | removed | a record proves that it is gone, or what it was in goes | – |

use super::{Mirror, NodeId};
use crate::entry::FileType;
use crate::event::Cause;

/// The state of one entry, packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct NodeState(u16);

/// The slot holds no entry.
const FREE: u16 = 1;
/// Consumers do not know the entry.
const WITHHELD: u16 = 2;
/// The entry was gone when it was looked at: kind and inode are what the record said.
const DOUBTED: u16 = 4;
/// The listing that is being merged contains the entry.
const SHOWN: u16 = 8;
/// The directory waits in the engine's work list.
const QUEUED: u16 = 16;
/// A listing no longer contains the entry, or a record removed it.
const VANISHED: u16 = 32;
/// The directory and all below it have to be compared with the disk.
const STALE: u16 = 64;
/// The entry is the directory of a root; its name is the root's path.
const ROOT: u16 = 128;
/// A record, not a listing, made a withheld entry known.
const NOTIFIED: u16 = 256;
/// The identity was seen under another name, and may be that of another entry.
const UNSURE: u16 = 512;
/// A comparison did not find the entry where it was, so it was not compared.
const PASSED_OVER: u16 = 1024;

impl NodeState {
    /// That of a slot without an entry.
    pub(super) const FREE: NodeState = NodeState(FREE);

    pub(super) fn is_free(self) -> bool {
        self.0 & FREE != 0
    }

    fn has(self, bits: u16) -> bool {
        self.0 & bits != 0
    }
}

/// What the disk and the records made of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Belief {
    /// It is there, as the mirror has it.
    Seen,
    /// It was gone when it was looked at, so its kind and identity are not known at present.
    Doubted,
    /// A listing no longer shows it, or a record removed it: it goes unless it is found elsewhere.
    Vanished,
    /// Both.
    VanishedAndDoubted,
}

impl Belief {
    pub(crate) fn has_vanished(self) -> bool {
        matches!(self, Belief::Vanished | Belief::VanishedAndDoubted)
    }
}

impl Mirror {
    fn state(&self, id: NodeId) -> NodeState {
        debug_assert!(self.contains(id), "{id:?} was removed");
        self.node(id).state
    }

    /// Sets bits and returns whether one of them was not set.
    fn raise(&mut self, id: NodeId, bits: u16) -> bool {
        debug_assert!(self.contains(id), "{id:?} was removed");
        let state = &mut self.node_mut(id).state;
        let before = *state;
        state.0 |= bits;
        *state != before
    }

    /// Clears bits and returns whether one of them was set.
    fn lower(&mut self, id: NodeId, bits: u16) -> bool {
        debug_assert!(self.contains(id), "{id:?} was removed");
        let state = &mut self.node_mut(id).state;
        let before = *state;
        state.0 &= !bits;
        *state != before
    }

    /// What is believed of the entry.
    fn belief(&self, id: NodeId) -> Belief {
        let state = self.state(id);
        match (state.has(VANISHED), state.has(DOUBTED)) {
            (false, false) => Belief::Seen,
            (false, true) => Belief::Doubted,
            (true, false) => Belief::Vanished,
            (true, true) => Belief::VanishedAndDoubted,
        }
    }

    pub(crate) fn is_doubted(&self, id: NodeId) -> bool {
        self.state(id).has(DOUBTED)
    }

    pub(crate) fn has_vanished(&self, id: NodeId) -> bool {
        self.belief(id).has_vanished()
    }

    /// The entry was gone when it was looked at. Returns whether that is news.
    pub(crate) fn doubt(&mut self, id: NodeId) -> bool {
        self.raise(id, DOUBTED)
    }

    /// The entry is no longer shown where it was. Returns whether that is news.
    pub(crate) fn vanish(&mut self, id: NodeId) -> bool {
        debug_assert!(
            !self.is_root(id),
            "a root is looked for, it does not vanish"
        );
        self.raise(id, VANISHED)
    }

    /// The entry vanished from a directory that is being compared, and was not compared.
    pub(crate) fn pass_over(&mut self, id: NodeId) {
        debug_assert!(self.has_vanished(id));
        self.raise(id, PASSED_OVER);
    }

    /// Whether the entry still has to be compared where it is found.
    pub(crate) fn was_passed_over(&self, id: NodeId) -> bool {
        self.state(id).has(PASSED_OVER)
    }

    /// A doubted entry is proved to be absent.
    pub(crate) fn lose(&mut self, id: NodeId) {
        debug_assert!(self.is_doubted(id));
        self.lower(id, DOUBTED);
        self.raise(id, VANISHED);
    }

    /// A doubted entry is not doubted any more, without having been seen.
    pub(crate) fn verify(&mut self, id: NodeId) {
        debug_assert!(self.is_doubted(id));
        self.lower(id, DOUBTED);
    }

    /// The entry is where the mirror has it, or something else is there. Returns whether it had
    /// vanished.
    pub(crate) fn reappear(&mut self, id: NodeId) -> bool {
        self.lower(id, PASSED_OVER);
        self.lower(id, VANISHED)
    }

    /// The entry was looked at and found. Returns what was believed before.
    pub(crate) fn confirm(&mut self, id: NodeId) -> Belief {
        let before = self.belief(id);
        self.lower(id, VANISHED | DOUBTED | UNSURE | PASSED_OVER);
        before
    }

    /// A record moved the entry that may be about another one, which had the name before.
    pub(crate) fn mistrust(&mut self, id: NodeId) {
        self.raise(id, UNSURE);
    }

    /// Whether the entry may be another one than its identity says.
    pub(crate) fn is_unsure(&self, id: NodeId) -> bool {
        self.state(id).has(UNSURE)
    }

    /// The identity is that of what was seen under the name.
    pub(super) fn make_sure(&mut self, id: NodeId) {
        self.lower(id, UNSURE);
    }

    /// Whether consumers do not know the entry yet.
    pub(crate) fn is_withheld(&self, id: NodeId) -> bool {
        self.state(id).has(WITHHELD)
    }

    /// Keeps a new directory from consumers until it has been opened. `cause` is how it became known.
    pub(crate) fn withhold(&mut self, id: NodeId, cause: Cause) {
        debug_assert!(self.is_dir(id) && self.first_child(id).is_none());
        self.raise(id, WITHHELD);
        if cause == Cause::Notified {
            self.raise(id, NOTIFIED);
        }
    }

    /// Lets consumers know an entry. Returns how it became known, if it was withheld.
    pub(crate) fn announce(&mut self, id: NodeId) -> Option<Cause> {
        let was_notified = self.state(id).has(NOTIFIED);
        if !self.lower(id, WITHHELD | NOTIFIED) {
            return None;
        }
        Some(match was_notified {
            true => Cause::Notified,
            false => Cause::Scanned,
        })
    }

    /// Marks a directory as queued. Returns whether it was not.
    pub(crate) fn enqueue(&mut self, id: NodeId) -> bool {
        self.raise(id, QUEUED)
    }

    /// Marks a directory as no longer queued. Returns whether it was.
    pub(crate) fn dequeue(&mut self, id: NodeId) -> bool {
        self.lower(id, QUEUED)
    }

    /// Whether the directory has to be compared with the disk.
    pub(crate) fn is_stale(&self, id: NodeId) -> bool {
        self.state(id).has(STALE)
    }

    /// Notes that the directory, with all below it, has to be compared with the disk.
    pub(crate) fn mark_stale(&mut self, id: NodeId) {
        debug_assert_eq!(self.kind(id), FileType::Dir);
        self.raise(id, STALE);
    }

    /// The directory is being compared. Returns whether it had to be.
    pub(crate) fn take_stale(&mut self, id: NodeId) -> bool {
        self.lower(id, STALE)
    }

    /// Whether the entry is the top of a tree.
    pub(crate) fn is_root(&self, id: NodeId) -> bool {
        self.state(id).has(ROOT)
    }

    /// Notes that an entry without a parent is the top of a tree.
    pub(crate) fn make_root(&mut self, id: NodeId) {
        debug_assert!(self.is_dir(id) && self.parent(id).is_none());
        self.raise(id, ROOT);
    }

    /// Notes that the top of a tree becomes an entry. Returns whether it was one.
    pub(crate) fn make_entry(&mut self, id: NodeId) -> bool {
        self.lower(id, ROOT)
    }

    /// Notes that the listing that is being merged shows the entry.
    pub(crate) fn mark_shown(&mut self, id: NodeId) {
        self.raise(id, SHOWN);
    }

    /// Whether the listing that is being merged shows the entry; forgets it.
    pub(crate) fn take_shown(&mut self, id: NodeId) -> bool {
        self.lower(id, SHOWN)
    }
}
