//! The beginning of a schedule on Linux.

use everwatch_core::coverage::Gap;

use crate::disk::{Disk, FileSystemTraits};
use crate::linux::kernel::LinuxKernel;
use crate::linux::queue::Queue;
use crate::random::Stream;
use crate::schedule::setup::{BEGAN, Plan};
use crate::schedule::{Schedule, is_wild};
use crate::trace::Trace;
use crate::world::Temper;

impl Schedule<LinuxKernel> {
    /// The schedule of this number, of at most `calls` operations.
    pub(crate) fn linux(seed: u64, calls: usize, traces: bool) -> Schedule<LinuxKernel> {
        let mut setup = Stream::Setup.random(seed);
        let traits = FileSystemTraits {
            reuses_numbers: setup.chance(700),
            has_births: setup.chance(800),
            lists_kinds: setup.chance(850),
            lists_by_hash: setup.chance(500),
            replaces_in_place: setup.chance(500),
            tick: setup.pick(&[1, 1_000_000, 4_000_000, 10_000_000, 1_000_000_000]),
            folds_names: false,
        };
        let temper = Temper::draw(&mut setup);
        let gap = setup.chance(60).then_some(Gap::Chosen);
        let room = setup.pick(&[10_000, 10_000, 10_000, 30, 8, 3]);
        let watches = setup.pick(&[10_000, 10_000, 10_000, 12, 4]);
        let plan = Plan::draw(seed, calls, temper, &mut setup);
        let disk = Disk::new(traits, BEGAN, gap);
        let mut system = plan.system(disk, Queue::new(room, watches), Trace::new(traces));
        let workload = plan.populate(&mut system, &mut setup, |workload| {
            workload.mounts = is_wild(seed);
        });
        plan.note(&mut system, &traits, || {
            format!("room {room} watches {watches} gap {gap:?}")
        });
        let world = plan.world(system, workload);
        let kernel = LinuxKernel::new(world, Stream::Lateness.random(seed));
        plan.schedule(kernel, &mut setup)
    }
}
