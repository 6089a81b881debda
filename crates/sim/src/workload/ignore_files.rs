//! Ignore files, understood a second time: what must not be reported to a consumer.
//!
//! The files have one of a few texts, depending on the version of the file, in which every line is
//! a plain name. That is enough to test when rules are read and what they govern; what lines mean
//! is tested elsewhere.

use crate::disk::{Content, Disk, Ino};

pub(crate) const FILE: &[u8] = b".gitignore";

const TEXTS: [&str; 7] = [
    "",
    "a\n",
    "b/\n",
    "# nothing\nc\n!d\n",
    "/e\n",
    "*\n!.gitignore\n!f/\n",
    "d/\n!a\n",
];

/// The text of the file of this version.
pub(crate) fn text(version: u64) -> &'static str {
    TEXTS[(version % TEXTS.len() as u64) as usize]
}

/// Whether rules hide the entry. `ancestors` are the directories from the root to the one that the entry is
/// in, each with its own name.
pub(crate) fn hide(disk: &Disk, ancestors: &[(Ino, &[u8])], name: &[u8], is_dir: bool) -> bool {
    if name == b".git" {
        return true;
    }
    for (at, &(dir, _)) in ancestors.iter().enumerate().rev() {
        // Rules that cannot be read are none.
        let file = disk.entry(dir, FILE).map(|ino| disk.inode(ino));
        let Some(file) = file.filter(|file| file.is_readable) else {
            continue;
        };
        let Content::File(version) = &file.content else {
            continue;
        };
        let candidate = Candidate {
            name,
            is_dir,
            is_own: at + 1 == ancestors.len(),
        };
        let verdict = text(*version)
            .lines()
            .rev()
            .find_map(|line| verdict(line, candidate));
        if let Some(verdict) = verdict {
            return verdict;
        }
    }
    false
}

/// An entry that a line may match.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    name: &'a [u8],
    is_dir: bool,
    /// It is directly in the directory of the ignore file.
    is_own: bool,
}

/// Whether the line hides the entry, or shows it; `None` if it does not match.
fn verdict(line: &str, candidate: Candidate<'_>) -> Option<bool> {
    let Candidate {
        name,
        is_dir,
        is_own,
    } = candidate;
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (line, hides) = match line.strip_prefix('!') {
        Some(line) => (line, false),
        None => (line, true),
    };
    let (line, is_for_dirs) = match line.strip_suffix('/') {
        Some(line) => (line, true),
        None => (line, false),
    };
    let (line, is_anchored) = match line.strip_prefix('/') {
        Some(line) => (line, true),
        None => (line, false),
    };
    let fits = (line == "*" || line.as_bytes() == name)
        && (is_dir || !is_for_dirs)
        && (is_own || !is_anchored);
    fits.then_some(hides)
}
