//! Files, read and written at any offset.

use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::OwnedHandle;
use std::path::Path;
use std::sync::Arc;

use windows_sys::Win32::Storage::FileSystem::FILE_FLAG_OVERLAPPED;

use crate::endpoint::{Endpoint, Packets};
use crate::read_lock::Arrival;
use crate::remote::Remote;
use crate::transfer::{Read, Write};

/// An open file. It has no position: each read and write names its offset. Cheap to clone. Any number of
/// them may be in flight at the same time, in no order. It is closed when the last clone and the last
/// operation are gone.
///
/// The system may complete a call before it returns, and so block the thread for as long as the disk takes.
/// On Windows writes that make a file longer do that, and reads of what is not in the cache do not.
#[derive(Clone, Debug)]
pub struct File {
    endpoint: Arc<Endpoint>,
}

impl File {
    /// Opens an existing file for reading. Blocks as CreateFile does.
    ///
    /// # Errors
    /// What CreateFile reports.
    pub fn open(remote: &Remote, path: impl AsRef<Path>) -> io::Result<File> {
        File::open_as(remote, std::fs::OpenOptions::new().read(true), path)
    }

    /// Opens a file for reading and writing. Makes it if it is not there, and empties it if it is. Blocks as
    /// CreateFile does.
    ///
    /// # Errors
    /// What CreateFile reports.
    pub fn create(remote: &Remote, path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        File::open_as(remote, &mut options, path)
    }

    fn open_as(
        remote: &Remote,
        options: &mut std::fs::OpenOptions,
        path: impl AsRef<Path>,
    ) -> io::Result<File> {
        let file = options.custom_flags(FILE_FLAG_OVERLAPPED).open(path)?;
        File::of_handle(remote, file.into())
    }

    /// Takes over a file that was opened in some other way, for overlapped operations.
    ///
    /// # Errors
    /// Those of [`Endpoint::of_handle`].
    pub fn of_handle(remote: &Remote, handle: OwnedHandle) -> io::Result<File> {
        let endpoint = Endpoint::of_handle(remote, handle, Packets::OfPending)?;
        Ok(File {
            endpoint: Arc::new(endpoint),
        })
    }

    /// The endpoint that it runs on.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Reads from an offset in bytes as many bytes as the buffer has capacity for, fewer only at the end of
    /// the file; its contents are replaced. 0 is the end.
    ///
    /// A future that is dropped cancels the read. What was read by then is dropped, and still in the file.
    ///
    /// # Errors
    /// What ReadFile reports. The buffer comes back in any case.
    pub async fn read_at(&self, mut buffer: Vec<u8>, offset: u64) -> (io::Result<usize>, Vec<u8>) {
        buffer.clear();
        let operation = Read {
            endpoint: Arc::clone(&self.endpoint),
            buffer,
            offset,
            lock: None,
        };
        let (arrival, buffer) = self.endpoint.remote().submit(operation).await;
        (arrival.map(Arrival::count), buffer)
    }

    /// Writes the buffer at an offset in bytes. Returns how many of its bytes were written, which is all of
    /// them unless the disk is full.
    ///
    /// A future that is dropped cancels the write: how much of it was written is unknown then.
    ///
    /// # Errors
    /// What WriteFile reports. The buffer comes back in any case.
    pub async fn write_at(&self, buffer: Vec<u8>, offset: u64) -> (io::Result<usize>, Vec<u8>) {
        let operation = Write {
            endpoint: Arc::clone(&self.endpoint),
            buffer,
            offset,
        };
        self.endpoint.remote().submit(operation).await
    }
}
