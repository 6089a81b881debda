//! The read lock of a stream: the right to take what comes in, be it bytes, connections or datagrams.
//!
//! One read of a stream is in flight at a time, because the bytes of two could change places. A read whose
//! future was dropped has the lock until its packet was dequeued. What it has brought by then is kept, and is
//! the first that the next read gets. So nothing that was read is ever lost, and no read waits for the system
//! while something is kept. Messages keep their bounds.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::deferred_wakes::DeferredWakes;
use crate::native::io_error;

/// What a read of a stream came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// The end: there is nothing more, and never will be.
    End,
    /// Bytes, or none at all: an empty message.
    Bytes {
        /// How many were read.
        count: usize,
        /// Whether a message ends here. Always true of bytes without messages.
        is_last: bool,
    },
}

impl Arrival {
    /// How many bytes were read; 0 at the end.
    pub(crate) fn count(self) -> usize {
        match self {
            Arrival::End => 0,
            Arrival::Bytes { count, .. } => count,
        }
    }
}

/// What one read has brought that no future took.
pub(crate) enum Unclaimed {
    /// Bytes of the stream.
    Bytes {
        bytes: Vec<u8>,
        /// How many of them were handed out.
        taken: usize,
        /// Whether a message ends with them.
        is_last: bool,
    },
    /// A Win32 error of the connection, which the system may report once only.
    Error(u32),
}

/// What the readers of one stream share.
#[derive(Default)]
struct Readers<K> {
    is_locked: bool,
    /// What operations have brought that no future took.
    kept: K,
    waiting: Vec<Waker>,
}

/// The incoming side of a stream, a listener or a datagram socket: what was kept, and who may read next.
#[derive(Default)]
pub(crate) struct Incoming<K = VecDeque<Unclaimed>>(Mutex<Readers<K>>);

impl<K> Incoming<K> {
    fn readers(&self) -> MutexGuard<'_, Readers<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to read. Those who wait get it in no particular order. A future that is dropped
    /// leaves its waker behind, which is woken for nothing.
    pub(crate) async fn lock(self: &Arc<Incoming<K>>) -> ReadLock<K> {
        poll_fn(|context| {
            let waker = context.waker().clone();
            let mut readers = self.readers();
            if readers.is_locked {
                if !readers.waiting.iter().any(|other| other.will_wake(&waker)) {
                    readers.waiting.push(waker);
                }
                return Poll::Pending;
            }
            readers.is_locked = true;
            Poll::Ready(ReadLock {
                incoming: Arc::clone(self),
            })
        })
        .await
    }
}

impl Incoming {
    /// Puts bytes back that were read and not used. They are the first that the next read gets.
    #[cfg(feature = "futures-io")]
    pub(crate) fn put_back(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.readers().kept.push_front(Unclaimed::Bytes {
                bytes: bytes.to_vec(),
                taken: 0,
                is_last: true,
            });
        }
    }
}

/// The right to read. Released when it is dropped, which wakes those who wait.
pub(crate) struct ReadLock<K = VecDeque<Unclaimed>> {
    incoming: Arc<Incoming<K>>,
}

impl<K> ReadLock<K> {
    /// Looks at what is kept. `look` runs under a lock: it must be short, and must not come back here.
    #[cfg(feature = "sockets")]
    pub(crate) fn with_kept<R>(&self, look: impl FnOnce(&mut K) -> R) -> R {
        look(&mut self.incoming.readers().kept)
    }
}

impl ReadLock {
    /// Moves what one read has left to the end of `buffer`, as far as there is space in it. `None` if nothing
    /// was kept.
    pub(crate) fn take_kept(&self, buffer: &mut Vec<u8>) -> Option<io::Result<Arrival>> {
        let kept = &mut self.incoming.readers().kept;
        let (bytes, taken, is_last) = match kept.front_mut()? {
            Unclaimed::Bytes {
                bytes,
                taken,
                is_last,
            } => (bytes, taken, *is_last),
            Unclaimed::Error(error) => {
                let error = io_error(*error);
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

    /// Keeps the bytes of a read for the next one.
    pub(crate) fn keep(&self, bytes: Vec<u8>, is_last: bool) {
        let taken = 0;
        self.incoming.readers().kept.push_back(Unclaimed::Bytes {
            bytes,
            taken,
            is_last,
        });
    }

    /// Keeps an error that the system may report once only, such as the reset of a connection.
    pub(crate) fn keep_error(&self, error: u32) {
        let kept = &mut self.incoming.readers().kept;
        kept.push_back(Unclaimed::Error(error));
    }
}

impl<K> Drop for ReadLock<K> {
    fn drop(&mut self) {
        let waiting = {
            let mut readers = self.incoming.readers();
            readers.is_locked = false;
            std::mem::take(&mut readers.waiting)
        };
        let mut deferred = DeferredWakes::default();
        deferred.wake(waiting);
    }
}
