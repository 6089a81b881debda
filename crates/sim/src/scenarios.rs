//! Bugs that schedules found and that can be told in a few calls. What several calls before one step
//! of the engine leave behind is what it sees when it comes too late.

use std::time::Duration;

use everwatch_core::OutletId;
use everwatch_core::engine::{Engine, Pace, RootId, RootSpec};
use everwatch_core::entry::FileType;
use everwatch_core::event::{ChangeKind, Event};
use everwatch_core::ignore::Filter;
use everwatch_core::path::{to_bytes, to_path};

use super::calls::Kind;
use super::disk::{Disk, Errno, Habits, Ino};
use super::kernel::Simulated;
use super::mix::Mix;
use super::queue::Queue;
use super::random::Stream;
use super::replica::{Replica, Scope};
use super::setup::BEGAN;
use super::system::System;
use super::trace::Trace;
use super::workload::Workload;
use super::world::{Stage, Temper, World};

/// A patient kernel, one consumer, and calls by path.
pub(super) struct Scenario<K: Stage = Simulated> {
    pub(super) engine: Engine<K>,
    outlet: Option<OutletId>,
    replica: Replica,
    scopes: Vec<Scope>,
}

impl Scenario {
    /// A system with the directories `/w/in` and `/w/out` and room for so many records.
    pub(super) fn new(room: usize) -> Scenario {
        let habits = Habits {
            reuses_numbers: true,
            has_births: true,
            tells_kinds: true,
            lists_by_hash: false,
            replaces_in_place: true,
            tick: 10_000_000,
            folds_names: false,
        };
        let timing = Stream::Timing.random(0);
        let queue = Queue::new(room, usize::MAX);
        let disk = Disk::new(habits, BEGAN, None);
        let system = System::new(disk, queue, Trace::default(), timing.clone(), 0);
        let workload = Workload::new(Stream::Workload.random(0), Mix::Everything, 0);
        let world = World::new(0, system, workload, Temper::PATIENT, timing);
        Scenario::over(Simulated::new(world, Stream::Lateness.random(0)))
    }
}

impl<K: Stage> Scenario<K> {
    /// The same over a kernel.
    pub(super) fn over(kernel: K) -> Scenario<K> {
        let mut scenario = Scenario {
            engine: Engine::new(kernel, Filter::default(), Pace::default()),
            outlet: None,
            replica: Replica::default(),
            scopes: Vec::new(),
        };
        for path in ["/w", "/w/in", "/w/out"] {
            scenario.mkdir(path);
        }
        scenario
    }

    /// Watches `/w/in` from now on.
    pub(super) fn watched(mut self) -> Scenario<K> {
        self.add_root("/w/in", None);
        self.arm();
        self
    }

    pub(super) fn add_root(&mut self, dir: &str, only: Option<&str>) {
        self.add_scope(Scope {
            dir: dir.as_bytes().to_vec(),
            only: only.map(|only| only.as_bytes().to_vec()),
            recursive: only.is_none(),
            obeys_rules: false,
        });
    }

    fn add_scope(&mut self, scope: Scope) -> RootId {
        let spec = RootSpec {
            dir: to_path(scope.dir.clone()),
            only: scope.only.clone(),
            recursive: scope.recursive,
            outer: Vec::new(),
        };
        let root = self.engine.add_root(spec).expect("the root is there");
        self.scopes.push(scope);
        root
    }

    /// One consumer, and no root yet.
    pub(super) fn watching(mut self) -> Scenario<K> {
        self.outlet = Some(self.engine.open_outlet(usize::MAX, false));
        self
    }

    /// The same as `sync`, after a missing root would have been looked for.
    pub(super) fn rest(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..4 {
            let events = self.step();
            let changes = events.iter().filter_map(Event::change);
            told.extend(changes.map(ToString::to_string));
        }
        self.system().disk.now += 200_000_000;
        told.extend(self.sync());
        told
    }

