//! The names of the system calls that the edge makes.

/// The calls, by their Win32 names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
#[cfg_attr(not(feature = "seam"), allow(unreachable_pub))]
#[non_exhaustive]
pub enum Call {
    AssignProcessToJobObject,
    CancelIo,
    CancelIoEx,
    CancelSynchronousIo,
    CloseHandle,
    /// Not a call: the completion of a read has been taken.
    Completion,
    ConnectNamedPipe,
    CreateEvent,
    CreateFile,
    CreateIoCompletionPort,
    CreateJobObject,
    CreateNamedPipe,
    DescribeSecurity,
    DisconnectNamedPipe,
    GetFileInformation,
    GetNamedPipeClientProcessId,
    GetNamedPipeInfo,
    GetQueuedCompletionStatusEx,
    IsRemote,
    NtOpenFile,
    PeekNamedPipe,
    PostQueuedCompletionStatus,
    QueueUserApc,
    ReadDirectoryChanges,
    ReadFile,
    SetEvent,
    SetNamedPipeHandleState,
    SetNotificationModes,
    SpawnThread,
    SpawnWorker,
    WaitForMultipleObjects,
    WriteFile,
}
