//! The thread that turns changes into events and gives them to the handler, one after the other.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};

use everwatch::{Change, ChangeKind, Event, FileType};

use super::event::{self, Mask, RawEvent};
use super::manager::WatchManager;
use super::registry::Registry;
use super::shared::Shared;
use super::spelling;
use super::sync::{Arc, Condvar, Mutex, PoisonError, thread};
use super::watch::Inner;
use everwatch::Feed;

/// Where the thread waits for the feed, and for who asks whether it has caught up.
#[derive(Debug, Default)]
pub(super) struct Sleeper {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Sleeper {
    pub(super) fn rouse(&self) {
        *self.is_woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.notify_all();
    }

    /// Returns once it was woken since the last time.
    fn sleep(&self) {
        let mut is_woken = self.is_woken.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_woken {
            is_woken = self
                .woken
                .wait(is_woken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *is_woken = false;
    }
}

impl Wake for Sleeper {
    fn wake(self: std::sync::Arc<Self>) {
        self.rouse();
    }
}

/// Reads the feed to its end. Whatever ends this, all watches and the manager have stopped then.
pub(super) fn run<H>(shared: Arc<Shared>, mut feed: Feed, handler: H)
where
    H: FnMut(&WatchManager, RawEvent),
{
    shared.state().dispatcher = Some(thread::current().id());
    let ending = Ending(Arc::clone(&shared));
    let mut dispatcher = Dispatcher {
        manager: WatchManager::lent(Arc::clone(&shared)),
        shared,
        handler,
    };
    dispatcher.read(&mut feed);
    // What the handler holds is given back before anybody is told that all has stopped.
    drop(dispatcher);
    drop(feed);
    drop(ending);
}

struct Dispatcher<H> {
    shared: Arc<Shared>,
    manager: WatchManager,
    handler: H,
}

impl<H: FnMut(&WatchManager, RawEvent)> Dispatcher<H> {
    fn read(&mut self, feed: &mut Feed) {
        let sleeper = std::sync::Arc::clone(&self.shared.sleeper);
        let waker = Waker::from(std::sync::Arc::clone(&sleeper));
        loop {
            let ticket = self.shared.state().ticket;
            match feed.try_next() {
                Ok(Some(event)) => {
                    self.deliver(&event);
                    continue;
                }
                Ok(None) => {}
                Err(_) => return,
            }
            self.shared.state().passed = ticket;
            self.shared.tell();
            let next = pin!(feed.next_async()).poll(&mut Context::from_waker(&waker));
            match next {
                Poll::Ready(Some(event)) => self.deliver(&event),
                Poll::Ready(None) => return,
                Poll::Pending => sleeper.sleep(),
            }
        }
    }

    fn deliver(&mut self, event: &Event) {
        // Resyncs need nothing done, and coverage can be asked for.
        let Some(change) = event.change() else { return };
        let events = events(&self.shared.state().registry, change);
        for (watch, event) in events {
            if self.begin(&watch, &event) {
                let result = catch_unwind(AssertUnwindSafe(|| {
                    (self.handler)(&self.manager, event);
                }));
                if result.is_err() {
                    self.shared.panics.fetch_add(1, Ordering::Relaxed);
                }
                self.shared.state().delivering = None;
                self.shared.tell();
            }
        }
    }

    /// Whether the event is still to be delivered. If so, who removes the watch has to wait.
    fn begin(&self, watch: &Inner, event: &RawEvent) -> bool {
        let mut state = self.shared.state();
        let body = watch.body();
        let is_due = !state.is_stopping
            && !body.is_over
            && !body.is_ignored(&spelling::key(&event.pathname));
        if is_due {
            state.delivering = Some(watch.wd);
        }
        is_due
    }
}

/// Ends whatever has not ended, however the thread ends.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Which watches learn of a change, and by which events.
fn events(registry: &Registry, change: &Change) -> Vec<(Arc<Inner>, RawEvent)> {
    let (seq, dir) = (change.seq, change.file_type == FileType::Dir);
    let mut told = Told {
        registry,
        seq,
        dir,
        events: Vec::new(),
    };
    let path = &change.path;
    match &change.kind {
        ChangeKind::Created => {
            told.entry(Mask::IN_CREATE, path);
            told.itself(Mask::IN_CREATE, path);
        }
        ChangeKind::Modified => {
            told.entry(Mask::IN_MODIFY, path);
            told.itself(Mask::IN_MODIFY, path);
        }
        ChangeKind::Metadata => {
            told.entry(Mask::IN_ATTRIB, path);
            told.itself(Mask::IN_ATTRIB, path);
        }
        ChangeKind::Removed => {
            told.entry(Mask::IN_DELETE, path);
            told.gone(path);
        }
        ChangeKind::Moved { from } => {
            told.moved(from, path);
            told.gone(from);
            told.itself(Mask::IN_CREATE, path);
        }
        _ => {}
    }
    let wants = |(watch, event): &(Arc<Inner>, RawEvent)| {
        let mut body = watch.body();
        body.forget_before(seq);
        let wish = body.wish_at(seq);
        wish.is_some_and(|wish| wish.mask.intersects(event.mask & !Mask::IN_ISDIR))
    };
    told.events.retain(wants);
    told.events
}

/// The events of one change, as they are gathered.
struct Told<'a> {
    registry: &'a Registry,
    seq: u64,
    dir: bool,
    events: Vec<(Arc<Inner>, RawEvent)>,
}

impl Told<'_> {
    /// The watches within which the entry at this path is.
    fn showing(&self, path: &Path) -> Vec<Arc<Inner>> {
        let key = spelling::key(path);
        let shows = |watch: &&Arc<Inner>| watch.shows(&key, self.seq);
        self.registry.above(&key).filter(shows).cloned().collect()
    }

