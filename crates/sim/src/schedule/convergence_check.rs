//! The end of a schedule, and moments in its middle: nothing happens any more, and the trees of all
//! consumers have to be the tree on the disk.

use everwatch_core::coverage::{Coverage, Gap};
use everwatch_core::engine::Counters;

use crate::schedule::Schedule;
use crate::schedule::outcome::{Failure, Report};
use crate::schedule::scope::Scope;
use crate::system::System;
use crate::system::calls::Permissions;
use crate::world::SimulatedKernel;

/// How long an engine has to find out what no record reports: several polls.
const QUIET: i64 = 4_000_000_000;

/// Steps after which an engine that has nothing to do must have come to rest.
const PATIENCE: usize = 1500;

impl<K: SimulatedKernel> Schedule<K> {
    /// Nothing happens any more: lets the engine find out, and consumers catch up.
    pub(crate) fn come_to_rest(&mut self) {
        self.note(|| "the operations are over".to_owned());
        let permits = self.random.chance(800);
        let world = self.world();
        world.temper.faults = 0;
        world.workload.limit = 0;
        if permits {
            permit_all(&mut world.system);
        }
        world.system.finish_all();
        self.sync();
        if self.random.chance(500) {
            self.kernel().lift_limit();
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
            self.report_mounts();
            let began = self.began;
            let is_passed = self.engine.is_passed(&mut barrier);
            self.world().system.finish_all();
            if !self.engine.kernel().is_idle() {
                continue;
            }
            let system = &mut self.world().system;
            let now = system.disk.now;
            rounds += 1;
            let end = *quiet_until.get_or_insert(now + QUIET);
            match progress.deadline {
                Some(deadline) if now < end || !is_passed => {
                    let deadline = began + deadline.as_nanos() as i64;
                    system.disk.now = now.max(deadline) + 50_000_000;
                }
                None if rounds < 2 || !is_passed => system.disk.now = now + 1_000_000,
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
    pub(crate) fn hold_still(&mut self) {
        let world = self.world();
        let (faults, limit) = (world.temper.faults, world.workload.limit);
        world.temper.faults = 0;
        world.workload.limit = 0;
        world.system.finish_all();
        self.sync();
        let world = self.world();
        world.temper.faults = faults;
        world.workload.limit = limit;
    }

    /// Makes a barrier and compares once it is passed: without waiting for anything to be found out
    /// later, except a root that is gone, which is looked for at intervals.
    fn sync(&mut self) {
        self.note(|| "sync".to_owned());
        self.report_mounts();
        self.world().system.reap();
        self.world().system.finish_all();
        let finished = self.engine.kernel().finished_deletes();
        let mut barrier = self.engine.barrier();
        for _ in 0..PATIENCE {
            let progress = self.step();
            self.serve_all(false);
            if self.engine.is_passed(&mut barrier) {
                self.note(|| "the barrier is passed".to_owned());
                self.drain_consumers();
                let coverage = self.engine.coverage();
                let is_gone = |part: &Coverage| part.gap == Some(Gap::RootGone);
                // Where the directories above a root cannot be watched, it is looked at from time to time.
                let disk = self.disk();
                let is_unguarded = self.fails && {
                    let is_missing = |scope: &Scope| disk.resolve(&scope.dir).is_err();
                    self.armed.iter().any(is_missing)
                };
                // What went only after the barrier was made need not be reported.
                self.world().system.reap();
                let is_finished =
                    finished.is_some() && finished == self.engine.kernel().finished_deletes();
                if !coverage.iter().any(is_gone) && !is_unguarded && is_finished {
                    self.compare("after a barrier, ");
                }
                return;
            }
            if let (false, Some(deadline)) = (progress.more, progress.deadline) {
                let deadline = self.began + deadline.as_nanos() as i64;
                let disk = &mut self.world().system.disk;
                disk.now = deadline.max(disk.now + 100_000);
            }
        }
        self.complaints.push("a barrier is not passed".to_owned());
    }

    /// Compares the tree of each consumer with the one that is expected.
    fn compare(&mut self, when: &str) {
        let disk = &self.engine.kernel().world().system.disk;
        for (at, consumer) in self.consumers.iter().enumerate() {
            for difference in consumer.tree.differences(disk, &self.armed) {
                self.complaints
                    .push(format!("{when}consumer {at}: {difference}"));
            }
        }
    }

    /// Nothing that is not needed is held, and nothing is called a gap that is none.
    fn check_what_is_held(&mut self) {
        let is_permitted = {
            let disk = self.disk();
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
            let disk = self.disk();
            let top = disk.resolve(&scope.dir);
            let top = top.ok().filter(|&top| disk.is_dir(top));
            let there = top.map_or(0, |top| disk.walk(top).len() + 1);
            if found != there as u64 {
                self.complaints.push(format!(
                    "{found} entries in the mirror, {there} on the disk"
                ));
            }
        }
        let coverage = self.engine.coverage();
        let watches = self.engine.counters().watches;
        let has_watches = !self.kernel().is_limited();
        self.world().system.reap();
        let mut complaints = self.kernel().check_what_is_held(watches, is_permitted);
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

    /// Lets every consumer take all that there is for it, however small its room.
    pub(crate) fn drain_consumers(&mut self) {
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

    pub(crate) fn take_trace(&mut self) -> Vec<String> {
        std::mem::take(&mut self.world().system.trace).into_lines()
    }

    /// The outcome: what the schedule was made of, or what is wrong with the trees at the end.
    pub(crate) fn judge(mut self) -> Result<Report, Failure> {
        self.compare("");
        let Counters {
            records,
            overflows,
            listings,
            ..
        } = self.engine.counters();
        self.report.calls = self.world().workload.done as u64;
        (self.report.records, self.report.overflows) = (records, overflows);
        self.report.listings = listings;
        let folds = self
            .consumers
            .iter()
            .map(|consumer| self.engine.folded(consumer.outlet).1);
        self.report.folds = folds.sum();
        if let Some(nt) = &self.world().system.nt {
            let (refusals, opens_to_look) = (nt.refusals, nt.habits.opens_to_look > 0);
            self.report.refused_by_looks = refusals.by_looks;
            self.report.refused_by_directories = refusals.by_directories;
            if refusals.by_looks > 0 && !opens_to_look {
                self.complaints.push(format!(
                    "{} renames failed because of looks",
                    refusals.by_looks
                ));
            }
        }
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

/// Gives all permissions back, so that everything can be looked at.
fn permit_all(system: &mut System) {
    let top = system.disk.top();
    for found in system.disk.walk(top) {
        let inode = system.disk.inode(found.inode);
        if !inode.is_readable || !inode.is_searchable {
            // What was found a moment ago is still there: nothing else is at work.
            let _ = system.chmod(found.dir, &found.name, Permissions::ALL);
        }
    }
}
