//! The changes of one directory, awaited among the other operations of a completion loop.
//!
//! There are two buffers: while the records in one are looked at, the other is in the kernel. The read is
//! issued again before its records are handed out, and the kernel keeps what happens in between with the
//! handle. The read belongs to the loop: a future of [`DirectoryChanges::next`] may be dropped at any time.

use std::fmt;
use std::os::windows::io::{AsHandle as _, BorrowedHandle};
use std::sync::Arc;

use everwatch_proactor::native::error_code;
use everwatch_proactor::{Endpoint, Packets, Remote, Submission};
use windows_sys::Win32::Foundation::{ERROR_INVALID_HANDLE, ERROR_OPERATION_ABORTED};

use crate::completion::Completion;
use crate::error::{Error, Stage};
use crate::layouts::VolumeLayout;
use crate::limits::{TagUse, check};
use crate::native::{Buffer, DirHandle, Filled, ReadOperation};
use crate::policy::{ReadPolicy, Step};
use crate::settings::{Layout, Settings};
use crate::verdict::Intent;

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
    layout: VolumeLayout,
    /// `None` after the read has ended with an error.
    read: Option<Submission<ReadOperation>>,
    /// The buffer that is not in the kernel.
    spare: Option<Buffer>,
    /// The records that the last [`Completion::Changes`] lends.
    last: Option<Filled>,
    /// Records were lost, which was not reported yet.
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

/// The directory as one of the loop's.
fn endpoint_of(remote: &Remote, directory: DirHandle) -> Result<Arc<Endpoint>, u32> {
    let handle = directory.into_handle().into();
    let endpoint = Endpoint::of_handle(remote, handle, Packets::Always);
    endpoint.map(Arc::new).map_err(|error| error_code(&error))
}

impl DirectoryChanges {
    /// Opens the directory again by its handle, which may be closed when this returns, and issues the first
    /// read: changes from then on are reported. Blocks for as long as the open takes.
    ///
    /// # Errors
    /// Impossible settings, a handle that is no directory's, and what ReadDirectoryChangesW reports.
    pub fn start(
        remote: &Remote,
        directory: BorrowedHandle<'_>,
        settings: Settings,
    ) -> Result<DirectoryChanges, Error> {
        check(TagUse::Free, directory, &settings)?;
        let handle = DirHandle::reopen(directory).map_err(Error::at(Stage::Open))?;
        let layout = VolumeLayout::of(handle.as_handle());
        let endpoint = endpoint_of(remote, handle).map_err(Error::at(Stage::Arm))?;
        let mut changes = DirectoryChanges {
            endpoint,
            settings,
            policy: ReadPolicy::new(settings.bytes, layout.best),
            layout,
            read: None,
            spare: Some(Buffer::new(settings.bytes)),
            last: None,
            is_lost: false,
            failed: 0,
        };
        changes.issue(Buffer::new(settings.bytes));
        match changes.read {
            Some(_) => Ok(changes),
            None => Err(Error::new(Stage::Arm, changes.failed)),
        }
    }

    /// Opens the directory again.
    fn reopen(&self) -> Result<Arc<Endpoint>, u32> {
        let handle = self.endpoint.handle().ok_or(ERROR_INVALID_HANDLE)?;
        endpoint_of(self.endpoint.remote(), DirHandle::reopen(handle)?)
    }

    /// Puts a read into this buffer into the kernel, or notes why it does not go there.
    fn issue(&mut self, mut buffer: Buffer) {
        loop {
            let layout = self.policy.layout();
            let read = ReadOperation::new(&self.endpoint, buffer, self.settings, layout);
            let refused = match self.endpoint.remote().submit(read).at_once() {
                Ok(refused) => refused,
                Err(pending) => {
                    self.policy.accepted();
                    self.read = Some(pending);
                    return;
                }
            };
            match self.policy.refused(refused.end().error) {
                Step::Fail { code } => return self.failed = code,
                Step::IssueAfterLoss => self.is_lost = true,
                Step::IssueFirst => self.layout.note(Layout::Plain),
                Step::HandOver { .. } | Step::Issue | Step::StartOver { .. } => {}
            }
            buffer = refused.into_buffer();
        }
    }

    /// Waits for the next completion. The read was issued again before this returns, except with
    /// [`Completion::Failed`], after which every call returns the same.
    ///
    /// A file system that does not have extended records may say so by the end of the first read. The directory is
    /// then opened again and read in plain ones, and [`Completion::Lost`] stands for what happened meanwhile.
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
            let finished = read.await;
            self.read = None;
            match self.policy.completed(finished.end(), Intent::Continue) {
                Step::HandOver { bytes } => {
                    let spare = self.spare.take();
                    self.issue(spare.unwrap_or_else(|| Buffer::new(self.settings.bytes)));
                    let filled = self.last.insert(finished.into_filled(bytes));
                    return Completion::Changes {
                        bytes: filled.bytes(),
                        layout: filled.layout(),
                    };
                }
                Step::IssueAfterLoss => {
                    self.is_lost = true;
                    self.issue(finished.into_buffer());
                }
                // The close of the loop has cancelled it, and takes no other.
                Step::Issue | Step::IssueFirst if self.endpoint.remote().is_closed() => {
                    self.failed = ERROR_OPERATION_ABORTED;
                }
                Step::Issue | Step::IssueFirst => self.issue(finished.into_buffer()),
                Step::StartOver { .. } => {
                    self.layout.note(Layout::Plain);
                    self.is_lost = true;
                    match self.reopen() {
                        Ok(endpoint) => {
                            self.endpoint = endpoint;
                            self.issue(finished.into_buffer());
                        }
                        Err(code) => self.failed = code,
                    }
                }
                Step::Fail { code } => self.failed = code,
            }
        }
    }

    /// Cancels the read, waits for its packet, and closes the directory: it can be removed and made again when
    /// this returns. Dropped before that, it does the same later.
    pub async fn close(mut self) {
        if let Some(read) = self.read.take() {
            read.cancel();
            read.await;
        }
    }
}
