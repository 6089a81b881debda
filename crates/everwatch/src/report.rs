//! What this machine and a path on it can do.

use std::path::{Path, PathBuf};

use everwatch_core::coverage::Gap;

use crate::error::Error;
use crate::options::Backend;
use everwatch_backends as host;

/// What can be said about watching a path.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The path, absolute.
    pub path: PathBuf,
    /// The type of its file system.
    pub file_system: String,
    /// Why it would be polled, if it would be.
    pub gap: Option<Gap>,
    /// What watches it if it is not polled.
    pub backend: Backend,
    /// The limits of inotify by the names of their sysctls below `fs.inotify`, where readable. None on
    /// other systems.
    pub limits: Vec<(&'static str, Option<u64>)>,
}

/// Looks at `path` and at the system's limits. Changes nothing.
///
/// # Errors
///
/// If there is nothing at the path, or it may not be looked at.
pub fn inspect(path: impl AsRef<Path>) -> Result<Report, Error> {
    let path = path.as_ref();
    let fail = |error: &std::io::Error| Error::from_io(error, "inspect").with_path(path);
    let absolute = std::path::absolute(path).map_err(|error| fail(&error))?;
    let (file_system, gap) = host::describe_volume(&absolute).map_err(|error| fail(&error))?;
    Ok(Report {
        path: absolute,
        file_system,
        gap,
        backend: match cfg!(windows) {
            true => Backend::Windows,
            false => Backend::Inotify,
        },
        limits: host::limits().to_vec(),
    })
}
