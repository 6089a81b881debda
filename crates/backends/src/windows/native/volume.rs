//! Volumes: what Windows says of them.

use std::path::Path;

use everwatch_core::coverage::Gap;

use super::calls;
use super::directory::{self, Directory};
use crate::windows::system_calls::Code;
use crate::windows::volume::{FileSystem, Volume};

/// The volume that a directory is on. Under Wine its name says nothing: the file system is that of the host.
pub(super) fn of(dir: &Directory, is_wine: bool) -> Result<Volume, Code> {
    let file_system = match is_wine {
        true => FileSystem::Other,
        false => FileSystem::named(&calls::file_system(&dir.handle)?),
    };
    Ok(Volume {
        file_system,
        is_remote: calls::is_remote(&dir.handle)?,
        has_wide_numbers: dir.volume.is_wide,
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
