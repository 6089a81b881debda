//! Changes of one directory, awaited.
//!
//! Two buffers: while the records in one are being looked at, the other is in the kernel. The read is
//! issued again before its records are handed out, and the kernel keeps what happens in between with the
//! handle. The read is the proactor's: a future of [`DirectoryChanges::next`] may be dropped at any time.

use std::fmt;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::sync::Arc;

use everwatch_proactor::{Ended, Endpoint, Operation, Packets, Remote, Submission};
use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_OPERATION_ABORTED};
use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::common::check;
use crate::completion::Completion;
use crate::error::{Error, Stage};
use crate::native::{self, Buffer, DirHandle, Filled, Target, best_layout};
use crate::policy::{ReadPolicy, Step};
use crate::settings::{Layout, Settings};
use crate::verdict::{Intent, ReadEnd};

/// One read of a directory.
struct ReadChanges {
    endpoint: Arc<Endpoint>,
    buffer: Buffer,
    settings: Settings,
    layout: Layout,
}

// SAFETY: the buffer is heap memory of the operation and is not touched before `finish`.
unsafe impl Operation for ReadChanges {
    type Output = (Ended, Buffer, Layout);

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    unsafe fn issue(&mut self, overlapped: *mut OVERLAPPED) -> Result<u32, u32> {
        let target = Target {
            buffer: self.buffer.start(),
            bytes: self.buffer.capacity(),
            overlapped,
            routine: None,
        };
        // SAFETY: the endpoint is open, and the table keeps OVERLAPPED and operation.
        unsafe {
            native::read(
                self.endpoint.as_raw_handle(),
                &self.settings,
                self.layout,
                target,
            )?
        };
        // The call does not tell a pending read from a complete one; both post a packet.
        Err(ERROR_IO_PENDING)
    }

    fn finish(self, ended: Ended) -> Self::Output {
        (ended, self.buffer, self.layout)
    }
}

/// The changes of one directory, as they come.
///
/// ```no_run
/// # #[cfg(windows)] fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::os::windows::{fs::OpenOptionsExt, io::AsHandle};
/// use everwatch_directory_reads::{Completion, DirectoryChanges, Settings, records};
/// use everwatch_proactor::Proactor;
///
/// let path = r"\\?\C:\data";
/// let directory = std::fs::OpenOptions::new().access_mode(1).custom_flags(0x0200_0000).open(path)?;
/// let mut proactor = Proactor::new()?;
/// let mut changes =
///     DirectoryChanges::start(&proactor.remote(), directory.as_handle(), Settings::default())?;
/// proactor.block_on(async {
///     loop {
///         match changes.next().await {
///             Completion::Changes { bytes, layout } => {
///                 for change in records::changes(bytes, layout) {
///                     println!("{change:?}");
///                 }
///             }
///             Completion::Lost => println!("list the directory again"),
///             Completion::Failed { code } => break println!("it has ended: {code}"),
///         }
///     }
/// });
/// # Ok(())
/// # }
/// # #[cfg(not(windows))] fn main() {}
/// ```
///
/// Dropped, it cancels its read; the directory is closed when the packet of that was dequeued.
/// [`DirectoryChanges::close`] waits for it.
pub struct DirectoryChanges {
    endpoint: Arc<Endpoint>,
    settings: Settings,
    policy: ReadPolicy,
    /// None after the read has ended with an error.
    read: Option<Submission<ReadChanges>>,
    /// The buffer that is not in the kernel.
    spare: Option<Buffer>,
    /// The records that the last [`Completion::Changes`] lends.
    last: Option<Filled>,
    /// Records were lost when the read was issued again. It is reported next.
    is_lost: bool,
    /// The Win32 error because of which there is no read.
    failed: u32,
}

impl fmt::Debug for DirectoryChanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("DirectoryChanges")
            .field(&self.endpoint)
            .finish()
    }
}

