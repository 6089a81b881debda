//! The system calls on a process that this one has started.

use std::ffi::c_void;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_PROC_NOT_FOUND, HANDLE, NTSTATUS};
use windows_sys::Win32::System::Threading::{GetExitCodeProcess, TerminateProcess};

use crate::fault_injection::{Call, attempt};
use crate::native::error::{result_of, result_of_status};
use crate::native::handle::Handle;
use crate::native::lookup::in_ntdll;
use crate::native::threads::is_signalled_within;

/// The signature of `NtResumeProcess`.
type Resume = unsafe extern "system" fn(HANDLE) -> NTSTATUS;

/// Lets a process run that was created suspended. std does not give out the handle of its first thread, and
/// the other way to one would be to look through all threads of the system.
pub(crate) fn resume(process: &Handle) -> Result<(), u32> {
    static FOUND: OnceLock<Option<Resume>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let function = in_ntdll(c"NtResumeProcess")?;
        // SAFETY: the function of this name has this signature.
        Some(unsafe { std::mem::transmute::<*mut c_void, Resume>(function.as_ptr()) })
    });
    attempt(Call::ResumeProcess, process.raw(), [0; 5], || {
        let resume = found.ok_or(ERROR_PROC_NOT_FOUND)?;
        // SAFETY: the handle is open.
        result_of_status(unsafe { resume(process.raw()) })
    })
}

/// The exit code of a process; `None` while it lives. The handle decides: a live process has an exit code too,
/// 259, and so may a dead one.
pub(crate) fn exit_code(process: &Handle) -> Result<Option<u32>, u32> {
    if !is_signalled_within(process, 0)? {
        return Ok(None);
    }
    let mut code = 0;
    // SAFETY: the handle is open, and there is space for the code.
    result_of(unsafe { GetExitCodeProcess(process.raw(), &raw mut code) })?;
    Ok(Some(code))
}

/// Ends a process. One that has exited is left as it is.
pub(crate) fn terminate(process: &Handle, code: u32) -> Result<(), u32> {
    attempt(Call::TerminateProcess, process.raw(), [0; 5], || {
        // SAFETY: the handle is open.
        match result_of(unsafe { TerminateProcess(process.raw(), code) }) {
            // The system refuses it for one that has exited, or is about to.
            Err(ERROR_ACCESS_DENIED) if is_signalled_within(process, 0).unwrap_or(false) => Ok(()),
            result => result,
        }
    })
}
