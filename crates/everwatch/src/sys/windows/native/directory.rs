//! Opening, looking and listing, always relative to an open directory.

use std::os::windows::io::OwnedHandle;
use std::path::{Path, PathBuf};

use everwatch_core::change::FileType;
use everwatch_core::kernel::{FileTime, Listing, Stat};
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_BASIC_INFORMATION, FILE_DIRECTORY_FILE, FILE_INTERNAL_INFORMATION, FILE_NON_DIRECTORY_FILE,
};
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_TAG_INFO,
    FILE_GENERIC_READ, FILE_READ_ATTRIBUTES, FileIdBothDirectoryInfo,
    FileIdBothDirectoryRestartInfo,
};

use super::calls::{self, StandardInformation, TO_LIST};
use crate::sys::windows::system::Code;

/// ERROR_DIRECTORY: the name is not that of a directory.
const NOT_A_DIRECTORY: Code = Code(267);

/// Set in the tags of reparse points that stand for something elsewhere: links and mount points. Others
/// mark files that are kept in the cloud or compressed, which are what they look like.
const NAME_SURROGATE: u32 = 0x2000_0000;

/// Between 1601, from which Windows counts, and 1970, in steps of 100 nanoseconds.
const TO_1970: i64 = 116_444_736_000_000_000;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(super) handle: OwnedHandle,
    /// By which it was opened, if it is a root.
    pub(super) path: Option<PathBuf>,
    /// What was seen when it was opened. Which directory it is does not change.
    pub(super) seen: Stat,
}

/// Opens a root, through links.
pub(super) fn open_root(path: &Path) -> Result<Directory, Code> {
    let handle = calls::open_path(&super::verbatim(path))?;
    let volume = calls::volume_number(&handle)?;
    let seen = look(&handle, u64::from(volume))?;
    if seen.kind != FileType::Dir {
        return Err(NOT_A_DIRECTORY);
    }
    Ok(Directory {
        handle,
        path: Some(path.to_owned()),
        seen,
    })
}

/// Opens the directory `name` in `parent`. One component; a link is no directory.
pub(super) fn open_below(
    parent: &Directory,
    name: &[u8],
    hides_links: bool,
) -> Result<Directory, Code> {
    let handle = calls::open_entry(&parent.handle, name, TO_LIST, FILE_DIRECTORY_FILE)?;
    let seen = look(&handle, parent.seen.device)?;
    if seen.kind != FileType::Dir || (hides_links && is_hidden_link(parent, name)) {
        return Err(NOT_A_DIRECTORY);
    }
    Ok(Directory {
        handle,
        path: None,
        seen,
    })
}

/// Opens the same directory once more.
pub(super) fn reopen(dir: &Directory) -> Result<Directory, Code> {
    let handle = calls::open_entry(&dir.handle, b"", TO_LIST, FILE_DIRECTORY_FILE)?;
    Ok(Directory {
        handle,
        path: None,
        seen: dir.seen,
    })
}

/// Looks at what is open. No link is followed below a root, so all there is on the root's volume.
fn look(handle: &OwnedHandle, volume: u64) -> Result<Stat, Code> {
    let basic: FILE_BASIC_INFORMATION = calls::query(handle)?;
    let standard: StandardInformation = calls::query(handle)?;
    let number: FILE_INTERNAL_INFORMATION = calls::query(handle)?;
    let modified = time(basic.LastWriteTime);
    Ok(Stat {
        kind: kind(handle, basic.FileAttributes)?,
        device: volume,
        inode: number.IndexNumber.cast_unsigned(),
        born: time(basic.CreationTime),
        modified,
        // FAT keeps no time of the last change of anything.
        changed: match basic.ChangeTime {
            0 => modified,
            changed => time(changed),
        },
        size: standard.size.cast_unsigned(),
        links: standard.links,
    })
}

/// Looks at the entry `name` itself.
pub(super) fn stat(dir: &Directory, name: &[u8], hides_links: bool) -> Result<Stat, Code> {
    let handle = calls::open_entry(&dir.handle, name, FILE_READ_ATTRIBUTES, 0)?;
    let mut stat = look(&handle, dir.seen.device)?;
    if hides_links && stat.kind == FileType::Dir && is_hidden_link(dir, name) {
        stat.kind = FileType::Symlink;
    }
    Ok(stat)
}

/// Under Wine a symbolic link of the system below looks like the directory that it leads to when it is
/// open, and like a link in a listing.
fn is_hidden_link(dir: &Directory, name: &[u8]) -> bool {
    calls::attributes(&dir.handle, name)
        .is_ok_and(|attributes| attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0)
}

fn kind(handle: &OwnedHandle, attributes: u32) -> Result<FileType, Code> {
    if attributes & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        return Ok(kind_of(attributes, 0));
    }
    let tag: FILE_ATTRIBUTE_TAG_INFO = calls::query(handle)?;
    Ok(kind_of(attributes, tag.ReparseTag))
}

/// What attributes and a reparse tag say. Wine has links without a tag.
fn kind_of(attributes: u32, tag: u32) -> FileType {
    let is_link = attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0;
    if is_link && (tag == 0 || tag & NAME_SURROGATE != 0) {
        FileType::Symlink
    } else if attributes & FILE_ATTRIBUTE_DIRECTORY != 0 {
        FileType::Dir
    } else {
        FileType::File
    }
}

/// The name that the directory lists for what it finds under `name`.
pub(super) fn spelling(dir: &Directory, name: &[u8], buffer: &mut [u64]) -> Option<Vec<u8>> {
    let handle = calls::open_entry(&dir.handle, b"", TO_LIST, FILE_DIRECTORY_FILE).ok()?;
    calls::find_entry(&handle, name, buffer).ok()?;
    let mut spelling = Vec::new();
    super::entries::entries(buffer)
        .next()?
        .push_name(&mut spelling);
    Some(spelling)
}

/// Lists a directory, GetFileInformationByHandleEx.
pub(super) fn list(dir: &Directory, buffer: &mut [u64], listing: &mut Listing) -> Result<(), Code> {
    let mut class = FileIdBothDirectoryRestartInfo;
    let mut name = Vec::new();
    while calls::next_entries(&dir.handle, class, buffer)? {
        class = FileIdBothDirectoryInfo;
        for entry in super::entries::entries(buffer) {
            name.clear();
            entry.push_name(&mut name);
            if name != b"." && name != b".." {
                let kind = kind_of(entry.attributes, entry.tag);
                listing.push(&name, entry.number, Some(kind));
            }
        }
    }
    Ok(())
}

/// Reads the beginning of a regular file, not through a link.
pub(super) fn read_file(dir: &Directory, name: &[u8], limit: usize) -> Result<Vec<u8>, Code> {
    let handle = calls::open_entry(
        &dir.handle,
        name,
        FILE_GENERIC_READ,
        FILE_NON_DIRECTORY_FILE,
    )?;
    let basic: FILE_BASIC_INFORMATION = calls::query(&handle)?;
    if kind(&handle, basic.FileAttributes)? != FileType::File {
        return Err(NOT_A_DIRECTORY);
    }
    let mut text = vec![0; limit];
    let mut length = 0;
    while length < limit {
        match calls::read(&handle, &mut text[length..])? {
            0 => break,
            read => length += read,
        }
    }
    text.truncate(length);
    Ok(text)
}

fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Nanoseconds since 1970.
fn time(ticks: i64) -> FileTime {
    ticks.saturating_sub(TO_1970).saturating_mul(100)
}

pub(super) fn time_of(time_: FILETIME) -> FileTime {
    time(join(time_.dwHighDateTime, time_.dwLowDateTime).cast_signed())
}
