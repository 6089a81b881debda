//! The kernel of Linux with its thread: starting, and waiting for records, a command or mounts.
//!
//! One poll(2) waits for all of them. No timer runs while nothing happens.

use std::path::PathBuf;
use std::time::Duration;

use everwatch_core::fault::Fault;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::bell::Bell;
use super::inotify::InotifyKernel;
use crate::contract::{HostKernel, Woken};
use crate::options::{Backend, StartOptions};

impl HostKernel for InotifyKernel {
    type Bell = Bell;

    fn start(options: &StartOptions) -> Result<InotifyKernel, Fault> {
        InotifyKernel::new(options)
    }

    fn backend(&self) -> Backend {
        match self.is_notified() {
            true => Backend::Inotify,
            false => Backend::Poll,
        }
    }

    fn enter_thread(&mut self) {
        self.unshare_directory();
    }

    fn bell(&self) -> Bell {
        self.bell.clone()
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Woken {
        self.wait_for(timeout, Wakers::All)
    }

    fn nap(&mut self, time: Duration) {
        self.wait_for(Some(time), Wakers::Bell);
    }

    fn changed_mounts(&mut self) -> Vec<PathBuf> {
        let Some(mounts) = &mut self.mounts else {
            return Vec::new();
        };
        let mut fds = [PollFd::from_borrowed_fd(mounts.as_fd(), PollFlags::PRI)];
        let polled = poll(&mut fds, Some(&Timespec::default()));
        match polled {
            Ok(0) => Vec::new(),
            _ => mounts.changed(),
        }
    }
}

/// What ends a wait besides its timeout.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wakers {
    /// Records, mounts and the bell.
    All,
    /// The bell alone: records may gather meanwhile.
    Bell,
}

impl InotifyKernel {
    /// Waits in poll(2) until one of `wakers` is ready, or for `timeout`.
    fn wait_for(&mut self, timeout: Option<Duration>, wakers: Wakers) -> Woken {
        let timeout = timeout.map(|time| Timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        });
        let mut mounts_changed = false;
        let mut rang = false;
        {
            let mut fds = vec![PollFd::from_borrowed_fd(self.bell.fd(), PollFlags::IN)];
            if wakers == Wakers::All {
                fds.extend(
                    self.inotify()
                        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
                );
                if let Some(mounts) = &self.mounts {
                    fds.push(PollFd::from_borrowed_fd(mounts.as_fd(), PollFlags::PRI));
                }
            }
            // An interrupted wait is a wait that woke for nothing.
            if poll(&mut fds, timeout.as_ref()).is_ok() {
                rang = fds[0].revents().contains(PollFlags::IN);
                mounts_changed = fds
                    .last()
                    .is_some_and(|last| last.revents().contains(PollFlags::PRI));
            }
        }
        if rang {
            self.bell.silence();
        }
        match &mut self.mounts {
            Some(mounts) if mounts_changed => Woken {
                mounts: mounts.changed(),
            },
            _ => Woken::default(),
        }
    }
}
