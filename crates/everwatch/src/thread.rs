//! The engine's thread: one actor that owns the engine, its kernel and the engine's end of every feed.
//!
//! It executes commands, lets the engine do a bounded step, delivers events, and waits. It never waits
//! for a consumer. When records keep coming it pauses for a millisecond between two steps: meanwhile
//! the kernel merges equal records at the end of its queue, and a thousand small writes cost one
//! wake-up instead of a thousand. A change that comes alone is never delayed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use everwatch_core::engine::{Barrier, Engine, Progress, RootId, RootSpec};
use everwatch_core::fault::Fault;
use everwatch_core::ignore::Filter;
use everwatch_core::time::Moment;
use everwatch_core::{Delivery, OutletId};

use crate::debounce::Debounce;
use crate::handover::{Backlog, Handover};
use crate::options::Options;
use crate::platform::mpsc::SyncSender;
use crate::platform::{Arc, Host, HostKernel as _};
use crate::shared::{Command, Shared};

/// The pause between two steps while records keep coming.
const PAUSE: Duration = Duration::from_millis(1);

/// A step that applied more records than this is followed by the next one without a pause.
const BUSY: usize = 256;

/// The engine's end of a feed.
#[derive(Debug)]
struct Consumer {
    outlet: OutletId,
    handover: Arc<Handover>,
}

/// Whether a consumer's backlog may be written out now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flush {
    Now,
    /// Feeds are debounced, and the last change is too recent.
    Later,
}

/// The state of the thread.
pub(crate) struct EngineThread {
    shared: Arc<Shared>,
    engine: Engine<Host>,
    /// Moments are counted from here.
    started: Instant,
    consumers: Vec<Consumer>,
    /// Commands that have not been executed: a root that is being armed holds up those behind it.
    waiting: VecDeque<Command>,
    /// The root that is being armed, and the caller that waits for it.
    arming: Option<(RootId, SyncSender<Result<RootId, Fault>>)>,
    /// The barrier that must be passed before the next root is armed.
    before_arming: Option<Barrier>,
    /// The callers of `sync`, with the barrier that each waits for.
    syncs: Vec<(Barrier, SyncSender<()>)>,
    /// The thread ends when this barrier is passed.
    finishing: Option<Barrier>,
    /// When changes are delivered, unless it is at once.
    debounce: Option<Debounce>,
    /// Number of steps in a row that applied records.
    streak: u32,
    /// Whether a consumer has room for more than it was given.
    is_behind: bool,
}

impl EngineThread {
    /// The state before the thread starts, so that the caller's thread makes everything that can fail.
    pub(crate) fn new(
        shared: Arc<Shared>,
        host: Host,
        filter: Filter,
        options: &Options,
    ) -> EngineThread {
        EngineThread {
            shared,
            engine: Engine::new(host, filter, options.pace()),
            started: Instant::now(),
            consumers: Vec::new(),
            waiting: VecDeque::new(),
            arming: None,
            before_arming: None,
            syncs: Vec::new(),
            finishing: None,
            debounce: options.debounce(),
            streak: 0,
            is_behind: false,
        }
    }

    /// The body of the thread. Returns when the watcher is closed or has finished.
    pub(crate) fn run(mut self) {
        self.shared.begin();
        let end_on_drop = EndOnDrop(Arc::clone(&self.shared));
        self.engine.kernel_mut().enter_thread();
        while !self.shared.is_closed() {
            self.execute_commands();
            let now = self.started.elapsed();
            let shared = Arc::clone(&self.shared);
            let progress = self.engine.step_while(now, || !shared.is_closed());
            self.deliver(now);
            self.shared.set_counters(self.engine.counters());
            self.finish_arming();
            self.finish_syncs();
            let is_over = self
                .finishing
                .as_mut()
                .is_some_and(|barrier| self.engine.is_passed(barrier));
            if is_over {
                self.finish();
                break;
            }
            self.wait(now, &progress);
        }
        // The kernel is given back before `close` returns.
        drop(self);
        drop(end_on_drop);
    }