    /// Adds a root to those that are watched. Whoever asks for it finds out what is in it.
    pub(super) fn join(&mut self, dir: &str, recursive: bool) -> RootId {
        let scope = Scope {
            dir: dir.as_bytes().to_vec(),
            only: None,
            recursive,
            obeys_rules: false,
        };
        let known = self.scopes.clone();
        let root = self.add_scope(scope.clone());
        self.step();
        while !self.engine.is_armed() {
            self.step();
        }
        let mut entries = vec![(to_path(scope.dir.clone()), FileType::Dir)];
        self.engine.entries(|path, kind| entries.push((path, kind)));
        let disk = &self.engine.kernel().world().system.disk;
        for (path, kind) in entries {
            let bytes = to_bytes(&path);
            if scope.covers(&bytes) && !known.iter().any(|other| other.covers(&bytes)) {
                self.replica.begin(&path, kind, disk);
            }
        }
        root
    }

    /// Ends the watching of a root.
    pub(super) fn leave(&mut self, root: RootId, dir: &str) {
        self.engine.remove_root(root);
        let at = self
            .scopes
            .iter()
            .rposition(|scope| scope.dir == dir.as_bytes());
        let scope = self.scopes.remove(at.expect("it is watched"));
        self.replica.end(&scope, &self.scopes);
    }

    pub(super) fn arm(&mut self) {
        self.step();
        while !self.engine.is_armed() {
            self.step();
        }
        self.outlet = Some(self.engine.open_outlet(usize::MAX, false));
        let mut entries = Vec::new();
        self.engine.entries(|path, kind| entries.push((path, kind)));
        let disk = &self.engine.kernel().world().system.disk;
        for scope in self.scopes.iter().filter(|scope| scope.only.is_none()) {
            let top = to_path(scope.dir.clone());
            self.replica.begin(&top, FileType::Dir, disk);
        }
        for (path, kind) in entries {
            self.replica.begin(&path, kind, disk);
        }
    }

    pub(super) fn system(&mut self) -> &mut System {
        &mut self.engine.kernel_mut().world_mut().system
    }

    /// The directory of a path and its last name.
    fn at<'a>(&mut self, path: &'a str) -> (Ino, &'a [u8]) {
        let (dir, name) = path.rsplit_once('/').expect("an absolute path");
        let dir = self.system().disk.resolve(dir.as_bytes(), false);
        (dir.expect("the directory is there"), name.as_bytes())
    }

    pub(super) fn make(&mut self, path: &str, kind: Kind<'_>) {
        let (dir, name) = self.at(path);
        self.system().make(dir, name, kind).expect("it can be made");
    }

    pub(super) fn mkdir(&mut self, path: &str) {
        self.make(path, Kind::Dir);
    }

    pub(super) fn create(&mut self, path: &str) {
        self.make(path, Kind::File);
    }

    pub(super) fn write(&mut self, path: &str) {
        let (dir, name) = self.at(path);
        self.system().write(dir, name).expect("it can be written");
    }

    pub(super) fn link(&mut self, path: &str, other: &str) {
        let (dir, name) = self.at(path);
        let ino = self.system().disk.lookup(dir, name).expect("it is there");
        let (dir, name) = self.at(other);
        self.system()
            .link(ino, dir, name)
            .expect("it can be linked");
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        let (from, to) = (self.at(from), self.at(to));
        self.system()
            .rename(from, to, false)
            .expect("it can be renamed");
    }

    fn exchange(&mut self, one: &str, other: &str) {
        let (one, other) = (self.at(one), self.at(other));
        self.system()
            .rename(one, other, true)
            .expect("they can be exchanged");
    }

    /// Lets so many seconds pass, in which nothing happens.
    pub(super) fn pass(&mut self, seconds: i64) {
        self.system().disk.now += seconds * 1_000_000_000;
        self.sync();
    }

    /// Removes what is no directory.
    pub(super) fn remove(&mut self, path: &str) {
        let (dir, name) = self.at(path);
        self.system().unlink(dir, name).expect("it can be removed");
    }

    pub(super) fn try_rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        let (from, to) = (self.at(from), self.at(to));
        self.system().rename(from, to, false)
    }

    pub(super) fn rmdir(&mut self, path: &str) {
        let (dir, name) = self.at(path);
        self.system().rmdir(dir, name).expect("it can be removed");
    }

    pub(super) fn permit(&mut self, path: &str, permits: bool) {
        let (dir, name) = self.at(path);
        let permitted = self.system().chmod(dir, name, permits, permits);
        permitted.expect("it is there");
    }

    pub(super) fn step(&mut self) -> Vec<Event> {
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
            self.replica.apply(event, disk);
        }
        events
    }

    /// Lets the engine find out what happened. The consumer's tree has to be the disk's then. Returns
    /// the changes that were told.
    pub(super) fn sync(&mut self) -> Vec<String> {
        let told = self.sync_kinds();
        told.into_iter().map(|(change, _)| change).collect()
    }

    /// The same, with whether each is about a directory.
    pub(super) fn sync_kinds(&mut self) -> Vec<(String, bool)> {
        let mut barrier = self.engine.barrier();
        let mut told = Vec::new();
        for _ in 0..1000 {
            let events = self.step();
            let changes = events.iter().filter_map(Event::change);
            told.extend(
                changes.map(|change| (change.to_string(), change.file_type == FileType::Dir)),
            );
            if self.engine.is_passed(&mut barrier) {
                self.system().reap();
                let disk = &self.engine.kernel().world().system.disk;
                let differences = self.replica.compare(disk, &self.scopes);
                assert!(differences.is_empty(), "{differences:#?}\nafter {told:#?}");
                return told;
            }
        }
        panic!("the barrier is not passed, after {told:#?}");
    }
}

