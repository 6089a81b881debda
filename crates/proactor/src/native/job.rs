//! A job that ends its process, and all that this one has started, when it is closed.

use std::os::windows::io::AsRawHandle;
use std::process::Child;
use std::ptr::null;

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject, TerminateJobObject,
};

use crate::native::calls::{Call, fault, last_error, noted, outcome};
use crate::native::handle::Handle;

/// A job with one process and its descendants in it, which are ended with the job's last handle.
#[derive(Debug)]
pub(crate) struct Job(Handle);

impl Job {
    /// Puts a child into a job of its own.
    pub(crate) fn of(child: &Child) -> Result<Job, u32> {
        if let Some(error) = fault(Call::CreateJobObject) {
            return Err(error);
        }
        // SAFETY: no name and no security descriptor.
        let job = unsafe { CreateJobObjectW(null(), null()) };
        if job.is_null() {
            return Err(last_error());
        }
        // SAFETY: the handle was just created, and nothing else refers to it.
        let job = Job(unsafe { Handle::own(job) });
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        // SAFETY: the structure is that of the class, and of the size that is given.
        outcome(unsafe {
            SetInformationJobObject(
                job.0.raw(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>() as u32,
            )
        })?;
        if let Some(error) = fault(Call::AssignProcessToJobObject) {
            return Err(error);
        }
        // SAFETY: both handles are open.
        let result =
            outcome(unsafe { AssignProcessToJobObject(job.0.raw(), child.as_raw_handle()) });
        noted(
            Call::AssignProcessToJobObject,
            child.as_raw_handle(),
            [0; 5],
            result,
        )?;
        Ok(job)
    }

    /// Ends all processes of the job: the child, and what it has started.
    pub(crate) fn terminate(&self, code: u32) -> Result<(), u32> {
        if let Some(error) = fault(Call::TerminateJobObject) {
            return noted(Call::TerminateJobObject, self.0.raw(), [0; 5], Err(error));
        }
        // SAFETY: the handle is open.
        let result = outcome(unsafe { TerminateJobObject(self.0.raw(), code) });
        noted(Call::TerminateJobObject, self.0.raw(), [0; 5], result)
    }
}
