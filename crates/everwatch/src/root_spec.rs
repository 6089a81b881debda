//! What is above a root: ignore rules of the repository it lies in.

use std::path::{Component, Path, PathBuf};

use everwatch_core::ignore::AncestorIgnores;

/// The files in which directories above `root` may have rules for it: `.gitignore` in each up to the
/// top of the repository and, weakest, the repository's `info/exclude`. The nearest comes first.
pub(crate) fn above(root: &Path) -> Vec<AncestorIgnores> {
    let Some(top) = root.ancestors().find(|dir| dir.join(".git").exists()) else {
        return Vec::new();
    };
    let file = |of: &Path, dir: PathBuf, name: &str| {
        let prefix = root.strip_prefix(of).ok()?.to_owned();
        Some(AncestorIgnores::of_file(prefix, dir, name))
    };
    let above = root.ancestors().skip(1);
    above
        .take_while(|dir| dir.starts_with(top))
        .filter_map(|dir| file(dir, dir.to_owned(), ".gitignore"))
        .chain(file(top, top.join(".git/info"), "exclude"))
        .collect()
}

/// Resolves `..` by the file system where it has to be and drops the rest of the dots by hand, so
/// that the path stays as the caller spelled it if it can.
pub(crate) fn without_dots(path: &Path) -> PathBuf {
    if path
        .components()
        .any(|component| component == Component::ParentDir)
    {
        return path.canonicalize().unwrap_or_else(|_| path.to_owned());
    }
    path.components().collect()
}
