//! Standard output as programs leave it behind: blocking or not, read slowly, or read by nothing.
//!
//! Whether a write blocks belongs to the open file description, which a shell, ssh or a Node.js parent shares with
//! its children. One of them that sets `O_NONBLOCK` sets it for all. [`StandardOutput`] waits where such a
//! description has no room, so that its callers see the same stream either way.
//!
//! [`progress`] is what a reader moves, down to one byte where the system reports it: after a signal the
//! command goes on as long as it changes.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use anstream::adapter::StripBytes;

/// Bytes that were handed over so far.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Standard output without a buffer. A write takes as long as the reader does.
#[derive(Debug)]
pub(crate) struct StandardOutput {
    /// Most bytes of one write. A blocking write shows no progress before it ends.
    most: usize,
}

impl StandardOutput {
    /// Looks at what standard output is.
    pub(crate) fn new() -> StandardOutput {
        StandardOutput {
            most: system::longest_write(),
        }
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = bytes.get(..self.most).unwrap_or(bytes);
        let count = system::write(piece)?;
        WRITTEN.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        system::flush()
    }
}

/// Standard output for people: styles go to it where the terminal and the environment want them.
pub(crate) fn for_people() -> Box<dyn Write> {
    // A console of Windows may need calls in place of styles.
    if cfg!(windows) {
        return Box::new(anstream::AutoStream::auto(io::stdout()));
    }
    match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => Box::new(Plain {
            out: StandardOutput::new(),
            styles: StripBytes::new(),
        }),
        _ => Box::new(StandardOutput::new()),
    }
}

/// Standard output without styles.
#[derive(Debug)]
struct Plain {
    out: StandardOutput,
    /// A style may begin in one write and end in the next.
    styles: StripBytes,
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in self.styles.strip_next(bytes) {
            self.out.write_all(piece)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// How far the reader is: bytes that were handed over, and those of a pipe that it has not taken.
///
/// Stands still if the reader does. Never blocks.
pub(crate) fn progress() -> (u64, u64) {
    (WRITTEN.load(Ordering::Relaxed), system::unread())
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::fs::FileType;
    use rustix::io::Errno;

    /// The file type of standard output.
    fn kind() -> Option<FileType> {
        let status = rustix::fs::fstat(io::stdout()).ok()?;
        Some(FileType::from_raw_mode(status.st_mode))
    }

    /// A pipe reports what is unread, and a file has no reader. Of a terminal and of a socket only the end of a
    /// write is seen, so that writes are short.
    pub(super) fn longest_write() -> usize {
        match kind() {
            Some(FileType::Fifo | FileType::RegularFile) => usize::MAX,
            _ => 1024,
        }
    }

    /// Writes at least one byte. Waits in poll(2) where write(2) must not.
    pub(super) fn write(bytes: &[u8]) -> io::Result<usize> {
        let stdout = io::stdout();
        loop {
            match rustix::io::write(&stdout, bytes) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut fds = [PollFd::new(&stdout, PollFlags::OUT)];
                    match poll(&mut fds, None) {
                        Ok(_) | Err(Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                result => return Ok(result?),
            }
        }
    }

    /// Nothing is kept here.
    pub(super) fn flush() -> io::Result<()> {
        Ok(())
    }

    /// FIONREAD, which either end of a pipe answers; pipe(7).
    pub(super) fn unread() -> u64 {
        match kind() {
            Some(FileType::Fifo) => rustix::io::ioctl_fionread(io::stdout()).unwrap_or(0),
            _ => 0,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io::{self, Write};

    /// Writes to a console or a pipe end when their reader has taken them.
    pub(super) fn longest_write() -> usize {
        4096
    }

    pub(super) fn write(bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes)
    }

    pub(super) fn flush() -> io::Result<()> {
        io::stdout().flush()
    }

    /// Not known.
    pub(super) fn unread() -> u64 {
        0
    }
}