    /// Executes the commands that have come, up to one that has to wait for a root to be armed.
    fn execute_commands(&mut self) {
        self.waiting.extend(self.shared.take_commands());
        while self.arming.is_none()
            && let Some(command) = self.waiting.pop_front()
        {
            if matches!(command, Command::Watch { .. }) && !self.is_ready_to_arm() {
                self.waiting.push_front(command);
                break;
            }
            self.execute(command);
        }
    }

    /// Executes one command. A send fails only if the caller gave up, and then there is nothing to do.
    fn execute(&mut self, command: Command) {
        match command {
            Command::Watch { spec, reply } => match self.add_root(spec) {
                Ok(root) => self.arming = Some((root, reply)),
                Err(fault) => {
                    let _ = reply.send(Err(fault));
                }
            },
            Command::Unwatch { root, reply } => {
                self.engine.remove_root(root);
                let _ = reply.send(());
            }
            Command::OpenFeed { handover, reply } => {
                self.add_consumer(handover);
                let _ = reply.send(());
            }
            Command::TakeSnapshot { handover, reply } => {
                self.add_consumer(handover);
                let mut entries = Vec::new();
                self.engine
                    .entries(|path, file_type| entries.push((path, file_type)));
                let _ = reply.send(entries);
            }
            Command::Sync { reply } => {
                let barrier = self.barrier();
                self.syncs.push((barrier, reply));
            }
            Command::Finish => self.finishing = Some(self.barrier()),
            Command::Roots { reply } => {
                let _ = reply.send(self.engine.root_paths().collect());
            }
            Command::RootPath { root, reply } => {
                let _ = reply.send(self.engine.root_path(root));
            }
            Command::Coverage { reply } => {
                let _ = reply.send(self.engine.coverage());
            }
        }
    }

    /// Adds a consumer, which knows the tree as it is now.
    fn add_consumer(&mut self, handover: Arc<Handover>) {
        let delivery = match self.debounce {
            Some(_) => Delivery::Settled,
            None => Delivery::Prompt,
        };
        let outlet = self.engine.open_outlet(handover.room(), delivery);
        self.consumers.push(Consumer { outlet, handover });
    }

    /// A barrier that covers mounts as well, which no record reports.
    fn barrier(&mut self) -> Barrier {
        let mounts = self.engine.kernel_mut().changed_mounts();
        if !mounts.is_empty() {
            self.engine.mounts_changed(&mounts);
        }
        self.engine.barrier()
    }

    fn add_root(&mut self, spec: RootSpec) -> Result<RootId, Fault> {
        self.before_arming = None;
        self.engine.add_root(spec)
    }

    /// Whether everything that happened before the command came has been delivered. A directory that
    /// the feed has yet to report must not become a silent part of a new root.
    fn is_ready_to_arm(&mut self) -> bool {
        if self.engine.root_paths().next().is_some() {
            let engine = &mut self.engine;
            let barrier = self
                .before_arming
                .get_or_insert_with(|| engine.barrier_of_records());
            if !engine.is_passed(barrier) {
                return false;
            }
        }
        self.engine.can_arm()
    }

    /// Answers the caller of `watch` once its root is armed.
    fn finish_arming(&mut self) {
        if self.engine.is_armed()
            && let Some((root, reply)) = self.arming.take()
        {
            let _ = reply.send(Ok(root));
        }
    }

    /// Answers the callers of `sync` whose barriers are passed, after delivering what came before.
    fn finish_syncs(&mut self) {
        let mut syncs = std::mem::take(&mut self.syncs);
        let engine = &mut self.engine;
        let passed: Vec<_> = syncs
            .extract_if(.., |(barrier, _)| engine.is_passed(barrier))
            .collect();
        self.syncs = syncs;
        if passed.is_empty() {
            return;
        }
        for at in 0..self.consumers.len() {
            while self.serve(at, Flush::Now) {}
        }
        self.shared.set_counters(self.engine.counters());
        for (_, reply) in passed {
            let _ = reply.send(());
        }
    }

