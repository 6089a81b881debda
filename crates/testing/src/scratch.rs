//! Scratch directories: fresh places to work in, removed with all below them when dropped.
//!
//! The kind of file system matters to a test. Memory (tmpfs) does not slow writers down; a disk reuses
//! inode numbers at once, which is where mistaken identities show. Names are random, not process ids: Wine
//! reuses process ids, and what an earlier run left behind must not be found.

use tempfile::{Builder, TempDir};

/// A kind of file system to work on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Where the system keeps temporary files.
    Temporary,
    /// A file system on a device: `/var/tmp`, or the directory that `EVERWATCH_DISK` names.
    Disk,
    /// Memory: `/dev/shm`.
    Memory,
}

impl Place {
    /// The places on which file systems differ.
    pub const ALL: [Place; 2] = [Place::Memory, Place::Disk];

    /// A name for messages and tables.
    pub fn name(self) -> &'static str {
        match self {
            Place::Temporary => "temporary",
            Place::Disk => "disk",
            Place::Memory => "tmpfs",
        }
    }

    /// The directory of this place; `None` for the system's default.
    fn directory(self) -> Option<std::path::PathBuf> {
        let path = match self {
            Place::Temporary => return None,
            Place::Memory => "/dev/shm",
            Place::Disk => match std::env::var_os("EVERWATCH_DISK") {
                Some(path) => return Some(path.into()),
                None => "/var/tmp",
            },
        };
        // Under Wine the drive Z: is the root directory of Unix.
        Some(match cfg!(windows) {
            true => format!("Z:{}", path.replace('/', "\\")).into(),
            false => path.into(),
        })
    }
}

/// A fresh directory in `place`, or where temporary files are if there is no such place here.
///
/// # Panics
///
/// If no directory can be made.
pub fn scratch(place: Place) -> TempDir {
    let builder = || {
        let mut builder = Builder::new();
        builder.prefix("everwatch-").rand_bytes(12);
        builder
    };
    place
        .directory()
        .and_then(|directory| builder().tempdir_in(directory).ok())
        .unwrap_or_else(|| builder().tempdir().expect("a directory to work in"))
}

/// A fresh directory where temporary files are.
pub fn temp() -> TempDir {
    scratch(Place::Temporary)
}

/// A fresh directory on a disk.
pub fn disk() -> TempDir {
    scratch(Place::Disk)
}

/// A fresh directory in memory, where there is one: for large trees, which take their time on a busy disk.
pub fn memory() -> TempDir {
    scratch(Place::Memory)
}
