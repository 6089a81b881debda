//! The system calls, as functions that cannot be misused.

use std::ffi::c_void;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, HandleOrInvalid, OwnedHandle};
use std::path::Path;
use std::ptr::{null, null_mut};

use everwatch_core::path::to_path;
use everwatch_directory_reads::records;
use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_BASIC_INFORMATION, FILE_ID_INFORMATION, FILE_INFORMATION_CLASS, FILE_INTERNAL_INFORMATION,
    FILE_OPEN, FILE_OPEN_FOR_BACKUP_INTENT, FILE_OPEN_REPARSE_POINT, FILE_STANDARD_INFORMATION,
    FILE_SYNCHRONOUS_IO_NONALERT, FileAttributeTagInformation, FileBasicInformation,
    FileFsDeviceInformation, FileIdBothDirectoryInformation, FileIdInformation,
    FileInternalInformation, FileNameInformation, FileStandardInformation,
    NTCREATEFILE_CREATE_OPTIONS, NtCreateFile, NtQueryDirectoryFile, NtQueryInformationFile,
    NtQueryVolumeInformationFile,
};
use windows_sys::Wdk::System::SystemServices::{FILE_FS_DEVICE_INFORMATION, FILE_REMOTE_DEVICE};
use windows_sys::Win32::Foundation::{
    FILETIME, GetLastError, HANDLE, NTSTATUS, RtlNtStatusToDosError, STATUS_DELETE_PENDING,
    STATUS_FILE_DELETED, UNICODE_STRING,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, CreateFileW, FILE_ATTRIBUTE_TAG_INFO, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_INFO_BY_HANDLE_CLASS, FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE,
    FILE_SHARE_READ, FILE_SHARE_WRITE, GetFileInformationByHandle, GetFileInformationByHandleEx,
    GetVolumeInformationByHandleW, OPEN_EXISTING, ReadFile, SYNCHRONIZE,
};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
use windows_sys::Win32::System::SystemInformation::GetSystemTimeAsFileTime;

use crate::windows::system_calls::Code;

/// What a directory is opened for: to be listed, to open what is in it, and to be looked at.
pub(super) const TO_LIST: u32 = FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES | SYNCHRONIZE;

/// An open handle keeps no other program from reading, writing, renaming or deleting what it is open on.
const SHARE_ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// ERROR_INVALID_NAME.
const INVALID_NAME: Code = Code(123);

/// ERROR_DELETE_PENDING.
const DELETE_PENDING: Code = Code(303);

/// ERROR_MORE_DATA.
const MORE_DATA: Code = Code(234);

/// Room for the length of a path and a path of about 510 UTF-16 units, in numbers of four bytes.
const USUAL_NAME: usize = 256;

/// The same for the longest path there is, 32,767 units.
const LONGEST_NAME: usize = 1 + 0x4000;

/// ERROR_NO_MORE_FILES.
const NO_MORE_FILES: u32 = 18;

/// The code of the last call of this thread.
fn last_error() -> Code {
    // SAFETY: reads a value of the thread's own.
    Code(unsafe { GetLastError() })
}

/// The result of a Win32 function: zero means that it failed.
fn check(result: i32) -> Result<(), Code> {
    match result {
        0 => Err(last_error()),
        _ => Ok(()),
    }
}

/// The result of an NT function: a negative status is an error.
pub(super) fn check_status(status: NTSTATUS) -> Result<(), Code> {
    match status {
        0.. => Ok(()),
        // Both would become ERROR_ACCESS_DENIED, which says something else. The second is that of a file that was
        // deleted by POSIX rules and is still open (WinBtrfs' `rename.cpp`).
        STATUS_DELETE_PENDING | STATUS_FILE_DELETED => Err(DELETE_PENDING),
        // SAFETY: maps a number to a number.
        _ => Err(Code(unsafe { RtlNtStatusToDosError(status) })),
    }
}