    /// Delivers everything that is left, beyond the capacity of the queues: nothing follows it.
    fn finish(&mut self) {
        for Consumer { outlet, handover } in self.consumers.drain(..) {
            self.engine.set_room(outlet, usize::MAX);
            while self.engine.folded(outlet).0 {
                self.engine.flush(outlet);
            }
            handover.put(self.engine.take(outlet), Backlog::Empty);
            handover.finish();
        }
    }

    /// Delivers events to all consumers, and forgets those that closed their feeds.
    fn deliver(&mut self, now: Moment) {
        let changes = self.engine.changes();
        let debounce = self.debounce.as_mut();
        let flush = match debounce.is_none_or(|debounce| debounce.is_over(changes, now)) {
            true => Flush::Now,
            false => Flush::Later,
        };
        self.is_behind = false;
        let mut at = 0;
        while at < self.consumers.len() {
            if self.consumers[at].handover.is_closed() {
                let consumer = self.consumers.swap_remove(at);
                self.engine.close_outlet(consumer.outlet);
            } else {
                self.is_behind |= self.serve(at, flush);
                at += 1;
            }
        }
        if self.debounce.is_some() && !self.has_backlog() {
            self.debounce.iter_mut().for_each(Debounce::delivered);
        }
    }

    /// Whether a consumer has yet to get something.
    fn has_backlog(&self) -> bool {
        let folded = |consumer: &Consumer| self.engine.folded(consumer.outlet).0;
        self.consumers.iter().any(folded)
    }

    /// Delivers what one consumer has room for. Returns whether it has room for more that there is.
    fn serve(&mut self, at: usize, flush: Flush) -> bool {
        let Consumer { outlet, handover } = &self.consumers[at];
        self.engine.set_room(*outlet, handover.room());
        if flush == Flush::Now && self.engine.folded(*outlet).0 {
            self.engine.flush(*outlet);
        }
        let events = self.engine.take(*outlet);
        let backlog = match self.engine.folded(*outlet).0 {
            true => Backlog::Folded,
            false => Backlog::Empty,
        };
        if !events.is_empty() {
            // A consumer that reads of a change and asks for the counters must find it counted.
            self.shared.set_counters(self.engine.counters());
        }
        handover.put(events, backlog);
        flush == Flush::Now && backlog == Backlog::Folded && handover.room() > 0
    }

    /// Waits until there is something to do, or not at all if there is already.
    fn wait(&mut self, now: Moment, progress: &Progress) {
        self.streak = match progress.records {
            0 => 0,
            _ => self.streak + 1,
        };
        let can_arm = !self.waiting.is_empty() && self.is_ready_to_arm();
        if progress.more || self.is_behind || can_arm {
            if self.streak > 1 && progress.records < BUSY && self.syncs.is_empty() {
                self.engine.kernel_mut().nap(PAUSE);
            }
            return;
        }
        let settled = match &self.debounce {
            Some(debounce) if self.has_backlog() => debounce.deadline(),
            _ => None,
        };
        let deadline = [progress.deadline, settled].into_iter().flatten().min();
        let timeout = deadline.map(|at| at.saturating_sub(now));
        let woken = self.engine.kernel_mut().wait(timeout);
        if !woken.mounts.is_empty() {
            self.engine.mounts_changed(&woken.mounts);
        }
    }
}

impl Drop for EngineThread {
    /// Ends the feeds, also if the thread panicked, so that no consumer waits for it.
    fn drop(&mut self) {
        for consumer in &self.consumers {
            consumer.handover.close();
        }
    }
}

/// Marks the thread as ended when it is dropped, also by a panic, so that `close` returns.
struct EndOnDrop(Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}
