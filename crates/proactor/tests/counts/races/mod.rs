//! Cancel against completion, over and over: nothing lost, nothing stray, nothing left behind.
//!
//! Each race runs in a process of its own, whose handles are counted before and after.
//! `EVERWATCH_SOAK=1` runs 100,000 rounds of each instead of 2,000.

mod dropping;
mod pipes;

use std::time::{Duration, Instant};

use everwatch_proactor::Remote;
use everwatch_testing::alone::{alone, cycles, settles};
use everwatch_testing::census::Census;

use crate::support::Clean;

/// Runs a race alone: with a few rounds, so that everything is there that stays, and then with all.
fn race(name: &str, few: u64, all: u64, mut body: impl FnMut(&mut Clean, u64)) {
    alone(name, || {
        let mut run = |count| {
            let mut proactor = Clean::new();
            body(&mut proactor, count);
            proactor.settle();
            assert_eq!(proactor.remote().in_flight(), 0);
            assert_eq!(proactor.remote().stray_packets(), 0);
        };
        run(cycles(few, all) / 10);
        let baseline = Census::take();
        let count = cycles(few, all);
        let begun = Instant::now();
        run(count);
        println!("{count} rounds in {:?}", begun.elapsed());
        settles(&baseline, name);
    });
}

/// Numbers that look as if by chance, the same in every run.
struct Chance(u64);

impl Chance {
    fn new() -> Chance {
        Chance(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Lets a short time go by, a different one each time.
    fn linger(&mut self) {
        for _ in 0..self.below(2000) {
            std::hint::spin_loop();
        }
    }
}

/// Polls whose futures are not looked at, a random number of times.
fn poll_a_little(proactor: &mut Clean, chance: &mut Chance) {
    for _ in 0..chance.below(3) {
        proactor.get().poll(Some(Duration::ZERO));
    }
}

/// Everything that was in flight has ended.
fn nothing_is_left(remote: &Remote) {
    assert_eq!((remote.in_flight(), remote.stray_packets()), (0, 0));
}
