//! Fault injection: the one gate that every system call passes, where tests record calls and make them fail.
//!
//! [`attempt`] makes a call and [`attempt_open`] one that opens a handle. With the feature `fault-injection`
//! a [`Session`] sees every call of the process, with its arguments and its result, and decides which of them
//! fail without being made. Without the feature nothing is recorded, nothing fails, and the gate costs
//! nothing.
//!
//! The crates that stand on this one send their own system calls through the same gate, so that one session
//! sees all of them in their order.

mod call;
#[cfg(feature = "fault-injection")]
mod session;

pub use call::Call;
#[cfg(feature = "fault-injection")]
pub use session::{Record, Session, console_event};

use std::ffi::{CStr, c_void};
use std::os::windows::io::AsRawHandle;
use std::ptr::NonNull;

use windows_sys::Win32::Foundation::HANDLE;

/// The arguments of a call that tests look at, by call: access, share mode and options of an open; filter,
/// depth, bytes, and the addresses of OVERLAPPED and of the buffer of a directory read; OVERLAPPED, buffer
/// and length of a transfer; the key of an association or a packet; OVERLAPPED of a cancel or a completion;
/// how many packets a port is asked for.
pub type Arguments = [usize; 5];

/// Makes a system call on `handle`, unless a test wants it to fail, and records what it came to.
///
/// # Errors
/// Those of the call, or the error that a test has planned for it. It is not made then.
pub fn attempt<T>(
    call: Call,
    handle: HANDLE,
    arguments: Arguments,
    make: impl FnOnce() -> Result<T, u32>,
) -> Result<T, u32> {
    let result = match planned_error(call) {
        Some(error) => Err(error),
        None => make(),
    };
    let error = result.as_ref().err().copied().unwrap_or(0);
    record(call, handle as usize, arguments, error);
    result
}

/// [`attempt`] for a call that opens a handle, which is what is recorded.
///
/// # Errors
/// Those of [`attempt`].
pub fn attempt_open<T: AsRawHandle>(
    call: Call,
    arguments: Arguments,
    open: impl FnOnce() -> Result<T, u32>,
) -> Result<T, u32> {
    let result = match planned_error(call) {
        Some(error) => Err(error),
        None => open(),
    };
    match &result {
        Ok(opened) => record(call, opened.as_raw_handle() as usize, arguments, 0),
        Err(error) => record(call, 0, arguments, *error),
    }
    result
}

/// The error with which a test wants this call to fail.
pub fn planned_error(call: Call) -> Option<u32> {
    #[cfg(feature = "fault-injection")]
    return session::planned_error(call);
    #[cfg(not(feature = "fault-injection"))]
    {
        let _ = call;
        None
    }
}

/// Records a call that does not pass [`attempt`], because it cannot fail.
pub fn record(call: Call, handle: usize, arguments: Arguments, error: u32) {
    #[cfg(feature = "fault-injection")]
    session::record(call, handle, arguments, error);
    #[cfg(not(feature = "fault-injection"))]
    let _ = (call, handle, arguments, error);
}

/// How a test wants the read that has just completed to look: Win32 error and NTSTATUS.
pub fn planned_end() -> Option<(u32, u32)> {
    #[cfg(feature = "fault-injection")]
    return session::planned_end();
    #[cfg(not(feature = "fault-injection"))]
    None
}

/// What a test has put in the place of the function of this name: an address, or nothing for a system that
/// lacks it. The outer `None` stands for the function that the system has.
pub fn stand_in(name: &CStr) -> Option<Option<NonNull<c_void>>> {
    #[cfg(feature = "fault-injection")]
    return session::stand_in(name);
    #[cfg(not(feature = "fault-injection"))]
    {
        let _ = name;
        None
    }
}

/// Whether a test has put anything in the place of a function. Look-ups must not be cached then.
pub(crate) fn has_stand_ins() -> bool {
    #[cfg(feature = "fault-injection")]
    return session::has_stand_ins();
    #[cfg(not(feature = "fault-injection"))]
    false
}
