//! How many packets a loop asks for at once.
//!
//! To ask for more than are there costs nothing on Windows. Under Wine it is one more round trip to the
//! server, which has looked for each packet in turn and finds out with the last one that there is none. How
//! many operations are in flight says little about that: those of a server that listens, or whose clients
//! are silent, do not end. So a loop asks for as many as came together lately, and now and then for all, to
//! see how many that is. What it leaves is first in the port and is taken by its next poll, in the same order.

/// Every 16th poll drains everything: it asks for as many packets as there is room for.
const SAMPLE: u32 = 16;

/// See the module head.
#[derive(Debug, Default)]
pub(crate) struct Room {
    polls: u32,
    /// How many packets were there when all were asked for.
    lately: usize,
}

impl Room {
    /// How many packets the next poll asks for.
    pub(crate) fn packets(&self) -> usize {
        if self.is_sample() {
            return usize::MAX;
        }
        self.lately.max(1)
    }

    /// What that poll has taken.
    pub(crate) fn took(&mut self, packets: usize) {
        if self.is_sample() {
            self.lately = packets;
        }
        self.polls = self.polls.wrapping_add(1);
    }

    fn is_sample(&self) -> bool {
        self.polls.is_multiple_of(SAMPLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many polls it takes until `packets` are taken that are all there.
    fn polls(room: &mut Room, mut packets: usize) -> usize {
        let mut polls = 0;
        while packets > 0 {
            let taken = room.packets().min(packets);
            room.took(taken);
            packets -= taken;
            polls += 1;
        }
        polls
    }

    #[test]
    fn one_packet_is_asked_for_where_one_at_a_time_comes() {
        let mut room = Room::default();
        let asked: Vec<usize> = (0..160)
            .map(|_| {
                let asked = room.packets();
                room.took(1);
                asked
            })
            .collect();
        assert_eq!(asked.iter().filter(|&&asked| asked == 1).count(), 150);
    }

    #[test]
    fn a_poll_that_ends_without_packets_asks_for_one_the_next_time() {
        let mut room = Room::default();
        room.took(0);
        assert_eq!(room.packets(), 1);
    }

    #[test]
    fn many_that_come_after_single_ones_are_soon_taken_together() {
        let mut room = Room::default();
        for _ in 0..33 {
            room.took(1);
        }
        assert_eq!(polls(&mut room, 50), 16, "fifteen by one, then all");
        for _ in 1..16 {
            assert_eq!(polls(&mut room, 35), 1);
        }
    }
}