    fn entry(&mut self, kind: Mask, path: &Path) {
        let (watches, dir) = (self.showing(path), self.dir);
        self.add(watches, |watch| {
            RawEvent::of_entry(watch.wd, kind, dir, path)
        });
    }

    /// Both halves where both places are watched, of whichever watches. Otherwise something comes from
    /// nowhere, or goes there.
    fn moved(&mut self, from: &Path, path: &Path) {
        let (leaving, arriving) = (self.showing(from), self.showing(path));
        match (leaving.is_empty(), arriving.is_empty()) {
            (false, false) => {
                let cookie = event::next_cookie();
                let dir = self.dir;
                self.add(leaving, |watch| RawEvent {
                    cookie,
                    ..RawEvent::of_entry(watch.wd, Mask::IN_MOVED_FROM, dir, from)
                });
                self.add(arriving, |watch| RawEvent {
                    cookie,
                    src_pathname: Some(from.to_owned()),
                    ..RawEvent::of_entry(watch.wd, Mask::IN_MOVED_TO, dir, path)
                });
            }
            (false, true) => self.entry(Mask::IN_DELETE, from),
            (true, _) => self.entry(Mask::IN_CREATE, path),
        }
    }

    /// For the watches of this very path.
    fn itself(&mut self, kind: Mask, path: &Path) {
        let watches = self.registry.at(&spelling::key(path)).cloned().collect();
        let dir = self.dir;
        self.add(watches, |watch| {
            RawEvent::of_itself(watch.wd, kind, dir, &watch.path)
        });
    }

    /// For the watches of this path and below it: that what they watch is gone.
    fn gone(&mut self, path: &Path) {
        let watches = self.registry.from(&spelling::key(path)).cloned().collect();
        self.add(watches, |watch| {
            RawEvent::of_itself(watch.wd, Mask::IN_DELETE_SELF, watch.is_dir, &watch.path)
        });
    }

    fn add(&mut self, watches: Vec<Arc<Inner>>, event: impl Fn(&Inner) -> RawEvent) {
        for watch in watches {
            let event = event(&watch);
            self.events.push((watch, event));
        }
    }
}
