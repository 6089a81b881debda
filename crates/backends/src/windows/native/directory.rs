//! Opening, looking and listing, always relative to an open directory.

use std::num::NonZeroU32;
use std::os::windows::io::OwnedHandle;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use everwatch_core::entry::{Birth, FileType, InodeNumber, Stat};
use everwatch_core::listing::Listing;
use everwatch_core::path::to_path;
use everwatch_core::time::FileTime;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_BASIC_INFORMATION, FILE_DIRECTORY_FILE, FILE_ID_INFORMATION, FILE_INTERNAL_INFORMATION,
    FILE_NON_DIRECTORY_FILE,
};
use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_TAG_INFO, FILE_GENERIC_READ, FILE_INFO_BY_HANDLE_CLASS, FILE_READ_ATTRIBUTES,
    FileFullDirectoryInfo, FileFullDirectoryRestartInfo, FileIdBothDirectoryInfo,
    FileIdBothDirectoryRestartInfo, FileIdExtdDirectoryInfo, FileIdExtdDirectoryRestartInfo,
};

use super::calls::{self, StandardInformation, TO_LIST};
use super::entries::{Layout, entries};
use super::look_by_name::LookByName;
use super::resolved_name::Resolved;
use crate::windows::attributes::{is_reparse_point, kind_of, number_of};
use crate::windows::system_calls::Code;

/// ERROR_FILE_NOT_FOUND.
const NOT_FOUND: Code = Code(2);

/// ERROR_DIRECTORY: the name is not that of a directory.
const NOT_A_DIRECTORY: Code = Code(267);

/// ERROR_INVALID_DATA.
const INVALID_DATA: Code = Code(13);

/// Between 1601, from which Windows counts, and 1970, in steps of 100 nanoseconds.
const TO_1970: i64 = 116_444_736_000_000_000;

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    /// Synchronous; opened to list, to open entries and to be looked at.
    pub(super) handle: OwnedHandle,
    /// By which it was found, verbatim. It may be another's by now.
    pub(super) path: PathBuf,
    /// What was seen when it was opened. Which directory it is does not change.
    pub(super) seen: Stat,
    /// That of the root.
    pub(super) volume: RootVolume,
    /// What Wine calls it, once that was asked.
    alias: OnceLock<Vec<u8>>,
    /// The handle was used for a listing.
    is_listed: AtomicBool,
}

impl Directory {
    /// A directory that was just opened.
    fn new(handle: OwnedHandle, path: PathBuf, seen: Stat, volume: RootVolume) -> Directory {
        Directory {
            handle,
            path,
            seen,
            volume,
            alias: OnceLock::new(),
            is_listed: AtomicBool::new(false),
        }
    }
}

/// The volume that a root and all below it are on: no link is followed below a root.
#[derive(Clone, Copy, Debug)]
pub(super) struct RootVolume {
    /// The serial number, of 64 bits where the file system has one, else of 32.
    number: u64,
    /// Its numbers of entries do not fit into 64 bits, as those of ReFS.
    pub(super) is_wide: bool,
}

/// Opens a root, through links.
///
/// # Errors
///
/// ERROR_DIRECTORY if the path leads to something else; otherwise the code of the call that failed.
pub(super) fn open_root(path: &Path) -> Result<Directory, Code> {
    let path = super::verbatim(path);
    let handle = calls::open_path(&path)?;
    // One call where the file system knows its wide numbers, as most do.
    let volume = match calls::query::<FILE_ID_INFORMATION>(&handle) {
        Ok(wide) => RootVolume {
            number: wide.VolumeSerialNumber,
            is_wide: halves(wide.FileId.Identifier).1 != 0,
        },
        Err(_) => RootVolume {
            number: u64::from(calls::volume_number(&handle)?),
            is_wide: false,
        },
    };
    let seen = look(&handle, volume)?;
    if seen.kind != FileType::Dir {
        return Err(NOT_A_DIRECTORY);
    }
    Ok(Directory::new(handle, path, seen, volume))
}

