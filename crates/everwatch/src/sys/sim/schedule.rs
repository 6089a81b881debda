//! One schedule: a tree, roots, consumers, and a hostile kernel, all from one integer.
//!
//! The engine is driven as `engine::Seat` drives it. When the operations are over and all is quiet,
//! the tree of every consumer has to be the tree on the disk.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use everwatch_core::change::Event;
use everwatch_core::coverage::{Gap, Subtree};
use everwatch_core::engine::{Counters, Engine, Pace, Progress, RootId, RootSpec};
use everwatch_core::filter::Filter;
use everwatch_core::path::{to_bytes, to_path};
use everwatch_core::record::Moment;
use everwatch_core::{OutletId, change::FileType};

use super::calls::{Kind, System};
use super::disk::{Disk, Habits};
use super::kernel::{Simulated, Temper};
use super::queue::Queue;
use super::random::{Random, Stream};
use super::replica::{Replica, Scope};
use super::trace::Trace;
use super::workload::{GROUND, LINK, Mix, Workload};

/// What a schedule that went well was made of.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Report {
    /// System calls of other processes.
    pub calls: u64,
    /// Steps of the engine.
    pub steps: u64,
    /// Events that consumers applied.
    pub events: u64,
    /// Records that the engine applied.
    pub records: u64,
    /// Times that records were lost.
    pub overflows: u64,
    /// Times that a consumer fell behind and its backlog was folded.
    pub folds: u64,
    /// Directories listed.
    pub listings: u64,
}

impl Report {
    pub(super) fn add(&mut self, other: &Report) {
        self.calls += other.calls;
        self.steps += other.steps;
        self.events += other.events;
        self.records += other.records;
        self.overflows += other.overflows;
        self.folds += other.folds;
        self.listings += other.listings;
    }
}

/// A schedule after which a consumer's tree was not the tree on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The schedule.
    pub seed: u64,
    /// The fewest operations after which it fails.
    pub calls: usize,
    /// What is wrong.
    pub differences: Vec<String>,
    /// What happened, line by line.
    pub trace: Vec<String>,
}

/// Lines of the trace that a failure shows.
const SHOWN: usize = 60;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {} fails after {} operations:",
            self.seed, self.calls
        )?;
        for difference in &self.differences {
            writeln!(f, "  {difference}")?;
        }
        let hidden = self.trace.len().saturating_sub(SHOWN);
        if hidden > 0 {
            writeln!(
                f,
                "the end of the trace ({hidden} lines before it are not shown):"
            )?;
        }
        for line in &self.trace[hidden..] {
            writeln!(f, "  {line}")?;
        }
        write!(f, "replay: cargo xtask sim --seed {}", self.seed)
    }
}

impl std::error::Error for Failure {}

/// Runs the schedule of this number.
///
/// # Errors
///
/// If a consumer's tree is not the tree on the disk when all is quiet. The failure is that of the
/// shortest beginning of the schedule that fails.
pub fn run(seed: u64) -> Result<Report, Failure> {
    match attempt(seed, usize::MAX, false) {
        Ok(report) => Ok(report),
        Err(_) => Err(shrink(seed)),
    }
}

/// Finds the shortest beginning that fails, and runs that again to write down what happens.
fn shrink(seed: u64) -> Failure {
    let fails = |calls: &usize| attempt(seed, *calls, false).is_err();
    let calls = (0..MOST_CALLS).find(fails).unwrap_or(usize::MAX);
    match attempt(seed, calls, true) {
        Err(failure) => failure,
        Ok(_) => Failure {
            seed,
            calls,
            differences: vec!["the schedule failed once and did not fail again".to_owned()],
            trace: Vec::new(),
        },
    }
}

const MOST_CALLS: usize = 160;

/// Runs the schedule with at most `calls` operations.
pub(super) fn attempt(seed: u64, calls: usize, traces: bool) -> Result<Report, Failure> {
    let mut schedule = Schedule::new(seed, calls, traces);
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| schedule.run())) else {
        return schedule.judge();
    };
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("something that is no text");
    let differences = vec![format!("panicked: {what}")];
    let trace = schedule.take_trace();
    // What panicked may be in no state to be dropped.
    std::mem::forget(schedule);
    Err(Failure {
        seed,
        calls,
        differences,
        trace,
    })
}

