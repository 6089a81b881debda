//! Looks at entries by their names, which open nothing: NtQueryInformationByName, from Windows 10 1709 on.
//!
//! A plain rename does not replace a file that is open (MS-FSA 2.1.5.15.12; WinBtrfs' `rename.cpp`). A look
//! that opened the file would make the save of another program fail now and then.

use std::ffi::c_void;
use std::os::windows::io::OwnedHandle;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_INFORMATION_CLASS, FILE_STAT_INFORMATION, FileStatInformation,
};
use windows_sys::Win32::Foundation::{NTSTATUS, OBJ_DONT_REPARSE};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};

use super::calls::{self, Name};
use crate::windows::system_calls::Code;

/// NtQueryInformationByName.
type Call = unsafe extern "system" fn(
    *const OBJECT_ATTRIBUTES,
    *mut IO_STATUS_BLOCK,
    *mut c_void,
    u32,
    FILE_INFORMATION_CLASS,
) -> NTSTATUS;

/// The call, where the system has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookByName {
    call: Call,
}

// "Returns the requested information about a file specified by file name", with this structure for FileStatInformation.
const _: () = assert!(size_of::<FILE_STAT_INFORMATION>() == 72);

impl LookByName {
    /// Finds the call. Wine is not asked: what it opens for a name may be what a link leads to.
    pub(super) fn find(is_wine: bool) -> Option<LookByName> {
        if is_wine {
            return None;
        }
        // SAFETY: the names end with a zero, and this library is never unloaded. The function has this signature by its
        // page and by ntifs.h.
        unsafe {
            let library = GetModuleHandleA(c"ntdll.dll".as_ptr().cast());
            if library.is_null() {
                return None;
            }
            let found = GetProcAddress(library, c"NtQueryInformationByName".as_ptr().cast())?;
            Some(LookByName {
                call: std::mem::transmute::<unsafe extern "system" fn() -> isize, Call>(found),
            })
        }
    }

    /// Looks at the entry `name` of a directory itself: a link is not followed, but refused with another code.
    pub(super) fn look(
        self,
        dir: &OwnedHandle,
        name: &[u8],
    ) -> Result<FILE_STAT_INFORMATION, Code> {
        let name = Name::new(name)?;
        let mut attributes = name.below(dir);
        attributes.Attributes = OBJ_DONT_REPARSE;
        let mut information = FILE_STAT_INFORMATION::default();
        let mut status = IO_STATUS_BLOCK::default();
        // SAFETY: all that the attributes point to lives until the call returns, which is when it is done: there is no
        // handle on which it could be pending. The size is that of the structure, whose fields are numbers.
        calls::check_status(unsafe {
            (self.call)(
                &raw const attributes,
                &raw mut status,
                (&raw mut information).cast::<c_void>(),
                size_of::<FILE_STAT_INFORMATION>() as u32,
                FileStatInformation,
            )
        })?;
        Ok(information)
    }

    /// A call that answers as a test wants it to.
    #[cfg(test)]
    pub(super) fn scripted(call: Call) -> LookByName {
        LookByName { call }
    }
}