impl DirectoryChanges {
    /// Opens the directory again by its handle, which may be closed when this returns, and issues the
    /// first read: what happens from then on is reported.
    ///
    /// # Errors
    /// Impossible settings, a handle that is no directory's, and what ReadDirectoryChangesW says.
    pub fn start(
        remote: &Remote,
        directory: BorrowedHandle<'_>,
        settings: Settings,
    ) -> Result<DirectoryChanges, Error> {
        check(false, directory, &settings)?;
        let failed = |stage| move |code| Error { stage, code };
        let handle = DirHandle::reopen(directory).map_err(failed(Stage::Open))?;
        let endpoint = Endpoint::of_handle(remote, handle.into_handle().into(), Packets::Always);
        let code = |error: io::Error| error.raw_os_error().unwrap_or(0).cast_unsigned();
        let endpoint = endpoint.map_err(|error| failed(Stage::Arm)(code(error)))?;
        let mut changes = DirectoryChanges {
            endpoint: Arc::new(endpoint),
            settings,
            policy: ReadPolicy::new(settings.bytes, best_layout()),
            read: None,
            spare: Some(Buffer::new(settings.bytes)),
            last: None,
            is_lost: false,
            failed: 0,
        };
        changes.issue(Buffer::new(settings.bytes));
        match changes.read {
            Some(_) => Ok(changes),
            None => Err(failed(Stage::Arm)(changes.failed)),
        }
    }

    /// Puts a read into this buffer into the kernel, or notes why it does not go there.
    fn issue(&mut self, mut buffer: Buffer) {
        loop {
            let operation = ReadChanges {
                endpoint: Arc::clone(&self.endpoint),
                buffer,
                settings: self.settings,
                layout: self.policy.layout(),
            };
            let (ended, same, _) = match self.endpoint.remote().submit(operation).at_once() {
                Ok(refused) => refused,
                Err(pending) => {
                    self.policy.accepted();
                    self.read = Some(pending);
                    return;
                }
            };
            match self.policy.refused(ended.error) {
                Step::Fail { code } => return self.failed = code,
                Step::IssueAfterLoss => self.is_lost = true,
                Step::HandOver { .. } | Step::Issue | Step::IssueFirst => {}
            }
            buffer = same;
        }
    }

    /// Waits for the next completion. The read has been issued again before this returns, except with
    /// [`Completion::Failed`], after which every call returns the same.
    ///
    /// A future that is dropped loses nothing: the next one returns what has come meanwhile.
    pub async fn next(&mut self) -> Completion<'_> {
        if let Some(last) = self.last.take() {
            self.spare = Some(last.into_buffer());
        }
        loop {
            if std::mem::take(&mut self.is_lost) {
                return Completion::Lost;
            }
            let Some(read) = &mut self.read else {
                return Completion::Failed { code: self.failed };
            };
            let (ended, buffer, layout) = read.await;
            self.read = None;
            let end = ReadEnd {
                error: ended.error,
                status: ended.status,
                bytes: ended.bytes,
            };
            match self.policy.completed(end, Intent::Continue) {
                Step::HandOver { bytes } => {
                    let spare = self.spare.take();
                    self.issue(spare.unwrap_or_else(|| Buffer::new(self.settings.bytes)));
                    // SAFETY: the read into this buffer has ended.
                    let filled = unsafe { Filled::new(buffer, bytes, layout) };
                    let filled = self.last.insert(filled);
                    return Completion::Changes {
                        bytes: filled.bytes(),
                        layout,
                    };
                }
                Step::IssueAfterLoss => {
                    self.is_lost = true;
                    self.issue(buffer);
                }
                // The close of the loop has cancelled it, and takes no other.
                Step::Issue | Step::IssueFirst if self.endpoint.remote().is_closed() => {
                    self.failed = ERROR_OPERATION_ABORTED;
                }
                Step::Issue | Step::IssueFirst => self.issue(buffer),
                Step::Fail { code } => self.failed = code,
            }
        }
    }

    /// Cancels the read, waits for its packet, and closes the directory: it can be removed and made again
    /// when this returns. Dropped before, it does the same later.
    pub async fn close(mut self) {
        if let Some(read) = self.read.take() {
            read.cancel();
            read.await;
        }
    }
}
