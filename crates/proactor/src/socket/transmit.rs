//! Sends of files over a connection, by TransmitFile.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::windows::io::AsHandle;
use std::sync::Arc;

use super::of_endpoint::socket_of;
use crate::endpoint::Endpoint;
use crate::native::overlapped::{Ended, Issued, Overlapped};
use crate::native::sockets;
use crate::operation::Operation;

/// The most bytes of a file that one call sends. A call takes fewer than 2 GiB. Windows for clients runs two
/// calls at a time for all processes, so smaller parts let others have their turn.
pub(super) const LARGEST_PART: u32 = 16 << 20;

/// A file that is sent. Each operation that sends a part of it keeps it open.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    /// The position to restore when this is dropped, if it is that of the caller's handle.
    position: Option<u64>,
}

impl Source {
    /// Opens the file a second time, so that the position of the caller's handle does not move. Where
    /// that is refused, the position moves, and is restored.
    pub(super) fn of(file: &impl AsHandle) -> io::Result<Source> {
        let file = file.as_handle();
        if let Ok(file) = sockets::open_again(file) {
            return Ok(Source {
                file,
                position: None,
            });
        }
        let mut file = File::from(file.try_clone_to_owned()?);
        // Files that were opened for overlapped operations have no position.
        let position = file.stream_position().ok();
        Ok(Source { file, position })
    }

    /// The length of the file in bytes.
    pub(super) fn length(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(position) = self.position {
            // An error cannot be reported here.
            let _ = self.file.seek(SeekFrom::Start(position));
        }
    }
}

/// The send of a part of a file.
pub(super) struct Transmit {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) source: Arc<Source>,
    /// The first byte of the part.
    pub(super) offset: u64,
    /// How many bytes it has; at most [`LARGEST_PART`].
    pub(super) length: u32,
}

impl Operation for Transmit {
    type Output = io::Result<usize>;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn issue<'a>(&mut self, overlapped: Overlapped<'a>) -> Issued<'a> {
        let (socket, file) = (socket_of(&self.endpoint), self.source.file.as_handle());
        sockets::transmit(socket, file, (self.offset, self.length), overlapped)
    }

    fn finish(self, mut ended: Ended) -> io::Result<usize> {
        self.endpoint.translate(&mut ended);
        ended.bytes()
    }
}
