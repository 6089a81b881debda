//! The engine on a disk that changes at any moment, with records that may be lost or untrue.
//!
//! With any records:
//!
//! - nothing panics, and the engine comes to rest once nothing happens any more;
//! - the feed, applied, is what the engine says the tree is ([`Engine::entries`]), also for a consumer
//!   that hardly ever has room;
//! - that is the tree on disk, and no file was written since it was last reported, if all records
//!   were true, lost ones included; if some were not, it is the tree after the next overflow.
//!
//! With `EVERWATCH_FUZZ_WILD` set, roots lie in each other, come twice and go again as well. With
//! `EVERWATCH_FUZZ_INPUT` set, everything that happens is printed.

use std::path::Path;
use std::time::Duration;

use everwatch_core::coverage::{Coverage, Gap};
use everwatch_core::engine::{Pace, RootId, RootSpec};
use everwatch_core::entry::FileType;
use everwatch_core::ignore::Filter;
use everwatch_core::path::to_path;
use everwatch_core::time::FileTime;
use everwatch_core::tree::Tree;
use everwatch_core::{Delivery, Engine, OutletId};
use everwatch_testing::bytes::Bytes;

use super::processes::{HostileProcesses, OPERATIONS};
use crate::disk::{Disk, FileSystemTraits};
use crate::linux::kernel::LinuxKernel;
use crate::linux::queue::Queue;
use crate::random::Stream;
use crate::schedule::checked_tree::CheckedTree;
use crate::schedule::scope::Scope;
use crate::schedule::setup::BEGAN;
use crate::system::System;
use crate::system::calls::Kind;
use crate::trace::Trace;
use crate::world::{Temper, World};

/// What may be watched. The first two have nothing to do with each other.
const ROOTS: [&str; 4] = ["/r", "/q", "/r/a", "/q/a/b"];

/// How many of the roots a run chooses from unless roots may lie in each other.
const SEPARATE_ROOTS: usize = 2;

/// Steps after which an engine that is left alone must have come to rest.
const PATIENCE: usize = 2_000;

/// Nanoseconds between two steps while the engine is left alone.
const REST: FileTime = 50_000_000;

/// Nanoseconds between two steps otherwise.
const STEP: FileTime = 2_000_000;

struct Run<'a> {
    engine: Engine<LinuxKernel<HostileProcesses<'a>>>,
    roots: Vec<(Scope, RootId)>,
    /// Roots may lie in each other.
    is_wild: bool,
    /// A consumer that keeps up, and one that the bytes let take a little now and then.
    consumers: [(OutletId, CheckedTree); 2],
}

/// The body of the fuzz target `hostile_records`.
///
/// # Panics
///
/// If one of the promises above is broken.
pub fn run(data: &[u8]) {
    let is_traced = std::env::var_os("EVERWATCH_FUZZ_INPUT").is_some();
    let trace = if is_traced {
        Trace::Printed
    } else {
        Trace::Off
    };
    let mut engine = Engine::new(kernel(data, trace), Filter::default(), Pace::default());
    let consumers = [usize::MAX, 0].map(|room| {
        (
            engine.open_outlet(room, Delivery::Prompt),
            CheckedTree::default(),
        )
    });
    let mut run = Run {
        engine,
        roots: Vec::new(),
        is_wild: std::env::var_os("EVERWATCH_FUZZ_WILD").is_some(),
        consumers,
    };
    run.add_root();
    while !run.processes().bytes.is_empty() {
        let code = run.processes().bytes.byte();
        match (code % (OPERATIONS + 8)).checked_sub(OPERATIONS) {
            None => {
                let World {
                    system, workload, ..
                } = run.engine.kernel_mut().world_mut();
                workload.operate(system, code % (OPERATIONS + 8));
            }
            Some(0) => run.take(usize::from(code)),
            Some(1) => run.rest(),
            Some(2) => run.add_root(),
            Some(3) if run.is_wild => run.remove_root(),
            Some(_) => run.step(),
        }
    }
    run.rest();
    let was_odd = run.processes().has_lied || run.processes().has_denied;
    run.allow_all();
    if was_odd {
        run.system().queue.overflow();
        run.rest();
    }
    run.check();
}

