//! The dispatching thread: it reads the feed and gives events to the handler, one after the other.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use everwatch::{Event, Feed};

use super::event::RawEvent;
use super::fanout;
use super::hub::Hub;
use super::path_key;
use super::subscription::Subscription;
use super::sync::{Arc, thread};

/// The body of the thread: reads the feed to its end.
///
/// Before the manager's end is announced, the handler is dropped with all that it holds.
pub(super) fn run(hub: Arc<Hub>, mut feed: Feed, handler: impl FnMut(RawEvent)) {
    hub.lock().dispatcher = Some(thread::current().id());
    let end_on_drop = EndOnDrop(Arc::clone(&hub));
    let mut dispatcher = Dispatcher { hub, handler };
    dispatcher.read(&mut feed);
    drop(dispatcher);
    drop(feed);
    drop(end_on_drop);
}

struct Dispatcher<H> {
    hub: Arc<Hub>,
    handler: H,
}

impl<H: FnMut(RawEvent)> Dispatcher<H> {
    /// Delivers all events of the feed, and passes callers of `sync` whenever it is empty.
    fn read(&mut self, feed: &mut Feed) {
        let parker = std::sync::Arc::clone(&self.hub.parker);
        let waker = Waker::from(std::sync::Arc::clone(&parker));
        loop {
            let ticket = self.hub.lock().ticket;
            match feed.try_next() {
                Ok(Some(event)) => {
                    self.deliver(&event);
                    continue;
                }
                Ok(None) => {}
                Err(_) => return,
            }
            self.hub.lock().passed = ticket;
            self.hub.notify();
            let next = pin!(feed.next_async()).poll(&mut Context::from_waker(&waker));
            match next {
                Poll::Ready(Some(event)) => self.deliver(&event),
                Poll::Ready(None) => return,
                Poll::Pending => parker.park(),
            }
        }
    }

    /// Calls the handler with each event of a change. Resyncs need no action, and coverage can be asked
    /// for.
    fn deliver(&mut self, event: &Event) {
        let Some(change) = event.change() else { return };
        let events = fanout::events(&self.hub.lock().registry, change);
        for (watch, event) in events {
            if self.begin(&watch, &event) {
                let result = catch_unwind(AssertUnwindSafe(|| (self.handler)(event)));
                if result.is_err() {
                    self.hub.panics.fetch_add(1, Ordering::Relaxed);
                }
                self.hub.lock().delivering = None;
                self.hub.notify();
            }
        }
    }

    /// Whether the event is still to be delivered. If so, callers that remove the watch wait from now
    /// on until the handler has returned.
    fn begin(&self, watch: &Subscription, event: &RawEvent) -> bool {
        let mut locked = self.hub.lock();
        let terms = watch.terms();
        let is_due = !locked.is_stopping
            && !terms.is_over
            && !terms.is_ignored(&path_key::key(&event.pathname));
        if is_due {
            locked.delivering = Some(watch.wd);
        }
        is_due
    }
}

/// Ends all watches and the manager when it is dropped, also by a panic of the thread.
struct EndOnDrop(Arc<Hub>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}
