//! Open directories whose changes are read.

use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::path::Path;

use everwatch_proactor::native::Handle;
use windows_sys::Win32::Foundation::ERROR_INVALID_NAME;

use crate::native::calls::{self, Flavour};

/// A directory that is open for reading its changes: with `FILE_LIST_DIRECTORY` and nothing more, overlapped,
/// and shared in all three ways, so that other programs can rename and remove it.
///
/// It is always a file object of its own, never a duplicate: the kernel keeps the list of changes with the
/// object, and under Wine a duplicate that outlives its original loses it.
#[derive(Debug)]
pub struct DirHandle {
    handle: Handle,
}

impl DirHandle {
    /// Opens a directory again by its handle, wherever it has been moved to.
    ///
    /// # Errors
    /// What NtOpenFile reports.
    pub fn reopen(directory: BorrowedHandle<'_>) -> Result<DirHandle, u32> {
        let handle = calls::reopen(directory, Flavour::Overlapped)?;
        Ok(DirHandle { handle })
    }

    /// Opens a directory by its path, which goes to the kernel as it is: use verbatim paths (`\\?\…`). A
    /// reparse point is opened itself and not followed.
    ///
    /// # Errors
    /// `ERROR_INVALID_NAME` for a path that is empty or has a NUL in it, and what CreateFile reports.
    pub fn open(path: &Path) -> Result<DirHandle, u32> {
        let handle = calls::open(&units(path)?, Flavour::Overlapped)?;
        Ok(DirHandle { handle })
    }

    /// The handle, which is open for as long as `self` lives.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The handle alone.
    pub(crate) fn into_handle(self) -> Handle {
        self.handle
    }
}

impl AsHandle for DirHandle {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.as_handle()
    }
}

/// A path in UTF-16 units, with the NUL that Windows wants behind it.
fn units(path: &Path) -> Result<Vec<u16>, u32> {
    let mut units: Vec<u16> = path.as_os_str().encode_wide().collect();
    if units.is_empty() || units.contains(&0) {
        return Err(ERROR_INVALID_NAME);
    }
    units.push(0);
    Ok(units)
}
