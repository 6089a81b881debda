//! The consumer's end of a feed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use everwatch_core::event::{Change, Event};

use crate::error::Error;
use crate::handover::{Handover, Patience, Taken};
use crate::platform::Arc;
use crate::readiness::Readiness;
use crate::watcher::{Shared, Watcher};

/// The ordered changes of all roots of a watcher, as one consumer sees them.
///
/// A feed is an iterator that blocks, and can be awaited by [`next_async`](Feed::next_async) or as a
/// [`Stream`](futures_core::Stream) under any runtime. It ends when the watcher is closed; after that
/// nothing is delivered. Each feed has its own backlog, which is bounded: a consumer that falls
/// behind gets the difference between the tree it knows and the tree there is, instead of all the
/// changes in between.
///
/// Applying the events in order to the tree that the feed started with gives the tree on disk.
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
/// With the methods of a `StreamExt`, here that of smol, by [`into_stream`](Feed::into_stream). Called
/// on a feed itself, `next`, `map` and others might as well be those of an iterator, and the compiler
/// says that it cannot tell (E0034).
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
#[derive(Debug)]
pub struct Feed {
    handover: Arc<Handover>,
    shared: Arc<Shared>,
    /// Events taken from the hand-over and not returned yet.
    taken: VecDeque<Event>,
    /// The watcher, if the feed is its owner.
    watcher: Option<Watcher>,
}

impl Feed {
    pub(crate) fn new(handover: Arc<Handover>, shared: Arc<Shared>) -> Feed {
        Feed {
            handover,
            shared,
            taken: VecDeque::new(),
            watcher: None,
        }
    }

    pub(crate) fn owning(mut self, watcher: Watcher) -> Feed {
        self.watcher = Some(watcher);
        self
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
    /// If this consumer fell behind and its backlog was folded, this waits for the engine to write
    /// out the difference, which takes microseconds to milliseconds. Otherwise it does not wait.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) once the watcher is closed.
    pub fn try_next(&mut self) -> Result<Option<Event>, Error> {
        if self.shared.is_closed() {
            self.taken.clear();
            return Err(Error::closed("read the feed"));
        }
        if let Some(event) = self.taken.pop_front() {
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

    /// What an event loop can wait on until [`try_next`](Feed::try_next) has something to say: an event,
    /// or that the watcher is closed. It is ready from then on until `try_next` returned `None`, which
    /// has to be called until it does. It may be ready for nothing, never the other way round.
    ///
    /// # Errors
    ///
    /// If the system has no descriptor or handle left.
    pub fn readiness(&self) -> Result<Readiness, Error> {
        let signal = self.handover.signal();
        signal
            .map(Readiness)
            .map_err(|error| Error::from_io(&error, "wait for the feed"))
    }

    /// How often this feed was full, so that what followed was folded into a difference, of which
    /// nothing is missing. With [`Options::settle`](crate::Options::settle) everything is folded, and
    /// this counts those.
    pub fn folds(&self) -> u64 {
        self.handover.folds()
    }

    fn next_by(&mut self, patience: Patience) -> Result<Option<Event>, Error> {
        if self.shared.is_closed() {
            self.taken.clear();
            return Err(Error::closed("read the feed"));
        }
        if let Some(event) = self.taken.pop_front() {
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

    // requirement: S0.12
    /// Waits for the next event without blocking the thread; `None` once the watcher is closed. Needs
    /// no particular runtime. Dropping the future loses no event, so it may stand in a `select!`.
    ///
    /// There is one such future of a feed at a time, and it gives one event:
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

    /// The feed as a stream and nothing else.
    pub fn into_stream(self) -> EventStream {
        EventStream(self)
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.shared.is_closed() {
            self.taken.clear();
            return Poll::Ready(None);
        }
        if let Some(event) = self.taken.pop_front() {
            return Poll::Ready(Some(event));
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

    /// Iterates over the changes alone, leaving out the notes about resyncs and coverage. Blocks
    /// like the feed itself.
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

impl futures_core::Stream for Feed {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_event(context)
    }
}

/// A feed that is a [`Stream`](futures_core::Stream) and no iterator: see [`Feed::into_stream`].
///
/// Dropping it is dropping the feed.
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

impl Drop for Feed {
    fn drop(&mut self) {
        self.handover.close();
        self.shared.ring();
    }
}
