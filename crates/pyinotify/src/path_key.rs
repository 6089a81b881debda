//! Path keys: paths in the form in which they are compared, absolute, by components, and on Windows
//! without regard to case.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use everwatch::{Error, ErrorKind};

/// The absolute path, in the caller's spelling. There may be nothing at it.
pub(super) fn absolute(path: &Path, operation: &'static str) -> Result<PathBuf, Error> {
    if let Some(illegal) = illegal(path, cfg!(windows)) {
        let detail = format!("no name can have {illegal:?} in it");
        return Err(Error::new(ErrorKind::BadPath, operation)
            .with_path(path)
            .with_detail(detail));
    }
    let absolute = std::path::absolute(path)
        .map_err(|error| Error::from_io(&error, operation).with_path(path))?;
    Ok(without_dots(&absolute))
}

/// Drops `.` components; a path with `..` is resolved by the file system, because the component before
/// it may be a symbolic link. The same as everwatch does with the path of a root.
fn without_dots(path: &Path) -> PathBuf {
    let has_parent = path.components().any(|part| part == Component::ParentDir);
    if has_parent {
        return path.canonicalize().unwrap_or_else(|_| path.to_owned());
    }
    path.components().collect()
}

/// The path that changes will name, and whether it is that of a directory. A symbolic link to a file
/// stands for the file's own path.
pub(super) fn existing(path: PathBuf, operation: &'static str) -> Result<(PathBuf, bool), Error> {
    let fail = |error: std::io::Error| Error::from_io(&error, operation).with_path(&path);
    let is_dir = std::fs::metadata(&path).map_err(fail)?.is_dir();
    if !is_dir && std::fs::symlink_metadata(&path).is_ok_and(|link| link.is_symlink()) {
        return Ok((path.canonicalize().map_err(fail)?, false));
    }
    Ok((path, is_dir))
}

/// A character of the path that no name can have on any file system of the operating system.
fn illegal(path: &Path, on_windows: bool) -> Option<char> {
    let is_illegal = |c: char| match on_windows {
        true => c < ' ' || "<>\"|?*:".contains(c),
        false => c == '\0',
    };
    path.components().find_map(|component| match component {
        Component::Normal(name) => name.to_string_lossy().chars().find(|&c| is_illegal(c)),
        _ => None,
    })
}

/// A path for comparisons: equal for all spellings of one absolute path.
pub(super) fn key(path: &Path) -> Cow<'_, Path> {
    match cfg!(windows) {
        true => Cow::Owned(folded(&path.to_string_lossy())),
        false => Cow::Borrowed(path),
    }
}

/// A path of Windows without regard to case, and to whether it is spelled with `\\?\`.
fn folded(path: &str) -> PathBuf {
    let path = path.to_lowercase().replace('/', "\\");
    let plain = match path.strip_prefix(r"\\?\unc\") {
        Some(share) => format!(r"\\{share}"),
        None => path.strip_prefix(r"\\?\").unwrap_or(&path).to_owned(),
    };
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_name_can_have_is_found_in_names_only() {
        assert_eq!(illegal(Path::new("a/b\0c"), false), Some('\0'));
        assert_eq!(illegal(Path::new("a/b?c"), false), None);
        for c in "<>\"|?*:\0\n".chars() {
            let path = PathBuf::from(format!("a/b{c}c"));
            assert_eq!(illegal(&path, true), Some(c));
        }
        assert_eq!(illegal(Path::new("../a b/ü.txt"), true), None);
    }

    #[test]
    fn spellings_of_one_path_of_windows_are_folded_into_one() {
        let plain = folded(r"C:\Dir\File");
        for same in [r"c:\dir\FILE", r"\\?\C:\dir\file", "C:/Dir/File"] {
            assert_eq!(folded(same), plain);
        }
        assert_eq!(folded(r"\\?\UNC\host\Share\a"), folded(r"\\Host\share\A"));
        assert_ne!(folded(r"C:\dir\file2"), plain);
    }
}
