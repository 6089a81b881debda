//! Functions that not every Windows has, found by name while the program runs. To import one would keep the
//! program from starting where it is missing.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};

use crate::native::calls::stand_in;

/// The address of a function of a library that every process has and none unloads, or of what a test has
/// put in its place; none where the system has no such function.
pub fn function_of(library: &str, name: &CStr) -> Option<NonNull<c_void>> {
    if let Some(found) = stand_in(name) {
        return found;
    }
    let library: Vec<u16> = library.encode_utf16().chain([0]).collect();
    // SAFETY: both names end with a zero; where the library is not loaded there is no function.
    let function =
        unsafe { GetProcAddress(GetModuleHandleW(library.as_ptr()), name.as_ptr().cast()) };
    function.and_then(|function| NonNull::new(function as *mut c_void))
}

/// [`function_of`] ntdll.
pub(crate) fn in_ntdll(name: &CStr) -> Option<NonNull<c_void>> {
    function_of("ntdll.dll", name)
}