/// Opens the directory `name` in `parent`. One component; a link is no directory. `hides_links` is set under
/// Wine, which opens what a link leads to.
pub(super) fn open_below(
    parent: &Directory,
    name: &[u8],
    hides_links: bool,
) -> Result<Directory, Code> {
    let handle = calls::open_entry(&parent.handle, name, TO_LIST, FILE_DIRECTORY_FILE)?;
    let seen = look(&handle, parent.volume)?;
    if seen.kind != FileType::Dir {
        return Err(NOT_A_DIRECTORY);
    }
    if hides_links {
        match resolved(parent, name, &handle)? {
            Resolved::TheEntry => {}
            Resolved::Elsewhere => return Err(NOT_A_DIRECTORY),
            Resolved::Other => return Err(NOT_FOUND),
        }
    }
    let path = path_below(&parent.path, name);
    Ok(Directory::new(handle, path, seen, parent.volume))
}

/// The verbatim path of an entry. No name means more than it says, so none is an absolute path.
fn path_below(parent: &Path, name: &[u8]) -> PathBuf {
    let mut path = parent.as_os_str().to_owned();
    if !path.as_encoded_bytes().ends_with(b"\\") {
        path.push("\\");
    }
    path.push(to_path(name.to_vec()));
    path.into()
}

/// Opens the same directory again.
pub(super) fn reopen(dir: &Directory) -> Result<Directory, Code> {
    let handle = calls::open_entry(&dir.handle, b"", TO_LIST, FILE_DIRECTORY_FILE)?;
    Ok(Directory::new(
        handle,
        dir.path.clone(),
        dir.seen,
        dir.volume,
    ))
}

/// Looks at what is open: times, size, links and number, each class of NtQueryInformationFile being a call of
/// its own.
fn look(handle: &OwnedHandle, volume: RootVolume) -> Result<Stat, Code> {
    let basic: FILE_BASIC_INFORMATION = calls::query(handle)?;
    let standard: StandardInformation = calls::query(handle)?;
    let inode = if volume.is_wide {
        let wide: FILE_ID_INFORMATION = calls::query(handle)?;
        wide_number_of(halves(wide.FileId.Identifier))
    } else {
        let number: FILE_INTERNAL_INFORMATION = calls::query(handle)?;
        number_of(number.IndexNumber.cast_unsigned())
    };
    let modified = time(basic.LastWriteTime);
    Ok(Stat {
        kind: kind(handle, basic.FileAttributes)?,
        device: volume.number,
        inode,
        birth: Birth::At(time(basic.CreationTime)),
        modified,
        changed: changed(basic.ChangeTime, modified),
        size: standard.size.cast_unsigned(),
        links: NonZeroU32::new(standard.links),
    })
}

/// Looks at the entry `name` itself, by its name where the system can, and otherwise by opening it: what a look by
/// name does not find, or may not see, the open has the code for. Under Wine, where `hides_links` is set, a link is
/// recognised by the path of what was opened.
pub(super) fn stat(
    dir: &Directory,
    name: &[u8],
    by_name: Option<LookByName>,
    hides_links: bool,
) -> Result<Stat, Code> {
    if let Some(seen) = by_name.and_then(|by_name| look_by_name(dir, name, by_name)) {
        return Ok(seen);
    }
    let handle = calls::open_entry(&dir.handle, name, FILE_READ_ATTRIBUTES, 0)?;
    let mut stat = look(&handle, dir.volume)?;
    if hides_links {
        match resolved(dir, name, &handle)? {
            // Listings show a link to a file as that.
            Resolved::Elsewhere if stat.kind == FileType::Dir => stat.kind = FileType::Symlink,
            Resolved::Other => return Err(NOT_FOUND),
            _ => {}
        }
    }
    Ok(stat)
}

