//! A server that always listens.
//!
//! The accepts of its instances are let run: they belong to the reception, which gets each client on the
//! thread that polls, makes the next instance, and only then wakes a future that waits for a client.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsStr;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::PipeStream;
use super::accept::PipeInstance;
use super::name::PipeName;
use super::options::PipeOptions;
use crate::endpoint::Endpoint;
use crate::native::calls;
use crate::native::security::Descriptor;
use crate::remote::Remote;

/// A pipe's name and the instances that listen at it. Cheap to clone; the last clone closes it to new
/// clients, and to those who are connected and were not asked for. Clients who were handed out keep their
/// connections; until the last of these ends, others find the pipe busy and not missing.
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
    /// Serves a name that is not served yet: from now on clients connect.
    ///
    /// The name is the whole one, `\\.\pipe\name`. Clients on other machines are refused by the system, and
    /// other users too, unless the options say otherwise.
    ///
    /// # Errors
    /// `InvalidInput` for what is no name of a pipe; `ERROR_ACCESS_DENIED` if it is served already;
    /// what else CreateNamedPipe says.
    pub fn bind(
        remote: &Remote,
        name: impl AsRef<OsStr>,
        options: PipeOptions,
    ) -> io::Result<PipeServer> {
        let name = PipeName::local(name.as_ref())?;
        let descriptor = options.access.descriptor()?;
        let first = PipeInstance::create(remote, &name, &options, descriptor.as_ref(), true)?;
        let reception = Arc::new(Reception {
            remote: remote.clone(),
            name,
            options,
            descriptor,
            contents: Mutex::default(),
        });
        let owner = Arc::new(Owner { reception });
        let reception = &owner.reception;
        reception.contents().being_made = 1;
        reception.listen(first)?;
        reception.refill()?;
        Ok(PipeServer { owner })
    }

    /// Waits for a client. Several may wait, and each gets one.
    ///
    /// Cancellation: dropping it loses no client. The next call gets it.
    ///
    /// # Errors
    /// What CreateNamedPipe or ConnectNamedPipe says where no instance listens any more; the next call tries
    /// again to make one. `ERROR_ABANDONED_WAIT_0` or `ERROR_OPERATION_ABORTED` if the proactor closes.
    pub async fn accept(&self) -> io::Result<PipeStream> {
        let reception = &self.owner.reception;
        Accepting {
            reception,
            waiter: None,
        }
        .await
    }
}

/// Closes the pipe when the last owner is dropped.
struct Owner {
    reception: Arc<Reception>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.reception.close();
    }
}

#[derive(Default)]
struct Contents {
    /// Clients that have not been asked for yet, or why there is none, by the numbers of their arrival.
    arrived: VecDeque<(u64, io::Result<PipeStream>)>,
    next_arrival: u64,
    /// Instances whose accept is in flight, by the keys of their endpoints.
    listening: HashMap<usize, Arc<Endpoint>>,
    /// How many are on their way to listen.
    being_made: usize,
    waiting: BTreeMap<u64, Waker>,
    next_waiter: u64,
    is_closed: bool,
}

impl Contents {
    fn is_idle(&self) -> bool {
        self.listening.is_empty() && self.being_made == 0
    }

    /// The number of an arrival.
    fn arrival(&mut self) -> u64 {
        self.next_arrival += 1;
        self.next_arrival
    }

    /// Puts it before those that came after it.
    fn insert(&mut self, arrival: u64, arrived: io::Result<PipeStream>) {
        let place = self.arrived.partition_point(|(other, _)| *other < arrival);
        self.arrived.insert(place, (arrival, arrived));
    }

    fn take_waiter(&mut self) -> Option<Waker> {
        self.waiting.pop_first().map(|(_, waker)| waker)
    }
}

/// Where clients arrive, also while no future waits for them.
pub(super) struct Reception {
    remote: Remote,
    name: PipeName,
    options: PipeOptions,
    descriptor: Option<Descriptor>,
    contents: Mutex<Contents>,
}

impl fmt::Debug for Reception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Reception")
    }
}

impl Reception {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has as many instances listen as are to, unless enough clients wait.
    fn refill(self: &Arc<Reception>) -> io::Result<()> {
        loop {
            {
                let mut contents = self.contents();
                let listening = contents.listening.len() + contents.being_made;
                let is_enough = listening >= self.options.listening.max(1);
                let is_full = contents.arrived.len() >= self.options.backlog.max(1);
                if contents.is_closed || is_enough || is_full {
                    return Ok(());
                }
                contents.being_made += 1;
            }
            let descriptor = self.descriptor.as_ref();
            let (remote, options) = (&self.remote, &self.options);
            match PipeInstance::create(remote, &self.name, options, descriptor, false) {
                Ok(instance) => self.listen(instance)?,
                Err(error) => {
                    self.contents().being_made -= 1;
                    return Err(error);
                }
            }
        }
    }

