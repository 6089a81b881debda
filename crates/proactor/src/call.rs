//! The names of the system calls that the edge makes.

/// The calls, by their Win32 names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
#[cfg_attr(not(feature = "seam"), allow(unreachable_pub))]
#[non_exhaustive]
pub enum Call {
    AssignProcessToJobObject,
    AssociateWaitCompletionPacket,
    CancelIo,
    CancelIoEx,
    CancelSynchronousIo,
    CancelWaitCompletionPacket,
    CloseHandle,
    CloseThreadpoolWait,
    /// Not a call: the completion of a read has been taken.
    Completion,
    ConnectNamedPipe,
    CreateEvent,
    CreateFile,
    CreateIoCompletionPort,
    CreateJobObject,
    CreateNamedPipe,
    CreateThreadpoolWait,
    CreateWaitCompletionPacket,
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
    ResumeProcess,
    SetConsoleCtrlHandler,
    SetEvent,
    SetNamedPipeHandleState,
    SetNotificationModes,
    SetThreadpoolWait,
    SpawnThread,
    SpawnWorker,
    TerminateJobObject,
    TerminateProcess,
    WaitForMultipleObjects,
    WaitForThreadpoolWaitCallbacks,
    WriteFile,
}