/// What a look by name shows. It has the low half of a wide number only, and a directory query, which would have all of
/// it, has sizes and times that are not current ("FindFirstFileW", remarks).
fn look_by_name(dir: &Directory, name: &[u8], by_name: LookByName) -> Option<Stat> {
    if dir.volume.is_wide {
        return None;
    }
    let seen = by_name.look(&dir.handle, name).ok()?;
    let modified = time(seen.LastWriteTime);
    Some(Stat {
        kind: kind_of(seen.FileAttributes, seen.ReparseTag),
        device: dir.volume.number,
        inode: number_of(seen.FileId.cast_unsigned()),
        birth: Birth::At(time(seen.CreationTime)),
        modified,
        changed: changed(seen.ChangeTime, modified),
        size: seen.EndOfFile.cast_unsigned(),
        links: NonZeroU32::new(seen.NumberOfLinks),
    })
}

/// The time of the last change of anything. FAT keeps none.
fn changed(ticks: i64, modified: FileTime) -> FileTime {
    match ticks {
        0 => modified,
        ticks => time(ticks),
    }
}

/// What Wine has opened for a name, found by comparing the paths of both handles.
fn resolved(dir: &Directory, name: &[u8], handle: &OwnedHandle) -> Result<Resolved, Code> {
    let above = match dir.alias.get() {
        Some(above) => above,
        None => {
            let above = calls::name(&dir.handle)?;
            dir.alias.get_or_init(|| above)
        }
    };
    Ok(Resolved::of(above, name, &calls::name(handle)?))
}

/// What attributes say that an open entry is. Only a reparse point needs another call, for its tag.
fn kind(handle: &OwnedHandle, attributes: u32) -> Result<FileType, Code> {
    if !is_reparse_point(attributes) {
        return Ok(kind_of(attributes, 0));
    }
    let tag: FILE_ATTRIBUTE_TAG_INFO = calls::query(handle)?;
    Ok(kind_of(attributes, tag.ReparseTag))
}

/// The name that the directory lists for what it finds under `name`: in other letters, or long for a short one.
/// The directory is opened again, because a handle keeps the pattern of its first listing.
pub(super) fn spelling(dir: &Directory, name: &[u8], buffer: &mut [u64]) -> Result<Vec<u8>, Code> {
    let handle = calls::open_entry(&dir.handle, b"", TO_LIST, FILE_DIRECTORY_FILE)?;
    calls::find_entry(&handle, name, buffer)?;
    let mut spelling = Vec::new();
    match entries(buffer, Layout::Both).next() {
        Some(Ok(entry)) => entry.push_name(&mut spelling),
        _ => return Err(INVALID_DATA),
    }
    Ok(spelling)
}

/// Lists a directory, GetFileInformationByHandleEx, in the layout with the numbers that the volume has: wide ones,
/// those of 64 bits, or none.
pub(super) fn list(
    dir: &Directory,
    is_wine: bool,
    buffer: &mut [u64],
    listing: &mut Listing,
) -> Result<(), Code> {
    // Wine reads the names once for each handle, and shows the same ones when it is to begin again.
    if dir.is_listed.swap(true, Ordering::Relaxed) && is_wine {
        return list(&reopen(dir)?, is_wine, buffer, listing);
    }
    if dir.volume.is_wide {
        let classes = (FileIdExtdDirectoryRestartInfo, FileIdExtdDirectoryInfo);
        return list_as(dir, Layout::Extended, classes, buffer, listing);
    }
    let classes = (FileIdBothDirectoryRestartInfo, FileIdBothDirectoryInfo);
    match list_as(dir, Layout::Both, classes, buffer, listing) {
        // Some redirectors know no numbers.
        Err(Code(1 | 50 | 87 | 124)) => {
            listing.clear();
            let classes = (FileFullDirectoryRestartInfo, FileFullDirectoryInfo);
            list_as(dir, Layout::Full, classes, buffer, listing)
        }
        listed => listed,
    }
}

/// Lists a directory in one layout; `first` restarts the listing, `further` goes on with it.
fn list_as(
    dir: &Directory,
    layout: Layout,
    (first, further): (FILE_INFO_BY_HANDLE_CLASS, FILE_INFO_BY_HANDLE_CLASS),
    buffer: &mut [u64],
    listing: &mut Listing,
) -> Result<(), Code> {
    let mut class = first;
    let mut name = Vec::new();
    while calls::next_entries(&dir.handle, class, buffer)? {
        class = further;
        for entry in entries(buffer, layout) {
            let entry = entry.map_err(|_| INVALID_DATA)?;
            name.clear();
            entry.push_name(&mut name);
            if name != b"." && name != b".." {
                let kind = kind_of(entry.attributes, entry.tag);
                listing.push(&name, wide_number_of(entry.number), Some(kind));
            }
        }
    }
    Ok(())
}

