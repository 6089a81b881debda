//! Waiting until a handle is signalled.
//!
//! A wait is an operation like any other: it has a slot, a key of its own and one packet, which the kernel
//! posts itself (wait completion packets), or which a thread of the process's pool posts where the system
//! has none of those. Either way a cancel is exact: it says at once that no packet comes, or that one does,
//! which is then waited for. So no end of one wait is ever taken for that of a later one, and nothing that
//! is still registered can be forgotten about.
//!
//! Time limits are timers of the proactor, not of the system's wait: they are never early.

mod operation;
mod wait_method;

use std::fmt;
use std::future::Future;
use std::io;
use std::os::windows::io::{AsHandle, IntoRawHandle};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_OPERATION_ABORTED;

use crate::endpoint::Endpoint;
use crate::native::handle::Handle;
use crate::native::of_code;
use crate::native::waits::is_signalled;
use crate::operation::Ended;
use crate::{Remote, Sleep, Submission};
use operation::Wait;
pub(crate) use wait_method::post_end;

enum State {
    Waiting(Submission<Wait>),
    /// The handle could not be waited for.
    Refused(io::Error),
    Over,
}

/// A wait for a handle; see [`Remote::wait_for_handle`].
///
/// Dropped, it ends the wait: nothing is left registered, and nothing comes later.
#[must_use = "dropping it ends the wait"]
pub struct HandleWait {
    state: State,
    limit: Option<Sleep>,
    /// It was ended by its time limit.
    is_late: bool,
}

impl fmt::Debug for HandleWait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HandleWait")
    }
}

impl HandleWait {
    /// Ends the wait. The future gives `ERROR_OPERATION_ABORTED`, or true if the handle was found
    /// signalled before. Harmless when it has ended, and twice.
    pub fn cancel(&self) {
        if let State::Waiting(wait) = &self.state {
            wait.cancel();
        }
    }

    fn judge(&self, ended: Ended, target: &Handle) -> io::Result<bool> {
        match ended.error {
            0 => Ok(true),
            // What was signalled just before the end of the time was signalled in time.
            ERROR_OPERATION_ABORTED if self.is_late => Ok(is_signalled(target.raw())?),
            error => Err(of_code(error)),
        }
    }
}

impl Future for HandleWait {
    type Output = io::Result<bool>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let this = &mut *self;
        loop {
            let wait = match &mut this.state {
                State::Waiting(wait) => wait,
                State::Refused(_) => match std::mem::replace(&mut this.state, State::Over) {
                    State::Refused(error) => return Poll::Ready(Err(error)),
                    _ => return Poll::Pending,
                },
                State::Over => return Poll::Pending,
            };
            if let Poll::Ready((ended, target)) = Pin::new(&mut *wait).poll(context) {
                this.state = State::Over;
                this.limit = None;
                return Poll::Ready(this.judge(ended, &target));
            }
            let Some(limit) = &mut this.limit else {
                return Poll::Pending;
            };
            match Pin::new(limit).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(slept) => {
                    // Without its timer it was ended by the close of the proactor.
                    this.is_late = slept.is_ok();
                    this.limit = None;
                    wait.cancel();
                }
            }
        }
    }
}

impl Remote {
    /// Waits until the handle is signalled: true, or until the time is over, and never before: false. The
    /// wait begins before this returns. The handle is duplicated, with the right to wait for it
    /// (`SYNCHRONIZE`).
    ///
    /// For what stays signalled: processes, threads, events that are reset by hand. Those that a wait
    /// changes do not make sense here. An event that resets itself may be reset by a wait that is cancelled
    /// at the same time, and a mutex would belong to a thread of the pool, or is refused.
    ///
    /// Any number at once. Where the system has wait completion packets (Windows 8) no thread waits; else
    /// one of the process's thread pool does for each 63.
    ///
    /// # Errors
    /// Given by the future: what DuplicateHandle and the wait say, `ERROR_OPERATION_ABORTED` after
    /// [`HandleWait::cancel`] and when the proactor is closed, `ERROR_ABANDONED_WAIT_0` if it was before.
    pub fn wait_for_handle(&self, handle: impl AsHandle, timeout: Option<Duration>) -> HandleWait {
        let state = match handle.as_handle().try_clone_to_owned() {
            Err(error) => State::Refused(error),
            Ok(duplicate) => {
                // SAFETY: it was just created, and nothing else refers to it.
                let target = unsafe { Handle::own(duplicate.into_raw_handle()) };
                let wait = Wait::new(Endpoint::of_nothing(self), target);
                State::Waiting(self.submit(wait))
            }
        };
        HandleWait {
            state,
            limit: timeout.map(|time| self.sleep(time)),
            is_late: false,
        }
    }
}
