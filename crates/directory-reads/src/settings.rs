//! Settings of a directory read, and which of them are impossible.

use crate::codes::ERROR_INVALID_PARAMETER;
use crate::error::{Error, Stage};

/// The largest buffer for a directory on the network, in bytes: the packet size of file sharing protocols
/// (MSDN, ReadDirectoryChangesW).
pub const LARGEST_REMOTE_BUFFER: u32 = 64 * 1024;

/// The name of one directory that is read, chosen by the caller. A reader takes each once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tag(pub u64);

/// The layout of the records in a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Layout {
    /// `FILE_NOTIFY_INFORMATION`: action and name.
    Plain,
    /// `FILE_NOTIFY_EXTENDED_INFORMATION`: times, sizes, attributes and file ids as well.
    Extended,
}

/// The kinds of change that are recorded: `FILE_NOTIFY_CHANGE_*` bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Filter(pub u32);

impl Filter {
    /// Files that are created, renamed or removed.
    pub const FILE_NAME: Filter = Filter(0x001);
    /// Directories that are created, renamed or removed.
    pub const DIRECTORY_NAME: Filter = Filter(0x002);
    /// Changed attributes.
    pub const ATTRIBUTES: Filter = Filter(0x004);
    /// Changed sizes.
    pub const SIZE: Filter = Filter(0x008);
    /// Writes.
    pub const LAST_WRITE: Filter = Filter(0x010);
    /// Reads, where the volume keeps the time of the last access. A program that reads the files that it
    /// gets records of causes the next records.
    pub const LAST_ACCESS: Filter = Filter(0x020);
    /// Changed creation times.
    pub const CREATION: Filter = Filter(0x040);
    /// Changed access rights.
    pub const SECURITY: Filter = Filter(0x100);
    /// Everything but reads.
    pub const CHANGES: Filter = Filter(0x15f);

    /// All bits that Windows defines.
    const KNOWN: u32 = 0x17f;
}

impl std::ops::BitOr for Filter {
    type Output = Filter;

    fn bitor(self, other: Filter) -> Filter {
        Filter(self.0 | other.0)
    }
}

/// The settings of one directory. The kernel latches all of them with the first read on a handle, so a change
/// of settings takes a second tag, which must be armed before the first is retired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Whether changes anywhere below the directory are recorded, or only those of its own entries.
    pub deep: bool,
    /// The kinds of change that are recorded.
    pub filter: Filter,
    /// The size of a buffer in bytes. Each directory has two of them, and the kernel has a third.
    pub bytes: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            deep: true,
            filter: Filter::CHANGES,
            bytes: LARGEST_REMOTE_BUFFER,
        }
    }
}

impl Settings {
    /// Refuses settings that the kernel would refuse, or worse, accept: no buffer, no filter, an unknown filter,
    /// or a buffer of more than [`LARGEST_REMOTE_BUFFER`] for a directory on the network.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` at the stage [`Stage::Settings`].
    pub fn validate(&self, is_remote: bool) -> Result<(), Error> {
        let is_filter_known = self.filter.0 & !Filter::KNOWN == 0;
        let fits = self.bytes > 0 && !(is_remote && self.bytes > LARGEST_REMOTE_BUFFER);
        if self.filter.0 != 0 && is_filter_known && fits {
            Ok(())
        } else {
            Err(Error::new(Stage::Settings, ERROR_INVALID_PARAMETER))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // requirement: S0.15
    #[test]
    fn settings_are_validated() {
        let good = Settings::default();
        let with_bytes = |bytes| Settings { bytes, ..good };
        let with_filter = |filter| Settings {
            filter: Filter(filter),
            ..good
        };
        let cases = [
            (good, false, true),
            (good, true, true),
            (with_bytes(0), false, false),
            (with_bytes(1), false, true),
            (with_bytes(LARGEST_REMOTE_BUFFER + 1), false, true),
            (with_bytes(LARGEST_REMOTE_BUFFER + 1), true, false),
            (with_filter(0), false, false),
            (with_filter(0x17f), false, true),
            (with_filter(0x200), false, false),
        ];
        for (settings, is_remote, is_fine) in cases {
            assert_eq!(
                settings.validate(is_remote).is_ok(),
                is_fine,
                "{settings:?}, remote: {is_remote}"
            );
        }
    }
}
