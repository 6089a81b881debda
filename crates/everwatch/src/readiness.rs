//! Readiness: the object by which an event loop of the operating system waits for a feed.

use everwatch_backends::Signal;

use crate::platform::Arc;

/// An object that is ready while a feed has something to read: see
/// [`Feed::readiness`](crate::Feed::readiness).
///
/// On Unix it is a descriptor that is readable while that holds, for `poll`, `epoll`, asyncio's
/// `add_reader` and Twisted's reactors. On Windows it is an event that is signalled while that holds,
/// for `WaitForMultipleObjects` and `RegisterWaitForSingleObject`. The feed alone must read or reset
/// it. Clones are the same object, which lives until the last of them and the feed are dropped.
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
