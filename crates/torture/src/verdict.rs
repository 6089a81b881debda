//! The verdict on a feed: whether its lines made sense and led to what is on disk.

use crate::replica::{Difference, Replica};
use crate::walk::WalkedTree;

/// The verdict on the feed of a command that has ended.
#[derive(Debug)]
pub struct Verdict {
    /// The tree that the feed led to.
    pub replica: Replica,
    /// The difference after the command had ended.
    pub difference: Difference,
    /// The difference before the command was asked to end, if there was one after lines had ceased to come.
    pub before_end: Option<Difference>,
}

impl Verdict {
    /// Compares the replica with the disk, which must not change any more.
    pub fn new(replica: Replica, before_end: Option<Difference>, disk: &WalkedTree) -> Verdict {
        Verdict {
            difference: replica.difference(disk),
            before_end,
            replica,
        }
    }

    /// Whether nothing is wrong.
    pub fn is_right(&self) -> bool {
        self.difference.is_none() && self.before_end.is_none() && self.replica.misfits == 0
    }

    /// The counts, and the first of what is wrong, for people.
    pub fn report(&self) -> String {
        let Difference {
            missing,
            ghosts,
            wrong_types,
            unreported,
            quotes,
        } = &self.difference;
        let mut lines = vec![format!(
            "{:?}, {} overflows, {} resyncs; {missing} missing, {ghosts} ghosts, {wrong_types} wrong types, \
             {unreported} unreported writes, {} lines without sense",
            self.replica.tally, self.replica.overflows, self.replica.resyncs, self.replica.misfits,
        )];
        if let Some(before_end) = &self.before_end {
            lines.push(format!("before it was asked to end: {before_end:?}"));
        }
        lines.extend(quotes.iter().chain(&self.replica.quotes).cloned());
        lines.join("\n")
    }
}
