//! What an open handle says about itself: which directory it is, and whether that is on the network.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use everwatch_proactor::fault_injection::{Call, attempt};
use everwatch_proactor::native::{result_of, result_of_status};
use windows_sys::Wdk::Storage::FileSystem::{
    FileFsDeviceInformation, NtQueryVolumeInformationFile,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ID_INFO, FileIdInfo, GetFileInformationByHandle,
    GetFileInformationByHandleEx,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

/// A flag of [`DeviceInformation::characteristics`].
const FILE_REMOTE_DEVICE: u32 = 0x10;

/// `FILE_FS_DEVICE_INFORMATION`, which `windows-sys` does not declare.
#[repr(C)]
#[derive(Default)]
struct DeviceInformation {
    kind: u32,
    characteristics: u32,
}

/// Whether a directory is on the network. One that does not say is taken for local.
pub(crate) fn is_remote(directory: BorrowedHandle<'_>) -> bool {
    let directory = directory.as_raw_handle();
    let asked = attempt(Call::IsRemote, directory, [0; 5], || {
        let mut device = DeviceInformation::default();
        let mut block = IO_STATUS_BLOCK::default();
        let (block, place) = (&raw mut block, (&raw mut device).cast());
        let (size, class) = (
            size_of::<DeviceInformation>() as u32,
            FileFsDeviceInformation,
        );
        // SAFETY: the handle is open, and there is space for what the call writes.
        let status = unsafe { NtQueryVolumeInformationFile(directory, block, place, size, class) };
        let is_known = result_of_status(status).is_ok();
        Ok(is_known && device.characteristics & FILE_REMOTE_DEVICE != 0)
    });
    // A test makes a directory remote by a planned error.
    asked.unwrap_or(true)
}

/// The identity of a file: volume serial number and file id. The serial number is as wide as the call that
/// gave it, so identities are comparable within one run alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    pub(crate) volume: u64,
    pub(crate) file: [u8; 16],
}

/// The identity of an open file, with the 64-bit id where there is no 128-bit one.
pub(crate) fn identity(file: BorrowedHandle<'_>) -> Result<Identity, u32> {
    let file = file.as_raw_handle();
    attempt(Call::GetFileInformation, file, [0; 5], || {
        let mut wide = FILE_ID_INFO::default();
        let (place, size) = ((&raw mut wide).cast(), size_of::<FILE_ID_INFO>() as u32);
        // SAFETY: the handle is open, and there is space for what the call writes.
        if unsafe { GetFileInformationByHandleEx(file, FileIdInfo, place, size) } != 0 {
            return Ok(Identity {
                volume: wide.VolumeSerialNumber,
                file: wide.FileId.Identifier,
            });
        }
        let mut narrow = BY_HANDLE_FILE_INFORMATION::default();
        // SAFETY: the handle is open, and there is space for what the call writes.
        result_of(unsafe { GetFileInformationByHandle(file, &raw mut narrow) })?;
        let id = u128::from(narrow.nFileIndexHigh) << 32 | u128::from(narrow.nFileIndexLow);
        Ok(Identity {
            volume: u64::from(narrow.dwVolumeSerialNumber),
            file: id.to_le_bytes(),
        })
    })
}
