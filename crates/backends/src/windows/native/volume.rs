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

/// Whether the target of a junction is a volume: then a volume is mounted in the folder, and no path leads to what is
/// in it but that through the folder. `std::fs::read_link` returns `Volume{…}\` of the target `\??\Volume{…}\`.
pub(super) fn is_volume_name(target: &Path) -> bool {
    let first = target.iter().next();
    first.is_some_and(|first| first.as_encoded_bytes().starts_with(b"Volume{"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_junction_to_a_volume_is_a_mounted_volume_and_no_link() {
        let volume = "Volume{26a21bda-a627-11d7-9931-806e6f6e6963}/";
        assert!(is_volume_name(Path::new(volume)));
        for link in ["Volumes/a", "/a/Volume{b}", ""] {
            assert!(!is_volume_name(Path::new(link)), "{link}");
        }
    }
}
