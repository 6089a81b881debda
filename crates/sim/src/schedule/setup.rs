//! The beginning of a schedule: how the file system and the kernel are, where the roots are, and the
//! tree that is there before anybody watches. All from the seed.

use everwatch_core::coverage::Gap;
use everwatch_core::engine::{Engine, Pace};
use everwatch_core::ignore::{Filter, IgnoreFiles};

use crate::disk::{Disk, FileSystemTraits};
use crate::linux::kernel::LinuxKernel;
use crate::linux::queue::Queue;
use crate::random::{Random, Stream};
use crate::schedule::outcome::Report;
use crate::schedule::scope::Scope;
use crate::schedule::{Schedule, is_nested, is_wild};
use crate::system::System;
use crate::system::calls::Kind;
use crate::trace::Trace;
use crate::workload::mix::Mix;
use crate::workload::{GROUND, LINK, Workload};
use crate::world::{SimulatedKernel, Temper, World};

/// The time at which every schedule begins, in nanoseconds since 1970.
pub(crate) const BEGAN: i64 = 1_700_000_000_000_000_000;

/// No schedule has more operations.
pub(crate) const MOST_CALLS: usize = 160;

impl Schedule<LinuxKernel> {
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
        let mut temper = Temper {
            busy: setup.pick(&[0, 20, 100, 300]),
            torn_listing: setup.pick(&[0, 200, 800]),
            slices: setup.pick(&[0, 200, 700]),
            faults: setup.pick(&[0, 0, 0, 10, 40]),
            haste: setup.pick(&[1_000, 30_000, 500_000, 5_000_000]),
        };
        let gap = setup.chance(60).then_some(Gap::Chosen);
        let room = setup.pick(&[10_000, 10_000, 10_000, 30, 8, 3]);
        let watches = setup.pick(&[10_000, 10_000, 10_000, 12, 4]);
        let lag = setup.pick(&[0, 100, 400]);
        let mix = setup.pick(&Mix::ALL);
        let length = 10 + setup.below(MOST_CALLS - 10);
        let obeys_rules = setup.chance(100) && is_wild(seed);
        if !is_wild(seed) {
            temper.faults = 0;
        }
        let scopes = match is_nested(seed) {
            true => nested_scopes(&mut setup, obeys_rules),
            false => scopes(&mut setup, obeys_rules, seed),
        };
        let has_inner = is_nested(seed) || scopes.iter().any(|scope| scope.dir.ends_with(b"/a"));

        let mut workload_random = Stream::Workload.random(seed);
        let disk = Disk::new(traits, BEGAN, gap);
        let timing = Stream::Timing.random(seed);
        let queue = Queue::new(room, watches);
        let mut system = System::new(disk, queue, Trace::new(traces), timing.clone(), lag);
        if obeys_rules {
            // Rules that cannot be read now are not read again before they change.
            temper.faults = 0;
        }
        workload_random = build(&mut system, workload_random, &mut setup, |workload| {
            workload.makes_rules = obeys_rules;
            workload.mounts = is_wild(seed);
            workload.links_lead_nowhere = has_inner;
        });
        system
            .trace
            .note(|| format!("{traits:?} {temper:?} {mix:?}"));
        system
            .trace
            .note(|| format!("room {room} watches {watches} lag {lag} gap {gap:?}"));
        let mut workload = Workload::new(workload_random, mix, length.min(calls));
        workload.makes_rules = obeys_rules;
        workload.mounts = is_wild(seed);
        workload.links_lead_nowhere = has_inner;
        let filter = match obeys_rules {
            true => Filter::new::<&str>(&[], IgnoreFiles::Git).unwrap_or_default(),
            false => Filter::default(),
        };
        let lateness = Stream::Lateness.random(seed);
        let world = World::new(seed, system, workload, temper, timing);
        let kernel = LinuxKernel::new(world, lateness);
        let sync_rate = setup.pick(&[0, 0, 20, 100]);
        Schedule::over(kernel, filter, (seed, calls), scopes, sync_rate)
    }
}

