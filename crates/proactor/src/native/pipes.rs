//! The system calls of named pipes.

use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, OPEN_EXISTING,
    PIPE_ACCESS_DUPLEX, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, DisconnectNamedPipe, GetNamedPipeClientProcessId,
    GetNamedPipeInfo, PIPE_READMODE_BYTE, PIPE_READMODE_MESSAGE, PIPE_REJECT_REMOTE_CLIENTS,
    PIPE_TYPE_BYTE, PIPE_TYPE_MESSAGE, PIPE_UNLIMITED_INSTANCES, PIPE_WAIT, PeekNamedPipe,
    SetNamedPipeHandleState,
};

use crate::native::calls::{Call, fault, last_error, noted, outcome, record};
use crate::native::handle::Handle;
use crate::native::security::Descriptor;

/// Options of a new instance of a server.
#[derive(Clone, Copy)]
pub(crate) struct NewPipe<'a> {
    /// UTF-16 units that end in NUL.
    pub(crate) name: &'a [u16],
    /// Fails if the name is served already.
    pub(crate) is_first: bool,
    pub(crate) has_messages: bool,
    pub(crate) takes_remote_clients: bool,
    /// Bytes in each direction.
    pub(crate) buffer: u32,
    /// None: what Windows gives by default.
    pub(crate) descriptor: Option<&'a Descriptor>,
}

/// Makes one end of a server, which listens from then on: clients connect to it before it accepts.
pub(crate) fn create(pipe: NewPipe<'_>) -> Result<Handle, u32> {
    assert_eq!(pipe.name.last(), Some(&0), "the name ends in NUL");
    let open = PIPE_ACCESS_DUPLEX
        | FILE_FLAG_OVERLAPPED
        | if pipe.is_first {
            FILE_FLAG_FIRST_PIPE_INSTANCE
        } else {
            0
        };
    let mode = PIPE_WAIT
        | if pipe.has_messages {
            PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE
        } else {
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE
        }
        | if pipe.takes_remote_clients {
            0
        } else {
            PIPE_REJECT_REMOTE_CLIENTS
        };
    let has_descriptor = usize::from(pipe.descriptor.is_some());
    let arguments = [open as usize, mode as usize, has_descriptor, 0, 0];
    if let Some(error) = fault(Call::CreateNamedPipe) {
        record(Call::CreateNamedPipe, 0, arguments, error);
        return Err(error);
    }
    let attributes = pipe.descriptor.map(|descriptor| SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.raw(),
        bInheritHandle: 0,
    });
    // SAFETY: the name ends in NUL, and the attributes with their descriptor outlive the call.
    let handle = unsafe {
        CreateNamedPipeW(
            pipe.name.as_ptr(),
            open,
            mode,
            PIPE_UNLIMITED_INSTANCES,
            pipe.buffer,
            pipe.buffer,
            0,
            attributes.as_ref().map_or(null(), std::ptr::from_ref),
        )
    };
    opened(Call::CreateNamedPipe, handle, arguments)
}

/// Opens the client's end of the server that listens at this name. A server that should not be there may ask who
/// calls, and cannot act in the caller's name.
pub(crate) fn open(name: &[u16]) -> Result<Handle, u32> {
    assert_eq!(name.last(), Some(&0), "the name ends in NUL");
    let access = GENERIC_READ | GENERIC_WRITE;
    let flags = FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
    let arguments = [access as usize, 0, flags as usize, 0, 0];
    if let Some(error) = fault(Call::CreateFile) {
        record(Call::CreateFile, 0, arguments, error);
        return Err(error);
    }
    // SAFETY: the name ends in NUL and outlives the call; the other pointers may be null.
    let handle = unsafe {
        CreateFileW(
            name.as_ptr(),
            access,
            0,
            null(),
            OPEN_EXISTING,
            flags,
            null_mut(),
        )
    };
    opened(Call::CreateFile, handle, arguments)
}

/// To be called at once after the call.
fn opened(call: Call, handle: HANDLE, arguments: [usize; 5]) -> Result<Handle, u32> {
    if handle == INVALID_HANDLE_VALUE {
        let error = last_error();
        record(call, 0, arguments, error);
        return Err(error);
    }
    record(call, handle as usize, arguments, 0);
    // SAFETY: the handle was just created, and nothing else refers to it.
    Ok(unsafe { Handle::own(handle) })
}

