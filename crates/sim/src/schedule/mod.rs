//! One schedule: a tree, roots, consumers, and a hostile kernel, all from one integer.
//!
//! The engine is driven as `engine::Seat` drives it. When the operations are over and all is quiet,
//! the tree of every consumer has to be the tree on the disk.

pub(crate) mod checked_tree;
mod convergence_check;
pub(crate) mod expected_tree;
pub(crate) mod outcome;
pub(crate) mod platform;
pub(crate) mod scope;
pub(crate) mod search;
pub(crate) mod setup;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use everwatch_core::coverage::Gap;
use everwatch_core::engine::{Engine, Progress, RootId, RootSpec};
use everwatch_core::entry::FileType;
use everwatch_core::event::Event;
use everwatch_core::path::{to_bytes, to_path};
use everwatch_core::time::{FileTime, Moment};
use everwatch_core::{Delivery, OutletId};

use crate::disk::Disk;
use crate::random::Random;
use crate::schedule::checked_tree::CheckedTree;
use crate::schedule::outcome::Report;
use crate::schedule::platform::Platform;
use crate::schedule::scope::Scope;
use crate::world::{SimulatedKernel, World};

/// A call on Windows has reported what it has done before so long is over, in nanoseconds: less than the
/// clock of files is allowed to be wrong by.
const LONG: FileTime = 10_000_000;

/// Schedules from this number on are wild: calls fail for no reason, file systems come and go, ignore
/// rules change, and there are several roots, in each other, behind links, added and removed at any
/// time. The others have one root, whose directory comes and goes, and all else that a sound kernel
/// does to a watcher.
pub const WILD: u64 = 1 << 40;

/// Schedules from this number on are wild, and have several roots out of all that can lie in each
/// other; one that was removed may be added again.
pub const NESTED: u64 = 1 << 41;

pub(crate) fn is_wild(seed: u64) -> bool {
    Platform::of(seed).1 >= WILD
}

pub(crate) fn is_nested(seed: u64) -> bool {
    Platform::of(seed).1 >= NESTED
}

#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) outlet: OutletId,
    pub(crate) delivery: Delivery,
    /// Events it holds until it gets round to them.
    pub(crate) held: VecDeque<Event>,
    pub(crate) capacity: usize,
    /// How often, out of a thousand, it takes the next event.
    pub(crate) zeal: u32,
    pub(crate) tree: CheckedTree,
}

pub(crate) struct Schedule<K: SimulatedKernel> {
    pub(crate) seed: u64,
    pub(crate) calls: usize,
    pub(crate) engine: Engine<K>,
    pub(crate) random: Random,
    /// Roots to be added, last first.
    pub(crate) wanted: Vec<Scope>,
    pub(crate) armed: Vec<Scope>,
    /// The names of the roots in `armed`.
    pub(crate) roots: Vec<RootId>,
    /// A root is being armed.
    pub(crate) arming: Option<(RootId, Scope)>,
    pub(crate) consumers: Vec<Consumer>,
    /// The simulated time at which the engine's clock was zero.
    pub(crate) began: i64,
    pub(crate) report: Report,
    /// What is wrong.
    pub(crate) complaints: Vec<String>,
    /// How often, out of a thousand, all stops after a step so that the trees can be compared.
    pub(crate) sync_rate: u32,
    /// Things fail for no reason.
    pub(crate) fails: bool,
}

impl<K: SimulatedKernel> Schedule<K> {
    /// Runs the operations with the engine and the consumers beside them, and checks what has become of them
    /// at the end.
    pub(crate) fn run(&mut self) {
        while self.complaints.is_empty() && self.world().workload.done < self.world().workload.limit
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

    pub(crate) fn kernel(&mut self) -> &mut K {
        self.engine.kernel_mut()
    }

    pub(crate) fn world(&mut self) -> &mut World {
        self.engine.kernel_mut().world_mut()
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.engine.kernel().world().system.disk
    }

    fn now(&mut self) -> Moment {
        let began = self.began;
        Duration::from_nanos((self.world().system.disk.now - began) as u64)
    }

    fn is_set_up(&self) -> bool {
        self.wanted.is_empty() && self.arming.is_none()
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        self.world().system.trace.note(line);
    }

    /// Lets the engine make one step. When the root that is being added is armed, consumers begin with its
    /// entries.
    pub(crate) fn step(&mut self) -> Progress {
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
            self.note_inner_roots();
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
            consumer.tree.end(&scope, &self.armed);
        }
        if is_nested(self.seed) && self.random.chance(500) {
            self.wanted.push(scope);
        }
    }