impl<K: SimulatedKernel> Schedule<K> {
    /// A schedule over a kernel, with roots to be added, last first.
    pub(crate) fn over(
        kernel: K,
        filter: Filter,
        (seed, calls): (u64, usize),
        scopes: Vec<Scope>,
        sync_rate: u32,
    ) -> Schedule<K> {
        let fails = kernel.world().temper.faults > 0;
        Schedule {
            seed,
            calls,
            engine: Engine::new(kernel, filter, Pace::default()),
            random: Stream::Consumers.random(seed),
            wanted: scopes,
            armed: Vec::new(),
            roots: Vec::new(),
            arming: None,
            consumers: Vec::new(),
            began: BEGAN,
            report: Report::default(),
            complaints: Vec::new(),
            sync_rate,
            fails,
        }
    }
}

/// Where the roots are, last first.
pub(crate) fn scopes(setup: &mut Random, obeys_rules: bool, seed: u64) -> Vec<Scope> {
    let is_wild = is_wild(seed);
    let scope = |dir: &[u8]| Scope {
        dir: dir.to_vec(),
        only: None,
        recursive: true,
        obeys_rules,
    };
    let single = |name: &[u8]| Scope {
        only: Some(name.to_vec()),
        recursive: false,
        ..scope(b"/w/r0")
    };
    let flat = Scope {
        recursive: false,
        ..scope(b"/w/r0")
    };
    let link = [GROUND, b"/", LINK].concat();
    if obeys_rules {
        return vec![scope(b"/w/r0")];
    }
    match setup.below(20) {
        0 | 1 if !is_wild => vec![scope(GROUND)],
        2 | 3 | 4 | 6 | 8 | 10 | 11 if !is_wild => vec![scope(b"/w/r0")],
        0 | 1 => vec![scope(b"/w/r0"), scope(b"/w/r1")],
        2 => vec![scope(b"/w/r0"), scope(b"/w/r0/a")],
        3 => vec![scope(b"/w/r0/a"), scope(b"/w/r0")],
        4 => vec![scope(b"/w/r0"), scope(b"/w/r0")],
        5 => vec![single(b"a")],
        6 => vec![single(b"a"), single(b"b")],
        7 => vec![flat],
        8 => vec![flat, scope(b"/w/r0/a")],
        9 => vec![scope(GROUND)],
        10 => vec![scope(&link)],
        11 => vec![scope(&link), scope(b"/w/r0")],
        _ => vec![scope(b"/w/r0")],
    }
}

/// Several roots out of all that can lie in each other.
pub(crate) fn nested_scopes(setup: &mut Random, obeys_rules: bool) -> Vec<Scope> {
    let scope = |dir: &[u8], recursive: bool, only: Option<&[u8]>| Scope {
        dir: dir.to_vec(),
        only: only.map(<[u8]>::to_vec),
        recursive,
        obeys_rules,
    };
    if obeys_rules {
        return vec![scope(b"/w/r0", true, None)];
    }
    let has_single = setup.chance(200);
    let mut count = 2 + setup.below(3);
    let mut scopes = Vec::new();
    while count > 0 {
        count -= 1;
        let dir = setup.pick(&[&b"/w/r0"[..], b"/w/r0", b"/w/r0/a", b"/w/r0/a/b", b"/w"]);
        let only = setup.pick(&[&b"a"[..], b"b"]);
        let is_single = has_single && setup.chance(500);
        let recursive = !is_single && setup.chance(650);
        scopes.push(scope(dir, recursive, is_single.then_some(only)));
    }
    scopes
}

/// Makes the tree that is there before anybody watches.
pub(crate) fn build(
    system: &mut System,
    random: Random,
    setup: &mut Random,
    restrict: impl Fn(&mut Workload),
) -> Random {
    let top = system.disk.top();
    let Ok(ground) = system.make(top, &GROUND[1..], Kind::Dir) else {
        return random;
    };
    for name in [&b"r0"[..], b"r1", b"o"] {
        let _ = system.make(ground, name, Kind::Dir);
    }
    let _ = system.make(ground, LINK, Kind::Symlink(b"r0"));
    let count = setup.pick(&[0, 6, 25]);
    let mut workload = Workload::new(random, Mix::Churn, count);
    restrict(&mut workload);
    while workload.step(system) {
        system.disk.now += 50_000_000;
    }
    system.finish_all();
    workload.into_random()
}