/// Schedules from this number on are wild: calls fail for no reason, file systems come and go, ignore
/// rules change, and there are several roots, in each other, behind links, added and removed at any
/// time. The others have one root, whose directory comes and goes, and all else that a sound kernel
/// does to a watcher.
pub const WILD: u64 = 1 << 40;

fn is_wild(seed: u64) -> bool {
    seed >= WILD
}

#[derive(Debug)]
struct Consumer {
    outlet: OutletId,
    settles: bool,
    /// Events it holds until it gets round to them.
    held: VecDeque<Event>,
    capacity: usize,
    /// How often, out of a thousand, it takes the next event.
    zeal: u32,
    replica: Replica,
}

struct Schedule {
    seed: u64,
    calls: usize,
    engine: Engine<Simulated>,
    random: Random,
    /// Roots to be added, last first.
    wanted: Vec<Scope>,
    armed: Vec<Scope>,
    /// The names of the roots in `armed`.
    roots: Vec<RootId>,
    /// A root is being armed.
    arming: Option<(RootId, Scope)>,
    consumers: Vec<Consumer>,
    /// The simulated time at which the engine's clock was zero.
    began: i64,
    report: Report,
    /// What is wrong.
    complaints: Vec<String>,
    /// How often, out of a thousand, all stops after a step so that the trees can be compared.
    sync_rate: u32,
    /// Things fail for no reason.
    fails: bool,
}

/// How long an engine has to find out what no record tells: several polls.
const QUIET: i64 = 4_000_000_000;

/// Steps after which an engine that has nothing to do must have come to rest.
const PATIENCE: usize = 1500;

