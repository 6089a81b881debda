//! Waiting for the kernel, for a command, or for mounts to change. No timer runs while idle.

use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::bell::Bell;
use super::inotify::Host;
use crate::options::Woken;

impl Host {
    /// The bell of this kernel.
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Blocks until there is something to do, or for `timeout`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Woken {
        self.wait_for(timeout, true)
    }

    /// Blocks for `time` unless the bell rings, also while the kernel queues records.
    pub fn nap(&mut self, time: Duration) {
        self.wait_for(Some(time), false);
    }

    /// Paths on which something was mounted, or from which it was unmounted, and no wait has reported.
    pub fn changed_mounts(&mut self) -> Vec<PathBuf> {
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

    fn wait_for(&mut self, timeout: Option<Duration>, hears_kernel: bool) -> Woken {
        let timeout = timeout.map(|time| Timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        });
        let mut mounts_changed = false;
        let mut rang = false;
        {
            let mut fds = vec![PollFd::new(self.bell.fd(), PollFlags::IN)];
            if hears_kernel {
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
            let _ = rustix::io::read(self.bell.fd(), &mut [0; 8]);
        }
        match &mut self.mounts {
            Some(mounts) if mounts_changed => Woken {
                mounts: mounts.changed(),
            },
            _ => Woken::default(),
        }
    }
}