/// Reads the first `limit` bytes of a regular file, not through a link. Blocks as long as the file system does.
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

/// The low half and the high half of a number of 128 bits.
fn halves(number: [u8; 16]) -> (u64, u64) {
    let number = u128::from_le_bytes(number);
    (number as u64, (number >> 64) as u64)
}

/// The number of an entry, which may have 128 bits.
fn wide_number_of(id: (u64, u64)) -> Option<InodeNumber> {
    match id {
        (u64::MAX, u64::MAX) => None,
        id => number_of(fold(id)),
    }
}

/// A number of 128 bits in 64: itself if it fits, and otherwise most likely no other's.
fn fold((low, high): (u64, u64)) -> u64 {
    low ^ high.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

/// The number that Win32 gives in two halves.
fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// Nanoseconds since 1970 of a time in steps of 100 nanoseconds since 1601. Beyond the years 1677 and 2262 it is
/// the earliest or the latest time there is.
fn time(ticks: i64) -> FileTime {
    ticks.saturating_sub(TO_1970).saturating_mul(100)
}

/// A FILETIME in nanoseconds since 1970.
pub(super) fn time_of(filetime: FILETIME) -> FileTime {
    time(join(filetime.dwHighDateTime, filetime.dwLowDateTime).cast_signed())
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;

    use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
    use windows_sys::Wdk::Storage::FileSystem::{
        FILE_INFORMATION_CLASS, FILE_STAT_INFORMATION, FileStatInformation,
    };
    use windows_sys::Win32::Foundation::{
        NTSTATUS, OBJ_DONT_REPARSE, STATUS_NOT_SUPPORTED, STATUS_SUCCESS,
    };
    use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

    use super::*;

    fn names(dir: &Directory) -> Vec<Vec<u8>> {
        let (mut buffer, mut listing) = (vec![0; 8192], Listing::default());
        list(dir, calls::is_wine(), &mut buffer, &mut listing).expect("a listing");
        let mut names: Vec<_> = listing.iter().map(|entry| entry.name.to_vec()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_directory_that_is_listed_again_shows_what_is_in_it_now() {
        let tree = tempfile::Builder::new().rand_bytes(12).tempdir();
        let tree = tree.expect("a directory");
        let dir = open_root(tree.path()).expect("it can be opened");
        std::fs::write(tree.path().join("first"), "").expect("a file");
        assert_eq!(names(&dir), [b"first"]);
        std::fs::write(tree.path().join("second"), "").expect("a file");
        std::fs::remove_file(tree.path().join("first")).expect("a file to remove");
        assert_eq!(names(&dir), [b"second"]);
    }

    #[test]
    fn a_directory_has_the_path_that_leads_to_it_however_it_was_opened() {
        let tree = tempfile::Builder::new().rand_bytes(12).tempdir();
        let tree = tree.expect("a directory");
        std::fs::create_dir_all(tree.path().join("a/b")).expect("directories");
        let root = open_root(tree.path()).expect("it can be opened");
        let below = |dir: &Directory, name: &[u8]| {
            open_below(dir, name, calls::is_wine()).expect("it can be opened")
        };
        let above = below(&root, b"a");
        let dir = reopen(&below(&above, b"b")).expect("it can be opened");
        let again = calls::open_path(&dir.path).expect("it can be opened by its path");
        let seen = look(&again, dir.volume).expect("it can be looked at");
        assert_eq!(seen.inode, dir.seen.inode);
    }

    #[test]
    fn a_path_below_is_the_name_and_nothing_that_a_name_may_look_like() {
        for (parent, name, expected) in [
            (r"\\?\C:\a", "b", r"\\?\C:\a\b"),
            (r"\\?\C:\", "b", r"\\?\C:\b"),
            (r"\\?\C:\a", "d:", r"\\?\C:\a\d:"),
            (r"\\?\C:\a", "b. ", r"\\?\C:\a\b. "),
        ] {
            let path = path_below(Path::new(parent), name.as_bytes());
            assert_eq!(path.as_os_str(), expected);
        }
    }

    #[test]
    fn numbers_that_fit_stay_and_the_others_differ() {
        assert_eq!(fold(halves(7_u128.to_le_bytes())), 7);
        let [one, other] = [1_u128 << 64 | 7, 2_u128 << 64 | 7].map(u128::to_le_bytes);
        assert_ne!(fold(halves(one)), fold(halves(other)));
    }

    /// Answers for every name: a file of five bytes with the number seven and two names.
    unsafe extern "system" fn knows_all(
        attributes: *const OBJECT_ATTRIBUTES,
        _status: *mut IO_STATUS_BLOCK,
        information: *mut c_void,
        length: u32,
        class: FILE_INFORMATION_CLASS,
    ) -> NTSTATUS {
        assert_eq!((class, length), (FileStatInformation, 72));
        // SAFETY: the caller's structure is that of the class.
        unsafe {
            assert_eq!((*attributes).Attributes, OBJ_DONT_REPARSE);
            *information.cast() = FILE_STAT_INFORMATION {
                FileId: 7,
                CreationTime: TO_1970 + 1,
                LastWriteTime: TO_1970 + 2,
                EndOfFile: 5,
                NumberOfLinks: 2,
                ..FILE_STAT_INFORMATION::default()
            };
        }
        STATUS_SUCCESS
    }

    /// Refuses, as a file system without such looks.
    unsafe extern "system" fn refuses(
        _attributes: *const OBJECT_ATTRIBUTES,
        _status: *mut IO_STATUS_BLOCK,
        _information: *mut c_void,
        _length: u32,
        _class: FILE_INFORMATION_CLASS,
    ) -> NTSTATUS {
        STATUS_NOT_SUPPORTED
    }

    #[test]
    fn what_is_looked_at_by_name_is_not_opened() {
        let tree = tempfile::Builder::new().rand_bytes(12).tempdir();
        let tree = tree.expect("a directory");
        let dir = open_root(tree.path()).expect("it can be opened");
        let by_name = Some(LookByName::scripted(knows_all));
        // There is no such file: an open would fail.
        let seen = stat(&dir, b"f", by_name, calls::is_wine()).expect("it is seen");
        assert_eq!((seen.kind, seen.size), (FileType::File, 5));
        assert_eq!((seen.birth, seen.modified), (Birth::At(100), 200));
        assert_eq!((seen.inode, seen.changed), (number_of(7), 200));
        assert_eq!(seen.links, NonZeroU32::new(2));
    }

    #[test]
    fn where_looks_by_name_are_refused_entries_are_opened() {
        let tree = tempfile::Builder::new().rand_bytes(12).tempdir();
        let tree = tree.expect("a directory");
        std::fs::write(tree.path().join("f"), "text").expect("a file");
        let dir = open_root(tree.path()).expect("it can be opened");
        let by_name = Some(LookByName::scripted(refuses));
        let seen = stat(&dir, b"f", by_name, calls::is_wine()).expect("it is seen");
        assert_eq!((seen.kind, seen.size), (FileType::File, 4));
        let missing = stat(&dir, b"g", by_name, calls::is_wine());
        assert_eq!(missing.expect_err("it is not there"), NOT_FOUND);
    }

    #[test]
    fn entries_of_volumes_with_wide_numbers_are_opened() {
        let tree = tempfile::Builder::new().rand_bytes(12).tempdir();
        let tree = tree.expect("a directory");
        let mut dir = open_root(tree.path()).expect("it can be opened");
        dir.volume.is_wide = true;
        let by_name = Some(LookByName::scripted(knows_all));
        let missing = stat(&dir, b"f", by_name, calls::is_wine());
        assert_eq!(missing.expect_err("it is not there"), NOT_FOUND);
    }
}
