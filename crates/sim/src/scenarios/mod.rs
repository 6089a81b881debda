//! The harness of scenarios: a patient kernel, one consumer, and calls by path.
//!
//! A scenario is a bug that schedules found, or a documented behaviour, in a few calls. Several calls before
//! one step of the engine leave behind what the engine sees when it comes too late.

mod interrupted;
mod linux;
mod roots;
mod windows;
mod windows_kinds;
mod windows_roots;
mod windows_writes;

use std::time::Duration;

use everwatch_core::coverage::Gap;
use everwatch_core::engine::{Engine, Pace, RootId, RootSpec};
use everwatch_core::entry::FileType;
use everwatch_core::event::Event;
use everwatch_core::ignore::{Filter, IgnoreFiles};
use everwatch_core::path::{to_bytes, to_path};
use everwatch_core::{Delivery, OutletId};

use crate::disk::{Content, Disk, Errno, FileSystemTraits, Ino};
use crate::linux::kernel::LinuxKernel;
use crate::linux::queue::Queue;
use crate::random::Stream;
use crate::schedule::checked_tree::CheckedTree;
use crate::schedule::scope::Scope;
use crate::schedule::setup::BEGAN;
use crate::system::System;
use crate::system::calls::{Kind, Permissions};
use crate::trace::Trace;
use crate::workload::Workload;
use crate::workload::mix::Mix;
use crate::world::{SimulatedKernel, Temper, World};

/// A patient kernel, one consumer, and calls by path.
pub(crate) struct Scenario<K: SimulatedKernel = LinuxKernel> {
    pub(crate) engine: Engine<K>,
    outlet: Option<OutletId>,
    tree: CheckedTree,
    scopes: Vec<Scope>,
}

impl Scenario {
    /// A system with the directories `/w/in` and `/w/out` and a queue of `room` records.
    pub(crate) fn new(room: usize) -> Scenario {
        Scenario::over(Scenario::kernel(room, true))
    }

    /// The same on a file system that keeps no birth times.
    pub(crate) fn without_births(room: usize) -> Scenario {
        Scenario::over(Scenario::kernel(room, false))
    }

    /// The same with ignore files that are obeyed, and all of `/w/in` watched.
    pub(crate) fn obeying_rules() -> Scenario {
        Scenario::obeying_rules_over(Scenario::kernel(100, true))
    }

    fn kernel(room: usize, has_births: bool) -> LinuxKernel {
        let traits = FileSystemTraits {
            reuses_numbers: true,
            has_births,
            lists_kinds: true,
            lists_by_hash: false,
            replaces_in_place: true,
            tick: 10_000_000,
            folds_names: false,
        };
        let timing = Stream::Timing.random(0);
        let queue = Queue::new(room, usize::MAX);
        let disk = Disk::new(traits, BEGAN, None);
        let system = System::new(disk, queue, Trace::default(), timing.clone(), 0);
        let workload = Workload::new(Stream::Workload.random(0), Mix::Everything, 0);
        let world = World::new(0, system, workload, Temper::PATIENT, timing);
        LinuxKernel::new(world, Stream::Lateness.random(0))
    }
}

impl<K: SimulatedKernel> Scenario<K> {
    /// The same over a kernel.
    pub(crate) fn over(kernel: K) -> Scenario<K> {
        Scenario::filtered(kernel, Filter::default())
    }

    pub(crate) fn obeying_rules_over(kernel: K) -> Scenario<K> {
        let filter = Filter::new::<&str>(&[], IgnoreFiles::Git).expect("no glob");
        let mut scenario = Scenario::filtered(kernel, filter);
        scenario.add_scope(Scope {
            dir: b"/w/in".to_vec(),
            only: None,
            recursive: true,
            obeys_rules: true,
        });
        scenario.arm();
        scenario
    }

    fn filtered(kernel: K, filter: Filter) -> Scenario<K> {
        let mut scenario = Scenario {
            engine: Engine::new(kernel, filter, Pace::default()),
            outlet: None,
            tree: CheckedTree::default(),
            scopes: Vec::new(),
        };
        for path in ["/w", "/w/in", "/w/out"] {
            scenario.mkdir(path);
        }
        scenario
    }

