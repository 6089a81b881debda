//! What is done to a process that this one started.

use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_PROC_NOT_FOUND, HANDLE, NTSTATUS};
use windows_sys::Win32::System::Threading::{GetExitCodeProcess, TerminateProcess};

use crate::native::calls::{Call, error_of, fault, noted, outcome};
use crate::native::handle::Handle;
use crate::native::lookup::in_ntdll;
use crate::native::waits::is_signalled;

type Resume = unsafe extern "system" fn(HANDLE) -> NTSTATUS;

/// Resumes a process that was created suspended. std keeps the handle of its thread to itself, and a look
/// at all threads of the system would be the other way to one.
pub(crate) fn resume(process: &Handle) -> Result<(), u32> {
    static FOUND: OnceLock<Option<Resume>> = OnceLock::new();
    if let Some(error) = fault(Call::ResumeProcess) {
        return noted(Call::ResumeProcess, process.raw(), [0; 5], Err(error));
    }
    let found = FOUND.get_or_init(|| {
        let function = in_ntdll(c"NtResumeProcess")?;
        // SAFETY: a function of this name has this signature.
        Some(unsafe { std::mem::transmute::<*mut std::ffi::c_void, Resume>(function.as_ptr()) })
    });
    let resume = found.ok_or(ERROR_PROC_NOT_FOUND)?;
    // SAFETY: the handle is open.
    let status = unsafe { resume(process.raw()) };
    let result = match error_of(status.cast_unsigned()) {
        0 => Ok(()),
        error => Err(error),
    };
    noted(Call::ResumeProcess, process.raw(), [0; 5], result)
}

/// The exit code, unless the process lives. It is the handle that says so: a live process has an exit code
/// too, 259, and so may a dead one.
pub(crate) fn exit_code(process: &Handle) -> std::io::Result<Option<u32>> {
    if !is_signalled(process.raw())? {
        return Ok(None);
    }
    let mut code = 0;
    // SAFETY: the handle is open.
    match unsafe { GetExitCodeProcess(process.raw(), &raw mut code) } {
        0 => Err(std::io::Error::last_os_error()),
        _ => Ok(Some(code)),
    }
}

/// Ends a process. One that has exited is none the worse for it.
pub(crate) fn terminate(process: &Handle, code: u32) -> Result<(), u32> {
    if let Some(error) = fault(Call::TerminateProcess) {
        return noted(Call::TerminateProcess, process.raw(), [0; 5], Err(error));
    }
    // SAFETY: the handle is open.
    let result = match outcome(unsafe { TerminateProcess(process.raw(), code) }) {
        // What has exited, or is about to, is refused.
        Err(ERROR_ACCESS_DENIED) if is_signalled(process.raw()).unwrap_or(false) => Ok(()),
        result => result,
    };
    noted(Call::TerminateProcess, process.raw(), [0; 5], result)
}
