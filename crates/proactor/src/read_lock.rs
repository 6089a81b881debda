//! Whose turn it is to take what comes in: bytes of a stream, connections, datagrams.
//!
//! One read of a stream is in flight at a time, because the bytes of two could change places. A read whose
//! future was dropped has the turn until its packet was dequeued; what it brought all the same is kept, and
//! is the first that the next one gets. So nothing that was read is ever lost, and no caller waits for the
//! system while something is kept. Messages keep their bounds.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::deferred_wakes::Aftermath;
use crate::native::of_code;
use crate::transfer::Arrival;

/// What one read has brought.
pub(crate) enum Kept {
    Bytes {
        bytes: Vec<u8>,
        /// How many of them were handed out.
        taken: usize,
        /// See [`Arrival::Bytes`].
        is_last: bool,
    },
    /// The system may report it only once.
    Error(u32),
}

#[derive(Default)]
struct Contents<K> {
    is_taken: bool,
    /// Data of operations whose futures were dropped.
    kept: K,
    waiting: Vec<Waker>,
}

/// See the module head.
#[derive(Default)]
pub(crate) struct Incoming<K = VecDeque<Kept>>(Mutex<Contents<K>>);

impl<K> Incoming<K> {
    fn contents(&self) -> MutexGuard<'_, Contents<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn. Those who wait get it in no particular order.
    pub(crate) async fn turn(self: &Arc<Incoming<K>>) -> Turn<K> {
        poll_fn(|context| {
            let waker = context.waker().clone();
            let mut contents = self.contents();
            if contents.is_taken {
                if !contents.waiting.iter().any(|other| other.will_wake(&waker)) {
                    contents.waiting.push(waker);
                }
                return Poll::Pending;
            }
            contents.is_taken = true;
            Poll::Ready(Turn {
                incoming: Arc::clone(self),
            })
        })
        .await
    }
}

impl Incoming {
    /// Puts bytes back that were read and are the first of what is to come.
    #[cfg(feature = "futures-io")]
    pub(crate) fn put_back(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.contents().kept.push_front(Kept::Bytes {
                bytes: bytes.to_vec(),
                taken: 0,
                is_last: true,
            });
        }
    }
}

/// The right to read. Given back when it is dropped.
pub(crate) struct Turn<K = VecDeque<Kept>> {
    incoming: Arc<Incoming<K>>,
}

impl<K> Turn<K> {
    /// Does something with what is kept. Under a lock: short, and without coming back here.
    #[cfg(feature = "sockets")]
    pub(crate) fn with_kept<R>(&self, what: impl FnOnce(&mut K) -> R) -> R {
        what(&mut self.incoming.contents().kept)
    }
}

impl Turn {
    /// Moves what one read has left to the end of `buffer`, as far as there is room in it; nothing if
    /// nothing was kept.
    pub(crate) fn take_kept(&self, buffer: &mut Vec<u8>) -> Option<io::Result<Arrival>> {
        let kept = &mut self.incoming.contents().kept;
        let (bytes, taken, is_last) = match kept.front_mut()? {
            Kept::Bytes {
                bytes,
                taken,
                is_last,
            } => (bytes, taken, *is_last),
            Kept::Error(error) => {
                let error = of_code(*error);
                kept.pop_front();
                return Some(Err(error));
            }
        };
        let rest = &bytes[*taken..];
        let count = rest.len().min(buffer.capacity() - buffer.len());
        buffer.extend_from_slice(&rest[..count]);
        let is_all = count == rest.len();
        *taken += count;
        if is_all {
            kept.pop_front();
        }
        let is_last = is_all && is_last;
        Some(Ok(Arrival::Bytes { count, is_last }))
    }

    /// Keeps what a read brought for the next one.
    pub(crate) fn keep(&self, bytes: Vec<u8>, is_last: bool) {
        let taken = 0;
        self.incoming.contents().kept.push_back(Kept::Bytes {
            bytes,
            taken,
            is_last,
        });
    }

    /// Keeps an error that the system may report only once: that a connection was reset.
    pub(crate) fn keep_error(&self, error: u32) {
        self.incoming.contents().kept.push_back(Kept::Error(error));
    }
}

impl<K> Drop for Turn<K> {
    fn drop(&mut self) {
        let waiting = {
            let mut contents = self.incoming.contents();
            contents.is_taken = false;
            std::mem::take(&mut contents.waiting)
        };
        let mut aftermath = Aftermath::default();
        aftermath.wake(waiting);
    }
}
