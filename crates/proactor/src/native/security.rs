//! Security descriptors: who may open a new object.

use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

use windows_sys::Win32::Foundation::{ERROR_INVALID_NAME, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{GetTokenInformation, TOKEN_QUERY, TOKEN_USER, TokenUser};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use crate::fault_injection::{Call, attempt};
use crate::native::error::{last_error, result_of};
use crate::native::handle::Handle;

/// A self-relative security descriptor, in memory of the system's.
#[derive(Debug)]
pub(crate) struct Descriptor(Local<c_void>);

// SAFETY: it is plain memory that is not written to.
unsafe impl Send for Descriptor {}
// SAFETY: it is plain memory that is not written to.
unsafe impl Sync for Descriptor {}

impl Descriptor {
    /// The descriptor that grants everything to the user of this process, nothing to anybody else, and
    /// inherits nothing.
    pub(crate) fn of_current_user() -> Result<Descriptor, u32> {
        Descriptor::parse(&format!("D:P(A;;FA;;;{})", current_user()?))
    }

    /// The descriptor that a text in the language of security descriptors (SDDL) describes.
    pub(crate) fn parse(text: &str) -> Result<Descriptor, u32> {
        attempt(Call::DescribeSecurity, null_mut(), [0; 5], || {
            if text.contains('\0') {
                return Err(ERROR_INVALID_NAME);
            }
            let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
            let (units, mut descriptor) = (units.as_ptr(), null_mut());
            let place = &raw mut descriptor;
            // SAFETY: the text ends in NUL; the size may be null. The memory must be freed with LocalFree.
            let descriptor = unsafe {
                result_of(ConvertStringSecurityDescriptorToSecurityDescriptorW(
                    units,
                    SDDL_REVISION_1,
                    place,
                    null_mut(),
                ))?;
                Local::own(descriptor)
            };
            descriptor.map(Descriptor).ok_or(ERROR_INVALID_NAME)
        })
    }

    /// The address of the descriptor, good for as long as `self` lives.
    pub(crate) fn raw(&self) -> *mut c_void {
        self.0.0.as_ptr()
    }
}

/// The user of this process, as `S-1-…`.
fn current_user() -> Result<String, u32> {
    let mut token: HANDLE = null_mut();
    // SAFETY: the pseudo handle of the process is always good; the handle of the token is fresh.
    let token = unsafe {
        result_of(OpenProcessToken(
            GetCurrentProcess(),
            TOKEN_QUERY,
            &raw mut token,
        ))?;
        Handle::own(token)
    };
    // A TOKEN_USER and the identifier that it points to, which has at most 68 bytes; aligned for both.
    let mut user = [0_u64; 16];
    let (size, mut length) = (size_of_val(&user) as u32, 0);
    let (memory, length) = (user.as_mut_ptr().cast(), &raw mut length);
    // SAFETY: the memory has the length that is passed.
    result_of(unsafe { GetTokenInformation(token.raw(), TokenUser, memory, size, length) })?;
    let mut text = null_mut();
    // SAFETY: the call has filled the memory with a TOKEN_USER, behind which its identifier lies. The text must
    // be freed with LocalFree.
    let text = unsafe {
        let user = user.as_ptr().cast::<TOKEN_USER>();
        result_of(ConvertSidToStringSidW((*user).User.Sid, &raw mut text))?;
        Local::own(text)
    };
    let text = text.ok_or_else(last_error)?;
    // SAFETY: the text ends in NUL.
    let units = unsafe {
        let start = text.0.as_ptr();
        let length = (0..).take_while(|&at| *start.add(at) != 0).count();
        std::slice::from_raw_parts(start, length)
    };
    Ok(String::from_utf16_lossy(units))
}

/// Memory that the system has allocated with LocalAlloc for this process.
#[derive(Debug)]
struct Local<T>(NonNull<T>);

impl<T> Local<T> {
    /// Takes ownership of the memory; `None` if there is none.
    ///
    /// # Safety
    /// `pointer` is null, or memory that must be freed with LocalFree and that nothing else frees.
    unsafe fn own(pointer: *mut T) -> Option<Local<T>> {
        NonNull::new(pointer).map(Local)
    }
}

impl<T> Drop for Local<T> {
    fn drop(&mut self) {
        // SAFETY: the memory is owned, and not used after this.
        unsafe { LocalFree(self.0.as_ptr().cast()) };
    }
}
