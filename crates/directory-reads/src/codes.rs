//! The status codes that the portable parts judge by: Win32 errors and NTSTATUS values, as `winerror.h` and
//! `ntstatus.h` have them. `windows-sys` has them as well, but on Windows alone.

#[cfg(any(windows, test))]
pub(crate) const ERROR_INVALID_FUNCTION: u32 = 1;
#[cfg(any(windows, test))]
pub(crate) const ERROR_NOT_SUPPORTED: u32 = 50;
pub(crate) const ERROR_INVALID_PARAMETER: u32 = 87;
#[cfg(any(windows, test))]
pub(crate) const ERROR_CALL_NOT_IMPLEMENTED: u32 = 120;
pub(crate) const ERROR_HANDLES_CLOSED: u32 = 676;
pub(crate) const ERROR_NOTIFY_CLEANUP: u32 = 745;
pub(crate) const ERROR_OPERATION_ABORTED: u32 = 995;
pub(crate) const ERROR_IO_PENDING: u32 = 997;
pub(crate) const ERROR_NOTIFY_ENUM_DIR: u32 = 1022;

pub(crate) const STATUS_NOTIFY_CLEANUP: u32 = 0x0000_010b;
pub(crate) const STATUS_NOTIFY_ENUM_DIR: u32 = 0x0000_010c;
pub(crate) const STATUS_HANDLES_CLOSED: u32 = 0x8000_000a;
pub(crate) const STATUS_CANCELLED: u32 = 0xc000_0120;