/// Opens a directory by its path, CreateFileW. The path must be verbatim.
pub(super) fn open_path(path: &Path) -> Result<OwnedHandle, Code> {
    let mut wide: Vec<u16> = path.as_os_str().encode_wide().collect();
    if wide.contains(&0) {
        return Err(INVALID_NAME);
    }
    wide.push(0);
    // SAFETY: the name ends with a zero and lives until the call returns; the other pointers may be null.
    let handle = unsafe {
        let raw = CreateFileW(
            wide.as_ptr(),
            TO_LIST,
            SHARE_ALL,
            null(),
            OPEN_EXISTING,
            FILE_FLAG_BACKUP_SEMANTICS,
            null_mut(),
        );
        HandleOrInvalid::from_raw_handle(raw)
    };
    handle.try_into().map_err(|_| last_error())
}

/// Opens the entry `name` of a directory itself, of any kind, NtCreateFile. An empty name opens the
/// directory once more. The handle is synchronous.
pub(super) fn open_entry(
    dir: &OwnedHandle,
    name: &[u8],
    access: u32,
    options: NTCREATEFILE_CREATE_OPTIONS,
) -> Result<OwnedHandle, Code> {
    let name = Name::new(name)?;
    let attributes = name.below(dir);
    let mut handle: HANDLE = null_mut();
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: all that the attributes point to, the handle and the status block live until the call
    // returns, and it does not return before it is done: the handle is synchronous.
    let result = unsafe {
        NtCreateFile(
            &raw mut handle,
            access | SYNCHRONIZE,
            &raw const attributes,
            &raw mut status,
            null(),
            0,
            SHARE_ALL,
            FILE_OPEN,
            options
                | FILE_SYNCHRONOUS_IO_NONALERT
                | FILE_OPEN_REPARSE_POINT
                | FILE_OPEN_FOR_BACKUP_INTENT,
            null(),
            0,
        )
    };
    check_status(result)?;
    // SAFETY: the call succeeded, so this is a handle, and it has no other owner.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A name of one component, as the system takes it.
pub(super) struct Name {
    /// Owns what `string` points to.
    _units: Vec<u16>,
    string: Box<UNICODE_STRING>,
}

impl Name {
    /// The name in UTF-16.
    ///
    /// # Errors
    ///
    /// ERROR_INVALID_NAME for a zero, a backslash, which would begin another component, and for more than 32,767
    /// units.
    pub(super) fn new(name: &[u8]) -> Result<Name, Code> {
        let mut units: Vec<u16> = to_path(name.to_vec()).as_os_str().encode_wide().collect();
        let bytes = u16::try_from(units.len() * 2).map_err(|_| INVALID_NAME)?;
        if units.contains(&0) || units.contains(&u16::from(b'\\')) {
            return Err(INVALID_NAME);
        }
        let string = Box::new(UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: units.as_mut_ptr(),
        });
        Ok(Name {
            _units: units,
            string,
        })
    }

    /// The entry of this name in the directory. Both have to outlive what is returned.
    pub(super) fn below(&self, dir: &OwnedHandle) -> OBJECT_ATTRIBUTES {
        OBJECT_ATTRIBUTES {
            Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
            RootDirectory: dir.as_raw_handle(),
            ObjectName: &raw const *self.string,
            Attributes: 0,
            SecurityDescriptor: null(),
            SecurityQualityOfService: null(),
        }
    }
}

/// A structure that [`query`] can fill.
///
/// # Safety
///
/// The structure is the one of the class, and any bytes make one.
pub(super) unsafe trait Information: Default {
    const CLASS: FILE_INFORMATION_CLASS;
}

// SAFETY: ntifs.h pairs the two; the fields are numbers.
unsafe impl Information for FILE_BASIC_INFORMATION {
    const CLASS: FILE_INFORMATION_CLASS = FileBasicInformation;
}

// SAFETY: ntifs.h pairs the two; the field is a number.
unsafe impl Information for FILE_INTERNAL_INFORMATION {
    const CLASS: FILE_INFORMATION_CLASS = FileInternalInformation;
}

// SAFETY: ntifs.h pairs the two; the fields are numbers.
unsafe impl Information for FILE_ATTRIBUTE_TAG_INFO {
    const CLASS: FILE_INFORMATION_CLASS = FileAttributeTagInformation;
}

