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
    /// Which habits a system has, and when it follows them.
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

/// How often, out of a thousand, the system of the schedule `seed` follows a habit. It has the habit with a chance
/// of `share`, and then at one of the `rates`.
///
/// Each habit is drawn by its own name: a further one changes nothing in the schedules that do not have it.
pub(crate) fn habit(seed: u64, name: &str, share: u32, rates: &[u32]) -> u32 {
    // FNV-1a.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let mut random = Stream::Habits.random(seed ^ hash);
    match random.chance(share) {
        true => random.pick(rates),
        false => 0,
    }
}
