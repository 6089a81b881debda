//! The engine's thread: one actor that owns the kernel, the mirror and one end of every feed.
//!
//! It takes commands, lets the engine do a bounded step, hands events over, and waits. It never
//! waits for a consumer. When records keep coming it pauses for a millisecond between two steps:
//! the kernel merges equal records at the end of its queue meanwhile, and a thousand small writes
//! cost one wake-up instead of a thousand. A change that comes alone is never delayed.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use everwatch_core::OutletId;
use everwatch_core::coverage::Subtree;
use everwatch_core::engine::{Engine, Progress, RootId, RootSpec};
use everwatch_core::filter::Filter;
use everwatch_core::kernel::Fault;
use everwatch_core::record::Moment;

use crate::handover::Handover;
use crate::options::Options;
use crate::sys::host::Host;
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
        reply: SyncSender<Vec<Subtree>>,
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
    /// Commands that wait until the root is armed.
    waiting: std::collections::VecDeque<Command>,
    /// Who waits for the barrier.
    syncs: Vec<SyncSender<()>>,
    /// End after the next barrier.
    is_finishing: bool,
    settle: Option<Duration>,
    /// The last change seen, and when.
    last_change: (u64, Moment),
    /// Steps in a row that applied records.
    streak: u32,
}

impl Seat {
    pub(crate) fn new(shared: Arc<Shared>, host: Host, filter: Filter, options: &Options) -> Seat {
        Seat {
            shared,
            engine: Engine::new(host, filter, options.pace()),
            started: Instant::now(),
            consumers: Vec::new(),
            arming: None,
            waiting: std::collections::VecDeque::new(),
            syncs: Vec::new(),
            is_finishing: false,
            settle: options.settle,
            last_change: (0, Moment::ZERO),
            streak: 0,
        }
    }

    pub(crate) fn run(mut self) {
        self.shared.begin();
        let ending = Ending(Arc::clone(&self.shared));
        self.engine.kernel_mut().settle_in();
        while !self.shared.is_closed() {
            self.obey();
            let now = self.started.elapsed();
            let progress = self.engine.step(now);
            self.finish_arming();
            self.finish_syncs(&progress);
            self.hand_over(now);
            self.shared.set_counters(self.engine.counters());
            if self.is_finishing && !progress.more && self.engine.is_settled() {
                self.finish();
                break;
            }
            self.pause(now, &progress);
        }
        if self.shared.is_closed() {
            for consumer in &self.consumers {
                consumer.handover.close();
            }
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
                Command::Watch { spec, reply } => match self.engine.add_root(spec) {
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
                    self.engine.poll_now();
                    self.syncs.push(reply);
                }
                Command::Finish => {
                    self.engine.poll_now();
                    self.is_finishing = true;
                }
                Command::Coverage { reply } => {
                    let _ = reply.send(self.engine.coverage());
                }
            }
        }
    }

    fn finish_arming(&mut self) {
        if self.engine.is_armed()
            && let Some((root, reply)) = self.arming.take()
        {
            let _ = reply.send(Ok(root));
        }
    }

    /// The barrier is passed when a step that began after it found nothing left to do.
    fn finish_syncs(&mut self, progress: &Progress) {
        if self.syncs.is_empty() || progress.more || !self.engine.is_settled() {
            return;
        }
        for at in 0..self.consumers.len() {
            self.serve(at, true);
        }
        for reply in self.syncs.drain(..) {
            let _ = reply.send(());
        }
    }

    /// Hands over what is left, beyond any bound: nothing will be added to it.
    fn finish(&mut self) {
        for Consumer { outlet, handover } in &self.consumers {
            self.engine.set_room(*outlet, usize::MAX);
            self.engine.flush(*outlet);
            handover.put(self.engine.take(*outlet), false);
            handover.finish();
        }
    }

    fn hand_over(&mut self, now: Moment) {
        if self.engine.seq() != self.last_change.0 {
            self.last_change = (self.engine.seq(), now);
        }
        let is_quiet = self
            .settle
            .is_none_or(|settle| now.saturating_sub(self.last_change.1) >= settle);
        let mut at = 0;
        while at < self.consumers.len() {
            if self.consumers[at].handover.is_closed() {
                let consumer = self.consumers.swap_remove(at);
                self.engine.close_outlet(consumer.outlet);
            } else {
                self.serve(at, is_quiet);
                at += 1;
            }
        }
    }

    fn serve(&mut self, at: usize, may_flush: bool) {
        let Consumer { outlet, handover } = &self.consumers[at];
        self.engine.set_room(*outlet, handover.room());
        if may_flush && self.engine.folded(*outlet).0 {
            self.engine.flush(*outlet);
        }
        let events = self.engine.take(*outlet);
        handover.put(events, self.engine.folded(*outlet).0);
    }

    fn pause(&mut self, now: Moment, progress: &Progress) {
        self.streak = if progress.records > 0 {
            self.streak + 1
        } else {
            0
        };
        let host = self.engine.kernel_mut();
        if progress.more {
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
            .map(|settle| self.last_change.1 + settle);
        let deadline = [progress.deadline, settled].into_iter().flatten().min();
        let timeout = deadline.map(|at| at.saturating_sub(now));
        let woken = self.engine.kernel_mut().wait(timeout);
        if !woken.mounts.is_empty() {
            self.engine.mounts_changed(&woken.mounts);
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
