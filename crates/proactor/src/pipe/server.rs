//! Pipe servers that always listen.
//!
//! The accepts of the instances run without a future: they belong to the reception, which gets each client on
//! the thread that polls, makes the next instance, and only then wakes a future that asked for a client.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsStr;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::accept::{PipeInstance, Reception};
use super::name::PipeName;
use super::options::PipeOptions;
use super::stream::PipeStream;
use crate::endpoint::Endpoint;
use crate::native::pipes::Instance;
use crate::native::security::Descriptor;
use crate::remote::Remote;

/// A pipe's name and the instances that listen at it. Cheap to clone. When the last clone is dropped, it is
/// closed to new clients, and to those that are connected and were not asked for. Clients that were handed out
/// keep their connections; until the last of these ends, others find the pipe busy and not missing.
#[derive(Clone)]
pub struct PipeServer {
    owner: Arc<Owner>,
}

impl fmt::Debug for PipeServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PipeServer")
    }
}

impl PipeServer {
    /// Serves a name that no other process serves: from now on clients connect.
    ///
    /// The name is the whole one, `\\.\pipe\name`. Unless the options say otherwise, the system refuses
    /// clients on other machines and other users.
    ///
    /// # Errors
    /// `InvalidInput` for what is no name of a pipe; `ERROR_ACCESS_DENIED` if the name is served already;
    /// what else CreateNamedPipe reports.
    pub fn bind(
        remote: &Remote,
        name: impl AsRef<OsStr>,
        options: PipeOptions,
    ) -> io::Result<PipeServer> {
        let name = PipeName::local(name.as_ref())?;
        let descriptor = options.access.descriptor()?;
        let first = PipeInstance::create(
            remote,
            &name,
            &options,
            descriptor.as_ref(),
            Instance::First,
        )?;
        let arrivals = Arc::new(Arrivals {
            remote: remote.clone(),
            name,
            options,
            descriptor,
            queue: Mutex::default(),
        });
        let owner = Arc::new(Owner { arrivals });
        let arrivals = &owner.arrivals;
        arrivals.queue().being_made = 1;
        arrivals.listen(first)?;
        arrivals.refill()?;
        Ok(PipeServer { owner })
    }

    /// Waits for a client. Several futures may wait, and each gets one.
    ///
    /// A future that is dropped loses no client: the one that it would have got goes to the next.
    ///
    /// # Errors
    /// What CreateNamedPipe or ConnectNamedPipe reports where no instance listens any more; the next call
    /// tries again to make one. `ERROR_ABANDONED_WAIT_0` or `ERROR_OPERATION_ABORTED` if the proactor closes.
    pub async fn accept(&self) -> io::Result<PipeStream> {
        let arrivals = &self.owner.arrivals;
        Accepting {
            arrivals,
            waiter: None,
        }
        .await
    }
}

/// What the clones of a server share. Its drop closes the pipe.
struct Owner {
    arrivals: Arc<Arrivals>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.arrivals.close();
    }
}

/// The clients of a server that were not asked for, and the futures that ask.
#[derive(Default)]
struct Queue {
    /// Clients, or why there is none, by the numbers of their arrival.
    arrived: VecDeque<(u64, io::Result<PipeStream>)>,
    /// The number of the last arrival.
    last_arrival: u64,
    /// Instances whose accept is in flight, by the keys of their endpoints.
    listening: HashMap<usize, Arc<Endpoint>>,
    /// How many instances are being made.
    being_made: usize,
    /// The wakers of the futures that ask, by number.
    waiting: BTreeMap<u64, Waker>,
    /// The number of the last future that asked.
    last_waiter: u64,
    is_closed: bool,
}

impl Queue {
    /// Whether no instance listens or is about to.
    fn is_idle(&self) -> bool {
        self.listening.is_empty() && self.being_made == 0
    }

    /// The number of a new arrival.
    fn next_arrival(&mut self) -> u64 {
        self.last_arrival += 1;
        self.last_arrival
    }

    /// Inserts an arrival in front of those that came after it.
    fn insert(&mut self, arrival: u64, arrived: io::Result<PipeStream>) {
        let place = self.arrived.partition_point(|(other, _)| *other < arrival);
        self.arrived.insert(place, (arrival, arrived));
    }

    /// The future that has waited longest.
    fn take_waiter(&mut self) -> Option<Waker> {
        self.waiting.pop_first().map(|(_, waker)| waker)
    }
}

/// Where the clients of a server arrive, whether or not a future asks for them.
struct Arrivals {
    remote: Remote,
    name: PipeName,
    options: PipeOptions,
    descriptor: Option<Descriptor>,
    queue: Mutex<Queue>,
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PipeServer")
    }
}

