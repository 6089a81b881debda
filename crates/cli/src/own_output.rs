//! The file that standard output goes to. If it is below a root, printing that it was written would
//! write to it again, for ever; so that is not printed, and a person is told so once.

use std::path::Path;

use everwatch::{Change, ChangeKind};

/// What the command writes to.
#[derive(Debug)]
pub(crate) struct OwnOutput {
    /// Device and inode number, if it is a regular file.
    file: Option<(u64, u64)>,
    was_told: bool,
}

impl OwnOutput {
    pub(crate) fn new() -> OwnOutput {
        OwnOutput {
            file: standard_output(),
            was_told: false,
        }
    }

    /// Whether the change is what printing it would cause again.
    pub(crate) fn causes(&mut self, change: &Change) -> bool {
        let is_it = self.file.is_some()
            && change.kind == ChangeKind::Modified
            && identity(&change.path) == self.file;
        if is_it && !self.was_told {
            self.was_told = true;
            crate::say!(
                "everwatch: {} is where the changes are written to; that it is modified is not \
                 printed",
                everwatch::printable(&change.path)
            );
        }
        is_it
    }
}

#[cfg(unix)]
fn standard_output() -> Option<(u64, u64)> {
    use std::os::fd::AsFd;

    let copy = std::io::stdout().as_fd().try_clone_to_owned().ok()?;
    regular(&std::fs::File::from(copy).metadata().ok()?)
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    regular(&std::fs::symlink_metadata(path).ok()?)
}

#[cfg(unix)]
fn regular(metadata: &std::fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;

    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn standard_output() -> Option<(u64, u64)> {
    None
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}
