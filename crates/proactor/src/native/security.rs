//! Security descriptors: who may open a new object.

use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

use windows_sys::Win32::Foundation::{ERROR_INVALID_NAME, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use crate::native::calls::{Call, fault, last_error, outcome, record};
use crate::native::handle::Handle;

/// A security descriptor in one piece of memory.
#[derive(Debug)]
pub(crate) struct Descriptor(Local<c_void>);

// SAFETY: it is plain memory that is never written to.
unsafe impl Send for Descriptor {}
// SAFETY: as above.
unsafe impl Sync for Descriptor {}

impl Descriptor {
    /// One that grants everything to the user of this process, nothing to anybody else, and inherits
    /// nothing.
    pub(crate) fn of_current_user() -> Result<Descriptor, u32> {
        Descriptor::parse(&format!("D:P(A;;FA;;;{})", current_user()?))
    }

    /// One in the language of security descriptors (SDDL).
    pub(crate) fn parse(text: &str) -> Result<Descriptor, u32> {
        if let Some(error) = fault(Call::DescribeSecurity) {
            record(Call::DescribeSecurity, 0, [0; 5], error);
            return Err(error);
        }
        if text.contains('\0') {
            return Err(ERROR_INVALID_NAME);
        }
        let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut descriptor = null_mut();
        // SAFETY: the text ends in NUL; the size may be null.
        outcome(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                units.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                null_mut(),
            )
        })?;
        record(Call::DescribeSecurity, 0, [0; 5], 0);
        // SAFETY: the call returns memory that must be freed with LocalFree.
        let descriptor = unsafe { Local::own(descriptor) };
        descriptor.map(Descriptor).ok_or(ERROR_INVALID_NAME)
    }

    /// Good for as long as `self` is.
    pub(crate) fn raw(&self) -> *mut c_void {
        self.0.0.as_ptr()
    }
}

/// The user of this process, as `S-1-...`.
fn current_user() -> Result<String, u32> {
    let mut token: HANDLE = null_mut();
    // SAFETY: the pseudo handle is always good.
    outcome(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) })?;
    // SAFETY: the handle was just created, and nothing else refers to it.
    let token = unsafe { Handle::own(token) };
    // A TOKEN_USER with the identifier that it points to, which is 68 bytes at most; aligned.
    let mut user = [0_u64; 16];
    let mut length = 0;
    // SAFETY: the memory is as long as is said.
    outcome(unsafe {
        GetTokenInformation(
            token.raw(),
            TokenUser,
            user.as_mut_ptr().cast(),
            size_of_val(&user) as u32,
            &raw mut length,
        )
    })?;
    let mut text = null_mut();
    // SAFETY: the call has filled the memory with a TOKEN_USER, whose identifier lies behind it.
    outcome(unsafe {
        let user = user.as_ptr().cast::<TOKEN_USER>();
        ConvertSidToStringSidW((*user).User.Sid, &raw mut text)
    })?;
    // SAFETY: the call returns memory that must be freed with LocalFree.
    let text = unsafe { Local::own(text) }.ok_or_else(last_error)?;
    // SAFETY: it ends in NUL.
    let units = unsafe {
        let start = text.0.as_ptr();
        let length = (0..).take_while(|&at| *start.add(at) != 0).count();
        std::slice::from_raw_parts(start, length)
    };
    Ok(String::from_utf16_lossy(units))
}

/// What the system allocated for this process.
#[derive(Debug)]
struct Local<T>(NonNull<T>);

impl<T> Local<T> {
    /// # Safety
    /// It is null, or memory that must be freed with LocalFree and has no other owner.
    unsafe fn own(pointer: *mut T) -> Option<Local<T>> {
        NonNull::new(pointer).map(Local)
    }
}

impl<T> Drop for Local<T> {
    fn drop(&mut self) {
        // SAFETY: it has no other owner.
        unsafe { LocalFree(self.0.as_ptr().cast()) };
    }
}
