//! Whose turn it is to read from a stream.
//!
//! One read of a stream is in flight at a time, because the bytes of two could change places. A read whose
//! future was dropped has the turn until its packet was dequeued; what it brought all the same is kept, and
//! is the first that the next one gets. So nothing that was read is ever lost. Messages keep their bounds.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::aftermath::Aftermath;
use super::transfer::Arrival;

/// What one read has brought.
struct Kept {
    bytes: Vec<u8>,
    /// How many of them were handed out.
    taken: usize,
    /// See [`Arrival::Bytes`].
    is_last: bool,
}

#[derive(Default)]
struct Contents {
    is_taken: bool,
    /// What reads that nobody waited for have brought.
    kept: VecDeque<Kept>,
    waiting: Vec<Waker>,
}

/// See the module head.
#[derive(Default)]
pub(super) struct Incoming(Mutex<Contents>);

impl Incoming {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn. Those who wait get it in no particular order.
    pub(super) async fn turn(self: &Arc<Incoming>) -> Turn {
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

/// The right to read. Given back when it is dropped.
pub(crate) struct Turn {
    incoming: Arc<Incoming>,
}

impl Turn {
    /// Moves what one read has left to the end of `buffer`, as far as there is room in it; nothing if
    /// nothing was kept.
    pub(super) fn take_kept(&self, buffer: &mut Vec<u8>) -> Option<Arrival> {
        let kept = &mut self.incoming.contents().kept;
        let first = kept.front_mut()?;
        let rest = &first.bytes[first.taken..];
        let count = rest.len().min(buffer.capacity() - buffer.len());
        buffer.extend_from_slice(&rest[..count]);
        let is_all = count == rest.len();
        let is_last = is_all && first.is_last;
        first.taken += count;
        if is_all {
            kept.pop_front();
        }
        Some(Arrival::Bytes { count, is_last })
    }

    /// Keeps what a read brought for the next one.
    pub(super) fn keep(&self, bytes: Vec<u8>, is_last: bool) {
        self.incoming.contents().kept.push_back(Kept {
            bytes,
            taken: 0,
            is_last,
        });
    }
}

impl Drop for Turn {
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
