//! What an event loop waits on.

use everwatch_backends::Signal;

use crate::platform::Arc;

/// Tells an event loop of the operating system that a feed has something: see
/// [`Feed::readiness`](crate::Feed::readiness).
///
/// On Unix it is a descriptor that can be read as long as that holds, for `poll`, `epoll`, asyncio's
/// `add_reader` and Twisted's reactors; on Windows an event that is signalled as long, for
/// `WaitForMultipleObjects` and `RegisterWaitForSingleObject`. Nobody but the feed may read or reset it.
#[derive(Clone, Debug)]
pub struct Readiness(pub(crate) Arc<Signal>);

#[cfg(unix)]
impl std::os::fd::AsFd for Readiness {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for Readiness {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsFd::as_fd(self).as_raw_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsHandle for Readiness {
    fn as_handle(&self) -> std::os::windows::io::BorrowedHandle<'_> {
        self.0.as_handle()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsRawHandle for Readiness {
    fn as_raw_handle(&self) -> std::os::windows::io::RawHandle {
        std::os::windows::io::AsHandle::as_handle(self).as_raw_handle()
    }
}
