//! What an open handle says of itself.

use std::os::windows::io::{AsRawHandle, BorrowedHandle};

use everwatch_proactor::native::{Call, error_of, fault, last_error, record};
use windows_sys::Wdk::Storage::FileSystem::{
    FileFsDeviceInformation, NtQueryVolumeInformationFile,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ID_INFO, FileIdInfo, GetFileInformationByHandle,
    GetFileInformationByHandleEx,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

const FILE_REMOTE_DEVICE: u32 = 0x10;

/// `FILE_FS_DEVICE_INFORMATION`.
#[repr(C)]
#[derive(Default)]
struct Device {
    kind: u32,
    characteristics: u32,
}

/// Whether a directory is on the network. One that does not say is taken for local.
pub(crate) fn is_remote(directory: BorrowedHandle<'_>) -> bool {
    if fault(Call::IsRemote).is_some() {
        return true;
    }
    let mut device = Device::default();
    let mut block = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open, and both structures are of the size that is given.
    let status = unsafe {
        NtQueryVolumeInformationFile(
            directory.as_raw_handle(),
            &raw mut block,
            (&raw mut device).cast(),
            size_of::<Device>() as u32,
            FileFsDeviceInformation,
        )
    };
    error_of(status.cast_unsigned()) == 0 && device.characteristics & FILE_REMOTE_DEVICE != 0
}

/// Which directory it is: volume serial number and file id. The serial number is as wide as the
/// call that gave it, so identities are compared only within one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    pub(crate) volume: u64,
    pub(crate) file: [u8; 16],
}

/// The identity of an open file; the 64-bit id where there is no 128-bit one.
pub(crate) fn identity(file: BorrowedHandle<'_>) -> Result<Identity, u32> {
    if let Some(error) = fault(Call::GetFileInformation) {
        record(
            Call::GetFileInformation,
            file.as_raw_handle() as usize,
            [0; 5],
            error,
        );
        return Err(error);
    }
    let mut wide = FILE_ID_INFO::default();
    // SAFETY: the handle is open, and the structure is of the size that is given.
    let is_fine = unsafe {
        GetFileInformationByHandleEx(
            file.as_raw_handle(),
            FileIdInfo,
            (&raw mut wide).cast(),
            size_of::<FILE_ID_INFO>() as u32,
        )
    };
    if is_fine != 0 {
        return Ok(Identity {
            volume: wide.VolumeSerialNumber,
            file: wide.FileId.Identifier,
        });
    }
    let mut narrow = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open.
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut narrow) } == 0 {
        return Err(last_error());
    }
    let id = u128::from(narrow.nFileIndexHigh) << 32 | u128::from(narrow.nFileIndexLow);
    Ok(Identity {
        volume: u64::from(narrow.dwVolumeSerialNumber),
        file: id.to_le_bytes(),
    })
}