// SAFETY: ntifs.h pairs the two; the fields are numbers.
unsafe impl Information for FILE_ID_INFORMATION {
    const CLASS: FILE_INFORMATION_CLASS = FileIdInformation;
}

/// FILE_STANDARD_INFORMATION, with numbers where that has truth values.
#[repr(C)]
#[derive(Default)]
pub(super) struct StandardInformation {
    pub(super) allocated: i64,
    pub(super) size: i64,
    pub(super) links: u32,
    pub(super) delete_pending: u8,
    pub(super) directory: u8,
}

const _: () = assert!(size_of::<StandardInformation>() == size_of::<FILE_STANDARD_INFORMATION>());

// SAFETY: ntifs.h pairs the two, and this has the same layout; the fields are numbers.
unsafe impl Information for StandardInformation {
    const CLASS: FILE_INFORMATION_CLASS = FileStandardInformation;
}

/// NtQueryInformationFile, for classes of a fixed size.
pub(super) fn query<T: Information>(handle: &OwnedHandle) -> Result<T, Code> {
    let mut information = T::default();
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open and synchronous, and the size is that of the structure.
    check_status(unsafe {
        NtQueryInformationFile(
            handle.as_raw_handle(),
            &raw mut status,
            (&raw mut information).cast::<c_void>(),
            size_of::<T>() as u32,
            T::CLASS,
        )
    })?;
    Ok(information)
}

/// NtQueryInformationFile: the path on its volume of what is open, as WTF-8 with `/` between the names.
pub(super) fn name(handle: &OwnedHandle) -> Result<Vec<u8>, Code> {
    match name_within(handle, &mut [0; USUAL_NAME]) {
        Err(MORE_DATA) => name_within(handle, &mut vec![0; LONGEST_NAME]),
        name => name,
    }
}

/// FILE_NAME_INFORMATION in a buffer of numbers, because it begins with one: the length of the name in bytes.
///
/// # Errors
///
/// ERROR_MORE_DATA if the name does not fit.
fn name_within(handle: &OwnedHandle, buffer: &mut [u32]) -> Result<Vec<u8>, Code> {
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open and synchronous, and the size is that of the buffer.
    check_status(unsafe {
        NtQueryInformationFile(
            handle.as_raw_handle(),
            &raw mut status,
            buffer.as_mut_ptr().cast::<c_void>(),
            size_of_val(buffer) as u32,
            FileNameInformation,
        )
    })?;
    let (length, units) = buffer.split_first().ok_or(INVALID_NAME)?;
    let bytes = units.iter().flat_map(|pair| pair.to_ne_bytes());
    let bytes: Vec<u8> = bytes.take(*length as usize).collect();
    let mut name = Vec::new();
    records::Name::new(&bytes).push_wtf8(&mut name);
    Ok(name)
}

/// GetFileInformationByHandle: the serial number of the volume, of 32 bits. Slow: the call asks for everything else
/// as well.
pub(super) fn volume_number(handle: &OwnedHandle) -> Result<u32, Code> {
    let mut information = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open and the structure is the one that the call fills.
    check(unsafe { GetFileInformationByHandle(handle.as_raw_handle(), &raw mut information) })?;
    Ok(information.dwVolumeSerialNumber)
}

/// GetFileInformationByHandleEx, for the classes that list a directory. Returns false at the end.
pub(super) fn next_entries(
    handle: &OwnedHandle,
    class: FILE_INFO_BY_HANDLE_CLASS,
    buffer: &mut [u64],
) -> Result<bool, Code> {
    let bytes = u32::try_from(size_of_val(buffer)).unwrap_or(u32::MAX);
    // SAFETY: the handle is open, and the call writes no more than `bytes` into the buffer.
    let result = unsafe {
        GetFileInformationByHandleEx(
            handle.as_raw_handle(),
            class,
            buffer.as_mut_ptr().cast::<c_void>(),
            bytes,
        )
    };
    match check(result) {
        Ok(()) => Ok(true),
        Err(Code(NO_MORE_FILES)) => Ok(false),
        Err(code) => Err(code),
    }
}