/// A kernel over the directories `/r`, `/q` and `/out`. The first byte says how the file system and the
/// kernel are, the others are for the processes.
pub(super) fn kernel(data: &[u8], trace: Trace) -> LinuxKernel<HostileProcesses<'_>> {
    let mut bytes = Bytes::new(data);
    let kind = bytes.byte();
    let has = |bit: u8| kind & (1 << bit) != 0;
    let traits = FileSystemTraits {
        reuses_numbers: has(0),
        has_births: !has(1),
        lists_kinds: !has(2),
        lists_by_hash: has(3),
        replaces_in_place: has(4),
        tick: if has(5) { 10_000_000 } else { 1 },
        folds_names: false,
    };
    let temper = Temper {
        // The bytes alone decide whether something happens during a call.
        busy: 1000,
        torn_listing: if has(6) { 300 } else { 0 },
        slices: if has(6) { 300 } else { 0 },
        faults: 0,
        haste: 1,
    };
    let lag = if has(7) { 300 } else { 0 };
    let seed = u64::from(kind);
    let timing = Stream::Timing.random(seed);
    let queue = Queue::new(usize::MAX, usize::MAX);
    let mut system = System::new(
        Disk::new(traits, BEGAN, None),
        queue,
        trace,
        timing.clone(),
        lag,
    );
    let top = system.disk.top();
    for name in [b"r".as_slice(), b"q", b"out"] {
        system.make(top, name, Kind::Dir).expect("the name is free");
    }
    system.finish_all();
    let world = World::new(seed, system, HostileProcesses::new(bytes), temper, timing);
    LinuxKernel::new(world, Stream::Lateness.random(seed))
}

