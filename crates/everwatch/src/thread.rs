//! The engine's thread: one actor that owns the kernel, the mirror and one end of every feed.
//!
//! It takes commands, lets the engine do a bounded step, hands events over, and waits. It never
//! waits for a consumer. When records keep coming it pauses for a millisecond between two steps:
//! the kernel merges equal records at the end of its queue meanwhile, and a thousand small writes
//! cost one wake-up instead of a thousand. A change that comes alone is never delayed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use everwatch_core::OutletId;
use everwatch_core::coverage::Coverage;
use everwatch_core::engine::{Barrier, Engine, Progress, RootId, RootSpec};
use everwatch_core::fault::Fault;
use everwatch_core::ignore::Filter;
use everwatch_core::time::Moment;

use crate::handover::Handover;
use crate::options::Options;
use crate::platform::Arc;
use crate::platform::Host;
use crate::platform::mpsc::SyncSender;
use crate::watcher::{Entry, Shared};

/// What other threads ask of the engine. A reply that is dropped says that the watcher closed.
#[derive(Debug)]
pub(crate) enum Command {
    Watch {
        spec: RootSpec,
        reply: SyncSender<Result<RootId, Fault>>,
    },
    Unwatch {
        root: RootId,
        reply: SyncSender<()>,
    },
    Open {
        handover: Arc<Handover>,
        with_entries: bool,
        reply: SyncSender<Vec<Entry>>,
    },
    Sync {
        reply: SyncSender<()>,
    },
    Coverage {
        reply: SyncSender<Vec<Coverage>>,
    },
    Roots {
        reply: SyncSender<Vec<PathBuf>>,
    },
    RootPath {
        root: RootId,
        reply: SyncSender<Option<PathBuf>>,
    },
    Finish,
}

/// The pause between two steps while records keep coming.
const PAUSE: Duration = Duration::from_millis(1);

/// A step that applied more records than this is followed by the next at once.
const BUSY: usize = 256;

#[derive(Debug)]
struct Consumer {
    outlet: OutletId,
    handover: Arc<Handover>,
}

/// The state of the thread.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    engine: Engine<Host>,
    started: Instant,
    consumers: Vec<Consumer>,
    /// The root that is being armed, and who waits for it.
    arming: Option<(RootId, SyncSender<Result<RootId, Fault>>)>,
    /// What has to be passed before the next root is armed.
    before_arming: Option<Barrier>,
    /// Commands that wait until the root is armed.
    waiting: std::collections::VecDeque<Command>,
    /// Who waits for the barrier.
    syncs: Vec<(Barrier, SyncSender<()>)>,
    /// End when this is passed.
    finishing: Option<Barrier>,
    settle: Option<Duration>,
    /// The last change seen, and when.
    last_change: (u64, Moment),
    /// Steps in a row that applied records.
    streak: u32,
    /// A consumer would take more than it was given.
    is_behind: bool,
}

impl Seat {
    pub(crate) fn new(shared: Arc<Shared>, host: Host, filter: Filter, options: &Options) -> Seat {
        Seat {
            shared,
            engine: Engine::new(host, filter, options.pace()),
            started: Instant::now(),
            consumers: Vec::new(),
            arming: None,
            before_arming: None,
            waiting: std::collections::VecDeque::new(),
            syncs: Vec::new(),
            finishing: None,
            settle: options.settle,
            last_change: (0, Moment::ZERO),
            streak: 0,
            is_behind: false,
        }
    }

    pub(crate) fn run(mut self) {
        self.shared.begin();
        let ending = Ending(Arc::clone(&self.shared));
        self.engine.kernel_mut().settle_in();
        while !self.shared.is_closed() {
            self.obey();
            let now = self.started.elapsed();
            let shared = Arc::clone(&self.shared);
            let progress = self.engine.step_while(now, || !shared.is_closed());
            self.hand_over(now);
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
            self.pause(now, &progress);
        }
        drop(self);
        drop(ending);
    }

