//! The report on a path: what its file system and the limits of this machine allow.

use std::path::{Path, PathBuf};

use everwatch_backends::{describe_volume, limits};
use everwatch_core::coverage::Gap;

use crate::error::Error;
use crate::options::Backend;

/// What is known about watching a path before anything is watched: see [`inspect`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The path, absolute.
    pub path: PathBuf,
    /// The type of its file system, such as `ext4` or `NTFS`.
    pub file_system: String,
    /// Why it would be polled, if it would be.
    pub gap: Option<Gap>,
    /// The backend that watches it if it is not polled.
    pub backend: Backend,
    /// The limits of inotify, by the names of their sysctls below `fs.inotify`; `None` for one that
    /// cannot be read. Empty on other systems.
    pub limits: Vec<(&'static str, Option<u64>)>,
}

/// Looks at `path` and at the limits of the system. Changes nothing, and blocks for two or three system
/// calls.
///
/// # Errors
///
/// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is nothing at the path,
/// [`ErrorKind::Denied`](crate::ErrorKind::Denied) if permissions forbid looking at it.
pub fn inspect(path: impl AsRef<Path>) -> Result<Report, Error> {
    let path = path.as_ref();
    let fail = |error: &std::io::Error| Error::from_io(error, "inspect").with_path(path);
    let absolute = std::path::absolute(path).map_err(|error| fail(&error))?;
    let (file_system, gap) = describe_volume(&absolute).map_err(|error| fail(&error))?;
    Ok(Report {
        path: absolute,
        file_system,
        gap,
        backend: match cfg!(windows) {
            true => Backend::Windows,
            false => Backend::Inotify,
        },
        limits: limits().to_vec(),
    })
}