impl<'a> Run<'a> {
    fn processes(&mut self) -> &mut HostileProcesses<'a> {
        &mut self.engine.kernel_mut().world_mut().workload
    }

    fn system(&mut self) -> &mut System {
        &mut self.engine.kernel_mut().world_mut().system
    }

    fn disk(&self) -> &Disk {
        &self.engine.kernel().world().system.disk
    }

    fn now(&self) -> Duration {
        Duration::from_nanos((self.disk().now - BEGAN) as u64)
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        self.system().trace.note(line);
    }

    /// Adds a root and arms it. Consumers begin again, each with a snapshot.
    fn add_root(&mut self) {
        let choices = if self.is_wild {
            ROOTS.len()
        } else {
            SEPARATE_ROOTS
        };
        let root = ROOTS[self.processes().bytes.below(choices)];
        let is_known = |(scope, _): &(Scope, RootId)| scope.dir == root.as_bytes();
        if !self.is_wild && self.roots.iter().any(is_known) {
            return;
        }
        for _ in 0..PATIENCE {
            if self.engine.can_arm() {
                break;
            }
            self.step();
        }
        let scope = Scope {
            dir: root.as_bytes().to_vec(),
            only: None,
            recursive: true,
            obeys_rules: false,
        };
        let spec = RootSpec {
            dir: root.into(),
            only: None,
            recursive: true,
            outer: Vec::new(),
        };
        // There may be no such directory.
        let Ok(id) = self.engine.add_root(spec) else {
            return;
        };
        self.note(|| format!("watch {root}"));
        self.roots.push((scope, id));
        for _ in 0..PATIENCE {
            if self.engine.is_armed() {
                return self.begin();
            }
            self.step();
        }
        panic!("{root} is not armed after {PATIENCE} steps");
    }

    fn begin(&mut self) {
        let mut entries = Vec::new();
        self.engine
            .entries(|path, file_type| entries.push((path, file_type)));
        let rooms = [usize::MAX, 0];
        for ((outlet, tree), room) in self.consumers.iter_mut().zip(rooms) {
            self.engine.close_outlet(*outlet);
            *outlet = self.engine.open_outlet(room, Delivery::Prompt);
            *tree = CheckedTree::default();
            let coverage = self.engine.coverage();
            let disk = &self.engine.kernel().world().system.disk;
            for (scope, _) in &self.roots {
                let root = to_path(scope.dir.clone());
                let is_gone =
                    |part: &Coverage| part.gap == Some(Gap::RootGone) && part.path == root;
                if !coverage.iter().any(is_gone) {
                    tree.begin(&root, FileType::Dir, disk);
                }
                if self.is_wild {
                    tree.inner_roots.push(root);
                }
            }
            for (path, file_type) in &entries {
                tree.begin(path, *file_type, disk);
            }
        }
    }

    /// Ends watching a root. Entries that no other root covers leave the trees of the consumers.
    fn remove_root(&mut self) {
        let count = self.roots.len();
        let at = self.processes().bytes.below(count);
        if at >= count {
            return;
        }
        let (scope, id) = self.roots.swap_remove(at);
        // What is in a feed already stays there.
        for consumer in 0..self.consumers.len() {
            self.listen(consumer);
        }
        self.note(|| format!("unwatch {}", scope.dir.escape_ascii()));
        self.engine.remove_root(id);
        let left: Vec<Scope> = self.roots.iter().map(|(scope, _)| scope.clone()).collect();
        for (_, tree) in &mut self.consumers {
            tree.end(&scope, &left);
        }
    }

    /// Lets time pass between two steps. No call takes as long as that to queue its records.
    fn pass(&mut self, time: FileTime) {
        let system = self.system();
        system.finish_all();
        system.disk.now += time;
    }

    fn step(&mut self) {
        self.pass(STEP);
        self.engine.step(self.now());
        self.listen(0);
    }

    /// A consumer takes what there is for it.
    fn listen(&mut self, consumer: usize) {
        let (outlet, tree) = &mut self.consumers[consumer];
        let events = self.engine.take(*outlet);
        let system = &mut self.engine.kernel_mut().world_mut().system;
        for event in events {
            system.trace.note(|| format!("  {consumer} -> {event}"));
            tree.apply(&event, &system.disk);
        }
    }

    /// Lets the slow consumer take a few events.
    fn take(&mut self, room: usize) {
        let outlet = self.consumers[1].0;
        self.engine.set_room(outlet, room);
        self.engine.flush(outlet);
        self.listen(1);
    }

    /// Steps until a barrier is passed and a missing root would have been looked for.
    fn rest(&mut self) {
        self.note(|| "rest".to_owned());
        // What happens before a barrier has queued its records before.
        self.system().finish_all();
        let mut barrier = self.engine.barrier();
        let mut quiet = 0;
        for _ in 0..PATIENCE {
            self.pass(REST);
            let progress = self.engine.step(self.now());
            self.listen(0);
            let rests = !progress.more && self.engine.is_passed(&mut barrier);
            quiet = if rests { quiet + 1 } else { 0 };
            if quiet == 8 {
                return;
            }
        }
        panic!("no rest after {PATIENCE} steps");
    }

    /// Lets everything be opened and watched again, without a record.
    fn allow_all(&mut self) {
        let system = self.system();
        system.queue.set_watch_limit(usize::MAX);
        for found in system.disk.walk(system.disk.top()) {
            system.disk.inode_mut(found.inode).is_readable = true;
        }
    }

    fn check(&mut self) {
        self.take(usize::MAX);
        let mut known = Tree::new();
        self.engine
            .entries(|path, file_type| known.insert(path, file_type));
        let scopes: Vec<Scope> = self.roots.iter().map(|(scope, _)| scope.clone()).collect();
        let checks_contents = !self.processes().has_lied;
        for (at, (_, tree)) in self.consumers.iter().enumerate() {
            // Roots are entries of their own for their consumers, but not of every tree.
            let is_root = |path: &Path| ROOTS.iter().any(|root| path == Path::new(root));
            let mut differences = tree.differences_from(&known);
            differences.retain(|difference| !is_root(&difference.path));
            assert!(
                differences.is_empty(),
                "consumer {at} has another tree (here) than the engine (there): {differences:#?}"
            );
            let differences = match checks_contents {
                true => tree.differences(self.disk(), &scopes),
                false => tree.structure_differences(self.disk(), &scopes),
            };
            assert!(differences.is_empty(), "consumer {at}: {differences:#?}");
        }
    }
}
