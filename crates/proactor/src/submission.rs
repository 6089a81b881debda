//! Submissions: the futures of operations.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use windows_sys::Win32::Foundation::ERROR_ABANDONED_WAIT_0;

use crate::deferred_wakes::finish;
use crate::native::in_flight::{Boxed, Over};
use crate::operation::Operation;
use crate::remote::Remote;
use crate::table::{Found, OperationId};

/// How far an operation has come.
enum Progress {
    /// It is in the table.
    InFlight(OperationId),
    /// It was complete when its call returned, or was refused.
    Ended(Over),
    /// Its output was taken, or there will be none.
    Taken,
}

/// An operation that was issued. It runs whether or not this future is polled.
///
/// Dropped, it asks the kernel to end the operation, which lives on in the loop until its packet was dequeued:
/// nothing is freed early, and the drop does not block. What the operation has brought by then is kept where
/// it provides for that ([`Operation::abandon`]).
///
/// Never resolves if the kernel keeps the operation beyond the close of the loop.
#[must_use = "dropping it cancels the operation"]
pub struct Submission<O: Operation> {
    remote: Remote,
    progress: Progress,
    operation: PhantomData<fn() -> O>,
}

impl<O: Operation> Unpin for Submission<O> {}

impl<O: Operation> fmt::Debug for Submission<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.progress {
            Progress::InFlight(_) => "Submission(in flight)",
            Progress::Ended(_) => "Submission(complete)",
            Progress::Taken => "Submission(taken)",
        })
    }
}

impl<O: Operation> Submission<O> {
    /// The future of an operation that was issued or refused.
    fn new(remote: &Remote, progress: Progress) -> Submission<O> {
        Submission {
            remote: remote.clone(),
            progress,
            operation: PhantomData,
        }
    }

    /// The output of an operation that has ended.
    fn output(over: Over) -> O::Output {
        let (operation, ended) = over.take::<O>();
        operation.finish(ended)
    }

    /// Asks for the operation to end. The future still resolves: with what was transferred if the operation
    /// succeeded before, or with the error of a cancelled operation. Harmless when it has ended, and twice.
    pub fn cancel(&self) {
        if let Progress::InFlight(id) = self.progress {
            let completed = self.remote.shared.registry().table.cancel(id);
            completed.into_iter().for_each(finish);
        }
    }

    /// The output, if the call completed or refused the operation. A packet that has come since does not count.
    ///
    /// # Errors
    /// The submission itself, which goes on.
    pub fn at_once(mut self) -> Result<O::Output, Submission<O>> {
        match std::mem::replace(&mut self.progress, Progress::Taken) {
            Progress::Ended(over) => Ok(Self::output(over)),
            other => {
                self.progress = other;
                Err(self)
            }
        }
    }

    /// Gives the future up without asking for the end. The operation goes on, and its end goes to
    /// [`Operation::abandon`]. Returns the output if it has ended already.
    pub(crate) fn let_run(mut self) -> Option<O::Output> {
        let over = match std::mem::replace(&mut self.progress, Progress::Taken) {
            Progress::InFlight(id) => self.remote.shared.registry().table.let_run(id)?,
            Progress::Ended(over) => over,
            Progress::Taken => return None,
        };
        Some(Self::output(over))
    }
}

impl<O: Operation> Future for Submission<O> {
    type Output = O::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O::Output> {
        let over = match std::mem::replace(&mut self.progress, Progress::Taken) {
            Progress::InFlight(id) => {
                let found = self
                    .remote
                    .shared
                    .registry()
                    .table
                    .claim(id, context.waker());
                match found {
                    Found::Ended(over) => over,
                    Found::InFlight(_replaced) => {
                        self.progress = Progress::InFlight(id);
                        return Poll::Pending;
                    }
                    Found::Lost => return Poll::Pending,
                }
            }
            Progress::Ended(over) => over,
            Progress::Taken => return Poll::Pending,
        };
        Poll::Ready(Self::output(over))
    }
}

impl<O: Operation> Drop for Submission<O> {
    fn drop(&mut self) {
        if let Progress::InFlight(id) = self.progress {
            let completed = self.remote.shared.registry().table.abandon(id);
            completed.into_iter().for_each(finish);
        }
    }
}

impl Remote {
    /// Issues an operation before it returns. Does not block unless the system call does.
    pub fn submit<O: Operation>(&self, operation: O) -> Submission<O> {
        let (key, skips_packets) = {
            let endpoint = operation.endpoint();
            (endpoint.key(), endpoint.skips_packets())
        };
        let operation = Boxed::new(operation);
        let mut registry = self.shared.registry();
        if registry.is_closed {
            drop(registry);
            let over = operation.refused(ERROR_ABANDONED_WAIT_0);
            return Submission::new(self, Progress::Ended(over));
        }
        let (id, launch) = registry.table.insert(operation, key);
        drop(registry);
        let result = launch.issue();
        let mut registry = self.shared.registry();
        if result.brings_packet(skips_packets) {
            registry.table.issued(id);
            // A close that came during the call could not cancel it.
            let completed = match registry.is_closed {
                true => registry.table.cancel(id),
                false => None,
            };
            drop(registry);
            completed.into_iter().for_each(finish);
            return Submission::new(self, Progress::InFlight(id));
        }
        let over = registry.table.withdraw(id, result);
        drop(registry);
        match over {
            Some(over) => Submission::new(self, Progress::Ended(over)),
            None => Submission::new(self, Progress::InFlight(id)),
        }
    }
}
