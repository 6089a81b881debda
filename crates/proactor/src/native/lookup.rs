//! Functions that not every Windows has, found by name while the program runs.
//!
//! Importing one would keep the program from starting where it is missing.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};

use crate::fault_injection::stand_in;

/// The address of a function of a library that is loaded for good, such as `kernel32.dll`, or of what a test
/// has put in its place. `None` where the system has no such function.
pub fn function_named(library: &str, name: &CStr) -> Option<NonNull<c_void>> {
    if let Some(found) = stand_in(name) {
        return found;
    }
    let library: Vec<u16> = library.encode_utf16().chain([0]).collect();
    // SAFETY: both names end with a zero. A null module stands for the program itself, which exports nothing.
    let function =
        unsafe { GetProcAddress(GetModuleHandleW(library.as_ptr()), name.as_ptr().cast()) };
    function.and_then(|function| NonNull::new(function as *mut c_void))
}

/// [`function_named`] of `ntdll.dll`.
pub(crate) fn in_ntdll(name: &CStr) -> Option<NonNull<c_void>> {
    function_named("ntdll.dll", name)
}