#[test]
fn an_exchange_with_an_unwatched_entry_keeps_the_one_that_came() {
    let mut scenario = Scenario::new(100).watched();
    scenario.create("/w/in/a");
    scenario.mkdir("/w/out/b");
    scenario.create("/w/out/b/c");
    scenario.sync();
    scenario.exchange("/w/in/a", "/w/out/b");
    scenario.sync();
}

#[test]
fn an_exchange_of_watched_entries_keeps_both() {
    let mut scenario = Scenario::new(100).watched();
    for path in ["/w/in/a", "/w/in/b", "/w/in/a/c", "/w/in/b/d"] {
        scenario.mkdir(path);
    }
    scenario.sync();
    scenario.exchange("/w/in/a", "/w/in/b");
    scenario.sync();
    scenario.create("/w/in/a/d/e");
    scenario.create("/w/in/b/c/e");
    scenario.sync();
}

#[test]
fn a_symbolic_link_that_was_seen_too_late_is_told_as_one() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.sync();
    scenario.make("/w/in/a/link", Kind::Symlink(b"nowhere"));
    scenario.rename("/w/in/a", "/w/in/b");
    scenario.sync();
}

#[test]
fn a_write_through_one_name_of_a_file_is_told_for_the_others() {
    let mut scenario = Scenario::new(100).watched();
    scenario.create("/w/in/a");
    scenario.link("/w/in/a", "/w/in/b");
    scenario.sync();
    scenario.write("/w/in/b");
    let mut told = scenario.sync();
    told.sort();
    assert_eq!(told, ["modified /w/in/a", "modified /w/in/b"]);
}

#[test]
fn a_saved_file_that_was_renamed_on_before_it_was_seen_is_told_as_new_content() {
    let mut scenario = Scenario::new(100).watched();
    scenario.create("/w/in/f");
    scenario.sync();
    scenario.create("/w/in/.tmp");
    scenario.write("/w/in/.tmp");
    scenario.rename("/w/in/.tmp", "/w/in/f");
    scenario.rename("/w/in/f", "/w/in/g");
    scenario.sync();
}

