//! The feed: the consumer's end of a hand-over, as an iterator that blocks or as a stream.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use everwatch_core::event::{Change, Event};

use crate::error::Error;
use crate::handover::{Handover, Patience, Taken};
use crate::options::Options;
use crate::platform::Arc;
use crate::readiness::Readiness;
use crate::shared::{Command, Shared};
use crate::watcher::Watcher;

/// The ordered changes of all roots of a watcher, as one consumer sees them.
///
/// A feed is an iterator that blocks. It can also be awaited under any runtime, by
/// [`next_async`](Feed::next_async) or as a [`Stream`](futures_core::Stream) by
/// [`into_stream`](Feed::into_stream). It ends when the watcher is closed; nothing is delivered after
/// that.
///
/// Applying the events in order to the tree that the feed started with gives the tree on disk. The
/// [`Tree`](crate::Tree) does that.
///
/// Each feed has its own backlog, and the backlog is bounded: a consumer that falls behind gets the
/// difference between the tree that it knows and the tree that there is, instead of all the changes in
/// between.
///
/// Dropping a feed frees its backlog; the watcher and other feeds go on. The feed returned by
/// [`watch`](crate::watch()) owns its watcher, and closes it when dropped.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// let mut feed = everwatch::watch(dir.path())?;
/// std::fs::write(dir.path().join("hello"), "world")?;
/// let event = feed.next().expect("the feed goes on until it is closed");
/// let change = event.change().expect("nothing but a change happened");
/// assert_eq!(change.path, dir.path().join("hello"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Awaiting
///
/// Under tokio, or any other runtime:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().to_owned();
/// // Arming a large tree takes a while: not on the thread that runs the other tasks.
/// let mut feed = tokio::task::spawn_blocking(|| everwatch::watch(path)).await??;
/// # std::fs::write(dir.path().join("hello"), "")?;
/// while let Some(event) = feed.next_async().await {
///     println!("{event}");
/// #   break;
/// }
/// # Ok(())
/// # }
/// ```
///
/// With the methods of a `StreamExt`, here that of smol:
///
/// ```
/// use smol::stream::StreamExt;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # smol::block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().to_owned();
/// let feed = smol::unblock(|| everwatch::watch(path)).await?;
/// # std::fs::write(dir.path().join("hello"), "")?;
/// let mut paths = feed.into_stream().filter_map(|event| Some(event.change()?.path.clone()));
/// while let Some(path) = paths.next().await {
///     println!("{}", everwatch::printable(&path));
/// #   break;
/// }
/// # Ok(())
/// # })
/// # }
/// ```
///
/// A feed is no stream itself, so a call that would block a runtime's thread does not compile there:
///
/// ```compile_fail,E0277
/// use smol::stream::StreamExt;
///
/// # async fn read(mut feed: everwatch::Feed) {
/// while let Some(event) = feed.next().await {
///     println!("{event}");
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Feed {
    handover: Arc<Handover>,
    shared: Arc<Shared>,
    /// Events taken from the hand-over and not returned yet, in order.
    taken: VecDeque<Event>,
    /// The watcher, if the feed is its owner.
    watcher: Option<Watcher>,
}

impl Watcher {
    /// Opens a feed of all that happens to the roots from now on. Blocks until the engine's thread has
    /// finished its current step.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the watcher is closed.
    pub fn feed(&self) -> Result<Feed, Error> {
        let (handover, feed) = Feed::of(self);
        self.ask("open a feed", |reply| Command::OpenFeed { handover, reply })?;
        Ok(feed)
    }
}

impl Options {
    /// Starts a watcher with these roots and returns its feed, which owns the watcher. Blocks until all
    /// roots are armed.
    ///
    /// # Errors
    ///
    /// As [`Options::build`] and [`Watcher::watch`].
    pub fn watch<P: AsRef<Path>>(self, paths: impl IntoIterator<Item = P>) -> Result<Feed, Error> {
        let watcher = self.build()?;
        let mut feed = watcher.feed()?;
        for path in paths {
            watcher.watch(path)?;
        }
        feed.watcher = Some(watcher);
        Ok(feed)
    }
}

/// Watches `path`, a directory with all below it or a single file, and returns its feed.
///
/// Blocks until the path is armed: everything that happens after this has returned is in the feed.
///
/// # Errors
///
/// As [`Watcher::new`] and [`Watcher::watch`].
pub fn watch(path: impl AsRef<Path>) -> Result<Feed, Error> {
    Options::new().watch([path])
}

impl Feed {
    /// A feed of a watcher, and the hand-over that the engine's thread has to be given for it.
    pub(crate) fn of(watcher: &Watcher) -> (Arc<Handover>, Feed) {
        let handover = Arc::new(Handover::new(watcher.capacity()));
        let feed = Feed {
            handover: Arc::clone(&handover),
            shared: Arc::clone(watcher.shared()),
            taken: VecDeque::new(),
            watcher: None,
        };
        (handover, feed)
    }

    /// The watcher of this feed, if the feed owns it.
    pub fn watcher(&self) -> Option<&Watcher> {
        self.watcher.as_ref()
    }

