//! A connected pair of pipe ends for a child process: this side's is overlapped, the child's is what programs
//! expect of a standard handle.
//!
//! Anonymous pipes cannot be overlapped. These have a name nobody can guess, one instance, no remote
//! clients, and are open to the current user alone; the name is of no use once both ends are there.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    ERROR_PIPE_BUSY, GENERIC_READ, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_READ_ATTRIBUTES,
    OPEN_EXISTING, PIPE_ACCESS_INBOUND, PIPE_ACCESS_OUTBOUND,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT,
};

use crate::native::calls::{Call, fault, last_error, record};
use crate::native::current_user::CurrentUserOnly;

/// What the system keeps of each pipe while nobody reads.
const BUFFER_BYTES: u32 = 64 * 1024;

/// How often a name that is in use is replaced by another.
const ATTEMPTS: u32 = 4;

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// The child reads them.
    ToChild,
    /// The child writes them.
    FromChild,
}

/// Both ends of a new pipe: this side's, overlapped, and the child's. Neither is inherited.
pub(crate) fn child_pipe(direction: Direction) -> io::Result<(OwnedHandle, OwnedHandle)> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match connected(direction) {
            // Somebody was faster with this name, whoever that may be.
            Err(ERROR_PIPE_BUSY) if attempt < ATTEMPTS => {}
            result => {
                return result.map_err(|code| io::Error::from_raw_os_error(code.cast_signed()));
            }
        }
    }
}

fn connected(direction: Direction) -> Result<(OwnedHandle, OwnedHandle), u32> {
    let name = name();
    let (access, client_access) = match direction {
        Direction::ToChild => (PIPE_ACCESS_OUTBOUND, GENERIC_READ),
        // Runtimes ask what kind of handle they have.
        Direction::FromChild => (PIPE_ACCESS_INBOUND, GENERIC_WRITE | FILE_READ_ATTRIBUTES),
    };
    let access = access | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE;
    let mode = PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS;
    let arguments = [access as usize, mode as usize, 0, 0, 0];
    if let Some(error) = fault(Call::CreateNamedPipe) {
        record(Call::CreateNamedPipe, 0, arguments, error);
        return Err(error);
    }
    let only = CurrentUserOnly::new()?;
    let attributes = only.attributes();
    // SAFETY: the name ends with a zero, and the attributes outlive the call.
    let server = unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            access,
            mode,
            1,
            BUFFER_BYTES,
            BUFFER_BYTES,
            0,
            &raw const attributes,
        )
    };
    let server = owned(server)?;
    record(Call::CreateNamedPipe, 0, arguments, 0);
    if let Some(error) = fault(Call::CreateFile) {
        return Err(error);
    }
    // SAFETY: the name ends with a zero; the other pointers may be null.
    let client = unsafe {
        CreateFileW(
            name.as_ptr(),
            client_access,
            0,
            null(),
            OPEN_EXISTING,
            0,
            null_mut(),
        )
    };
    Ok((server, owned(client)?))
}

fn owned(handle: HANDLE) -> Result<OwnedHandle, u32> {
    if handle == INVALID_HANDLE_VALUE {
        return Err(last_error());
    }
    // SAFETY: the handle is fresh and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// 128 bits that only this process can know: the hash function is keyed by the system.
fn name() -> Vec<u16> {
    let number = || {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.finish()
    };
    let name = format!(
        "\\\\.\\pipe\\everwatch-{:016x}{:016x}\0",
        number(),
        number()
    );
    name.encode_utf16().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_different_and_end_with_a_zero() {
        let names: HashSet<Vec<u16>> = (0..1000).map(|_| name()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.last() == Some(&0)));
    }
}
