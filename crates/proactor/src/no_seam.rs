//! What the edge sees of the seam when there is none: nothing is recorded and nothing fails.

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use crate::call::Call;

/// The numbers of a call that matter to tests.
pub type Arguments = [usize; 5];

/// The error that a test wants this call to fail with.
pub fn fault(_: Call) -> Option<u32> {
    None
}

/// Notes a call, for a test.
pub fn record(_: Call, _: usize, _: Arguments, _: u32) {}

/// What a test wants the next completion to look like: Win32 error and NTSTATUS.
pub fn completion() -> Option<(u32, u32)> {
    None
}

/// Whether a test has put something in the place of what is looked up by name.
pub(crate) fn has_stand_ins() -> bool {
    false
}

/// What a test wants to be found under this name.
pub fn stand_in(_: &CStr) -> Option<Option<NonNull<c_void>>> {
    None
}