    /// Has an instance that was counted as being made accept.
    fn listen(self: &Arc<Reception>, instance: PipeInstance) -> io::Result<()> {
        let (endpoint, accept) = instance.accept_for(Arc::clone(self));
        let key = endpoint.key();
        {
            let mut contents = self.contents();
            contents.being_made -= 1;
            contents.listening.insert(key, Arc::clone(&endpoint));
        }
        match self.remote.submit(accept).let_run() {
            Some(Ok(client)) => {
                let arrival = self.contents().arrival();
                self.admit(key, arrival, client);
            }
            Some(Err(error)) => {
                self.contents().listening.remove(&key);
                return Err(error);
            }
            None if self.contents().is_closed => cancel(&endpoint),
            None => {}
        }
        Ok(())
    }

    /// An accept that was in flight has ended. Called by the thread that polls.
    pub(super) fn arrived(self: &Arc<Reception>, key: usize, result: io::Result<PipeStream>) {
        let failed = match result {
            Ok(client) => {
                let arrival = {
                    let mut contents = self.contents();
                    contents.listening.remove(&key);
                    contents.arrival()
                };
                // The next instance may have its client at once, who came after this one.
                let refilled = self.refill();
                self.admit(key, arrival, client);
                refilled.err()
            }
            Err(error) => {
                self.contents().listening.remove(&key);
                Some(error)
            }
        };
        let waiting = {
            let mut contents = self.contents();
            match failed {
                Some(error) if contents.is_idle() && !contents.is_closed => {
                    let arrival = contents.arrival();
                    contents.insert(arrival, Err(error));
                    std::mem::take(&mut contents.waiting)
                }
                _ => return,
            }
        };
        waiting.into_values().for_each(Waker::wake);
    }

    /// Keeps a client until it is asked for.
    fn admit(&self, key: usize, arrival: u64, client: PipeStream) {
        let (refused, waker) = {
            let mut contents = self.contents();
            contents.listening.remove(&key);
            if contents.is_closed {
                (Some(client), None)
            } else {
                contents.insert(arrival, Ok(client));
                (None, contents.take_waiter())
            }
        };
        drop(refused);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn close(&self) {
        let (listening, arrived) = {
            let mut contents = self.contents();
            contents.is_closed = true;
            (
                std::mem::take(&mut contents.listening),
                std::mem::take(&mut contents.arrived),
            )
        };
        listening.values().for_each(|endpoint| cancel(endpoint));
        drop(arrived);
    }
}

/// Ends the pending accept of an instance.
fn cancel(endpoint: &Endpoint) {
    // An error says that it has ended.
    // SAFETY: the endpoint is open.
    let _ = unsafe { calls::cancel(endpoint.raw(), std::ptr::null()) };
}

/// Somebody who asks for a client.
struct Accepting<'a> {
    reception: &'a Arc<Reception>,
    waiter: Option<u64>,
}

impl Future for Accepting<'_> {
    type Output = io::Result<PipeStream>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let waker = context.waker().clone();
            let mut contents = self.reception.contents();
            let old = self.waiter.take();
            let old = old.and_then(|waiter| contents.waiting.remove(&waiter));
            let arrived = contents.arrived.pop_front();
            let is_idle = contents.is_idle();
            if arrived.is_none() && !is_idle {
                contents.next_waiter += 1;
                let number = contents.next_waiter;
                contents.waiting.insert(number, waker);
                drop(contents);
                drop(old);
                self.waiter = Some(number);
                return Poll::Pending;
            }
            drop(contents);
            drop(old);
            // There is room for one more now, or nothing listens.
            let refilled = self.reception.refill();
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
        // A future that was woken and takes no client wakes the next.
        let (own, next) = {
            let mut contents = self.reception.contents();
            let own = contents.waiting.remove(&waiter);
            let is_passed_on = own.is_none() && !contents.arrived.is_empty();
            let next = is_passed_on.then(|| contents.take_waiter()).flatten();
            (own, next)
        };
        drop(own);
        if let Some(next) = next {
            next.wake();
        }
    }
}