    /// Watches `/w/in` from now on.
    pub(crate) fn watched(mut self) -> Scenario<K> {
        self.add_root("/w/in", None);
        self.arm();
        self
    }

    pub(crate) fn add_root(&mut self, dir: &str, only: Option<&str>) {
        self.add_scope(Scope {
            dir: dir.as_bytes().to_vec(),
            only: only.map(|only| only.as_bytes().to_vec()),
            recursive: only.is_none(),
            obeys_rules: false,
        });
    }

    /// Adds a root for all below a directory, as soon as that does not fail.
    pub(crate) fn add_root_at_last(&mut self, dir: &str) {
        let scope = Scope {
            dir: dir.as_bytes().to_vec(),
            only: None,
            recursive: true,
            obeys_rules: false,
        };
        let tries = (0..1000).find_map(|_| self.try_scope(scope.clone()));
        tries.expect("not all fails");
    }

    fn add_scope(&mut self, scope: Scope) -> RootId {
        self.try_scope(scope).expect("the root is there")
    }

    fn try_scope(&mut self, scope: Scope) -> Option<RootId> {
        let spec = RootSpec {
            dir: to_path(scope.dir.clone()),
            only: scope.only.clone(),
            recursive: scope.recursive,
            outer: Vec::new(),
        };
        let root = self.engine.add_root(spec).ok()?;
        self.scopes.push(scope);
        Some(root)
    }

    /// Makes `rate` of 1,000 calls fail from now on. `skipped` chooses which: it is how many decisions about that
    /// are thrown away first.
    pub(crate) fn fail(&mut self, rate: u32, skipped: u32) {
        let world = self.engine.kernel_mut().world_mut();
        world.temper.faults = rate;
        for _ in 0..skipped {
            world.fails();
        }
    }

    /// Lets others run while the engine lists a directory.
    pub(crate) fn tear_listings(&mut self) {
        self.engine.kernel_mut().world_mut().temper.torn_listing = 1000;
    }

    /// One consumer, and no root yet.
    pub(crate) fn watching(mut self) -> Scenario<K> {
        self.outlet = Some(self.engine.open_outlet(usize::MAX, Delivery::Prompt));
        self
    }

