//! Recent looks: which entries were looked at after the records that are in the queue had come.
//!
//! A look shows what every change before it made of an entry. So a record that had come before the look needs no look
//! of its own, and many records of one entry cost one look.

use std::collections::VecDeque;

use crate::mirror::NodeId;

/// Looks that are remembered. What is forgotten costs another look.
const MOST: usize = 128;

/// The entries that were looked at last, oldest first.
#[derive(Debug, Default)]
pub(super) struct RecentLooks {
    /// Each with the serial number behind the last record that had come.
    recent: VecDeque<(NodeId, u64)>,
}

impl RecentLooks {
    /// The entry was looked at when all records before the serial number `end` had come.
    pub(super) fn note(&mut self, id: NodeId, end: u64) {
        self.forget(id);
        if self.recent.len() == MOST {
            self.recent.pop_front();
        }
        self.recent.push_back((id, end));
    }

    /// The id is that of an entry that was not looked at.
    pub(super) fn forget(&mut self, id: NodeId) {
        self.recent.retain(|&(known, _)| known != id);
    }

    /// Whether the entry was looked at when the record of this serial number had come.
    pub(super) fn cover(&self, id: NodeId, serial: u64) -> bool {
        let mut recent = self.recent.iter().rev();
        recent.any(|&(known, end)| known == id && serial < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_covers_the_records_that_had_come_and_no_later_ones() {
        let (mut looks, id) = (RecentLooks::default(), NodeId::from_bits(1));
        looks.note(id, 7);
        assert!(looks.cover(id, 6) && !looks.cover(id, 7));
        assert!(!looks.cover(NodeId::from_bits(2), 6));
        looks.forget(id);
        assert!(!looks.cover(id, 6));
    }

    #[test]
    fn few_looks_are_remembered() {
        let mut looks = RecentLooks::default();
        for id in 0..=MOST as u32 {
            looks.note(NodeId::from_bits(id), 1);
        }
        assert!(!looks.cover(NodeId::from_bits(0), 0));
        assert!(looks.cover(NodeId::from_bits(1), 0));
    }
}
