//! The beginning of a schedule, as far as it is the same on every system: how hostile the kernel is, what
//! processes do, where the roots are, and the tree that is there before anything is watched. All from the seed.

use everwatch_core::engine::{Engine, Pace};
use everwatch_core::ignore::{Filter, IgnoreFiles};

use crate::disk::{Disk, FileSystemTraits};
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

/// What a schedule draws on every system.
///
/// A number stands for the same schedule only as long as nothing is drawn in another order: first what a system
/// draws for itself and the temper, then the plan, then the tree, then how often the consumers synchronize.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// At most this many operations are made of those that are drawn, to shrink a schedule that fails.
    calls: usize,
    pub(crate) temper: Temper,
    /// How often, out of a thousand, a call is not over at once.
    lag: u32,
    mix: Mix,
    /// Operations.
    length: usize,
    /// Ignore files hide what they match.
    pub(crate) obeys_rules: bool,
    /// The roots, last first.
    pub(crate) scopes: Vec<Scope>,
    /// When things happen.
    timing: Random,
}

impl Plan {
    /// Draws what no system draws for itself. `temper` was drawn before.
    pub(crate) fn draw(seed: u64, calls: usize, temper: Temper, setup: &mut Random) -> Plan {
        let lag = setup.pick(&[0, 100, 400]);
        let mix = setup.pick(&Mix::ALL);
        let length = 10 + setup.below(MOST_CALLS - 10);
        let obeys_rules = setup.chance(100) && is_wild(seed);
        let scopes = match is_nested(seed) {
            true => nested_scopes(setup, obeys_rules),
            false => scopes(setup, obeys_rules, seed),
        };
        // Rules that cannot be read now are not read again before they change.
        let faults = match is_wild(seed) && !obeys_rules {
            true => temper.faults,
            false => 0,
        };
        Plan {
            seed,
            calls,
            temper: Temper { faults, ..temper },
            lag,
            mix,
            length,
            obeys_rules,
            scopes,
            timing: Stream::Timing.random(seed),
        }
    }

    /// Whether a root may lie in another one.
    pub(crate) fn has_inner(&self) -> bool {
        is_nested(self.seed) || self.scopes.iter().any(|scope| scope.dir.ends_with(b"/a"))
    }

    /// The simulated system, with an empty disk.
    pub(crate) fn system(&self, disk: Disk, queue: Queue, trace: Trace) -> System {
        System::new(disk, queue, trace, self.timing.clone(), self.lag)
    }

    /// Makes the tree that is there before anything is watched. Returns the processes that go on from there, which
    /// `restrict` keeps from what they cannot do on the system.
    pub(crate) fn populate(
        &self,
        system: &mut System,
        setup: &mut Random,
        restrict: impl Fn(&mut Workload),
    ) -> Workload {
        let restrict = |workload: &mut Workload| {
            workload.makes_rules = self.obeys_rules;
            workload.links_lead_nowhere = self.has_inner();
            restrict(workload);
        };
        let random = Stream::Workload.random(self.seed);
        let random = build(system, random, setup, restrict);
        let mut workload = Workload::new(random, self.mix, self.length.min(self.calls));
        restrict(&mut workload);
        workload
    }

    /// Notes what was drawn: the traits of the file system, and in `own` what the system drew for itself.
    pub(crate) fn note(
        &self,
        system: &mut System,
        traits: &FileSystemTraits,
        own: impl FnOnce() -> String,
    ) {
        let Plan {
            temper, mix, lag, ..
        } = self;
        let trace = &mut system.trace;
        trace.note(|| format!("{traits:?} {temper:?} {mix:?}"));
        trace.note(|| format!("{} lag {lag}", own()));
    }

    /// The world of the schedule.
    pub(crate) fn world(&self, system: System, workload: Workload) -> World {
        World::new(
            self.seed,
            system,
            workload,
            self.temper,
            self.timing.clone(),
        )
    }

    /// The schedule over a kernel, with the roots to be added.
    pub(crate) fn schedule<K: SimulatedKernel>(self, kernel: K, setup: &mut Random) -> Schedule<K> {
        let filter = match self.obeys_rules {
            true => Filter::new::<&str>(&[], IgnoreFiles::Git).unwrap_or_default(),
            false => Filter::default(),
        };
        Schedule {
            seed: self.seed,
            calls: self.calls,
            fails: kernel.world().temper.faults > 0,
            engine: Engine::new(kernel, filter, Pace::default()),
            random: Stream::Consumers.random(self.seed),
            wanted: self.scopes,
            armed: Vec::new(),
            roots: Vec::new(),
            arming: None,
            consumers: Vec::new(),
            began: BEGAN,
            report: Report::default(),
            complaints: Vec::new(),
            sync_rate: setup.pick(&[0, 0, 20, 100]),
        }
    }
}

/// Where the roots are, last first.
fn scopes(setup: &mut Random, obeys_rules: bool, seed: u64) -> Vec<Scope> {
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
fn nested_scopes(setup: &mut Random, obeys_rules: bool) -> Vec<Scope> {
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

/// Makes the tree that is there before anything is watched.
fn build(
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
