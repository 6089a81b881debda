//! The batch size: how many packets a loop asks its port for at once.
//!
//! On Windows it costs nothing to ask for more packets than are there. Under Wine it costs one more round trip
//! to the server, which looks for each packet in turn and finds out with the last that there is none. The
//! number of operations in flight says little: those of a server that listens, or whose clients are silent,
//! do not end. So a loop asks for as many packets as came together lately, and every 16th poll drains
//! everything, to see how many that is. What a poll leaves is first in the port for the next one.

/// Every 16th poll drains everything.
const DRAIN_EVERY: u32 = 16;

/// The number of packets to ask for, learnt from what came before.
#[derive(Debug, Default)]
pub(crate) struct BatchSize {
    polls: u32,
    /// How many packets the last poll found that drained everything.
    lately: usize,
}

impl BatchSize {
    /// The most packets that the next poll asks for.
    pub(crate) fn packets(&self) -> usize {
        if self.drains_next() {
            return usize::MAX;
        }
        self.lately.max(1)
    }

    /// That poll has taken this many packets.
    pub(crate) fn took(&mut self, packets: usize) {
        if self.drains_next() {
            self.lately = packets;
        }
        self.polls = self.polls.wrapping_add(1);
    }

    /// Whether the next poll drains everything.
    fn drains_next(&self) -> bool {
        self.polls.is_multiple_of(DRAIN_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many polls it takes until `packets` are taken that are all there.
    fn polls(size: &mut BatchSize, mut packets: usize) -> usize {
        let mut polls = 0;
        while packets > 0 {
            let taken = size.packets().min(packets);
            size.took(taken);
            packets -= taken;
            polls += 1;
        }
        polls
    }

    #[test]
    fn one_packet_is_asked_for_where_one_at_a_time_comes() {
        let mut size = BatchSize::default();
        let asked: Vec<usize> = (0..160)
            .map(|_| {
                let asked = size.packets();
                size.took(1);
                asked
            })
            .collect();
        assert_eq!(asked.iter().filter(|&&asked| asked == 1).count(), 150);
    }

    #[test]
    fn a_poll_that_ends_without_packets_asks_for_one_the_next_time() {
        let mut size = BatchSize::default();
        size.took(0);
        assert_eq!(size.packets(), 1);
    }

    #[test]
    fn many_that_come_after_single_ones_are_soon_taken_together() {
        let mut size = BatchSize::default();
        for _ in 0..33 {
            size.took(1);
        }
        assert_eq!(polls(&mut size, 50), 16, "fifteen by one, then all");
        for _ in 1..16 {
            assert_eq!(polls(&mut size, 35), 1);
        }
    }
}
