//! The file that standard output goes to, if it may be below a root.
//!
//! To print that this file was modified would modify it again, forever. Such changes are left out, and
//! standard error says so once. Only `modified` causes itself: that the file was created, moved or
//! removed is printed.

use std::path::Path;

use everwatch::{Change, ChangeKind};

/// The identity of the command's own output, and whether its omission was reported.
#[derive(Debug)]
pub(crate) struct OwnOutput {
    /// Device and inode number of standard output; `None` unless it is a regular file. A file that was
    /// renamed or has other links is recognised, too.
    file: Option<(u64, u64)>,
    /// Whether the notice on standard error was written.
    is_reported: bool,
}

impl OwnOutput {
    /// Looks at standard output as it is now; a later redirection is not noticed.
    pub(crate) fn new() -> OwnOutput {
        OwnOutput {
            file: standard_output(),
            is_reported: false,
        }
    }

    /// Whether printing the change would cause the same change again. Costs a `stat` of the path, and
    /// only if standard output is a regular file.
    pub(crate) fn causes(&mut self, change: &Change) -> bool {
        let is_it = self.file.is_some()
            && change.kind == ChangeKind::Modified
            && identity(&change.path) == self.file;
        if is_it && !self.is_reported {
            self.is_reported = true;
            crate::say!(
                "everwatch: {} is where the changes are written to; that it is modified is not \
                 printed",
                everwatch::printable(&change.path)
            );
        }
        is_it
    }
}

/// The identity of standard output. The descriptor is duplicated, because a `File` closes its own.
#[cfg(unix)]
fn standard_output() -> Option<(u64, u64)> {
    use std::os::fd::AsFd;

    let copy = std::io::stdout().as_fd().try_clone_to_owned().ok()?;
    regular(&std::fs::File::from(copy).metadata().ok()?)
}

/// The identity of what is at the path now, which is not followed if it is a symbolic link.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    regular(&std::fs::symlink_metadata(path).ok()?)
}

/// Device and inode number of a regular file.
#[cfg(unix)]
fn regular(metadata: &std::fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;

    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

/// Not known without inode numbers: the output must not be below a root.
#[cfg(not(unix))]
fn standard_output() -> Option<(u64, u64)> {
    None
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}