impl Schedule {
    fn new(seed: u64, calls: usize, traces: bool) -> Schedule {
        let mut setup = Random::new(seed, Stream::Setup);
        let habits = Habits {
            reuses_numbers: setup.chance(700),
            has_births: setup.chance(800),
            tells_kinds: setup.chance(850),
            lists_by_hash: setup.chance(500),
            replaces_in_place: setup.chance(500),
            tick: setup.pick(&[1, 1_000_000, 4_000_000, 10_000_000]),
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
        let scopes = scopes(&mut setup, obeys_rules, is_wild(seed));
        let is_nested = scopes.iter().any(|scope| scope.dir.ends_with(b"/a"));

        let began = 1_700_000_000_000_000_000;
        let mut workload_random = Random::new(seed, Stream::Workload);
        let disk = Disk::new(habits, began, gap);
        let timing = Random::new(seed, Stream::Timing);
        let queue = Queue::new(room, watches);
        let mut system = System::new(disk, queue, Trace::new(traces), timing.clone(), lag);
        if obeys_rules {
            // Rules that cannot be read now are not read again before they change.
            temper.faults = 0;
        }
        workload_random = build(&mut system, workload_random, &mut setup, |workload| {
            workload.makes_rules = obeys_rules;
            workload.mounts = is_wild(seed);
            workload.links_lead_nowhere = is_nested;
        });
        system
            .trace
            .note(|| format!("{habits:?} {temper:?} {mix:?}"));
        system
            .trace
            .note(|| format!("room {room} watches {watches} lag {lag} gap {gap:?}"));
        let mut workload = Workload::new(workload_random, mix, length.min(calls));
        workload.makes_rules = obeys_rules;
        workload.mounts = is_wild(seed);
        workload.links_lead_nowhere = is_nested;
        let filter = match obeys_rules {
            true => Filter::new::<&str>(&[], true).unwrap_or_default(),
            false => Filter::default(),
        };
        let faults = Random::new(seed, Stream::Faults);
        let kernel = Simulated::new(system, workload, temper, timing, faults);
        Schedule {
            seed,
            calls,
            engine: Engine::new(kernel, filter, Pace::default()),
            random: Random::new(seed, Stream::Consumers),
            wanted: scopes,
            armed: Vec::new(),
            roots: Vec::new(),
            arming: None,
            consumers: Vec::new(),
            began,
            report: Report::default(),
            complaints: Vec::new(),
            sync_rate: setup.pick(&[0, 0, 20, 100]),
            fails: temper.faults > 0,
        }
    }

    fn run(&mut self) {
        while self.complaints.is_empty()
            && self.kernel().workload.done < self.kernel().workload.limit
            || !self.is_set_up()
        {
            self.obey();
            let progress = self.step();
            self.serve_all(false);
            if !progress.more {
                self.wait(&progress);
            }
            if is_wild(self.seed)
                && self.is_set_up()
                && self.armed.len() > 1
                && self.random.chance(5)
            {
                self.remove_root();
            }
            if self.is_set_up() && self.random.chance(self.sync_rate) {
                self.hold_still();
            }
            if self.report.steps > 100_000 {
                self.complaints.push("the engine runs on and on".to_owned());
                return;
            }
        }
        self.come_to_rest();
    }

    fn kernel(&mut self) -> &mut Simulated {
        self.engine.kernel_mut()
    }

    fn now(&mut self) -> Moment {
        let began = self.began;
        Duration::from_nanos((self.kernel().system.disk.now - began) as u64)
    }

    fn is_set_up(&self) -> bool {
        self.wanted.is_empty() && self.arming.is_none()
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        self.kernel().system.trace.note(line);
    }

    fn step(&mut self) -> Progress {
        let now = self.now();
        let progress = self.engine.step(now);
        self.report.steps += 1;
        self.note(|| {
            let more = if progress.more { "more" } else { "wait" };
            let deadline = progress.deadline;
            format!(
                "  step at {now:?}: {} records, {more} {deadline:?}",
                progress.records
            )
        });
        if self.engine.is_armed()
            && let Some((root, scope)) = self.arming.take()
        {
            self.note(|| format!("  armed {}", scope.dir.escape_ascii()));
            self.take_over(&scope);
            self.armed.push(scope);
            self.roots.push(root);
        }
        progress
    }

    /// Does what callers ask of the watcher.
    fn obey(&mut self) {
        if self.arming.is_some() {
            return;
        }
        let may_add = self.engine.can_arm() && (self.armed.is_empty() || self.random.chance(200));
        if may_add && let Some(scope) = self.wanted.pop() {
            self.note(|| format!("add root {scope:?}"));
            let spec = RootSpec {
                dir: to_path(scope.dir.clone()),
                only: scope.only.clone(),
                recursive: scope.recursive,
                outer: Vec::new(),
            };
            if let Ok(root) = self.engine.add_root(spec) {
                self.arming = Some((root, scope));
            }
        } else if self.consumers.len() < 3 && (self.consumers.is_empty() || self.random.chance(50))
        {
            self.open_outlet();
        }
    }

    /// Ends the watching of a root. Consumers first take what there is about it.
    fn remove_root(&mut self) {
        let at = self.random.below(self.armed.len());
        let (scope, root) = (self.armed.remove(at), self.roots.remove(at));
        self.note(|| format!("remove root {scope:?}"));
        self.drain_consumers();
        self.engine.remove_root(root);
        for consumer in &mut self.consumers {
            consumer.replica.end(&scope, &self.armed);
        }
    }

    fn open_outlet(&mut self) {
        let mut settles = self.random.chance(200);
        let mut capacity = self.random.pick(&[1, 2, 5, 20, 1000, 1000]);
        if self.armed.iter().any(|scope| scope.only.is_some()) {
            (settles, capacity) = (false, usize::MAX);
        }
        let zeal = self.random.pick(&[1000, 900, 300, 20]);
        let outlet = self.engine.open_outlet(capacity, settles);
        let mut consumer = Consumer {
            outlet,
            settles,
            held: VecDeque::new(),
            capacity,
            zeal,
            replica: Replica::default(),
        };
        let mut entries: Vec<(PathBuf, FileType)> = Vec::new();
        self.engine.entries(|path, kind| entries.push((path, kind)));
        let coverage = self.engine.coverage();
        let disk = &self.engine.kernel().system.disk;
        for scope in self.armed.iter().filter(|scope| scope.only.is_none()) {
            let is_known = match self.is_inner(scope) {
                // It may be one of the entries; whoever asked for it looks whether it is there.
                true => disk
                    .resolve(&scope.dir, false)
                    .is_ok_and(|ino| disk.is_dir(ino)),
                // It is not one of the entries, but known unless its coverage says that it is gone.
                false => !coverage.iter().any(|subtree| {
                    subtree.gap == Some(Gap::RootGone) && subtree.path == to_path(scope.dir.clone())
                }),
            };
            if is_known {
                consumer
                    .replica
                    .begin(&to_path(scope.dir.clone()), FileType::Dir, disk);
            }
            if self.is_inner(scope) {
                consumer.replica.vague.push(scope.dir.clone());
            }
        }
        for (path, kind) in &entries {
            consumer.replica.begin(path, *kind, disk);
        }
        let (count, id) = (entries.len(), self.consumers.len());
        self.note(|| {
            format!(
                "outlet {id}: capacity {capacity} settles {settles} zeal {zeal}, {count} entries"
            )
        });
        self.consumers.push(consumer);
    }

    /// Whether the root lies in another root's tree.
    fn is_inner(&self, scope: &Scope) -> bool {
        self.armed.iter().any(|other| {
            other.only.is_none() && other.dir != scope.dir && scope.dir.starts_with(&other.dir)
        })
    }

    /// What a new root began with is known to whoever asked for it.
    fn take_over(&mut self, scope: &Scope) {
        let mut entries: Vec<(PathBuf, FileType)> = Vec::new();
        let top = to_path(scope.dir.clone());
        if scope.only.is_none() {
            entries.push((top.clone(), FileType::Dir));
        }
        self.engine.entries(|path, kind| entries.push((path, kind)));
        let others = &self.armed;
        entries.retain(|(path, _)| {
            let path = to_bytes(path);
            scope.covers(&path) && !others.iter().any(|other| other.covers(&path))
        });
        let disk = &self.engine.kernel().system.disk;
        let is_inner = self.is_inner(scope);
        for consumer in &mut self.consumers {
            if is_inner {
                consumer.replica.vague.push(scope.dir.clone());
            }
            for (path, kind) in &entries {
                consumer.replica.begin(path, *kind, disk);
            }
        }
    }

    fn serve_all(&mut self, is_quiet: bool) {
        for at in 0..self.consumers.len() {
            self.serve(at, is_quiet);
        }
    }

    fn serve(&mut self, at: usize, is_quiet: bool) {
        let consumer = &mut self.consumers[at];
        let may_flush = !consumer.settles || is_quiet || self.random.chance(30);
        let room = consumer.capacity.saturating_sub(consumer.held.len());
        self.engine.set_room(consumer.outlet, room);
        if may_flush && self.engine.folded(consumer.outlet).0 {
            self.engine.flush(consumer.outlet);
        }
        let events = self.engine.take(consumer.outlet);
        let system = &mut self.engine.kernel_mut().system;
        for event in &events {
            system.trace.note(|| format!("      out {at}: {event}"));
        }
        consumer.held.extend(events);
        while is_quiet || self.random.chance(consumer.zeal) {
            let Some(event) = consumer.held.pop_front() else {
                break;
            };
            consumer.replica.apply(&event, &system.disk);
            self.report.events += u64::from(event.change().is_some());
        }
    }

    /// The engine waits for something to happen.
    fn wait(&mut self, progress: &Progress) {
        let random = self.random.next();
        let deadline = progress.deadline;
        let began = self.began;
        let kernel = self.kernel();
        kernel.others_run();
        let is_idle = kernel.system.queue.len() == 0 && !kernel.system.have_mounts_changed();
        if is_idle {
            match deadline {
                Some(deadline) if random.is_multiple_of(4) => {
                    let deadline = began + deadline.as_nanos() as i64;
                    kernel.system.disk.now = kernel.system.disk.now.max(deadline);
                }
                _ => {
                    let Simulated {
                        workload, system, ..
                    } = kernel;
                    workload.step(system);
                }
            }
            if random % 64 == 1 {
                kernel.system.disk.now += 100_000_000;
            }
        }
        self.tell_mounts();
    }

    fn tell_mounts(&mut self) {
        if !self.kernel().system.have_mounts_changed() {
            return;
        }
        let paths = self.kernel().system.changed_mounts();
        if !paths.is_empty() {
            let paths: Vec<PathBuf> = paths.into_iter().map(to_path).collect();
            self.note(|| format!("  mounts changed: {paths:?}"));
            self.engine.mounts_changed(&paths);
        }
    }

    /// Nothing happens any more: lets the engine find out, and consumers catch up.
    fn come_to_rest(&mut self) {
        self.note(|| "the operations are over".to_owned());
        let permits = self.random.chance(800);
        let kernel = self.kernel();
        kernel.temper.faults = 0;
        kernel.workload.limit = 0;
        if permits {
            permit_all(&mut kernel.system);
        }
        kernel.system.finish_all();
        self.sync();
        if self.random.chance(500) {
            self.kernel().system.queue.set_watch_limit(usize::MAX);
        }
        let mut quiet_until = None;
        let mut barrier = self.engine.barrier();
        let mut rounds = 0;
        for _ in 0..PATIENCE {
            let progress = self.step();
            self.serve_all(true);
            if progress.more {
                continue;
            }
            self.tell_mounts();
            let began = self.began;
            let is_settled = self.engine.is_passed(&mut barrier);
            let system = &mut self.kernel().system;
            system.finish_all();
            let now = system.disk.now;
            if system.queue.len() > 0 {
                continue;
            }
            rounds += 1;
            let end = *quiet_until.get_or_insert(now + QUIET);
            match progress.deadline {
                Some(deadline) if now < end || !is_settled => {
                    let deadline = began + deadline.as_nanos() as i64;
                    system.disk.now = now.max(deadline) + 50_000_000;
                }
                None if rounds < 2 || !is_settled => system.disk.now = now + 1_000_000,
                _ => {
                    self.drain_consumers();
                    self.check_what_is_held();
                    return;
                }
            }
        }
        self.complaints
            .push("the engine does not come to rest".to_owned());
    }

    /// Stops everything for a moment to see whether the trees are equal.
    fn hold_still(&mut self) {
        let kernel = self.kernel();
        let (faults, limit) = (kernel.temper.faults, kernel.workload.limit);
        kernel.temper.faults = 0;
        kernel.workload.limit = 0;
        kernel.system.finish_all();
        self.sync();
        let kernel = self.kernel();
        kernel.temper.faults = faults;
        kernel.workload.limit = limit;
    }

    /// Makes a barrier and compares once it is passed: without waiting for anything to be found out
    /// later, except a root that is gone, which is looked for at intervals.
    fn sync(&mut self) {
        self.note(|| "sync".to_owned());
        self.tell_mounts();
        let mut barrier = self.engine.barrier();
        for _ in 0..PATIENCE {
            let progress = self.step();
            self.serve_all(false);
            if self.engine.is_passed(&mut barrier) {
                self.note(|| "the barrier is passed".to_owned());
                self.drain_consumers();
                let coverage = self.engine.coverage();
                let is_gone = |subtree: &Subtree| subtree.gap == Some(Gap::RootGone);
                // Where the way to a root cannot be watched, it is looked at from time to time.
                let disk = &self.engine.kernel().system.disk;
                let is_unguarded = self.fails && {
                    let is_missing = |scope: &Scope| disk.resolve(&scope.dir, false).is_err();
                    self.armed.iter().any(is_missing)
                };
                if !coverage.iter().any(is_gone) && !is_unguarded {
                    self.compare("after a barrier, ");
                }
                return;
            }
            if let (false, Some(deadline)) = (progress.more, progress.deadline) {
                let deadline = self.began + deadline.as_nanos() as i64;
                let disk = &mut self.kernel().system.disk;
                disk.now = deadline.max(disk.now + 100_000);
            }
        }
        self.complaints.push("a barrier is not passed".to_owned());
    }

    fn compare(&mut self, when: &str) {
        let disk = &self.engine.kernel().system.disk;
        for (at, consumer) in self.consumers.iter().enumerate() {
            for difference in consumer.replica.compare(disk, &self.armed) {
                self.complaints
                    .push(format!("{when}consumer {at}: {difference}"));
            }
        }
    }

    /// Nothing that is not needed is held, and nothing is called a gap that is none.
    fn check_what_is_held(&mut self) {
        let is_permitted = {
            let disk = &self.engine.kernel().system.disk;
            let top = disk.top();
            disk.walk(top).iter().all(|found| {
                let inode = disk.inode(found.inode);
                inode.is_readable && inode.is_searchable
            })
        };
        if let [scope] = &self.armed[..]
            && is_permitted
            && scope.recursive
            && !scope.obeys_rules
        {
            let found = self.engine.counters().entries;
            let disk = &self.engine.kernel().system.disk;
            let top = disk.resolve(&scope.dir, false);
            let top = top.ok().filter(|&top| disk.is_dir(top));
            let there = top.map_or(0, |top| disk.walk(top).len() + 1);
            if found != there as u64 {
                self.complaints.push(format!("{found} entries in the mirror, {there} on the disk"));
            }
        }
        let coverage = self.engine.coverage();
        let watches = self.engine.counters().watches;
        let system = &mut self.kernel().system;
        system.reap();
        let mut complaints = Vec::new();
        if system.disk.opens() > 0 {
            complaints.push(format!("{} handles are open", system.disk.opens()));
        }
        if system.queue.watched().len() as u64 != watches {
            complaints.push(format!(
                "{} watches in the kernel, {watches} in the engine",
                system.queue.watched().len()
            ));
        }
        let has_watches = !system.queue.is_limited();
        for subtree in coverage {
            let is_over = match subtree.gap {
                Some(Gap::OpenFiles | Gap::Failing) => true,
                Some(Gap::WatchLimit) => has_watches,
                Some(Gap::Unreadable) => is_permitted,
                _ => false,
            };
            if is_over {
                complaints.push(format!("a gap that is over: {subtree}"));
            }
        }
        self.complaints.append(&mut complaints);
    }

    fn drain_consumers(&mut self) {
        for at in 0..self.consumers.len() {
            let capacity = std::mem::replace(&mut self.consumers[at].capacity, usize::MAX);
            self.serve(at, true);
            self.serve(at, true);
            if self.engine.folded(self.consumers[at].outlet).0 {
                self.complaints
                    .push(format!("consumer {at} does not get all"));
            }
            self.consumers[at].capacity = capacity;
        }
    }

    fn take_trace(&mut self) -> Vec<String> {
        std::mem::take(&mut self.kernel().system.trace).into_lines()
    }

    fn judge(mut self) -> Result<Report, Failure> {
        self.compare("");
        let Counters {
            records,
            overflows,
            listings,
            ..
        } = self.engine.counters();
        self.report.calls = self.engine.kernel().workload.done as u64;
        (self.report.records, self.report.overflows) = (records, overflows);
        self.report.listings = listings;
        let folds = self
            .consumers
            .iter()
            .map(|consumer| self.engine.folded(consumer.outlet).1);
        self.report.folds = folds.sum();
        if self.complaints.is_empty() {
            return Ok(self.report);
        }
        let trace = self.take_trace();
        Err(Failure {
            seed: self.seed,
            calls: self.calls,
            differences: std::mem::take(&mut self.complaints),
            trace,
        })
    }
}

fn permit_all(system: &mut System) {
    let top = system.disk.top();
    for found in system.disk.walk(top) {
        let inode = system.disk.inode(found.inode);
        if !inode.is_readable || !inode.is_searchable {
            // What was found a moment ago is still there: nobody else is at work.
            let _ = system.chmod(found.dir, &found.name, true, true);
        }
    }
}

/// Where the roots are, last first.
fn scopes(setup: &mut Random, obeys_rules: bool, is_wild: bool) -> Vec<Scope> {
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

/// Makes the tree that is there before anybody watches.
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
