//! The beginning of a schedule on Windows.

use everwatch_core::coverage::Gap;
use everwatch_core::ignore::{Filter, IgnoreFiles};
use everwatch_directory_reads::Layout;

use crate::disk::names::{COMMON_NAMES, DISTINCT_NAMES, NAMES};
use crate::disk::{Disk, FileSystemTraits};
use crate::linux::queue::Queue;
use crate::random::Stream;
use crate::schedule::platform::Platform;
use crate::schedule::setup::{BEGAN, MOST_CALLS, build, nested_scopes, scopes};
use crate::schedule::{Schedule, is_nested, is_wild};
use crate::system::System;
use crate::trace::Trace;
use crate::windows::calls::{Nt, WindowsTraits};
use crate::windows::machine::{Machine, Model};
use crate::windows::reads::Reads;
use crate::windows::wine::Server;
use crate::workload::Workload;
use crate::workload::mix::Mix;
use crate::world::{Temper, World};
use everwatch_backends::windows::{Numbers, Volume, WindowsKernel};

impl Schedule<WindowsKernel<Machine>> {
    pub(crate) fn windows(
        seed: u64,
        calls: usize,
        traces: bool,
    ) -> Schedule<WindowsKernel<Machine>> {
        let mut setup = Stream::Setup.random(seed);
        let is_wine = Platform::of(seed).0 == Platform::Wine;
        let is_unique = setup.chance(700) && !is_wine;
        let traits = FileSystemTraits {
            reuses_numbers: !is_unique && setup.chance(700),
            has_births: true,
            lists_kinds: true,
            lists_by_hash: setup.chance(700),
            replaces_in_place: false,
            tick: setup.pick(&[100, 100, 1_000_000, 10_000_000, 2_000_000_000]),
            folds_names: !is_wine,
        };
        let mut temper = Temper {
            busy: setup.pick(&[0, 20, 100, 300]),
            torn_listing: setup.pick(&[0, 200, 800]),
            slices: setup.pick(&[0, 200, 700]),
            faults: setup.pick(&[0, 0, 0, 10, 40]),
            haste: setup.pick(&[1_000, 30_000, 500_000, 5_000_000]),
        };
        let model = Model {
            layout: match is_wine {
                true => Layout::Plain,
                false => setup.pick(&[Layout::Plain, Layout::Extended]),
            },
            volume: Volume {
                is_remote: setup.chance(200) && !is_wine,
                numbers: match is_unique {
                    true => Numbers::Unique,
                    false => Numbers::Reused,
                },
            },
            tardiness: setup.pick(&[0, 0, 100, 500]),
            shortness: setup.pick(&[0, 0, 100, 500]),
        };
        let windows_traits = WindowsTraits {
            defers_deletes: setup.pick(&[0, 500, 1000]),
            shortens: setup.pick(&[0, 0, 50, 500]),
            touches: setup.pick(&[0, 300, 1000]),
            describes: setup.pick(&[1000, 1000, 500]),
        };
        let gap = setup.chance(60).then_some(Gap::Chosen);
        let limit = match setup.pick(&[10_000, 10_000, 10_000, 10_000, 2, 1]) {
            _ if is_wine => usize::MAX,
            limit => limit,
        };
        let shrink = setup.pick(&[1, 1, 1, 1000, 4000]);
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
        // A root is the entry of its name. Which one that is must not depend on the way to it.
        let has_spelling = has_inner || scopes.iter().any(|scope| scope.only.is_some());
        let names = match has_spelling || obeys_rules {
            _ if is_wine => &COMMON_NAMES,
            true => &DISTINCT_NAMES,
            false => &NAMES,
        };
        if obeys_rules {
            temper.faults = 0;
        }
        let timing = Stream::Timing.random(seed);
        let disk = Disk::new(traits, BEGAN, gap);
        let queue = Queue::new(usize::MAX, usize::MAX);
        let mut system = System::new(disk, queue, Trace::new(traces), timing.clone(), lag);
        let notices = Stream::Notices.random(seed);
        let mut reads = Reads::new(limit, temper.slices, notices.clone());
        reads.shrink = shrink;
        reads.patience = if is_wine { 0 } else { reads.patience };
        let server = match is_wine {
            true => Some(Server::new(reads)),
            false => {
                system.nt = Some(Nt {
                    reads,
                    delete_pending: Vec::new(),
                    deletes_finished: 0,
                    random: notices,
                    traits: windows_traits,
                });
                None
            }
        };
        let restrict = |workload: &mut Workload| {
            workload.names = names;
            workload.makes_rules = obeys_rules;
            workload.mounts = false;
            // Windows has no such call; of what Linux processes do, it is the one that Wine cannot report.
            workload.exchanges = false;
            workload.links_lead_nowhere = has_inner;
        };
        let random = Stream::Workload.random(seed);
        let random = build(&mut system, random, &mut setup, restrict);
        system
            .trace
            .note(|| format!("{traits:?} {temper:?} {mix:?}"));
        system
            .trace
            .note(|| format!("{model:?} {windows_traits:?} {limit} {shrink} {lag} {gap:?}"));
        let mut workload = Workload::new(random, mix, length.min(calls));
        restrict(&mut workload);
        let filter = match obeys_rules {
            true => Filter::new::<&str>(&[], IgnoreFiles::Git).unwrap_or_default(),
            false => Filter::default(),
        };
        let world = World::new(seed, system, workload, temper, timing);
        let kernel = WindowsKernel::new(Machine::new(world, model, server), gap);
        let sync_rate = setup.pick(&[0, 0, 20, 100]);
        let mut schedule = Schedule::over(kernel, filter, (seed, calls), scopes, sync_rate);
        // Under Wine nothing keeps what is above a root from being renamed, and no record reports it.
        schedule.fails |= is_wine;
        schedule
    }
}
