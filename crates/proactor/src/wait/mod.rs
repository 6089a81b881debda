//! Waits until a handle is signalled.
//!
//! A wait is an operation like any other: it has a slot, a key of its own, and one packet. The kernel posts the
//! packet itself (wait completion packets), or a thread of the process's pool does where the system has none
//! of those. Either way a cancel is exact: it says at once that no packet comes, or that one does, which is
//! then waited for. So the end of one wait is never taken for that of a later one, and no registration is
//! forgotten.
//!
//! Time limits are timers of the loop, not of the system's wait: they are never early.

mod operation;
mod wait_method;

use std::fmt;
use std::future::Future;
use std::io;
use std::os::windows::io::AsHandle;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_OPERATION_ABORTED;

use crate::endpoint::Endpoint;
use crate::native::overlapped::Ended;
use crate::native::{Handle, io_error, is_signalled_within};
use crate::remote::Remote;
use crate::sleep::Sleep;
use crate::submission::Submission;
use operation::Wait;

/// How far a wait has come.
enum Stage {
    /// It was issued.
    Waiting(Submission<Wait>),
    /// The handle could not be waited for.
    Refused(io::Error),
    /// Its result was taken.
    Over,
}

/// A wait for a handle; made by [`Remote::wait_for_handle`].
///
/// Dropped, it ends the wait: nothing stays registered, and nothing comes later.
#[must_use = "dropping it ends the wait"]
pub struct HandleWait {
    stage: Stage,
    /// Gone when it has ended, or the wait has.
    limit: Option<Sleep>,
    /// The time limit has ended the wait.
    is_late: bool,
}

impl fmt::Debug for HandleWait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HandleWait")
    }
}

impl HandleWait {
    /// Ends the wait. The future resolves with `ERROR_OPERATION_ABORTED`, or with true if the handle was
    /// found signalled before. Harmless when it has ended, and twice.
    pub fn cancel(&self) {
        if let Stage::Waiting(wait) = &self.stage {
            wait.cancel();
        }
    }

    /// The result of a wait that has ended.
    fn judge(&self, ended: Ended, target: &Handle) -> io::Result<bool> {
        match ended.error() {
            0 => Ok(true),
            // What was signalled just before the end of the time was signalled in time.
            ERROR_OPERATION_ABORTED if self.is_late => {
                Ok(is_signalled_within(target, 0).map_err(io_error)?)
            }
            error => Err(io_error(error)),
        }
    }
}

impl Future for HandleWait {
    type Output = io::Result<bool>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let this = &mut *self;
        loop {
            let wait = match &mut this.stage {
                Stage::Waiting(wait) => wait,
                Stage::Refused(_) => match std::mem::replace(&mut this.stage, Stage::Over) {
                    Stage::Refused(error) => return Poll::Ready(Err(error)),
                    _ => return Poll::Pending,
                },
                Stage::Over => return Poll::Pending,
            };
            if let Poll::Ready((ended, target)) = Pin::new(&mut *wait).poll(context) {
                this.stage = Stage::Over;
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
    /// Waits until the handle is signalled (true) or the time is over (false, and never early). The wait
    /// begins before this returns. The handle is duplicated, with the right to wait for it (`SYNCHRONIZE`).
    ///
    /// For objects that stay signalled: processes, threads, events that are reset by hand. Those that a wait
    /// changes make no sense here. An event that resets itself may be reset by a wait that is cancelled at the
    /// same time, and a mutex would belong to a thread of the pool, or is refused.
    ///
    /// Any number at once. Where the system has wait completion packets (Windows 8 and later) no thread waits;
    /// otherwise one of the process's thread pool does for each 63 handles.
    ///
    /// # Errors
    /// The future resolves with what DuplicateHandle and the wait report, with `ERROR_OPERATION_ABORTED`
    /// after [`HandleWait::cancel`] and when the proactor is closed, and with `ERROR_ABANDONED_WAIT_0` if it
    /// was closed before.
    pub fn wait_for_handle(&self, handle: impl AsHandle, timeout: Option<Duration>) -> HandleWait {
        let stage = match handle.as_handle().try_clone_to_owned() {
            Err(error) => Stage::Refused(error),
            Ok(duplicate) => {
                let wait = Wait::new(Endpoint::of_nothing(self), duplicate.into());
                Stage::Waiting(self.submit(wait))
            }
        };
        HandleWait {
            stage,
            limit: timeout.map(|time| self.sleep(time)),
            is_late: false,
        }
    }
}
