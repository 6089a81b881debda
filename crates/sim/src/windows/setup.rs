//! The beginning of a schedule on Windows.

use everwatch_core::coverage::Gap;
use everwatch_directory_reads::Layout;

use crate::disk::names::{COMMON_NAMES, DISTINCT_NAMES, NAMES};
use crate::disk::{Disk, FileSystemTraits};
use crate::linux::queue::Queue;
use crate::random::{Stream, habit};
use crate::schedule::Schedule;
use crate::schedule::platform::Platform;
use crate::schedule::scope::Scope;
use crate::schedule::setup::{BEGAN, Plan};
use crate::trace::Trace;
use crate::windows::calls::{Nt, Refusals, WindowsTraits};
use crate::windows::habits::Habits;
use crate::windows::machine::{Machine, Model};
use crate::windows::reads::Reads;
use crate::windows::volume_sort::VolumeSort;
use crate::windows::wine::Server;
use crate::world::Temper;
use everwatch_backends::windows::{FileSystem, Volume, WindowsKernel};

impl Schedule<WindowsKernel<Machine>> {
    /// The schedule of this number, on Windows or under Wine, of at most `calls` operations.
    pub(crate) fn windows(
        seed: u64,
        calls: usize,
        traces: bool,
    ) -> Schedule<WindowsKernel<Machine>> {
        let mut setup = Stream::Setup.random(seed);
        let platform = Platform::of(seed).0;
        let is_wine = platform == Platform::Wine;
        let sort = match platform {
            Platform::WindowsOn(sort) => Some(sort),
            _ => None,
        };
        let is_unique = setup.chance(700) && !is_wine;
        let mut traits = FileSystemTraits {
            reuses_numbers: !is_unique && setup.chance(700),
            has_births: true,
            lists_kinds: true,
            lists_by_hash: setup.chance(700),
            replaces_in_place: false,
            tick: setup.pick(&[100, 100, 1_000_000, 10_000_000, 2_000_000_000]),
            folds_names: !is_wine,
        };
        let temper = Temper::draw(&mut setup);
        let layouts = sort.map_or(&[Layout::Plain, Layout::Extended][..], VolumeSort::layouts);
        let layout = match is_wine {
            true => Layout::Plain,
            false => setup.pick(layouts),
        };
        let is_remote = setup.chance(200) && !is_wine;
        let is_refs = is_unique && !is_remote && habit(seed, "refs", 150, &[1]) > 0;
        let drawn = Volume {
            // Servers say so, whatever they have and however it numbers its entries.
            file_system: match is_unique || is_remote {
                true if is_refs => FileSystem::Refs,
                true => FileSystem::Ntfs,
                false => FileSystem::Fat,
            },
            is_remote,
            has_wide_numbers: is_refs,
        };
        if let Some(sort) = sort {
            traits.reuses_numbers = sort.reuses_numbers();
            traits.tick = setup.pick(sort.ticks());
        }
        let volume = sort.map_or(drawn, VolumeSort::volume);
        let model = Model {
            layout,
            volume,
            tardiness: setup.pick(&[0, 0, 100, 500]),
            shortness: setup.pick(&[0, 0, 100, 500]),
        };
        let windows_traits = WindowsTraits {
            defers_deletes: setup.pick(&[0, 500, 1000]),
            shortens: setup.pick(&[0, 0, 50, 500]),
            touches: setup.pick(&[0, 300, 1000]),
            describes: setup.pick(&[1000, 1000, 500]),
            renumbers: volume.has_wide_numbers,
        };
        let habits = match sort {
            Some(sort) => sort.habits(Habits::draw(seed)),
            None => Habits::draw(seed).on(volume),
        };
        let gap = setup.chance(60).then_some(Gap::Chosen);
        let limit = match setup.pick(&[10_000, 10_000, 10_000, 10_000, 2, 1]) {
            _ if is_wine => usize::MAX,
            limit => limit,
        };
        let shrink = setup.pick(&[1, 1, 1, 1000, 4000]);
        let plan = Plan::draw(seed, calls, temper, &mut setup);
        // A root is the entry of its name. Which entry that is must not depend on the spelling of the path to it.
        let is_single = |scope: &Scope| scope.only.is_some();
        let has_spelling = plan.has_inner() || plan.scopes.iter().any(is_single);
        let names = match has_spelling || plan.obeys_rules {
            _ if is_wine => &COMMON_NAMES,
            true => &DISTINCT_NAMES,
            false => &NAMES,
        };
        let disk = Disk::new(traits, BEGAN, gap);
        let queue = Queue::new(usize::MAX, usize::MAX);
        let mut system = plan.system(disk, queue, Trace::new(traces));
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
                    habits,
                    whims: Stream::Habits.random(seed),
                    looked_at: None,
                    refusals: Refusals::default(),
                });
                None
            }
        };
        let workload = plan.populate(&mut system, &mut setup, |workload| {
            workload.names = names;
            workload.mounts = false;
            // Windows has no such call; of what Linux processes do, it is the one that Wine cannot report.
            workload.exchanges = false;
        });
        plan.note(&mut system, &traits, || {
            format!("{model:?} {windows_traits:?} {habits:?} {limit} {shrink} {gap:?}")
        });
        let machine = Machine::new(plan.world(system, workload), model, server);
        let mut schedule = plan.schedule(WindowsKernel::new(machine, gap), &mut setup);
        // Where nothing keeps what is above a root from being renamed, no record reports it.
        schedule.fails |= is_wine || habits.renames_held > 0;
        schedule
    }
}
