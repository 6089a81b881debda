//! The future of one operation.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::operation::{Ended, Erased, Operation};
use crate::remote::Remote;
use crate::table::{Found, OperationId};

enum State {
    Flying(OperationId),
    /// Complete when the call returned, or refused by it.
    Landed(Erased, Ended),
    /// Its output was given, or there will be none.
    Over,
}

/// An operation that was issued. It runs whether or not this is polled.
///
/// Dropped, it asks the kernel to end the operation, which lives on in the proactor until its packet was
/// dequeued: nothing is freed early, and nothing is waited for. What it brings all the same is kept where
/// the operation says so ([`Operation::abandon`]).
///
/// It never gives anything if the kernel kept the operation beyond the close of the proactor.
#[must_use = "dropping it cancels the operation"]
pub struct Submission<O: Operation> {
    remote: Remote,
    state: State,
    operation: PhantomData<fn() -> O>,
}

impl<O: Operation> Unpin for Submission<O> {}

impl<O: Operation> fmt::Debug for Submission<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.state {
            State::Flying(_) => "Submission(in flight)",
            State::Landed(..) => "Submission(complete)",
            State::Over => "Submission(over)",
        })
    }
}

impl<O: Operation> Submission<O> {
    pub(crate) fn flying(remote: Remote, id: OperationId) -> Submission<O> {
        Submission {
            remote,
            state: State::Flying(id),
            operation: PhantomData,
        }
    }

    pub(crate) fn landed(remote: Remote, operation: Erased, ended: Ended) -> Submission<O> {
        Submission {
            remote,
            state: State::Landed(operation, ended),
            operation: PhantomData,
        }
    }

    /// For an operation of this submission that has landed.
    fn finish(operation: Erased, ended: Ended) -> O::Output {
        // SAFETY: it has landed, and is what was submitted.
        unsafe { operation.take::<O>() }.finish(ended)
    }

    /// Asks for the operation to end. The future still gives its output: what was transferred, if it
    /// succeeded before, or the error of a cancelled operation. Harmless when it has ended, and twice.
    pub fn cancel(&self) {
        if let State::Flying(id) = self.state {
            self.remote.cancel(id);
        }
    }

    /// The output, if the call refused the operation or completed it. A packet does not count.
    ///
    /// # Errors
    /// The submission, which goes on.
    pub fn at_once(mut self) -> Result<O::Output, Submission<O>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Landed(operation, ended) => Ok(Self::finish(operation, ended)),
            other => {
                self.state = other;
                Err(self)
            }
        }
    }

    /// Gives the future up without asking for the end: the operation goes on, and reports by
    /// [`Operation::abandon`] how it ended. The output, if it has ended already.
    pub(crate) fn let_run(mut self) -> Option<O::Output> {
        let (operation, ended) = match std::mem::replace(&mut self.state, State::Over) {
            State::Flying(id) => self.remote.let_run(id)?,
            State::Landed(operation, ended) => (operation, ended),
            State::Over => return None,
        };
        Some(Self::finish(operation, ended))
    }
}

impl<O: Operation> Future for Submission<O> {
    type Output = O::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O::Output> {
        let (operation, ended) = match std::mem::replace(&mut self.state, State::Over) {
            State::Flying(id) => match self.remote.claim(id, context.waker()) {
                Found::Landed(operation, ended) => (operation, ended),
                Found::Flying(_replaced) => {
                    self.state = State::Flying(id);
                    return Poll::Pending;
                }
                Found::Lost => return Poll::Pending,
            },
            State::Landed(operation, ended) => (operation, ended),
            State::Over => return Poll::Pending,
        };
        Poll::Ready(Self::finish(operation, ended))
    }
}

impl<O: Operation> Drop for Submission<O> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Flying(id) => self.remote.abandon(id),
            // SAFETY: it has landed.
            State::Landed(operation, ended) => unsafe { operation.abandon(ended) },
            State::Over => {}
        }
    }
}
