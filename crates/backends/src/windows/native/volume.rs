//! Volumes: whether they notify, and what their numbers are worth.

use std::path::Path;

use everwatch_core::coverage::Gap;

use super::calls;
use super::directory::{self, Directory};
use crate::windows::system_calls::{Code, Numbers, Volume};

/// The volume that a directory is on. Only NTFS and ReFS never give a number to a second entry, and under Wine the
/// numbers are those of the file system of the host.
pub(super) fn of(dir: &Directory, is_wine: bool) -> Result<Volume, Code> {
    let has_unique_numbers =
        !is_wine && matches!(&*calls::file_system(&dir.handle)?, "NTFS" | "ReFS");
    Ok(Volume {
        is_remote: calls::is_remote(&dir.handle)?,
        numbers: match (has_unique_numbers, dir.volume.is_wide) {
            (true, false) => Numbers::Unique,
            (true, true) => Numbers::UniqueAndWide,
            (false, _) => Numbers::Reused,
        },
    })
}

/// The name of the file system at `path`, and why it cannot be watched, if it cannot.
pub fn describe(path: &Path) -> std::io::Result<(String, Option<Gap>)> {
    let of_code = |code: Code| std::io::Error::from_raw_os_error(code.0.cast_signed());
    let dir = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(path)
    };
    let dir = directory::open_root(dir).map_err(of_code)?;
    let name = calls::file_system(&dir.handle).map_err(of_code)?;
    Ok((name, None))
}

/// Windows has no limits of its own for watching.
pub fn limits() -> [(&'static str, Option<u64>); 0] {
    []
}
