//! Random numbers that one integer replays: splitmix64, which passes the tests that matter here and
//! is four lines long. Each use has a stream of its own, so that leaving out an operation changes
//! nothing of what comes before it.

/// What a stream of random numbers decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    /// The shape of the schedule: roots, limits, options.
    Setup = 1,
    /// What the other processes do.
    Workload,
    /// When it happens, and what the kernel makes of it.
    Timing,
    /// What fails for no reason.
    Faults,
    /// How the consumers take events.
    Consumers,
    /// When the kernel looks at files that it was asked about.
    Lateness,
    /// What a Windows kernel makes of what happens.
    Notices,
}

#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64, stream: Stream) -> Random {
        let mut random = Random(seed ^ (stream as u64).wrapping_mul(0xd6e8_feb8_6659_fd93));
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// True so many times out of a thousand.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille as usize
    }

    /// One of `choices`, which are not empty.
    pub(super) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// An index, each as often as its weight says.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut left = self.below(total as usize) as u32;
        for (index, &weight) in weights.iter().enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
        }
        0
    }
}