    /// The same as `sync`, after a missing root would have been looked for.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut reported = Vec::new();
        for _ in 0..4 {
            let events = self.step();
            let changes = events.iter().filter_map(Event::change);
            reported.extend(changes.map(ToString::to_string));
        }
        self.system().disk.now += 200_000_000;
        reported.extend(self.sync());
        reported
    }

    /// Adds a root to those that are watched. What the engine knows of it once it is armed is where the consumer begins.
    pub(crate) fn join(&mut self, dir: &str, recursive: bool) -> RootId {
        self.join_scope(Scope {
            dir: dir.as_bytes().to_vec(),
            only: None,
            recursive,
            obeys_rules: false,
        })
    }

    /// Adds a root for one entry.
    pub(crate) fn join_single(&mut self, dir: &str, name: &str) -> RootId {
        self.join_scope(Scope {
            dir: dir.as_bytes().to_vec(),
            only: Some(name.as_bytes().to_vec()),
            recursive: false,
            obeys_rules: false,
        })
    }

    fn join_scope(&mut self, scope: Scope) -> RootId {
        let known = self.scopes.clone();
        let root = self.add_scope(scope.clone());
        self.step();
        while !self.engine.is_armed() {
            self.step();
        }
        let mut entries = Vec::new();
        if scope.only.is_none() {
            entries.push((to_path(scope.dir.clone()), FileType::Dir));
        }
        self.engine.entries(|path, kind| entries.push((path, kind)));
        let disk = &self.engine.kernel().world().system.disk;
        for (path, kind) in entries {
            let bytes = to_bytes(&path);
            if scope.covers(&bytes) && !known.iter().any(|other| other.covers(&bytes)) {
                self.tree.begin(&path, kind, disk);
            }
        }
        root
    }

    /// Ends the watching of a root.
    pub(crate) fn leave(&mut self, root: RootId) {
        let path = self.engine.root_path(root);
        self.engine.remove_root(root);
        let at = self
            .scopes
            .iter()
            .rposition(|scope| Some(to_path(scope.root_path())) == path);
        let scope = self.scopes.remove(at.expect("it is watched"));
        self.tree.end(&scope, &self.scopes);
    }

    pub(crate) fn arm(&mut self) {
        self.step();
        while !self.engine.is_armed() {
            self.step();
        }
        self.outlet = Some(self.engine.open_outlet(usize::MAX, Delivery::Prompt));
        let mut entries = Vec::new();
        self.engine.entries(|path, kind| entries.push((path, kind)));
        let disk = &self.engine.kernel().world().system.disk;
        for scope in self.scopes.iter().filter(|scope| scope.only.is_none()) {
            let top = to_path(scope.dir.clone());
            self.tree.begin(&top, FileType::Dir, disk);
        }
        for (path, kind) in entries {
            self.tree.begin(&path, kind, disk);
        }
    }

    pub(crate) fn system(&mut self) -> &mut System {
        &mut self.engine.kernel_mut().world_mut().system
    }

    /// The directory of a path and its last name.
    fn at<'a>(&mut self, path: &'a str) -> (Ino, &'a [u8]) {
        at(self.system(), path)
    }

    /// Lets something happen after the engine has asked this many further questions, behind what was to happen before.
    pub(crate) fn interrupt(&mut self, questions: u32, happens: fn(&mut System)) {
        let interruptions = &mut self.engine.kernel_mut().world_mut().interruptions;
        interruptions.push_back((questions, happens));
    }

    /// Whether all that was to interrupt the engine has happened.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.engine.kernel().world().interruptions.is_empty()
    }

    pub(crate) fn make(&mut self, path: &str, kind: Kind<'_>) {
        let (dir, name) = self.at(path);
        self.system().make(dir, name, kind).expect("it can be made");
    }

    pub(crate) fn mkdir(&mut self, path: &str) {
        self.make(path, Kind::Dir);
    }

    pub(crate) fn create(&mut self, path: &str) {
        self.make(path, Kind::File);
    }

    pub(crate) fn write(&mut self, path: &str) {
        let (dir, name) = self.at(path);
        self.system().write(dir, name).expect("it can be written");
    }

    /// Writes to a file so that nothing shows it: its size and its times stay, as they do within a tick.
    fn write_unseen(&mut self, path: &str) {
        let (dir, name) = self.at(path);
        let ino = self.system().disk.lookup(dir, name).expect("it is there");
        let before = self.system().disk.inode(ino).clone();
        self.write(path);
        let inode = self.system().disk.inode_mut(ino);
        (inode.modified, inode.changed) = (before.modified, before.changed);
        inode.size = before.size;
    }

    /// Writes to a file, whose record is among those that are lost.
    fn write_unrecorded(&mut self, path: &str) {
        let (dir, name) = self.at(path);
        let disk = &mut self.system().disk;
        let ino = disk.lookup(dir, name).expect("it is there");
        let (version, stamp) = (disk.next_version(), disk.stamp());
        let inode = disk.inode_mut(ino);
        inode.content = Content::File(version);
        (inode.modified, inode.changed) = (stamp, stamp);
    }

    pub(crate) fn link(&mut self, path: &str, other: &str) {
        let (dir, name) = self.at(path);
        let ino = self.system().disk.lookup(dir, name).expect("it is there");
        let (dir, name) = self.at(other);
        self.system()
            .link(ino, dir, name)
            .expect("it can be linked");
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let (from, to) = (self.at(from), self.at(to));
        self.system()
            .rename(from, to, false)
            .expect("it can be renamed");
    }

    /// Mounts an empty file system on a directory.
    fn mount(&mut self, path: &str) {
        let covered = self.system().disk.resolve(path.as_bytes());
        let covered = covered.expect("the directory is there");
        self.system()
            .mount(covered, None)
            .expect("it can be mounted");
    }

    /// Unmounts what is mounted on a directory as soon as nothing on it is open.
    fn unmount_lazily(&mut self, path: &str) {
        let (dir, name) = self.at(path);
        let covered = self.system().disk.entry(dir, name);
        let covered = covered.expect("the directory is there");
        let unmounted = self.system().unmount(covered, true);
        unmounted.expect("it is mounted");
    }

    /// Reports to the engine what was mounted and unmounted.
    fn report_mounts(&mut self) {
        let paths = self.system().changed_mounts();
        let paths: Vec<_> = paths.into_iter().map(to_path).collect();
        self.engine.mounts_changed(&paths);
    }

    /// What the engine says of the coverage of a path.
    fn gap(&self, path: &str) -> Option<Gap> {
        let coverage = self.engine.coverage();
        let named = coverage
            .iter()
            .find(|named| named.path.to_str() == Some(path));
        named.and_then(|named| named.gap)
    }

    fn exchange(&mut self, one: &str, other: &str) {
        let (one, other) = (self.at(one), self.at(other));
        self.system()
            .rename(one, other, true)
            .expect("they can be exchanged");
    }

    /// Lets `seconds` pass, in which nothing happens.
    pub(crate) fn pass(&mut self, seconds: i64) {
        self.system().disk.now += seconds * 1_000_000_000;
        self.sync();
    }

    /// Removes what is no directory.
    pub(crate) fn remove(&mut self, path: &str) {
        let (dir, name) = self.at(path);
        self.system().unlink(dir, name).expect("it can be removed");
    }

    pub(crate) fn try_rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let (from, to) = (self.at(from), self.at(to));
        self.system().rename(from, to, false)
    }

    pub(crate) fn rmdir(&mut self, path: &str) {
        let (dir, name) = self.at(path);
        self.system().rmdir(dir, name).expect("it can be removed");
    }

    pub(crate) fn permit(&mut self, path: &str, permits: bool) {
        let (dir, name) = self.at(path);
        let permitted = self.system().chmod(
            dir,
            name,
            Permissions {
                readable: permits,
                searchable: permits,
            },
        );
        permitted.expect("it is there");
    }

    /// Changes whether a directory, which can be listed, can be searched.
    fn search(&mut self, path: &str, permits: bool) {
        let (dir, name) = self.at(path);
        let permitted = self.system().chmod(
            dir,
            name,
            Permissions {
                readable: true,
                searchable: permits,
            },
        );
        permitted.expect("it is there");
    }

    pub(crate) fn step(&mut self) -> Vec<Event> {
        let now = self.system().disk.now - BEGAN;
        let progress = self.engine.step(Duration::from_nanos(now as u64));
        if let (false, Some(deadline)) = (progress.more, progress.deadline) {
            let disk = &mut self.system().disk;
            disk.now = disk.now.max(BEGAN + deadline.as_nanos() as i64);
        }
        let events = self
            .outlet
            .map(|outlet| self.engine.take(outlet))
            .unwrap_or_default();
        let disk = &self.engine.kernel().world().system.disk;
        for event in &events {
            self.tree.apply(event, disk);
        }
        events
    }

    /// Lets the engine find out what happened. The consumer's tree has to be the disk's then. Returns
    /// the changes that were reported.
    pub(crate) fn sync(&mut self) -> Vec<String> {
        let reported = self.sync_kinds();
        reported.into_iter().map(|(change, _)| change).collect()
    }

    /// The same, with whether each is about a directory.
    pub(crate) fn sync_kinds(&mut self) -> Vec<(String, bool)> {
        let mut barrier = self.engine.barrier();
        let mut reported = Vec::new();
        for _ in 0..1000 {
            let events = self.step();
            let changes = events.iter().filter_map(Event::change);
            reported.extend(
                changes.map(|change| (change.to_string(), change.file_type == FileType::Dir)),
            );
            if self.engine.is_passed(&mut barrier) {
                self.system().reap();
                let disk = &self.engine.kernel().world().system.disk;
                let differences = self.tree.differences(disk, &self.scopes);
                assert!(
                    differences.is_empty(),
                    "{differences:#?}\nafter {reported:#?}"
                );
                return reported;
            }
        }
        panic!("the barrier is not passed, after {reported:#?}");
    }
}

/// The directory of a path and its last name.
fn at<'a>(system: &System, path: &'a str) -> (Ino, &'a [u8]) {
    let (dir, name) = path.rsplit_once('/').expect("an absolute path");
    let dir = system.disk.resolve(dir.as_bytes());
    (dir.expect("the directory is there"), name.as_bytes())
}
