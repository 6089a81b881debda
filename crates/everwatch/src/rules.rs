//! What is above a root: ignore rules of the repository it lies in. The root's own path is trusted,
//! so these files are read by path.

use std::path::{Component, Path, PathBuf};

use everwatch_core::filter::OuterRules;

/// The rules that directories above `root` have for it: the `.gitignore` files up to the top of the
/// repository and, weakest, the repository's `info/exclude`. The nearest directory comes first.
pub(crate) fn above(root: &Path) -> Vec<OuterRules> {
    let Some(top) = root.ancestors().find(|dir| dir.join(".git").exists()) else {
        return Vec::new();
    };
    let mut rules = Vec::new();
    let mut add = |dir: &Path, file: PathBuf| {
        if let (Ok(prefix), Some(text)) = (root.strip_prefix(dir), read(&file)) {
            rules.push(OuterRules::new(prefix.to_owned(), &text));
        }
    };
    for dir in root
        .ancestors()
        .skip(1)
        .take_while(|dir| dir.starts_with(top))
    {
        add(dir, dir.join(".gitignore"));
    }
    add(top, top.join(".git/info/exclude"));
    rules
}

/// Reads a regular file that is not unreasonably large.
fn read(file: &Path) -> Option<Vec<u8>> {
    let metadata = std::fs::metadata(file).ok()?;
    let is_sound = metadata.is_file() && metadata.len() <= LARGEST;
    is_sound.then(|| std::fs::read(file).ok()).flatten()
}

/// Files of rules that are larger are taken for a mistake.
const LARGEST: u64 = 1 << 20;

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