    /// Adds a consumer, which begins with what the engine knows. Next to a root that is a single entry, it
    /// has room for everything and takes it at once.
    fn open_outlet(&mut self) {
        let mut delivery = match self.random.chance(200) {
            true => Delivery::Settled,
            false => Delivery::Prompt,
        };
        let mut capacity = self.random.pick(&[1, 2, 5, 20, 1000, 1000]);
        if self.armed.iter().any(|scope| scope.only.is_some()) {
            (delivery, capacity) = (Delivery::Prompt, usize::MAX);
        }
        let zeal = self.random.pick(&[1000, 900, 300, 20]);
        let outlet = self.engine.open_outlet(capacity, delivery);
        let mut consumer = Consumer {
            outlet,
            delivery,
            held: VecDeque::new(),
            capacity,
            zeal,
            tree: CheckedTree::default(),
        };
        let mut entries: Vec<(PathBuf, FileType)> = Vec::new();
        self.engine.entries(|path, kind| entries.push((path, kind)));
        let coverage = self.engine.coverage();
        let disk = &self.engine.kernel().world().system.disk;
        let singles = self.armed.iter().filter(|scope| scope.only.is_some());
        let inner = singles.filter(|scope| self.is_inner(scope));
        consumer
            .tree
            .inner_roots
            .extend(inner.map(|scope| to_path(scope.root_path())));
        for scope in self.armed.iter().filter(|scope| scope.only.is_none()) {
            // It is not one of the entries, but known unless its coverage says that it is gone.
            let is_known = !coverage.iter().any(|subtree| {
                subtree.gap == Some(Gap::RootGone) && subtree.path == to_path(scope.dir.clone())
            });
            if is_known {
                consumer
                    .tree
                    .begin(&to_path(scope.dir.clone()), FileType::Dir, disk);
            }
            if self.is_inner(scope) {
                consumer.tree.inner_roots.push(to_path(scope.root_path()));
            }
        }
        for (path, kind) in &entries {
            consumer.tree.begin(path, *kind, disk);
        }
        let (count, id) = (entries.len(), self.consumers.len());
        self.note(|| {
            format!("outlet {id}: capacity {capacity} {delivery:?} zeal {zeal}, {count} entries")
        });
        self.consumers.push(consumer);
    }

    /// Whether the root lies in another root's tree.
    fn is_inner(&self, scope: &Scope) -> bool {
        self.armed.iter().any(|other| {
            other.only.is_none() && other.dir != scope.dir && scope.dir.starts_with(&other.dir)
        })
    }

    /// Notes which roots lie in the trees of others. A root may come to do so after it was added.
    fn note_inner_roots(&mut self) {
        let inner = self.armed.iter().filter(|scope| self.is_inner(scope));
        let inner: Vec<PathBuf> = inner.map(|scope| to_path(scope.root_path())).collect();
        for consumer in &mut self.consumers {
            for path in &inner {
                if !consumer.tree.inner_roots.contains(path) {
                    consumer.tree.inner_roots.push(path.clone());
                }
            }
        }
    }

    /// What a new root began with is known to the caller who asked for it.
    fn take_over(&mut self, scope: &Scope) {
        if is_nested(self.seed) {
            // What they heard before is older.
            self.drain_consumers();
        }
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
        let disk = &self.engine.kernel().world().system.disk;
        for consumer in &mut self.consumers {
            for (path, kind) in &entries {
                consumer.tree.begin(path, *kind, disk);
            }
        }
    }

    pub(crate) fn serve_all(&mut self, is_quiet: bool) {
        for at in 0..self.consumers.len() {
            self.serve(at, is_quiet);
        }
    }

    pub(crate) fn serve(&mut self, at: usize, is_quiet: bool) {
        let consumer = &mut self.consumers[at];
        let may_flush = consumer.delivery == Delivery::Prompt || is_quiet || self.random.chance(30);
        let room = consumer.capacity.saturating_sub(consumer.held.len());
        self.engine.set_room(consumer.outlet, room);
        if self.engine.folded(consumer.outlet).0 {
            consumer.tree.joins_others = true;
            if may_flush {
                self.engine.flush(consumer.outlet);
            }
        }
        let events = self.engine.take(consumer.outlet);
        let system = &mut self.engine.kernel_mut().world_mut().system;
        for event in &events {
            system.trace.note(|| format!("      out {at}: {event}"));
        }
        consumer.held.extend(events);
        while is_quiet || self.random.chance(consumer.zeal) {
            let Some(event) = consumer.held.pop_front() else {
                break;
            };
            consumer.tree.apply(&event, &system.disk);
            self.report.events += u64::from(event.change().is_some());
        }
    }

    /// The engine waits for something to happen.
    fn wait(&mut self, progress: &Progress) {
        let random = self.random.bits();
        let deadline = progress.deadline;
        let began = self.began;
        let kernel = self.kernel();
        kernel.others_run();
        let is_idle = kernel.is_idle();
        let World {
            system, workload, ..
        } = kernel.world_mut();
        if is_idle && !system.have_mounts_changed() {
            match deadline {
                Some(deadline) if random.is_multiple_of(4) => {
                    let deadline = began + deadline.as_nanos() as i64;
                    let left = deadline - system.disk.now;
                    pass(kernel, left);
                }
                _ => {
                    workload.step(system);
                }
            }
            if random % 64 == 1 {
                pass(kernel, 100_000_000);
            }
        }
        self.report_mounts();
    }

    pub(crate) fn report_mounts(&mut self) {
        if !self.world().system.have_mounts_changed() {
            return;
        }
        let paths = self.world().system.changed_mounts();
        if !paths.is_empty() {
            let paths: Vec<PathBuf> = paths.into_iter().map(to_path).collect();
            self.note(|| format!("  mounts changed: {paths:?}"));
            self.engine.mounts_changed(&paths);
        }
    }
}

/// Lets time pass, unless something comes that the engine is woken for.
fn pass(kernel: &mut impl SimulatedKernel, time: FileTime) {
    let system = &mut kernel.world_mut().system;
    if system.nt.is_some() && time > LONG {
        system.finish_all();
        if !kernel.is_idle() {
            return;
        }
    }
    kernel.world_mut().system.disk.now += time.max(0);
}
