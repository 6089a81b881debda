//! What the edge sees of the seam when there is none: nothing is recorded and nothing fails.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::IO::{LPOVERLAPPED_COMPLETION_ROUTINE, OVERLAPPED};
use windows_sys::core::BOOL;

pub(crate) use crate::call::Call;

pub(crate) type Arguments = [usize; 5];

pub(crate) type ReadExtended = unsafe extern "system" fn(
    HANDLE,
    *mut c_void,
    u32,
    BOOL,
    u32,
    *mut u32,
    *mut OVERLAPPED,
    LPOVERLAPPED_COMPLETION_ROUTINE,
    i32,
) -> BOOL;

pub(crate) fn fault(_: Call) -> Option<u32> {
    None
}

pub(crate) fn record(_: Call, _: usize, _: Arguments, _: u32) {}

pub(crate) fn completion() -> Option<(u32, u32)> {
    None
}

pub(crate) fn extended() -> Option<ReadExtended> {
    None
}

pub(crate) fn has_stand_ins() -> bool {
    false
}

pub(crate) fn stand_in(_: &CStr) -> Option<Option<NonNull<c_void>>> {
    None
}
