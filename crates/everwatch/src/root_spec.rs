//! Root specifications: what the engine watches for a path as a caller spelled it.

use std::path::{Component, Path, PathBuf};

use everwatch_core::engine::RootSpec;
use everwatch_core::ignore::IgnoreFiles;

use crate::error::{Error, ErrorKind};
#[cfg(feature = "globs")]
use crate::git_repository::GitRepository;

/// The specification of the root at `path`: a directory, or the entry of a file in its directory.
///
/// Nothing is opened yet. The errors are those of looking at the path.
pub(crate) fn root_spec(
    path: &Path,
    recursive: bool,
    ignore_files: IgnoreFiles,
) -> Result<RootSpec, Error> {
    let fail = |error: std::io::Error| Error::from_io(&error, "watch").with_path(path);
    let absolute = without_dots(&std::path::absolute(path).map_err(fail)?);
    let metadata = std::fs::metadata(&absolute).map_err(fail)?;
    if metadata.is_dir() {
        let outer = match ignore_files {
            #[cfg(feature = "globs")]
            IgnoreFiles::Git => GitRepository::of(&absolute)
                .map(|repository| repository.ignores(&absolute))
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        return Ok(RootSpec {
            dir: absolute,
            only: None,
            recursive,
            outer,
        });
    }
    // Writes to a file are reported in the directory that the file is in.
    let is_link = std::fs::symlink_metadata(&absolute).is_ok_and(|link| link.is_symlink());
    let file = match is_link {
        true => absolute.canonicalize().map_err(fail)?,
        false => absolute,
    };
    match (file.parent(), file.file_name()) {
        (Some(dir), Some(name)) => Ok(RootSpec {
            dir: dir.to_owned(),
            only: Some(everwatch_core::path::to_bytes(Path::new(name))),
            recursive: false,
            outer: Vec::new(),
        }),
        _ => Err(Error::new(ErrorKind::BadPath, "watch").with_path(path)),
    }
}

/// Drops `.` components. A path with `..` is resolved by the file system, because the component before
/// it may be a symbolic link; any other path keeps the caller's spelling.
fn without_dots(path: &Path) -> PathBuf {
    let has_parent = path.components().any(|part| part == Component::ParentDir);
    if has_parent {
        return path.canonicalize().unwrap_or_else(|_| path.to_owned());
    }
    path.components().collect()
}
