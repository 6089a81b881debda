//! TransmitFile.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle};
use std::sync::Arc;

use windows_sys::Win32::System::IO::OVERLAPPED;

use super::socket_of;
use crate::endpoint::Endpoint;
use crate::native::sockets;
use crate::operation::{Ended, Operation};
use crate::transfer::at;

/// The most of a file that is sent by one call. The call takes less than 2 GiB. Windows for clients runs two
/// at a time for all processes: smaller parts let others have their turn.
pub(super) const LARGEST: u32 = 16 << 20;

/// A file that is sent. Each send keeps it open.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    /// Where the position must be when this is over, if it is that of the caller's handle.
    position: Option<u64>,
}

impl Source {
    /// Opens the file a second time, so that its position does not move. Where it cannot be opened twice,
    /// it is the caller's handle whose position moves, and is put back when the send is over.
    pub(super) fn of(file: &impl AsHandle) -> io::Result<Source> {
        let file = file.as_handle();
        // SAFETY: it is borrowed and so open.
        if let Ok(own) = unsafe { sockets::reopen_file(file.as_raw_handle()) } {
            return Ok(Source {
                // SAFETY: it was just created, and nothing else refers to it.
                file: unsafe { File::from_raw_handle(own) },
                position: None,
            });
        }
        let mut file = File::from(file.try_clone_to_owned()?);
        // Files that were opened for overlapped operations have none.
        let position = file.stream_position().ok();
        Ok(Source { file, position })
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        self.file.metadata().map(|metadata| metadata.len())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(position) = self.position {
            // There is no caller to report to.
            let _ = self.file.seek(SeekFrom::Start(position));
        }
    }
}

/// Sends a part of a file.
pub(super) struct Transmit {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) source: Arc<Source>,
    pub(super) offset: u64,
    pub(super) length: u32,
}

// SAFETY: the kernel is given no memory but OVERLAPPED, and the file is open until `finish`.
unsafe impl Operation for Transmit {
    type Output = io::Result<usize>;

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        let socket = socket_of(&self.endpoint)?;
        let file = self.source.file.as_raw_handle();
        // SAFETY: both are open, and the table keeps OVERLAPPED and operation.
        unsafe {
            overlapped.write(at(self.offset));
            sockets::transmit(socket, file, self.length, overlapped)
        }
    }

    fn finish(self, ended: Ended) -> io::Result<usize> {
        self.endpoint.known(ended).bytes()
    }
}
