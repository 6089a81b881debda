//! Recent arrivals: where the last moves went, to distinguish an exchange from a move back.

use std::collections::VecDeque;

use crate::mirror::NodeId;

/// How many moves may come between the two halves of an exchange: moves of other processors may be
/// queued between them.
const MOST: usize = 32;

/// The names to which the last moves went, oldest first.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    recent: VecDeque<(NodeId, Vec<u8>)>,
}

impl Arrivals {
    /// Notes that something was moved to this name.
    pub(super) fn note(&mut self, dir: NodeId, name: &[u8]) {
        let mut arrival = (dir, Vec::new());
        if self.recent.len() == MOST
            && let Some(oldest) = self.recent.pop_front()
        {
            arrival.1 = oldest.1;
            arrival.1.clear();
        }
        arrival.1.extend_from_slice(name);
        self.recent.push_back(arrival);
    }

    /// Whether what left a name may have been exchanged for what is there now. `rename` with
    /// `RENAME_EXCHANGE` leaves the same records as a move and the move back, and means something else:
    /// that something left a name does not mean that nothing is there, if something was moved there
    /// shortly before.
    pub(super) fn may_be_exchange(&self, dir: NodeId, name: &[u8]) -> bool {
        self.recent
            .iter()
            .any(|recent| recent.0 == dir && recent.1 == name)
    }
}
