//! The descriptor by which one thread wakes another: an eventfd(2), or a pipe where a sandbox refuses that.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// A descriptor that can be read once it was rung, until it is silenced. Any thread may do either.
#[derive(Debug)]
pub(super) enum Wakeup {
    Event(OwnedFd),
    Pipe { reader: OwnedFd, writer: OwnedFd },
}

impl Wakeup {
    /// A descriptor that was not rung.
    ///
    /// # Errors
    ///
    /// EMFILE, ENFILE or ENOMEM.
    pub(super) fn new() -> Result<Wakeup, Errno> {
        match eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) {
            Ok(event) => Ok(Wakeup::Event(event)),
            Err(Errno::PERM | Errno::ACCESS | Errno::NOSYS) => {
                let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
                Ok(Wakeup::Pipe { reader, writer })
            }
            Err(errno) => Err(errno),
        }
    }

    /// Makes the descriptor readable; it may be already.
    pub(super) fn ring(&self) {
        let writer = match self {
            Wakeup::Event(event) => event,
            Wakeup::Pipe { writer, .. } => writer,
        };
        // It is full only if it is readable.
        let _ = rustix::io::write(writer, &1_u64.to_ne_bytes());
    }

    /// Takes all rings so far.
    pub(super) fn silence(&self) {
        // One read empties an eventfd. Of a pipe it may leave some, and then another one follows.
        let mut rings = [0; 512];
        while let Ok(length) = rustix::io::read(self.as_fd(), &mut rings)
            && length == rings.len()
        {}
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Wakeup::Event(event) => event.as_fd(),
            Wakeup::Pipe { reader, .. } => reader.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn is_readable(wakeup: &Wakeup) -> bool {
        let mut fds = [PollFd::new(wakeup, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())) == Ok(1)
    }

    #[test]
    fn many_rings_are_silenced_at_once() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).expect("a pipe");
        for wakeup in [
            Wakeup::new().expect("a descriptor"),
            Wakeup::Pipe { reader, writer },
        ] {
            assert!(!is_readable(&wakeup));
            wakeup.silence();
            // More than a pipe holds.
            for _ in 0..20_000 {
                wakeup.ring();
            }
            assert!(is_readable(&wakeup));
            wakeup.silence();
            assert!(!is_readable(&wakeup), "{wakeup:?}");
        }
    }
}