/// Waits for a client. `ERROR_IO_PENDING`: a packet will come; every other error: none will, of which
/// `ERROR_PIPE_CONNECTED` says that the client is there.
///
/// # Safety
/// The handle is open, overlapped, and the server's end of a pipe. OVERLAPPED stays where it is until its
/// packet was dequeued.
pub(crate) unsafe fn connect(handle: HANDLE, overlapped: *mut OVERLAPPED) -> Result<(), u32> {
    let arguments = [overlapped as usize, 0, 0, 0, 0];
    if let Some(error) = fault(Call::ConnectNamedPipe) {
        return noted(Call::ConnectNamedPipe, handle, arguments, Err(error));
    }
    // SAFETY: as demanded of the caller.
    let result = outcome(unsafe { ConnectNamedPipe(handle, overlapped) });
    noted(Call::ConnectNamedPipe, handle, arguments, result)
}

/// How many bytes are there to be read.
///
/// # Safety
/// The handle is open.
pub(crate) unsafe fn waiting(handle: HANDLE) -> Result<u32, u32> {
    if let Some(error) = fault(Call::PeekNamedPipe) {
        noted(Call::PeekNamedPipe, handle, [0; 5], Err(error))?;
    }
    let mut bytes = 0;
    let (none, total) = (null_mut(), &raw mut bytes);
    // SAFETY: as demanded of the caller; all pointers but that of the total may be null.
    let result = outcome(unsafe { PeekNamedPipe(handle, null_mut(), 0, none, total, none) });
    noted(Call::PeekNamedPipe, handle, [0; 5], result)?;
    Ok(bytes)
}

/// Ends the connection, and throws away what the client has not read.
///
/// # Safety
/// The handle is open.
pub(crate) unsafe fn disconnect(handle: HANDLE) -> Result<(), u32> {
    if let Some(error) = fault(Call::DisconnectNamedPipe) {
        return noted(Call::DisconnectNamedPipe, handle, [0; 5], Err(error));
    }
    // SAFETY: as demanded of the caller.
    let result = outcome(unsafe { DisconnectNamedPipe(handle) });
    noted(Call::DisconnectNamedPipe, handle, [0; 5], result)
}

/// Whether what is written to a pipe keeps its bounds.
pub(crate) fn has_messages(pipe: &Handle) -> Result<bool, u32> {
    if let Some(error) = fault(Call::GetNamedPipeInfo) {
        return Err(error);
    }
    let mut flags = 0;
    // SAFETY: the handle is open, and all pointers but that of the flags may be null.
    let result = outcome(unsafe {
        GetNamedPipeInfo(
            pipe.raw(),
            &raw mut flags,
            null_mut(),
            null_mut(),
            null_mut(),
        )
    });
    noted(Call::GetNamedPipeInfo, pipe.raw(), [0; 5], result)?;
    Ok(flags & PIPE_TYPE_MESSAGE != 0)
}

/// Limits each read of this end to one message.
pub(crate) fn read_messages(pipe: &Handle) -> Result<(), u32> {
    if let Some(error) = fault(Call::SetNamedPipeHandleState) {
        return Err(error);
    }
    let mode = PIPE_READMODE_MESSAGE | PIPE_WAIT;
    // SAFETY: the handle is open, and the other pointers may be null.
    let result = outcome(unsafe {
        SetNamedPipeHandleState(pipe.raw(), &raw const mode, null_mut(), null_mut())
    });
    noted(Call::SetNamedPipeHandleState, pipe.raw(), [0; 5], result)
}

/// The process that opened the client's end.
///
/// # Safety
/// The handle is open.
pub(crate) unsafe fn client_process(handle: HANDLE) -> Result<u32, u32> {
    let mut process = 0;
    if let Some(error) = fault(Call::GetNamedPipeClientProcessId) {
        return Err(error);
    }
    // SAFETY: as demanded of the caller.
    let result = outcome(unsafe { GetNamedPipeClientProcessId(handle, &raw mut process) });
    noted(Call::GetNamedPipeClientProcessId, handle, [0; 5], result)?;
    Ok(process)
}
