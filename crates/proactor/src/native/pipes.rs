//! The system calls of named pipes.

use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    ERROR_NO_DATA, ERROR_PIPE_CONNECTED, GENERIC_READ, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE,
};
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

use crate::fault_injection::{Call, attempt, attempt_open};
use crate::native::error::{result_of, valid_handle};
use crate::native::handle::Handle;
use crate::native::overlapped::Overlapped;
use crate::native::security::Descriptor;

/// How many clients one accept passes over that have connected and gone without writing anything.
const GONE_CLIENTS_LIMIT: usize = 1000;

/// Which instance of a name a new one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Instance {
    /// The first. Making it fails if anybody has the name already.
    First,
    /// Another one beside those that this process has.
    Further,
}

/// The properties of a new instance of a server's pipe.
#[derive(Clone, Copy)]
pub(crate) struct NewPipe<'a> {
    /// The whole name in UTF-16 units, the last of which is NUL.
    pub(crate) name: &'a [u16],
    pub(crate) instance: Instance,
    /// `PIPE_TYPE_MESSAGE` instead of `PIPE_TYPE_BYTE`.
    pub(crate) has_messages: bool,
    /// Without it the system refuses clients on other machines.
    pub(crate) takes_remote_clients: bool,
    /// The bytes that each direction holds.
    pub(crate) buffer: u32,
    /// Who may open it. None stands for what Windows gives by default.
    pub(crate) descriptor: Option<&'a Descriptor>,
}

/// Makes one instance of a server's pipe. It listens from then on: clients connect to it before it accepts.
pub(crate) fn create(pipe: NewPipe<'_>) -> Result<Handle, u32> {
    assert_eq!(pipe.name.last(), Some(&0), "the name ends in NUL");
    let first = match pipe.instance {
        Instance::First => FILE_FLAG_FIRST_PIPE_INSTANCE,
        Instance::Further => 0,
    };
    let open = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | first;
    let kind = match pipe.has_messages {
        true => PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
        false => PIPE_TYPE_BYTE | PIPE_READMODE_BYTE,
    };
    let remote = match pipe.takes_remote_clients {
        true => 0,
        false => PIPE_REJECT_REMOTE_CLIENTS,
    };
    let mode = PIPE_WAIT | kind | remote;
    let attributes = pipe.descriptor.map(|descriptor| SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.raw(),
        bInheritHandle: 0,
    });
    let has_descriptor = usize::from(attributes.is_some());
    let security = attributes.as_ref().map_or(null(), std::ptr::from_ref);
    let (name, buffer) = (pipe.name.as_ptr(), pipe.buffer);
    let arguments = [open as usize, mode as usize, has_descriptor, 0, 0];
    attempt_open(Call::CreateNamedPipe, arguments, || {
        let most = PIPE_UNLIMITED_INSTANCES;
        // SAFETY: the name ends in NUL, and the attributes with their descriptor outlive the call, which
        // returns a fresh handle.
        unsafe {
            let handle = CreateNamedPipeW(name, open, mode, most, buffer, buffer, 0, security);
            Ok(Handle::own(valid_handle(handle, INVALID_HANDLE_VALUE)?))
        }
    })
}

/// Opens the client's end of whichever pipe listens at this name. Its server can learn who connects, and
/// cannot act in the name of this user.
pub(crate) fn open(name: &[u16]) -> Result<Handle, u32> {
    assert_eq!(name.last(), Some(&0), "the name ends in NUL");
    let access = GENERIC_READ | GENERIC_WRITE;
    let flags = FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
    let (name, none) = (name.as_ptr(), null_mut());
    let arguments = [access as usize, 0, flags as usize, 0, 0];
    attempt_open(Call::CreateFile, arguments, || {
        // SAFETY: the name ends in NUL and outlives the call, which returns a fresh handle.
        unsafe {
            let handle = CreateFileW(name, access, 0, null(), OPEN_EXISTING, flags, none);
            Ok(Handle::own(valid_handle(handle, INVALID_HANDLE_VALUE)?))
        }
    })
}

