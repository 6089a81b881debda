//! The streams of random numbers that a schedule is made of.
//!
//! Each use has a stream of its own, so that leaving out an operation changes nothing of what comes before
//! it, and one integer replays all of them.

pub(crate) use everwatch_testing::random::Random;

/// What a stream of random numbers decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
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
    /// Which habits a Windows system has, and when it follows them.
    Habits,
}

impl Stream {
    /// The numbers of this stream in the schedule `seed`.
    pub(crate) fn random(self, seed: u64) -> Random {
        let mut random = Random::new(seed ^ (self as u64).wrapping_mul(0xd6e8_feb8_6659_fd93));
        // Nearby seeds begin with nearby states; the first step separates them.
        random.bits();
        random
    }
}