#[test]
fn a_temporary_name_that_is_used_again_gives_each_entry_its_own_kind() {
    let mut scenario = Scenario::new(100).watched();
    scenario.make("/w/in/.tmp", Kind::Symlink(b"nowhere"));
    scenario.rename("/w/in/.tmp", "/w/in/a");
    scenario.create("/w/in/.tmp");
    scenario.rename("/w/in/.tmp", "/w/in/b");
    scenario.create("/w/in/.tmp");
    scenario.rename("/w/in/.tmp", "/w/in/b");
    scenario.sync();
}

#[test]
fn a_directory_that_moves_out_of_an_unreadable_one_is_covered() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.mkdir("/w/in/a/b");
    scenario.sync();
    scenario.permit("/w/in/a", false);
    scenario.mkdir("/w/in/a/b/c");
    scenario.sync();
    scenario.rename("/w/in/a/b", "/w/in/b");
    scenario.sync();
    scenario.create("/w/in/b/c/d");
    scenario.sync();
}

#[test]
fn a_directory_that_becomes_readable_again_is_covered() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.permit("/w/in/a", false);
    scenario.sync();
    scenario.mkdir("/w/in/a/b");
    scenario.permit("/w/in/a", true);
    scenario.sync();
    scenario.create("/w/in/a/b/c");
    scenario.sync();
}

#[test]
fn what_takes_the_name_of_the_directory_it_was_in_is_kept() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.mkdir("/w/in/a/b");
    scenario.create("/w/in/a/b/c");
    scenario.sync();
    scenario.rename("/w/in/a/b", "/w/in/t");
    scenario.rmdir("/w/in/a");
    scenario.rename("/w/in/t", "/w/in/a");
    scenario.sync();
}

#[test]
fn after_lost_records_a_directory_with_a_used_again_number_is_watched() {
    let mut scenario = Scenario::new(2);
    scenario.mkdir("/w/in/a");
    let mut scenario = scenario.watched();
    for path in ["/w/in/1", "/w/in/2", "/w/in/3"] {
        scenario.create(path);
    }
    // Nothing of this is told, and the new directory is the old one to all appearances.
    scenario.rmdir("/w/in/a");
    scenario.mkdir("/w/in/b");
    scenario.sync();
    scenario.create("/w/in/b/c");
    scenario.sync();
}

#[test]
fn a_barrier_is_passed_although_a_single_file_root_went_while_it_was_armed() {
    let mut scenario = Scenario::new(100);
    scenario.add_root("/w/in", Some("a"));
    scenario.rename("/w/in", "/w/elsewhere");
    scenario.arm();
    scenario.sync();
}

#[test]
fn a_renamed_directory_is_one_change_whatever_is_below() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.mkdir("/w/in/a/b");
    scenario.create("/w/in/a/b/c");
    scenario.sync();
    scenario.rename("/w/in/a", "/w/in/d");
    let told = scenario.sync();
    assert_eq!(told, ["moved /w/in/a -> /w/in/d"]);
}

#[test]
fn an_entry_that_came_and_went_unseen_leaves_no_trace_in_the_end() {
    let mut scenario = Scenario::new(100).watched();
    scenario.mkdir("/w/in/a");
    scenario.rmdir("/w/in/a");
    scenario.sync();
    let entries = scenario.engine.counters().entries;
    assert_eq!(entries, 1, "the root");
}

#[test]
fn a_consumer_that_hears_the_kind_hears_the_right_one() {
    let mut scenario = Scenario::new(100).watched();
    scenario.make("/w/in/pipe", Kind::Other);
    let mut kinds = Vec::new();
    let mut barrier = scenario.engine.barrier();
    while !scenario.engine.is_passed(&mut barrier) {
        for event in scenario.step() {
            if let Event::Change(change) = event {
                assert_eq!(change.kind, ChangeKind::Created);
                kinds.push(change.file_type);
            }
        }
    }
    assert_eq!(kinds, [FileType::Other]);
}