/// Waits for a client of an instance. `ERROR_IO_PENDING` says that a packet comes; with every other error none
/// does, of which `ERROR_PIPE_CONNECTED` says that the client is there.
pub(crate) fn accept(handle: HANDLE, overlapped: Overlapped<'_>) -> Result<u32, u32> {
    let pointer = overlapped.as_ptr();
    for _ in 0..GONE_CLIENTS_LIMIT {
        match connect(handle, pointer) {
            // A client came and left. If it wrote something, that can still be read; if it did not, the
            // instance must be freed of it.
            Err(ERROR_NO_DATA) => {
                if readable(handle).is_ok_and(|bytes| bytes > 0) {
                    return Err(ERROR_PIPE_CONNECTED);
                }
                disconnect(handle)?;
                // SAFETY: the call failed, so the kernel does not know the structure any more.
                unsafe { pointer.write(OVERLAPPED::default()) };
            }
            other => return other.map(|()| 0),
        }
    }
    Err(ERROR_NO_DATA)
}

/// One ConnectNamedPipe with the OVERLAPPED of an operation.
fn connect(handle: HANDLE, overlapped: *mut OVERLAPPED) -> Result<(), u32> {
    let arguments = [overlapped as usize, 0, 0, 0, 0];
    attempt(Call::ConnectNamedPipe, handle, arguments, || {
        // SAFETY: the OVERLAPPED is that of an operation, which keeps it in place.
        result_of(unsafe { ConnectNamedPipe(handle, overlapped) })
    })
}

/// How many bytes can be read at once.
fn readable(handle: HANDLE) -> Result<u32, u32> {
    let (mut bytes, none) = (0, null_mut());
    attempt(Call::PeekNamedPipe, handle, [0; 5], || {
        let total = &raw mut bytes;
        // SAFETY: all pointers but that of the total may be null.
        result_of(unsafe { PeekNamedPipe(handle, null_mut(), 0, none, total, none) })
    })?;
    Ok(bytes)
}

/// Ends the connection of a server's end, and throws away what the client has not read.
pub(crate) fn disconnect(handle: HANDLE) -> Result<(), u32> {
    attempt(Call::DisconnectNamedPipe, handle, [0; 5], || {
        // SAFETY: the kernel refuses a handle that is not open.
        result_of(unsafe { DisconnectNamedPipe(handle) })
    })
}

/// Whether a pipe keeps the bounds of messages.
pub(crate) fn has_messages(pipe: &Handle) -> Result<bool, u32> {
    let (mut flags, none) = (0, null_mut());
    attempt(Call::GetNamedPipeInfo, pipe.raw(), [0; 5], || {
        let flags = &raw mut flags;
        // SAFETY: all pointers but that of the flags may be null.
        result_of(unsafe { GetNamedPipeInfo(pipe.raw(), flags, none, none, none) })
    })?;
    Ok(flags & PIPE_TYPE_MESSAGE != 0)
}

/// Makes each read of a client's end return at most one message.
pub(crate) fn read_messages(pipe: &Handle) -> Result<(), u32> {
    let (mode, none) = (PIPE_READMODE_MESSAGE | PIPE_WAIT, null_mut());
    attempt(Call::SetNamedPipeHandleState, pipe.raw(), [0; 5], || {
        // SAFETY: the mode outlives the call; the other pointers may be null.
        result_of(unsafe { SetNamedPipeHandleState(pipe.raw(), &raw const mode, none, none) })
    })
}

/// The number of the process that opened the client's end.
pub(crate) fn client_process(handle: HANDLE) -> Result<u32, u32> {
    let mut process = 0;
    attempt(Call::GetNamedPipeClientProcessId, handle, [0; 5], || {
        // SAFETY: there is space for the number.
        result_of(unsafe { GetNamedPipeClientProcessId(handle, &raw mut process) })
    })?;
    Ok(process)
}