    /// The next event, if one comes within `timeout`. Blocks no longer than that, and returns no
    /// earlier without an event unless the watcher is closed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) once the watcher is closed.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Event>, Error> {
        // A time beyond the clock's is no limit.
        let patience = Instant::now()
            .checked_add(timeout)
            .map_or(Patience::Endless, Patience::Until);
        self.next_by(patience)
    }

    /// The next event, if there is one already.
    ///
    /// Blocks in one case: if this consumer fell behind and its backlog was folded, this waits for the
    /// engine to write out the difference, which takes microseconds to milliseconds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) once the watcher is closed.
    pub fn try_next(&mut self) -> Result<Option<Event>, Error> {
        if let Some(event) = self.next_taken()? {
            return Ok(Some(event));
        }
        match self.handover.take(&mut self.taken) {
            Taken::Some => Ok(self.taken.pop_front()),
            Taken::Nothing => Ok(None),
            Taken::Lagging if self.shared.settles() => Ok(None),
            Taken::Lagging => self.next_by(Patience::ForFold),
            Taken::Closed => Err(Error::closed("read the feed")),
        }
    }

    /// An object that an event loop of the operating system can wait for.
    ///
    /// It becomes ready when [`try_next`](Feed::try_next) has an event, or an error because the watcher
    /// is closed, and stays ready until `try_next` has returned `None`: call it until it does. It may
    /// be ready for nothing; it is never missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Other`](crate::ErrorKind::Other) if the system has no descriptor or handle left.
    pub fn readiness(&self) -> Result<Readiness, Error> {
        let signal = self.handover.signal();
        signal
            .map(Readiness)
            .map_err(|error| Error::from_io(&error, "wait for the feed"))
    }

    /// How often this feed was full, so that the changes after that were folded into a difference,
    /// which misses nothing. With [`Options::settle`] all changes are folded, and all folds count.
    pub fn folds(&self) -> u64 {
        self.handover.folds()
    }

    /// The next event that was taken from the hand-over; an error once the watcher is closed.
    fn next_taken(&mut self) -> Result<Option<Event>, Error> {
        if self.shared.is_closed() {
            self.taken.clear();
            return Err(Error::closed("read the feed"));
        }
        Ok(self.taken.pop_front())
    }

    /// The next event, for which this blocks as long as `patience` says.
    fn next_by(&mut self, patience: Patience) -> Result<Option<Event>, Error> {
        if let Some(event) = self.next_taken()? {
            return Ok(Some(event));
        }
        match self
            .handover
            .take_by(&mut self.taken, patience, || self.shared.ring())
        {
            Taken::Closed => Err(Error::closed("read the feed")),
            _ => Ok(self.taken.pop_front()),
        }
    }

    /// Waits for the next event without blocking the thread; `None` once the watcher is closed. Needs
    /// no particular runtime.
    ///
    /// Dropping the future loses no event, so it may stand in a `select!`. A feed lends itself to one
    /// such future at a time, and the future gives one event:
    ///
    /// ```compile_fail,E0499
    /// # fn read(feed: &mut everwatch::Feed) {
    /// let first = feed.next_async();
    /// let second = feed.next_async();
    /// # drop((first, second));
    /// # }
    /// ```
    ///
    /// ```compile_fail,E0382
    /// # async fn read(feed: &mut everwatch::Feed) {
    /// let read = feed.next_async();
    /// read.await;
    /// read.await;
    /// # }
    /// ```
    pub async fn next_async(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// The feed as a [`Stream`](futures_core::Stream), which is an iterator no more.
    pub fn into_stream(self) -> EventStream {
        EventStream(self)
    }

    /// The next event, or a registration of the task's waker.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        match self.next_taken() {
            Ok(None) => {}
            Ok(event) => return Poll::Ready(event),
            Err(_) => return Poll::Ready(None),
        }
        match self.handover.take_or_wake(&mut self.taken, context.waker()) {
            Taken::Some => Poll::Ready(self.taken.pop_front()),
            Taken::Closed => Poll::Ready(None),
            Taken::Nothing => Poll::Pending,
            Taken::Lagging => {
                self.shared.ring();
                Poll::Pending
            }
        }
    }

    /// Iterates over the changes alone, without the notes about resyncs and coverage. Blocks like the
    /// feed itself.
    pub fn changes(&mut self) -> impl Iterator<Item = Change> + '_ {
        self.filter_map(|event| match event {
            Event::Change(change) => Some(change),
            _ => None,
        })
    }
}

impl Iterator for Feed {
    type Item = Event;

    /// Blocks until there is an event. `None` once the watcher is closed.
    fn next(&mut self) -> Option<Event> {
        self.next_by(Patience::Endless).ok().flatten()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.handover.close();
        self.shared.ring();
    }
}

/// A feed as a [`Stream`](futures_core::Stream): see [`Feed::into_stream`]. Dropping it drops the feed.
#[derive(Debug)]
pub struct EventStream(Feed);

impl EventStream {
    /// The feed, which goes on where the stream was.
    pub fn into_feed(self) -> Feed {
        self.0
    }
}

impl futures_core::Stream for EventStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_event(context)
    }
}