    fn obey(&mut self) {
        self.waiting.extend(self.shared.take_commands());
        while self.arming.is_none()
            && let Some(command) = self.waiting.pop_front()
        {
            // Whoever asked may have given up waiting; then nobody needs the answer.
            match command {
                // What is under way for other roots must not be taken for a part of the new one.
                Command::Watch { .. } if !self.is_ready_to_arm() => {
                    self.waiting.push_front(command);
                    break;
                }
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
                Command::Open {
                    handover,
                    with_entries,
                    reply,
                } => {
                    let settles = self.settle.is_some();
                    let outlet = self.engine.open_outlet(handover.room(), settles);
                    self.consumers.push(Consumer { outlet, handover });
                    let mut entries = Vec::new();
                    if with_entries {
                        self.engine.entries(|path, file_type| {
                            entries.push(Entry { path, file_type });
                        });
                    }
                    let _ = reply.send(entries);
                }
                Command::Sync { reply } => {
                    let barrier = self.barrier();
                    self.syncs.push((barrier, reply));
                }
                Command::Finish => {
                    self.finishing = Some(self.barrier());
                }
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
    }

    /// A barrier for what is mounted as well, of which no record tells.
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

    /// Whether all that happened before the command came has been told: a directory that the feed is
    /// still to tell of must not be taken in silently as a part of a new root.
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

    fn finish_arming(&mut self) {
        if self.engine.is_armed()
            && let Some((root, reply)) = self.arming.take()
        {
            let _ = reply.send(Ok(root));
        }
    }

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
            while self.serve(at, true) {}
        }
        self.shared.set_counters(self.engine.counters());
        for (_, reply) in passed {
            let _ = reply.send(());
        }
    }

    /// Hands over what is left, beyond any bound: nothing will be added to it.
    fn finish(&mut self) {
        for Consumer { outlet, handover } in self.consumers.drain(..) {
            self.engine.set_room(outlet, usize::MAX);
            while self.engine.folded(outlet).0 {
                self.engine.flush(outlet);
            }
            handover.put(self.engine.take(outlet), false);
            handover.finish();
        }
    }

    fn hand_over(&mut self, now: Moment) {
        if self.engine.changes() != self.last_change.0 {
            self.last_change = (self.engine.changes(), now);
        }
        let is_quiet = self
            .settle
            .is_none_or(|settle| now.saturating_sub(self.last_change.1) >= settle);
        self.is_behind = false;
        let mut at = 0;
        while at < self.consumers.len() {
            if self.consumers[at].handover.is_closed() {
                let consumer = self.consumers.swap_remove(at);
                self.engine.close_outlet(consumer.outlet);
            } else {
                self.is_behind |= self.serve(at, is_quiet);
                at += 1;
            }
        }
    }

    /// Hands over what one consumer takes. Returns whether there is more that it would take.
    fn serve(&mut self, at: usize, may_flush: bool) -> bool {
        let Consumer { outlet, handover } = &self.consumers[at];
        self.engine.set_room(*outlet, handover.room());
        if may_flush && self.engine.folded(*outlet).0 {
            self.engine.flush(*outlet);
        }
        let events = self.engine.take(*outlet);
        let lags = self.engine.folded(*outlet).0;
        if !events.is_empty() {
            // Whoever reads of a change and then asks for the counters finds it counted.
            self.shared.set_counters(self.engine.counters());
        }
        handover.put(events, lags);
        may_flush && lags && handover.room() > 0
    }

    fn pause(&mut self, now: Moment, progress: &Progress) {
        self.streak = if progress.records > 0 {
            self.streak + 1
        } else {
            0
        };
        let may_obey = !self.waiting.is_empty() && self.is_ready_to_arm();
        let host = self.engine.kernel_mut();
        if progress.more || self.is_behind || may_obey {
            if self.streak > 1 && progress.records < BUSY && self.syncs.is_empty() {
                host.nap(PAUSE);
            }
            return;
        }
        let folded = self.settle.is_some()
            && self
                .consumers
                .iter()
                .any(|consumer| self.engine.folded(consumer.outlet).0);
        let settled = self
            .settle
            .filter(|_| folded)
            .and_then(|settle| self.last_change.1.checked_add(settle));
        let deadline = [progress.deadline, settled].into_iter().flatten().min();
        let timeout = deadline.map(|at| at.saturating_sub(now));
        let woken = self.engine.kernel_mut().wait(timeout);
        if !woken.mounts.is_empty() {
            self.engine.mounts_changed(&woken.mounts);
        }
    }
}

impl Drop for Seat {
    /// Whatever ended the thread, nobody is left waiting for it.
    fn drop(&mut self) {
        for consumer in &self.consumers {
            consumer.handover.close();
        }
    }
}

/// Tells whoever waits in `close` that the thread is gone, also if it panicked.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}