impl Arrivals {
    /// Never held while a call is made or a waker is woken.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes instances until as many listen as the options say, unless enough clients wait.
    fn refill(self: &Arc<Arrivals>) -> io::Result<()> {
        loop {
            {
                let mut queue = self.queue();
                let listening = queue.listening.len() + queue.being_made;
                let is_enough = listening >= self.options.listening.max(1);
                let is_full = queue.arrived.len() >= self.options.backlog.max(1);
                if queue.is_closed || is_enough || is_full {
                    return Ok(());
                }
                queue.being_made += 1;
            }
            let descriptor = self.descriptor.as_ref();
            let (remote, options) = (&self.remote, &self.options);
            match PipeInstance::create(remote, &self.name, options, descriptor, Instance::Further) {
                Ok(instance) => self.listen(instance)?,
                Err(error) => {
                    self.queue().being_made -= 1;
                    return Err(error);
                }
            }
        }
    }

    /// Issues the accept of an instance that was counted as being made.
    fn listen(self: &Arc<Arrivals>, instance: PipeInstance) -> io::Result<()> {
        let (endpoint, accept) = instance.accept_for(Arc::clone(self) as Arc<dyn Reception>);
        let key = endpoint.key();
        {
            let mut queue = self.queue();
            queue.being_made -= 1;
            queue.listening.insert(key, Arc::clone(&endpoint));
        }
        match self.remote.submit(accept).let_run() {
            Some(Ok(client)) => {
                let arrival = self.queue().next_arrival();
                self.admit(key, arrival, client);
            }
            Some(Err(error)) => {
                self.queue().listening.remove(&key);
                return Err(error);
            }
            None if self.queue().is_closed => cancel(&endpoint),
            None => {}
        }
        Ok(())
    }

    /// Keeps a client until a future asks for it.
    fn admit(&self, key: usize, arrival: u64, client: PipeStream) {
        let (refused, waker) = {
            let mut queue = self.queue();
            queue.listening.remove(&key);
            if queue.is_closed {
                (Some(client), None)
            } else {
                queue.insert(arrival, Ok(client));
                (None, queue.take_waiter())
            }
        };
        drop(refused);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Closes the pipe to new clients, and to those that were not asked for.
    fn close(&self) {
        let (listening, arrived) = {
            let mut queue = self.queue();
            queue.is_closed = true;
            (
                std::mem::take(&mut queue.listening),
                std::mem::take(&mut queue.arrived),
            )
        };
        listening.values().for_each(|endpoint| cancel(endpoint));
        drop(arrived);
    }
}

impl Reception for Arrivals {
    fn arrived(self: Arc<Self>, key: usize, result: io::Result<PipeStream>) {
        let failed = match result {
            Ok(client) => {
                let arrival = {
                    let mut queue = self.queue();
                    queue.listening.remove(&key);
                    queue.next_arrival()
                };
                // The next instance may have its client at once, which came after this one.
                let refilled = self.refill();
                self.admit(key, arrival, client);
                refilled.err()
            }
            Err(error) => {
                self.queue().listening.remove(&key);
                Some(error)
            }
        };
        let waiting = {
            let mut queue = self.queue();
            match failed {
                Some(error) if queue.is_idle() && !queue.is_closed => {
                    let arrival = queue.next_arrival();
                    queue.insert(arrival, Err(error));
                    std::mem::take(&mut queue.waiting)
                }
                _ => return,
            }
        };
        waiting.into_values().for_each(Waker::wake);
    }
}

/// Cancels the accept of an instance, which is the only operation on it.
fn cancel(endpoint: &Endpoint) {
    // An error says that it has ended.
    let _ = crate::native::cancel(endpoint, None);
}

/// A future that asks for a client.
struct Accepting<'a> {
    arrivals: &'a Arc<Arrivals>,
    /// The number of its waker, while that is in the queue or was taken to be woken.
    waiter: Option<u64>,
}

impl Future for Accepting<'_> {
    type Output = io::Result<PipeStream>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let waker = context.waker().clone();
            let mut queue = self.arrivals.queue();
            let old = self.waiter.take();
            let old = old.and_then(|waiter| queue.waiting.remove(&waiter));
            let arrived = queue.arrived.pop_front();
            let is_idle = queue.is_idle();
            if arrived.is_none() && !is_idle {
                queue.last_waiter += 1;
                let number = queue.last_waiter;
                queue.waiting.insert(number, waker);
                drop(queue);
                drop(old);
                self.waiter = Some(number);
                return Poll::Pending;
            }
            drop(queue);
            drop(old);
            // There is space for one more now, or nothing listens.
            let refilled = self.arrivals.refill();
            match (arrived, refilled) {
                (Some((_, arrived)), _) => return Poll::Ready(arrived),
                (None, Err(error)) => return Poll::Ready(Err(error)),
                (None, Ok(())) => {}
            }
        }
    }
}

impl Drop for Accepting<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter else {
            return;
        };
        // A future that was woken and takes no client passes the wake on.
        let (own, next) = {
            let mut queue = self.arrivals.queue();
            let own = queue.waiting.remove(&waiter);
            let is_passed_on = own.is_none() && !queue.arrived.is_empty();
            let next = is_passed_on.then(|| queue.take_waiter()).flatten();
            (own, next)
        };
        drop(own);
        if let Some(next) = next {
            next.wake();
        }
    }
}
