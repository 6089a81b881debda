//! A job object: it ends its process, and all that this one has started, when it is closed.

use std::os::windows::io::AsRawHandle;
use std::process::Child;
use std::ptr::{null, null_mut};

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject, TerminateJobObject,
};

use crate::fault_injection::{Call, attempt, attempt_open};
use crate::native::error::{result_of, valid_handle};
use crate::native::handle::Handle;

/// A job with one process and its descendants in it. They are ended with the last handle of the job,
/// also when this process is killed.
#[derive(Debug)]
pub(crate) struct Job(Handle);

impl Job {
    /// Puts a child into a job of its own.
    pub(crate) fn of(child: &Child) -> Result<Job, u32> {
        let job = attempt_open(Call::CreateJobObject, [0; 5], || {
            // SAFETY: it has no name and no security descriptor; the handle is fresh.
            unsafe {
                Ok(Handle::own(valid_handle(
                    CreateJobObjectW(null(), null()),
                    null_mut(),
                )?))
            }
        })?;
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        let size = size_of_val(&limits) as u32;
        let (class, limits) = (
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
        );
        // SAFETY: the structure is that of the class, and has this size.
        result_of(unsafe { SetInformationJobObject(job.raw(), class, limits, size) })?;
        let child = child.as_raw_handle();
        attempt(Call::AssignProcessToJobObject, child, [0; 5], || {
            // SAFETY: both handles are open.
            result_of(unsafe { AssignProcessToJobObject(job.raw(), child) })
        })?;
        Ok(Job(job))
    }

    /// Ends all processes of the job: the child and what it has started.
    pub(crate) fn terminate(&self, code: u32) -> Result<(), u32> {
        let job = self.0.raw();
        attempt(Call::TerminateJobObject, job, [0; 5], || {
            // SAFETY: the handle is open.
            result_of(unsafe { TerminateJobObject(job, code) })
        })
    }
}
