//! An open directory whose changes are read.

use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle};
use std::path::Path;

use everwatch_proactor::native::Handle;
use windows_sys::Win32::Foundation::ERROR_INVALID_NAME;

use crate::native::calls::{self, Flavour};

/// A directory opened to be read: `FILE_LIST_DIRECTORY` and nothing more, overlapped, and shared in
/// all three ways, so that others may rename and remove it.
///
/// It is always an object of its own, never a duplicate: the kernel keeps the list of changes with
/// the object, and a duplicate that outlives its original loses it under Wine.
#[derive(Debug)]
pub struct DirHandle {
    handle: Handle,
}

impl DirHandle {
    /// Opens the directory of `directory` again, wherever it is by now.
    pub fn reopen(directory: BorrowedHandle<'_>) -> Result<DirHandle, u32> {
        // SAFETY: a borrowed handle is open.
        let handle = unsafe { calls::reopen(directory.as_raw_handle(), Flavour::Overlapped)? };
        Ok(DirHandle { handle })
    }

    /// Opens a directory by its path, which is given to the kernel as it is: use verbatim paths.
    /// A reparse point is opened itself and not followed.
    pub fn open(path: &Path) -> Result<DirHandle, u32> {
        let handle = calls::open(&units(path)?, Flavour::Overlapped)?;
        Ok(DirHandle { handle })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn into_handle(self) -> Handle {
        self.handle
    }
}

impl AsHandle for DirHandle {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.handle.borrow()
    }
}

/// The path with the NUL that Windows wants behind it, or `ERROR_INVALID_NAME` if it has one inside.
fn units(path: &Path) -> Result<Vec<u16>, u32> {
    let mut units: Vec<u16> = path.as_os_str().encode_wide().collect();
    if units.is_empty() || units.contains(&0) {
        return Err(ERROR_INVALID_NAME);
    }
    units.push(0);
    Ok(units)
}