/// GetVolumeInformationByHandleW: the name of the file system, such as `NTFS`.
pub(super) fn file_system(handle: &OwnedHandle) -> Result<String, Code> {
    let mut name = [0_u16; 64];
    // SAFETY: the handle is open, the length is that of the buffer, and the others may be null.
    check(unsafe {
        GetVolumeInformationByHandleW(
            handle.as_raw_handle(),
            null_mut(),
            0,
            null_mut(),
            null_mut(),
            null_mut(),
            name.as_mut_ptr(),
            name.len() as u32,
        )
    })?;
    let length = name.iter().position(|&unit| unit == 0);
    Ok(String::from_utf16_lossy(
        &name[..length.unwrap_or(name.len())],
    ))
}

/// NtQueryVolumeInformationFile: whether the volume is reached over the network.
pub(super) fn is_remote(handle: &OwnedHandle) -> Result<bool, Code> {
    let mut information = FILE_FS_DEVICE_INFORMATION::default();
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open and synchronous, and the size is that of the structure.
    check_status(unsafe {
        NtQueryVolumeInformationFile(
            handle.as_raw_handle(),
            &raw mut status,
            (&raw mut information).cast::<c_void>(),
            size_of::<FILE_FS_DEVICE_INFORMATION>() as u32,
            FileFsDeviceInformation,
        )
    })?;
    Ok(information.Characteristics & FILE_REMOTE_DEVICE != 0)
}

/// GetSystemTimeAsFileTime: the clock that files are stamped with. It advances in steps of 1 to 16 milliseconds.
pub(super) fn clock() -> FILETIME {
    let mut now = FILETIME::default();
    // SAFETY: fills the structure.
    unsafe { GetSystemTimeAsFileTime(&raw mut now) };
    now
}

/// Whether this is Wine, whose `ntdll.dll` exports `wine_get_version`.
pub(super) fn is_wine() -> bool {
    // SAFETY: the name ends with a zero, and this library is never unloaded.
    unsafe {
        let library = GetModuleHandleA(c"ntdll.dll".as_ptr().cast());
        !library.is_null() && GetProcAddress(library, c"wine_get_version".as_ptr().cast()).is_some()
    }
}

/// NtQueryDirectoryFile: fills the buffer with the one entry that the directory finds under `name`, by
/// any of its names, in the layout of FILE_ID_BOTH_DIR_INFO. The handle is used for nothing else
/// afterwards: the name stays with it.
pub(super) fn find_entry(
    handle: &OwnedHandle,
    name: &[u8],
    buffer: &mut [u64],
) -> Result<(), Code> {
    // In a pattern these mean something; in a name they cannot be.
    if name.iter().any(|byte| b"*?<>\"".contains(byte)) {
        return Err(INVALID_NAME);
    }
    let name = Name::new(name)?;
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open and synchronous, the name and the status block live until the call
    // returns, and it writes no more into the buffer than the length that it was given.
    check_status(unsafe {
        NtQueryDirectoryFile(
            handle.as_raw_handle(),
            null_mut(),
            None,
            null(),
            &raw mut status,
            buffer.as_mut_ptr().cast::<c_void>(),
            u32::try_from(size_of_val(buffer)).unwrap_or(u32::MAX),
            FileIdBothDirectoryInformation,
            true,
            &raw const *name.string,
            true,
        )
    })
}

/// ReadFile, on a synchronous handle. Returns the number of bytes, 0 at the end.
pub(super) fn read(handle: &OwnedHandle, buffer: &mut [u8]) -> Result<usize, Code> {
    let mut read = 0;
    let bytes = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
    // SAFETY: the handle is open and synchronous, so the call is over when it returns.
    check(unsafe {
        ReadFile(
            handle.as_raw_handle(),
            buffer.as_mut_ptr(),
            bytes,
            &raw mut read,
            null_mut(),
        )
    })?;
    Ok(read as usize)
}
