//! The world around the engine: the simulated system, the other processes, and how hostile it all is.
//!
//! A kernel of the simulator answers the engine's questions out of it, and lets the others run
//! whenever it is asked something.

use everwatch_core::kernel::Kernel;
use everwatch_core::time::FileTime;

use crate::random::{Random, Stream, habit};
use crate::system::System;
use crate::workload::Workload;

/// How hostile the kernel is. All chances are out of a thousand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    /// That another operation happens before the engine's question is answered.
    pub(crate) busy: u32,
    /// That a listing is not one moment.
    pub(crate) torn_listing: u32,
    /// That a drain returns only the oldest records.
    pub(crate) slices: u32,
    /// That something fails.
    pub(crate) faults: u32,
    /// Nanoseconds that pass between two questions, on average.
    pub(crate) haste: u64,
}

impl Temper {
    /// Draws one.
    pub(crate) fn draw(setup: &mut Random) -> Temper {
        Temper {
            busy: setup.pick(&[0, 20, 100, 300]),
            torn_listing: setup.pick(&[0, 200, 800]),
            slices: setup.pick(&[0, 200, 700]),
            faults: setup.pick(&[0, 0, 0, 10, 40]),
            haste: setup.pick(&[1_000, 30_000, 500_000, 5_000_000]),
        }
    }

    /// Nothing gets in the way.
    #[cfg(test)]
    pub(crate) const PATIENT: Temper = Temper {
        busy: 0,
        torn_listing: 0,
        slices: 0,
        faults: 0,
        haste: 1,
    };
}

/// The processes beside the engine's.
pub(crate) trait Processes {
    /// Makes one system call, if there is one to be made now. Returns whether there was.
    fn step(&mut self, system: &mut System) -> bool;

    /// What a file of this version contains.
    fn text(&self, version: u64) -> &[u8];
}

/// The simulated system and all that happens on it.
#[derive(Debug)]
pub(crate) struct World<P = Workload> {
    pub(crate) system: System,
    pub(crate) workload: P,
    pub(crate) temper: Temper,
    pub(crate) timing: Random,
    faults: Random,
    /// How often, out of a thousand, the clock on the wall is set while another process runs.
    sets_clock: u32,
    whims: Random,
    /// Whether the engine has read the clock since it was set. It learns nothing of a clock that was set back and
    /// forward in between.
    is_clock_read: bool,
    /// What happens, in order, and after how many further questions of the engine.
    #[cfg(test)]
    pub(crate) interruptions: std::collections::VecDeque<Interruption>,
}

/// Further questions of the engine, and what happens after them.
#[cfg(test)]
type Interruption = (u32, fn(&mut System));

/// What the clock on the wall can be ahead of the time, in seconds.
const AHEAD: [i64; 7] = [0, 0, 3, -3, 3_600, -3_600, -86_400];

impl<P: Processes> World<P> {
    /// `timing` decides when things happen.
    pub(crate) fn new(
        seed: u64,
        system: System,
        workload: P,
        temper: Temper,
        timing: Random,
    ) -> World<P> {
        World {
            system,
            workload,
            temper,
            timing,
            faults: Stream::Faults.random(seed),
            sets_clock: habit(seed, "sets the clock", 100, &[10, 50]),
            whims: Stream::Habits.random(seed),
            is_clock_read: false,
            #[cfg(test)]
            interruptions: Default::default(),
        }
    }

    /// What happens while the engine does not look.
    pub(crate) fn others_run(&mut self) {
        self.system.reap();
        #[cfg(test)]
        self.interrupt();
        self.system.progress();
        self.system.disk.now += self.timing.below(2 * self.temper.haste as usize) as i64;
        while self.timing.chance(self.temper.busy) && self.workload.step(&mut self.system) {
            self.system.reap();
            self.system.disk.now += self.timing.below(2 * self.temper.haste as usize) as i64;
            if self.sets_clock > 0 && self.is_clock_read && self.whims.chance(self.sets_clock) {
                self.system.disk.ahead = self.whims.pick(&AHEAD) * 1_000_000_000;
                self.is_clock_read = false;
            }
        }
    }

    /// Lets happen what a scenario has for this moment.
    #[cfg(test)]
    fn interrupt(&mut self) {
        match self.interruptions.front_mut() {
            Some((0, happens)) => {
                happens(&mut self.system);
                self.interruptions.pop_front();
            }
            Some((questions, _)) => *questions -= 1,
            None => {}
        }
    }

    /// The engine reads the clock on the wall.
    pub(crate) fn read_clock(&mut self) -> FileTime {
        self.is_clock_read = true;
        self.system.disk.clock()
    }

    /// Whether something fails now for no reason.
    pub(crate) fn fails(&mut self) -> bool {
        self.temper.faults > 0 && self.faults.chance(self.temper.faults)
    }

    /// One of several reasons.
    pub(crate) fn reason<T: Clone>(&mut self, reasons: &[T]) -> T {
        self.faults.pick(reasons)
    }

    /// Adds a line to the trace, if one is kept.
    pub(crate) fn note(&mut self, line: impl FnOnce(&System) -> String) {
        let mut trace = std::mem::take(&mut self.system.trace);
        trace.note(|| format!("    {}", line(&self.system)));
        self.system.trace = trace;
    }
}

/// A simulated kernel, as schedules and scenarios need it.
pub(crate) trait SimulatedKernel: Kernel {
    /// The world that the kernel is in.
    fn world(&self) -> &World;

    /// The same, to be changed.
    fn world_mut(&mut self) -> &mut World;

    /// What happens while the engine does not look.
    fn others_run(&mut self) {
        self.world_mut().others_run();
    }

    /// Whether there are no records that the engine could have.
    fn is_idle(&self) -> bool;

    /// Whether the kernel has few watches to give.
    fn is_limited(&self) -> bool;

    /// Ends the limit of watches.
    fn lift_limit(&mut self);

    /// How many deferred deletes are finished; `None` while one is pending. Two equal answers mean that
    /// nothing was deleted late in between.
    fn finished_deletes(&self) -> Option<u64> {
        Some(0)
    }

    /// What is wrong with what the kernel holds while the engine rests with `watches` watches.
    /// `is_certain` is whether records of the end of every watch can have come.
    fn check_what_is_held(&mut self, watches: u64, is_certain: bool) -> Vec<String>;
}
