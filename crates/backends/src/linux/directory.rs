//! Opening, looking and listing, always relative to an open directory.

use std::mem::MaybeUninit;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::path::Path;

use everwatch_core::entry::{Birth, FileType, Identity, InodeNumber, Stat};
use everwatch_core::fault::{Fault, FaultKind};
use everwatch_core::listing::Listing;
use everwatch_core::time::FileTime;
use rustix::fs::{
    AtFlags, CWD, FileType as UnixType, Mode, OFlags, RawDir, SeekFrom, Statx, StatxFlags, openat,
    seek, statat, statx,
};
use rustix::io::Errno;
use rustix::path::Arg;

use super::fault;

/// O_DIRECTORY refuses what is no directory with ENOTDIR, before anything is done to it.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Opens a root, following symbolic links.
pub(super) fn open_root(path: &Path) -> Result<OwnedFd, Fault> {
    openat(CWD, path, DIRECTORY, Mode::empty()).map_err(fault)
}

/// Whether an open directory may still be read and searched, faccessat2(2). False if the system does not say.
pub(super) fn is_readable(dir: &OwnedFd) -> bool {
    use rustix::fs::{Access, accessat};

    accessat(
        dir,
        c".",
        Access::READ_OK | Access::EXEC_OK,
        AtFlags::EACCESS,
    )
    .is_ok()
}

/// Opens the directory `name` in `parent`. One component; a symbolic link is no directory.
pub(super) fn open_below(parent: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Fault> {
    let flags = DIRECTORY | OFlags::NOFOLLOW;
    openat(parent, name, flags, Mode::empty()).map_err(fault)
}

/// Reads the beginning of a regular file without following a symbolic link, or blocking on a pipe.
pub(super) fn read_file(dir: &OwnedFd, name: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(dir, name, flags, Mode::empty()).map_err(fault)?;
    let stat = rustix::fs::fstat(&file).map_err(fault)?;
    if UnixType::from_raw_mode(stat.st_mode) != UnixType::RegularFile {
        return Err(Fault {
            kind: FaultKind::Other,
            code: 0,
        });
    }
    let mut text = Vec::new();
    let mut chunk = [0; 8192];
    while text.len() < limit {
        match rustix::io::read(&file, &mut chunk) {
            Ok(0) => break,
            Ok(n) => text.extend_from_slice(&chunk[..n]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(fault(errno)),
        }
    }
    text.truncate(limit);
    Ok(text)
}

/// Identifies an open directory: device, inode number and time of birth, statx(2).
pub(super) fn identity(dir: &OwnedFd) -> Result<Identity, Fault> {
    look(dir, c"", AtFlags::EMPTY_PATH).map(|stat| stat.identity())
}

/// Looks at an entry itself, statx(2).
pub(super) fn stat(dir: &OwnedFd, name: impl Arg + Copy) -> Result<Stat, Fault> {
    look(dir, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Looks by statx(2), or by fstatat(2) where a kernel before 4.11 or a sandbox has no statx: then without the
/// time of birth.
fn look(dir: &OwnedFd, name: impl Arg + Copy, flags: AtFlags) -> Result<Stat, Fault> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    match statx(dir, name, flags, wanted) {
        Ok(found) => Ok(from_statx(&found)),
        Err(Errno::NOSYS) => {
            let found = statat(dir, name, flags).map_err(fault)?;
            Ok(Stat {
                kind: kind(UnixType::from_raw_mode(found.st_mode)).unwrap_or(FileType::Other),
                device: found.st_dev,
                inode: InodeNumber::new(found.st_ino),
                birth: Birth::Unknown,
                modified: file_time(found.st_mtime, found.st_mtime_nsec),
                changed: file_time(found.st_ctime, found.st_ctime_nsec),
                size: found.st_size as u64,
                links: NonZeroU32::new(u32::try_from(found.st_nlink).unwrap_or(u32::MAX)),
            })
        }
        Err(errno) => Err(fault(errno)),
    }
}

/// The answer of statx(2) in the words of the core.
fn from_statx(found: &Statx) -> Stat {
    let time = |time: rustix::fs::StatxTimestamp| -> FileTime {
        time.tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(time.tv_nsec))
    };
    let has_birth = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    // A file system may claim to keep the time and leave it at zero.
    let created_at = Some(time(found.stx_btime)).filter(|&time| has_birth && time != 0);
    Stat {
        kind: kind(UnixType::from_raw_mode(u32::from(found.stx_mode))).unwrap_or(FileType::Other),
        device: u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor),
        inode: InodeNumber::new(found.stx_ino),
        birth: created_at.map_or(Birth::Unknown, Birth::At),
        modified: time(found.stx_mtime),
        changed: time(found.stx_ctime),
        size: found.stx_size,
        links: NonZeroU32::new(found.stx_nlink),
    }
}

/// What an entry is; `None` if the listing does not say.
fn kind(kind: UnixType) -> Option<FileType> {
    match kind {
        UnixType::RegularFile => Some(FileType::File),
        UnixType::Directory => Some(FileType::Dir),
        UnixType::Symlink => Some(FileType::Symlink),
        UnixType::Unknown => None,
        _ => Some(FileType::Other),
    }
}

/// Lists a directory from its beginning, getdents64(2). What was made before the call is in the listing: on btrfs,
/// without the rewind, it ends with what existed when the directory was opened (Linux 6.6, "btrfs: set last dir index
/// to the current last index when opening dir" and "btrfs: refresh dir last index during a rewinddir(3) call").
/// Directories are watched between the two.
pub(super) fn list(
    dir: &OwnedFd,
    buffer: &mut [MaybeUninit<u8>],
    listing: &mut Listing,
) -> Result<(), Fault> {
    // A directory that cannot be rewound is listed from where it is: at its beginning, if it was just opened.
    let _ = seek(dir, SeekFrom::Start(0));
    let mut entries = RawDir::new(dir, buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            listing.push(name, InodeNumber::new(entry.ino()), kind(entry.file_type()));
        }
    }
    Ok(())
}

/// A time of a file in nanoseconds. Whether the fraction is signed depends on what rustix stands on.
fn file_time(seconds: i64, nanos: impl TryInto<i64>) -> i64 {
    seconds * 1_000_000_000 + nanos.try_into().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &OwnedFd) -> Vec<Vec<u8>> {
        let mut listing = Listing::default();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        list(dir, &mut buffer, &mut listing).expect("it is listed");
        let mut names: Vec<_> = listing.iter().map(|entry| entry.name.to_vec()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_listing_has_what_was_made_after_the_directory_was_opened() {
        let temp = tempfile::tempdir().expect("a directory");
        let dir = open_root(temp.path()).expect("it is opened");
        for made in ["a", "b"] {
            std::fs::write(temp.path().join(made), "").expect("a file");
        }
        assert_eq!(names(&dir), [b"a", b"b"]);
        std::fs::write(temp.path().join("c"), "").expect("a file");
        assert_eq!(names(&dir), [b"a", b"b", b"c"]);
    }
}
