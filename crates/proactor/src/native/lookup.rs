//! Functions that not every Windows has, found by name while the program runs. To import one would keep the
//! program from starting where it is missing.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};

use crate::native::calls::stand_in;

/// The address of a function of ntdll, or of what a test has put in its place.
pub(crate) fn in_ntdll(name: &CStr) -> Option<NonNull<c_void>> {
    if let Some(found) = stand_in(name) {
        return found;
    }
    let library: Vec<u16> = "ntdll.dll\0".encode_utf16().collect();
    // SAFETY: both names end with a zero; ntdll is never unloaded.
    let function =
        unsafe { GetProcAddress(GetModuleHandleW(library.as_ptr()), name.as_ptr().cast()) };
    function.and_then(|function| NonNull::new(function as *mut c_void))
}
